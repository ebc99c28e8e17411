"""The methods by name: the paper's, those of installed packages, those registered, and those added. Loads no torch."""

import threading
import warnings
from collections.abc import Hashable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points

from srcore.errors import SrcoreError
from srcore.methods import added
from srcore.methods.method import Method, MethodNameError, MethodUnavailable, Queue, check_name
from srcore.methods.paper import PAPER

ENTRY_POINTS = "srcore.methods"
"""The group in which a package names its methods: each entry is a Method, or a function that returns one or several."""

PAPER_METHODS: tuple[str, ...] = tuple(method.name for method in PAPER)
"""The names of the paper's methods, in the order of its tables."""

__all__ = [
    "METHODS", "PAPER_METHODS", "Method", "MethodNameError", "MethodUnavailable", "Registry", "UnknownMethod",
    "get_method", "is_available", "queue", "register", "weights_sha256", "why_unavailable",
]  # fmt: skip


class UnknownMethod(SrcoreError, KeyError):
    """No method of that name; the message lists the known ones."""

    def __str__(self) -> str:
        return str(self.args[0])


class Registry(Mapping[str, Method]):
    """Name -> Method, in the order of registration, which for the paper's ones is that of its tables.

    With `follow_added`, what `python -m srcore add` and `remove` change shows at the next look, also in processes
    that run already; a look costs a file's status.
    """

    def __init__(self, methods: Iterable[Method] = (), *, follow_added: bool = False) -> None:
        self._registered: dict[str, Method] = {}
        self._all: dict[str, Method] = {}
        self._follows, self._lock = follow_added, threading.RLock()
        self._stamp: Hashable = None
        for method in methods:
            self.register(method)

    def register(self, method: Method) -> None:
        """Add a method. Raises MethodNameError, and changes nothing, if the name is taken or cannot be a name."""
        check_name(method.name)
        with self._lock:
            if method.name in self.current():
                raise MethodNameError(f"there is a method named {method.name!r} already; choose another name")
            self._registered[method.name] = method
            self._all = {**self._all, method.name: method}

    def unregister(self, name: str) -> None:
        """Forget a method that `register` added in this process. Raises UnknownMethod."""
        with self._lock:
            self[name]
            self._registered.pop(name, None)
            self._all = {key: method for key, method in self._all.items() if key != name}

    def stamp(self) -> Hashable:
        """What is the same as long as the added methods are; cheap enough to be asked for at each request."""
        return added.stamp() if self._follows else None

    def current(self) -> dict[str, Method]:
        """The methods as they are now."""
        stamp = self.stamp()
        if stamp != self._stamp:
            with self._lock:
                found = {} if stamp is None else added.methods()
                self._all = self._registered | {n: m for n, m in found.items() if n not in self._registered}
                self._stamp = stamp
        return self._all

    def __getitem__(self, name: str) -> Method:
        try:
            return self.current()[name]
        except KeyError:
            close = get_close_matches(name, self._all, n=1)
            guess = f"; did you mean {close[0]}?" if close else ";"
            raise UnknownMethod(f"unknown method {name!r}{guess} Known: {', '.join(self)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.current())

    def __len__(self) -> int:
        return len(self.current())


METHODS = Registry(PAPER, follow_added=True)


def register(method: Method) -> None:
    """Add a method to METHODS for this process; see Registry.register. `python -m srcore add` is for all processes."""
    METHODS.register(method)


def get_method(name: str) -> Method:
    """The method of that name. Raises UnknownMethod, with the known names."""
    return METHODS[name]


def why_unavailable(name: str) -> str:
    """What keeps the method from running here and what to do about it; "" when nothing does. Raises UnknownMethod."""
    return get_method(name).why_unavailable()


def is_available(name: str) -> bool:
    """Whether the method can run here. Raises UnknownMethod."""
    return not why_unavailable(name)


def weights_sha256(name: str) -> str:
    """The sha256 of what beside the code decides the method's pixels; see Method.sha256. Raises UnknownMethod."""
    return get_method(name).sha256()


def queue(name: str) -> Queue:
    """Where the method belongs: networks on the GPU's queue, all others on the CPU's. Raises UnknownMethod."""
    return get_method(name).queue


def register_packages() -> None:
    """Register the methods of installed packages. One that cannot be loaded is named in a warning and left out."""
    for point in entry_points(group=ENTRY_POINTS):
        try:
            found = point.load()
            found = found() if not isinstance(found, Method) and callable(found) else found
            for method in [found] if isinstance(found, Method) else found:
                register(method)
        except Exception as error:  # somebody's code
            warnings.warn(f"the methods of {point.value} are left out: {type(error).__name__}: {error}", stacklevel=2)
