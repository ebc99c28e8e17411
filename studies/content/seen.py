"""What a look at a folder has in common, whatever the folder holds."""

from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar


class Line(Protocol):
    """A picture of the folder: what taking it would do, what is strange about it, what keeps it from being taken."""

    fate: str
    warnings: list[str]
    problem: str

    @property
    def source(self) -> Any: ...  # of a name


L = TypeVar("L", bound=Line)


@dataclass(kw_only=True)
class Seen(Generic[L]):
    """`warnings` are of the whole folder."""

    lines: list[L]
    warnings: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return [line.problem for line in self.lines if line.problem]

    @property
    def all_texts(self) -> list[str]:
        """The warnings without the files that they are about."""
        return [*self.warnings, *(text for line in self.lines for text in line.warnings)]

    def named(self, fate: str) -> list[str]:
        """The names of the pictures with this fate."""
        return [line.source.name for line in self.lines if line.fate == fate]
