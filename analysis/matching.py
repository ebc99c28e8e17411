"""Do two tables speak of the same stimuli? No match is an error, a match in part a note with examples."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import pandas as pd

from analysis.columns import RatingsError, some

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGE_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm"}


def unmatched(
    ratings: pd.DataFrame, other: pd.DataFrame, keys: Sequence[str], *, what: str, whole: bool
) -> tuple[pd.DataFrame, list[str]]:
    """The rows of `other` whose `keys` the ratings have, and notes on what is left over on either side.

    Both tables hold text in `keys`. `whole` says that every rated stimulus should have a row in `other` (objective
    scores) and not only some (gold items). Raises RatingsError, with examples, where nothing matches.
    """
    keys = list(keys)
    rated, given = (pd.MultiIndex.from_frame(table[keys]).unique() for table in (ratings, other))
    only_rated, only_given = rated.difference(given), given.difference(rated)
    hint = _hint(keys, only_rated, only_given)
    if len(only_given) == len(given):
        raise RatingsError(
            f"the {what} has no row of a rated stimulus: compare the names of {', '.join(keys)}"
            f" ({_names(only_given)} there, {_names(only_rated)} in the ratings){hint}"
        )
    notes = []
    if len(only_given):
        notes.append(
            f"{len(only_given)} of {len(given)} stimuli of the {what} were not rated and count nowhere: "
            f"{_names(only_given)}{hint}"
        )
    if whole and len(only_rated):
        notes.append(
            f"{len(only_rated)} of {len(rated)} rated stimuli are not in the {what}: {_names(only_rated)}{hint}"
        )
    kept = pd.MultiIndex.from_frame(other[keys]).isin(rated)
    return other[kept].reset_index(drop=True), notes


def near_names(unknown: Sequence[str], known: Sequence[str]) -> list[tuple[str, str]]:
    """(unknown, known) names that differ only by case, spaces, leading zeros or an image file's ending."""
    plain = {_plain(name): name for name in known}
    return [(name, plain[_plain(name)]) for name in unknown if _plain(name) in plain]


def _plain(name: str) -> str:
    path = PurePath(name.strip())
    stem = path.stem if path.suffix.lower() in IMAGE_ENDINGS else path.name
    return stem.casefold().replace(" ", "").lstrip("0") or "0"


def _names(index: pd.MultiIndex) -> str:
    return some(" / ".join(map(str, key)) for key in index)


def _hint(keys: list[str], only_rated: pd.MultiIndex, only_given: pd.MultiIndex) -> str:
    """What in the names keeps the leftovers of both sides apart, or nothing."""
    for position, key in enumerate(keys):
        ours, theirs = (set(index.get_level_values(position)) for index in (only_rated, only_given))
        near = near_names(sorted(theirs - ours), sorted(ours - theirs))
        if near:
            return f"; the {key} {near[0][0]!r} stands beside {near[0][1]!r} in the ratings"
        if ours and theirs and not ours & theirs:
            return f"; the {key} is {some(sorted(theirs))} there and {some(sorted(ours))} in the ratings"
    return ""
