"""The trained generators: safetensors files beside a manifest that says what each is. Loads no torch.

The manifest maps a method's name to its file, the file's sha256 and how it came about. The folder is
srcore/weights, or the one that the environment variable SRCORE_WEIGHTS names.
"""

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcore.errors import SrcoreError, in_words
from srcore.files import whole_file

if TYPE_CHECKING:
    from torch import Tensor

MANIFEST = "manifest.json"


class WeightsError(SrcoreError, RuntimeError):
    """A weights file that is missing or is not what the manifest says; the message names it and what to do."""


def folder() -> Path:
    """The folder with the weights and their manifest."""
    return Path(os.environ.get("SRCORE_WEIGHTS") or Path(__file__).parent / "weights")


def manifest() -> dict[str, dict[str, Any]]:
    """Method name -> {"file", "sha256", "recipe", "data", "updates", ...}; empty where there is no manifest.

    Raises WeightsError for a manifest that cannot be read.
    """
    path = folder() / MANIFEST
    if not path.is_file():
        return {}
    try:
        entries: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(
            f"{path} cannot be read as a manifest ({error}); restore it, or publish the weights again"
        ) from error
    return entries


def sha256_of(name: str) -> str:
    """The sha256 that the manifest states for a method; "" if it has no entry or cannot be read."""
    try:
        return str(manifest().get(name, {}).get("sha256", ""))
    except WeightsError:
        return ""


def path_of(name: str) -> Path:
    """The file with a method's weights. Raises KeyError if the manifest has no entry."""
    return folder() / str(manifest()[name]["file"])


def why_missing(name: str) -> str:
    """Why a method's weights cannot be used and what to do; "" when they are there and are what the manifest says."""
    try:
        entry = manifest().get(name)
    except WeightsError as error:
        return str(error)
    remedy = (
        f"train them (python -m srcore train {name} --data PHOTOS --out DIR, then publish) "
        "or set SRCORE_WEIGHTS to a folder that has them"
    )
    if entry is None:
        return f"{name} has no weights in {folder()}: {remedy}"
    path = folder() / str(entry["file"])
    if not path.is_file():
        return f"{path}, which the manifest names for {name}, is missing: {remedy}"
    if sha256_of_file(path) != entry["sha256"]:
        return f"{path} is not the file that the manifest describes (its sha256 differs): fetch it again, or {remedy}"
    return ""


def sha256_of_file(path: Path) -> str:
    """The sha256 of a file's content, in hexadecimal. Raises OSError."""
    status = path.stat()
    return file_sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def file_sha256(path: Path, size: int, modified: int) -> str:
    """The sha256 of a file, computed once for each size (bytes) and modification time (ns) that it has had."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(name: str, sha256: str) -> "dict[str, Tensor]":
    """The state of a method's generator, from the very bytes that were checked. Loads torch. Raises WeightsError."""
    from safetensors.torch import load as parse

    try:
        data = path_of(name).read_bytes()
    except (KeyError, OSError) as error:
        raise WeightsError(why_missing(name) or f"the weights of {name} cannot be read: {error}") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsError(why_missing(name) or f"the weights of {name} changed while they were read; try again")
    state: dict[str, Tensor] = parse(data)
    return state


def _enter(name: str, entry: dict[str, Any]) -> None:
    with whole_file(folder() / MANIFEST) as file:
        file.write((json.dumps(manifest() | {name: entry}, indent=2) + "\n").encode())


def read_state(path: Path | str, *, name: str = "") -> "dict[str, Tensor]":
    """The tensors of any safetensors file. Loads torch. Raises WeightsError if it is missing or something else.

    `name` is what an error calls the file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    try:
        data = Path(path).read_bytes()
        state: dict[str, Tensor] = parse(data)
    except OSError as error:
        raise WeightsError(f"{name or path}: {in_words(error)}") from error
    except SafetensorError as error:
        reason = f"cannot be read as safetensors ({error}): it is cut off or something else" if data else "is empty"
        raise WeightsError(f"{name or path} {reason}; fetch it again") from error
    return state


def publish(name: str, state: "dict[str, Tensor]", facts: dict[str, Any]) -> Path:
    """Write a generator's state and its manifest entry (`facts` plus file and sha256) into the folder; the file."""
    path = folder() / f"{name}.safetensors"
    folder().mkdir(parents=True, exist_ok=True)
    _enter(name, {"file": path.name, "sha256": save_state(path, state), **facts})
    return path


def save_state(path: Path | str, state: "dict[str, Tensor]") -> str:
    """Write a network's state as a safetensors file, whole or not at all; its sha256."""
    from safetensors.torch import save

    data = save({key: value.detach().cpu().contiguous() for key, value in state.items()})
    with whole_file(Path(path)) as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()
