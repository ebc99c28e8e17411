"""The images in an S3 bucket: django-storages' storage with limits. Needs the extra s3."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.config import Config
from storages.backends.s3 import S3Storage

from studies.storage.guard import size_of

# What asking for many sizes at once takes: a bucket answers one after some ten ms.
SIZES_AT_ONCE = 16


class S3Images(S3Storage):  # type: ignore[misc]  # comes without types
    """Options as django-storages has them (bucket_name, endpoint_url, region_name, access_key, ...), and these.

    A name that is written again is replaced, and no access list is set: the bucket is private, and the site alone
    serves what is in it.
    """

    def __init__(
        self, *, connect_seconds: float = 2, read_seconds: float = 4, attempts: int = 3, **options: Any
    ) -> None:
        """`attempts`: how often one request is sent before it has failed, within a second or two."""
        super().__init__(**{"file_overwrite": True, "default_acl": None, **options})
        limits = Config(
            connect_timeout=connect_seconds,
            read_timeout=read_seconds,
            retries={"total_max_attempts": attempts, "mode": "standard"},
            max_pool_connections=SIZES_AT_ONCE,
        )
        self.client_config: Config = self.client_config.merge(limits)

    def sizes(self, names: Collection[str]) -> dict[str, int | None]:
        """The size of each object in bytes; None where there is none."""
        _ = self.bucket  # made once, before the threads ask for it
        with ThreadPoolExecutor(SIZES_AT_ONCE) as threads:
            return dict(zip(names, threads.map(lambda name: size_of(self, name), names), strict=True))
