"""The search that the stand-in for a panel rests on finds what is planted, however it is packed, and nothing else."""

import gzip
import io
import zipfile
import zlib

import pandas as pd
import pytest
from PIL import Image, PngImagePlugin

from tests.e2e.id_search import Search

PID, VISIT = "5f0c000007panelperson", "visit000007of77"
SEARCH = Search([PID, VISIT, "5f0c000008panelperson"])


def zipped(name, content, comment=b""):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
        archive.comment = comment
    return buffer.getvalue()


def parquet(frame, **options):
    buffer = io.BytesIO()
    frame.to_parquet(buffer, **options)
    return buffer.getvalue()


def png(text, *, packed):
    buffer, about = io.BytesIO(), PngImagePlugin.PngInfo()
    about.add_text("Comment", text, zip=packed)
    Image.new("L", (3, 3)).save(buffer, "PNG", pnginfo=about)
    return buffer.getvalue()


def pdf(text):
    return b"%PDF-1.4\n1 0 obj\n<< /Filter /FlateDecode >>\nstream\n" + zlib.compress(text.encode()) + b"\nendstream\n"


def table(said):
    return pd.DataFrame({"rater": ["p0001", said], "score": [1, 2]})


def packed_in_every_way(said):
    return {
        "a page": f"<html><td>{said}</td>".encode(),
        "in capitals": said.upper().encode(),
        "as entities": "".join(f"&#{ord(letter)};" for letter in said).encode(),
        "as in an address": "".join(f"%{ord(letter):02X}" for letter in said).encode(),
        "an archive": zipped("a.csv", said),
        "an archive in an archive": zipped("b.zip", zipped("a.txt", said)),
        "a member's name": zipped(f"{said}.csv", ""),
        "an archive's comment": zipped("a.csv", "", said.encode()),
        "gzip": gzip.compress(said.encode()),
        "a cell": parquet(table(said)),
        "a cell of a category": parquet(table(said).astype({"rater": "category"})),
        "a cell of a list": parquet(pd.DataFrame({"x": [["a"], [said]]})),
        "a column's name": parquet(table("p").rename(columns={"rater": said})),
        "Parquet in an archive": zipped("t.parquet", parquet(table(said))),
        "a picture's text": png(said, packed=False),
        "a picture's packed text": png(said, packed=True),
        "a PDF": pdf(said),
    }


@pytest.mark.parametrize("identity", [PID, VISIT])
@pytest.mark.parametrize("way", packed_in_every_way(PID))
def test_it_finds_an_id(way, identity):
    (hit, *_) = SEARCH.found("here", packed_in_every_way(f"the {identity}.")[way])
    assert hit.startswith("here")
    assert hit.endswith(identity)


@pytest.mark.parametrize("way", packed_in_every_way(PID))
def test_it_finds_nothing_where_there_is_none(way):
    assert SEARCH.found("here", packed_in_every_way("5f0c000009panelperson and visit")[way]) == []
