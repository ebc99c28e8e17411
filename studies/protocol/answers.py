"""How a study's scale is put before its raters."""

from dataclasses import dataclass

from analysis.scale import Scale

# The digits of the keyboard, by which the levels from the lowest on are given.
_KEYS = "1234567890"


@dataclass(frozen=True)
class Option:
    """A button: the score as people write it, its word, and the key that gives it, or an empty one."""

    score: str
    label: str
    key: str


def options(scale: Scale) -> list[Option]:
    """A button for each level of the scale, lowest first; none of a continuous scale.

    A level that is a digit has that digit's key.
    """
    found = []
    for level in scale.levels:
        text = scale.score_text(level)
        found.append(Option(score=text, label=scale.label(level), key=text if len(text) == 1 and text in _KEYS else ""))
    return found
