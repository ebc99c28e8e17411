"""Methods that `python -m srcore add` keeps for all of a user's processes: network files and code. Loads no torch.

They lie in the user's data folder, or in the one that SRCORE_DATA names, never in the package. An index, methods.json,
says what each is; it is read again when it changes, so that a site and its workers offer what was added meanwhile.
Files are named after their content and checked against it before anything of them runs.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from srcore import weights
from srcore.errors import SrcoreError
from srcore.files import whole_file
from srcore.images import Pixels
from srcore.methods.method import Method, Work, called

if TYPE_CHECKING:
    from srcore.networks.generator import Generator

INDEX = "methods.json"


class AddedError(SrcoreError, RuntimeError):
    """What was to be added cannot be used, or what was added is not there any more; the message says what to do."""


class Part:
    """The files that a method can have: what it is made of."""

    CODE, WEIGHTS = "code", "weights"


@dataclass(frozen=True, kw_only=True)
class Added(Method):
    """A method from files. `files` are (part, name in `folder`, sha256); `entry` is the function of the code.

    Without code the weights are a network that spandrel recognises. `makes` says whether the entry returned a network
    or a function when it was added.
    """

    folder: Path
    files: tuple[tuple[str, str, str], ...]
    entry: str = ""
    makes: Literal["network", "function"] = "network"
    architecture: str = ""

    @property
    def is_network(self) -> bool:
        return self.makes == "network"

    def why_unavailable(self) -> str:
        again = f"python -m srcore add {self.name} ... adds it again, python -m srcore remove {self.name} removes it"
        for part, name, sha256 in self.files:
            path = self.folder / name
            if not path.is_file():
                return f"{path}, the {part} of {self.name}, is missing: {again}"
            if weights.sha256_of_file(path) != sha256:
                return f"{path} is not the {part} that was added as {self.name} (its sha256 differs): {again}"
        if not self.entry and find_spec("spandrel") is None:
            return f"{self.name} needs the package spandrel: pip install spandrel"
        return ""

    def sha256(self) -> str:
        """Of the files, and of how a network is run on a picture."""
        parts = [f"{part} {sha256}" for part, _, sha256 in self.files]
        text = "\n".join([*parts, self.entry, f"tile {self.tile} multiple {self.multiple_of}"])
        return hashlib.sha256(text.encode()).hexdigest()

    def path(self, part: str) -> Path | None:
        """The file of this part, if the method has it."""
        return next((self.folder / name for found, name, _ in self.files if found == part), None)

    def built(self) -> Any:
        """What the code's entry returns. Runs the code. Raises AddedError."""
        path = self.path(Part.CODE)
        if path is None:
            raise AddedError(f"{self.name} has no code")
        return build(path, self.entry)

    def generator(self) -> "Generator":
        from srcore.networks import foreign  # loads torch

        return foreign.load(self)

    def upscale(self, lr: Pixels, work: Work) -> tuple[Pixels, str]:
        if self.is_network:
            return super().upscale(lr, work)
        self.check(work)
        return called(_function(self), self, lr, work), "cpu"

    def as_entry(self) -> dict[str, Any]:
        """As the index keeps it."""
        kept = ("display_name", "family", "citation", "tile", "multiple_of", "entry", "makes", "architecture")
        return {key: getattr(self, key) for key in kept} | {"scales": list(self.scales), "files": list(self.files)}


@lru_cache(maxsize=8)
def _function(method: Added) -> Callable[..., Any]:
    function: Callable[..., Any] = method.built()
    return function


def build(path: Path, entry: str) -> Any:
    """Run a Python file and call what it names `entry`. Raises AddedError for whatever goes wrong in it."""
    name = f"srcore_added_{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise AddedError(f"{path}: code is a Python file, *.py")
    module = module_from_spec(spec)
    sys.modules[name] = module  # pickles and dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, entry):
            raise AddedError(f"{path.name} has no function {entry}")
        return getattr(module, entry)()
    except AddedError:
        raise
    except Exception as error:  # somebody's code
        sys.modules.pop(name, None)
        raise AddedError(
            f"{path.name}: {entry}() failed with {type(error).__name__}: {error}. The file is used alone, copied from "
            "where it lay: what it imports must be in it or in an installed package"
        ) from error


def folder() -> Path:
    """The folder of the added methods, whether it is there or not."""
    return Path(_place(os.environ.get("SRCORE_DATA"))).parent


@lru_cache(maxsize=8)
def _place(named: str | None) -> str:
    """Where the index is; as text, and kept, because it is looked at with every look at a method."""
    if named:
        return str(Path(named) / "methods" / INDEX)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return str(base / "srcore" / "methods" / INDEX)


def stamp() -> tuple[str, int, int, int] | None:
    """What changes whenever the index does; None where there is none."""
    path = _place(os.environ.get("SRCORE_DATA"))
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path costs ten times as much, at each look at a method
    except OSError:
        return None
    return path, status.st_ino, status.st_size, status.st_mtime_ns


def methods() -> dict[str, Added]:
    """The added methods by name. An index that cannot be read is as good as none; `add` and `remove` say so."""
    try:
        return {name: _method(name, entry) for name, entry in entries().items()}
    except AddedError:
        return {}


def entries() -> dict[str, dict[str, Any]]:
    """The index. Raises AddedError when it cannot be read."""
    path = folder() / INDEX
    if not path.is_file():
        return {}
    try:
        found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        for name, entry in found.items():
            _method(name, entry)
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise AddedError(
            f"{path} cannot be read ({error}); restore it, or delete it and add the methods again"
        ) from error
    return found


def keep(method: Added) -> Added:
    """Copy a method's files into the folder and enter it in the index; as it is from now on."""
    place = folder()
    entries()  # raises before anything is written
    place.mkdir(parents=True, exist_ok=True)
    files = []
    for part, name, sha256 in method.files:
        stored = f"{method.name}-{sha256[:16]}{Path(name).suffix}"
        with whole_file(place / stored) as file:
            file.write((method.folder / name).read_bytes())
        files.append((part, stored, sha256))
    kept = _method(method.name, method.as_entry() | {"files": files})
    with _alone():
        before = entries()
        _write_index(before | {method.name: kept.as_entry()})
    if method.name in before:
        _delete(_method(method.name, before[method.name]), but=kept)
    return kept


def forget(name: str) -> None:
    """Take a method out of the index and delete its files. Raises KeyError if it is not there."""
    with _alone():
        before = entries()
        gone = _method(name, before[name])
        _write_index({key: entry for key, entry in before.items() if key != name})
    _delete(gone)


def _delete(gone: Added, *, but: Added | None = None) -> None:
    """A method's files, except those that another one goes on with."""
    needed = {name for _, name, _ in but.files} if but else set()
    for _, name, _ in gone.files:
        if name not in needed:
            (folder() / name).unlink(missing_ok=True)


@contextmanager
def _alone() -> Iterator[None]:
    """No other process changes the index meanwhile, where the system has locks for that."""
    with (folder() / ".lock").open("w") as file:
        if find_spec("fcntl"):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write_index(index: Mapping[str, dict[str, Any]]) -> None:
    with whole_file(folder() / INDEX) as file:
        file.write((json.dumps(index, indent=2) + "\n").encode())


_KNOWN = {field.name for field in fields(Added)}


def _method(name: str, entry: dict[str, Any]) -> Added:
    values = {key: value for key, value in entry.items() if key in _KNOWN}
    values["files"] = tuple((part, file, sha256) for part, file, sha256 in entry["files"])
    return Added(name=name, folder=folder(), **values | {"scales": tuple(entry["scales"])})
