"""How style sheets and scripts are stored for serving."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedFiles(CompressedManifestStaticFilesStorage):
    """Names carry a hash of the content, in the imports between scripts too: after an upgrade no page mixes versions."""

    support_js_module_import_aggregation = True
