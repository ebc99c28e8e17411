"""How style sheets and scripts are stored for serving."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # comes without types
    """Names carry a hash of the content, also in the imports between scripts: no page mixes two versions."""

    support_js_module_import_aggregation = True
