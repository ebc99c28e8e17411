import os
import signal
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

# tests/srcore runs without Django, wherever torch, torchvision, numpy, pillow, safetensors and pytest are.
pytest_plugins = ["tests.database"] if find_spec("django") else []

# Whoever starts the tests with nohup or in the background has them ignore these, and what they start would too.
for number in (signal.SIGHUP, signal.SIGINT):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

# What the person who runs the tests has added to srcore is no part of them; nothing lies there.
os.environ["SRCORE_DATA"] = str(Path(tempfile.gettempdir()) / f"srcore-tests-{os.getpid()}")

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
