"""Tests may `pytest.importorskip` what srcore itself does not need; in CI it is all there, so none of them skips."""

import os
from importlib.util import find_spec

MISSING = [name for name in ("brisque", "numba", "skimage", "spandrel", "tensorboard") if not find_spec(name)]

if MISSING and os.environ.get("CI"):
    raise ModuleNotFoundError(f"in CI no test may skip for want of {', '.join(MISSING)}")
