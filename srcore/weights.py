"""The trained generators: safetensors files beside a manifest that says what each is. Loads no torch.

The manifest maps a method's name to its file, the file's sha256 and how it came about. The folder is
srcore/weights, or the one that the environment variable SRCORE_WEIGHTS names.
"""

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"


def folder() -> Path:
    """The folder with the weights and their manifest."""
    return Path(os.environ.get("SRCORE_WEIGHTS") or Path(__file__).parent / "weights")


def manifest() -> dict[str, dict[str, Any]]:
    """Method name -> {"file", "sha256", "recipe", "data", "updates", ...}; empty where there is no manifest."""
    path = folder() / MANIFEST
    if not path.is_file():
        return {}
    entries: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return entries


def sha256_of(name: str) -> str:
    """The sha256 that the manifest states for a method; "" if it has no entry."""
    return str(manifest().get(name, {}).get("sha256", ""))


def path_of(name: str) -> Path:
    """The file with a method's weights. Raises KeyError if the manifest has no entry."""
    return folder() / str(manifest()[name]["file"])


def why_missing(name: str) -> str:
    """Why a method's weights cannot be used and what to do; "" when they are there and are what the manifest says."""
    remedy = (
        f"train them (python -m srcore train {name} --data PHOTOS --out DIR) "
        "or set SRCORE_WEIGHTS to a folder that has them"
    )
    entry = manifest().get(name)
    if entry is None:
        return f"{name} has no weights in {folder()}: {remedy}"
    path = folder() / str(entry["file"])
    if not path.is_file():
        return f"{path}, which the manifest names for {name}, is missing: {remedy}"
    status = path.stat()
    if file_sha256(path, status.st_size, status.st_mtime_ns) != entry["sha256"]:
        return f"{path} is not the file that the manifest describes (its sha256 differs): fetch it again, or {remedy}"
    return ""


@lru_cache(maxsize=64)
def file_sha256(path: Path, size: int, modified: int) -> str:
    """The sha256 of a file, computed once for each size (bytes) and modification time (ns) that it has had."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
