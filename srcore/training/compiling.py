"""Whether torch.compile can work for a GPU here."""

import os
import shutil
import sys
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from srcore.training.trainer import Speed


def missing_for_compile() -> str | None:
    """What torch.compile lacks for a GPU: Triton, or the C compiler with which Triton builds what starts a kernel."""
    if find_spec("triton") is None:
        return "Triton is not installed (torch's CUDA builds for Linux bring it; else pip install triton)"
    compilers = [os.environ["CC"]] if os.environ.get("CC") else ["cc", "gcc", "clang"]
    if not any(shutil.which(name) for name in compilers):
        return f"there is no C compiler ({', '.join(compilers)}), which Triton needs (Debian: apt-get install gcc)"
    return None


def usable(speed: "Speed", *, on_gpu: bool) -> "Speed":
    """`speed`, without torch.compile where it cannot work; a note on standard error says why, once a process."""
    if on_gpu and speed.compiled and (lack := missing_for_compile()):
        _say(f"note: without torch.compile, updates are slower: {lack}")
        return replace(speed, compiled=False)
    return speed


@cache
def _say(note: str) -> None:
    print(note, file=sys.stderr)
