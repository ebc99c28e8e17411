"""Which names the figures can print: DejaVu Sans comes with matplotlib, the rest is looked for on this machine."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from matplotlib import font_manager

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BASE = "DejaVu Sans"
# Fonts with Chinese and Japanese of Linux, macOS and Windows, the more legible first.
EAST_ASIAN = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Source Han Sans SC", "Source Han Sans"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "IPAexGothic", "IPAGothic", "TakaoPGothic", "VL Gothic"),
    *("PingFang SC", "Hiragino Sans", "Hiragino Sans GB", "Heiti SC", "STHeiti", "Microsoft YaHei", "SimHei", "SimSun"),
    *("Yu Gothic", "Meiryo", "MS Gothic", "Malgun Gothic", "Apple SD Gothic Neo", "Arial Unicode MS"),
    "Droid Sans Fallback",
)
SAMPLE = "漢字简体かなカナ"  # what a font must add to be taken


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """DejaVu Sans and the fonts of this machine that add East Asian characters, in the order they are tried."""
    found, lacking = [BASE], set(SAMPLE)
    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    for name in EAST_ASIAN:
        if name in installed and lacking & set(map(chr, _characters(name))):
            found.append(name)
            lacking -= set(map(chr, _characters(name)))
    return tuple(found)


@lru_cache(maxsize=16)
def _characters(family: str) -> frozenset[int]:
    path = font_manager.findfont(font_manager.FontProperties(family=family), fallback_to_default=False)
    return frozenset(font_manager.get_font(path).get_charmap())


def legible(text: str, fonts: Sequence[str] = ()) -> bool:
    """Whether every character of the text is in one of the fonts, or of `families`; a line's end is in all."""
    here = [_characters(name) for name in fonts or families()]
    return all(any(ord(character) in known for known in here) for character in text if character != "\n")


def stand_ins(names: Iterable[str], *, what: str) -> dict[str, str]:
    """What a figure prints for each name that no font has: "method 1", "method 2", ... in the order given."""
    unknown = [name for name in dict.fromkeys(names) if not legible(name)]
    return {name: f"{what} {index}" for index, name in enumerate(unknown, start=1)}
