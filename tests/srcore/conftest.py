"""Tests may `pytest.importorskip` what srcore itself does not need; in CI it is all there, so none of them skips."""

import os
from importlib.util import find_spec

PACKAGES = ("DISTS_pytorch", "brisque", "lpips", "numba", "piq", "skimage", "spandrel", "ssimulacra2", "tensorboard")
MISSING = [name for name in PACKAGES if not find_spec(name)]

if MISSING and os.environ.get("CI"):
    raise ModuleNotFoundError(f"in CI no test may skip for want of {', '.join(MISSING)}")
