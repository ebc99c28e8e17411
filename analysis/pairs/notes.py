"""What a report of pairs says in words: above all, what its intervals do not cover."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.pairs.spread import ENOUGH

if TYPE_CHECKING:
    import pandas as pd

    from analysis.pairs.choices import Choices
    from analysis.pairs.spread import Random

MOST_DIFFERENCES = 400_000  # rows twice over: more of them are of no use to a reader
MOST_SOURCES = 500  # fits of their own in a report; more sources are pooled only


def notes(
    kept: pd.DataFrame, found: Choices, random: Random, reference: str | None, tables: dict[str, pd.DataFrame]
) -> list[str]:
    """The notes at the head of the page, the coverage of the intervals first."""
    said = [_coverage(found, random)]
    share = np.bincount(found.rater) / len(found)
    busiest = int(share.argmax())
    if len(share) > 1 and share[busiest] >= max(1.5 / len(share), 0.1):
        made = int(np.bincount(found.rater)[busiest])
        said.append(
            f"{found.raters[busiest]} made {made} of the {len(found)} choices: the pooled strengths lean on this rater."
        )
    if len(kept) > len(found):
        said.append(
            f"{len(kept) - len(found)} choices repeat an earlier one (column repeat above 0): they count for the "
            "consistency of the raters, not for strengths and shares."
        )
    if reference is None:
        said.append(
            "No method is called hr or original, so nothing is set against the original: say which it is (--reference)."
        )
    if "by_source" not in tables:
        said.append(f"More than {MOST_SOURCES} sources: no strengths of each source by itself.")
    elif (tables["by_source"]["reason"] != "").any():
        bad = tables["by_source"].loc[tables["by_source"]["reason"] != "", "source"].nunique()
        said.append(f"{bad} of {len(found.sources)} sources have no strengths of their own; their table says why.")
    return said


def _coverage(found: Choices, random: Random) -> str:
    """What the intervals speak of, and what they do not cover."""
    have = f"{len(found.raters)} rater{_s(found.raters)} and {len(found.sources)} source{_s(found.sources)}"
    if random.raters and random.sources:
        return f"{have}: the intervals take both as samples, so they speak of other raters and other sources too."
    if random.raters:
        return (
            f"{have}: the intervals take the raters as a sample. With fewer than {ENOUGH} sources they speak of these "
            "sources alone and do not cover others."
        )
    if random.sources:
        return (
            f"{have}: the intervals take the sources as a sample. With fewer than {ENOUGH} raters they speak of these "
            "raters alone and do not cover other people."
        )
    return (
        f"{have}, fewer than {ENOUGH} of each: the intervals say only how far chance moves the choices of these raters "
        "on these sources. They do not cover other raters, nor other sources."
    )


def _s(names: object) -> str:
    return "" if len(names) == 1 else "s"  # type: ignore[arg-type]
