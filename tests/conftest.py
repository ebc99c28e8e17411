import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the real benchmarks, ratings and photographs; a user of the project has none of it."""
    path = Path(os.environ.get("MOSWEB_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is missing, and in CI no test that needs it may skip")
        pytest.skip(f"needs the real data in {path}; set MOSWEB_SHARED to where they are")
    return path
