"""Some tests need more than srcore does: they are passed over where it is missing, but never in CI."""

import os
from importlib import import_module
from importlib.util import find_spec

import pytest

collect_ignore = []
if not find_spec("numba") and not os.environ.get("CI"):
    collect_ignore += ["test_selfexsr.py", "test_selfexsr_parts.py"]


@pytest.fixture(scope="session")
def optional():
    """`optional(name)` is that module, or the test is passed over."""
    return import_module if os.environ.get("CI") else pytest.importorskip
