"""What a mean score is called: by degradation category rating it is a DMOS, and a report says so throughout.

ITU-T P.910 names the mean of degradation category ratings DMOS, degradation mean opinion score: each image was shown
beside its original, and the scale says how annoying the differences are. The numbers are computed as any MOS.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

DEGRADATION = "degradation"  # of the column task; without that column scores are of one image at a time
# A picture within a page is left as it is.
_NAMES = re.compile(r"base64,[A-Za-z0-9+/=]+|\bMOS\b|\b(?P<letter>[Mm])ean opinion score")


def task_of(ratings: pd.DataFrame) -> str:
    """The task that the whole table names in its column `task`; empty where it names none, or several."""
    named = set(ratings["task"].dropna().astype(str)) if "task" in ratings else set()
    return named.pop() if len(named) == 1 else ""


def named(text: str, task: str) -> str:
    """The text, or page, with the mean called as this task has it.

    >>> named("MOS with 95 % intervals", "degradation"), named("MOS", "")
    ('DMOS with 95 % intervals', 'MOS')
    """
    return _NAMES.sub(_other_name, text) if task == DEGRADATION else text


def _other_name(match: re.Match[str]) -> str:
    if match[0] == "MOS":
        return "DMOS"
    if letter := match["letter"]:
        return f"{'D' if letter == 'M' else 'd'}egradation mean opinion score"
    return match[0]


def renamed(figure: Figure, task: str) -> Figure:
    """The figure with its own texts so."""
    if task == DEGRADATION:
        for text in figure.findobj(lambda artist: hasattr(artist, "get_text")):
            text.set_text(named(text.get_text(), task))  # type: ignore[attr-defined]
    return figure
