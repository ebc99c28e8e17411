"""Searching for ids in whatever a site gives out: text as it is, archives by their members, tables by their cells."""

import gzip
import html
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

import pyarrow.parquet as pq

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)


class Search:
    """For these ids, in small and capital letters. `found` says where they are."""

    def __init__(self, ids: Iterable[str]) -> None:
        # Ids of one kind begin alike, and an expression with one beginning is sought as fast as that is.
        kinds: dict[str, list[str]] = {}
        for identity in ids:
            kinds.setdefault(identity[:4].lower(), []).append(identity.lower())
        self._kinds = [re.compile("|".join(map(re.escape, sorted(of)))) for of in kinds.values()]
        assert self._kinds, "nothing to search for"

    def found(self, name: str, content: bytes | str) -> list[str]:
        """For each part of the content in which there is an id: the part's name and the first such id."""
        data = content.encode() if isinstance(content, str) else content
        hits = [(part, self._first(text)) for part, text in parts(name, data)]
        return [f"{part}: {hit}" for part, hit in hits if hit]

    def _first(self, text: str) -> str:
        for way in {text, unquote(text), html.unescape(text)}:
            for kind in self._kinds:
                if hit := kind.search(way.lower()):
                    return hit[0]
        return ""


def parts(name: str, content: bytes) -> Iterator[tuple[str, str]]:
    """(name, text) of all that is in a file, unpacked as often as it is packed."""
    if content.startswith(b"PK\x03\x04"):
        yield from _members(name, content)
    elif content.startswith(b"\x1f\x8b"):
        yield from parts(f"{name}, unpacked", gzip.decompress(content))
    elif content.startswith(b"PAR1"):
        yield from _cells(name, content)
    elif content.startswith(b"%PDF"):
        yield name, content.decode("latin-1")
        for stream in _STREAM.findall(content):
            yield from _inflated(f"{name}, a stream", stream)
    elif content.startswith(b"\x89PNG"):
        yield name, content.decode("latin-1")
        yield from _chunks(name, content)
    else:
        yield name, content.decode("utf-8", "replace")


def _members(name: str, content: bytes) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        yield f"{name}, its comment", archive.comment.decode("latin-1")
        for entry in archive.infolist():
            yield f"{name}, a member's name", f"{entry.filename} {entry.comment.decode('latin-1')}"
            yield from parts(f"{name}/{entry.filename}", archive.read(entry))


def _cells(name: str, content: bytes) -> Iterator[tuple[str, str]]:
    table = pq.read_table(io.BytesIO(content))
    of_schema = [str(field.metadata or "") for field in table.schema]
    yield f"{name}, its schema", "\n".join([str(table.schema.metadata), *of_schema, *table.column_names])
    for column in table.column_names:
        yield f"{name}, column {column}", "\n".join({str(cell) for cell in table.column(column).to_pylist()})


def _chunks(name: str, content: bytes) -> Iterator[tuple[str, str]]:
    """A PNG's packed texts: what stands after the first NUL bytes of zTXt and iTXt."""
    place = 8
    while place + 8 <= len(content):
        length, kind = int.from_bytes(content[place : place + 4]), content[place + 4 : place + 8]
        data = content[place + 8 : place + 8 + length]
        if kind in (b"zTXt", b"iTXt"):
            for start in (at for at in range(len(data)) if data[at : at + 1] == b"\x78"):
                yield from _inflated(f"{name}, {kind.decode()}", data[start:])
        place += 12 + length


def _inflated(name: str, packed: bytes) -> Iterator[tuple[str, str]]:
    try:
        yield name, zlib.decompressobj().decompress(packed).decode("latin-1")
    except zlib.error:
        return
