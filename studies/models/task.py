"""What a trial asks of a rater: a score for one image, which of two of one source is the better, or by how much."""

from collections.abc import Callable, Mapping, Sequence

from django.db import models
from django.utils.translation import gettext, gettext_noop

from analysis.scale import Scale, ScaleError

LEFT, NEITHER, RIGHT = -1, 0, 1
"""The scores of a choice between two; of a comparison the sign of its score."""
CHOICE = Scale(LEFT, RIGHT, 2, labels=((LEFT, "Left"), (RIGHT, "Right")))
CHOICE_OR_NONE = Scale(LEFT, RIGHT, 1, labels=((LEFT, "Left"), (NEITHER, "No difference"), (RIGHT, "Right")))

# ITU-T P.800, annex E: the second beside the first.
COMPARED = ("Much worse", "Worse", "Slightly worse", "About the same", "Slightly better", "Better", "Much better")
# ITU-T P.910, degradation category rating.
IMPAIRED = ("Very annoying", "Annoying", "Slightly annoying", "Perceptible but not annoying", "Imperceptible")

CHOICE_BACK = gettext_noop(
    "You can take back your last choice, with a button or the Backspace key, until you make the next one."
)
CHOICE_STANDS = gettext_noop("A choice stands once it is made: there is no way back to a pair.")
RATING_BACK = gettext_noop(
    "You can take back your last rating, with a button or the Backspace key, until you give the next one."
)
RATING_STANDS = gettext_noop("A rating stands once it is given: there is no way back to a pair.")


class Task(models.TextChoices):
    RATING = "rating", "one image at a time, rated on the scale"
    PAIR = "pair", "two images of one source, of which the better is chosen"
    COMPARISON = "comparison", "two images of one source: how much better or worse the right one is (CCR)"
    DEGRADATION = "degradation", "the original and an image made of it: how annoying the differences are (DCR)"


OF_TWO = frozenset({Task.PAIR, Task.COMPARISON, Task.DEGRADATION})
"""A trial shows two images."""
OF_PAIRS = frozenset({Task.PAIR, Task.COMPARISON})
"""Methods meet each other, and who is better is asked."""
WITH_GOLD = frozenset({Task.RATING, Task.DEGRADATION})
"""The answer is a score for an image, which one of its own may be known of."""
CHOOSING = frozenset({Task.PAIR})
"""The answer is one of the two, and no score."""


def pair_scale(*, ties: bool) -> Scale:
    """The answers that a study of pairs takes; `ties`: also that there is no difference."""
    return CHOICE_OR_NONE if ties else CHOICE


def comparison_scale(labels: Sequence[str] = ()) -> Scale:
    """Seven steps from much worse to much better, of the right image beside the left one; or as many own words."""
    return Scale(-3, 3, 1, labels=tuple(enumerate(_as_many(labels, COMPARED), start=-3)))


def degradation_scale(labels: Sequence[str] = ()) -> Scale:
    """Five steps from very annoying to imperceptible differences; or as many own words, the worst first."""
    return Scale(1, 5, 1, labels=tuple(enumerate(_as_many(labels, IMPAIRED), start=1)))


GRADED: Mapping[str, Callable[[Sequence[str]], Scale]] = {
    Task.COMPARISON: comparison_scale,
    Task.DEGRADATION: degradation_scale,
}
"""Of a task of two images that asks for a score the scale by its labels."""


def _as_many(labels: Sequence[str], usual: Sequence[str]) -> Sequence[str]:
    if labels and len(labels) != len(usual):
        raise ScaleError(f"this task takes {len(usual)} labels, the lowest first, not {len(labels)}")
    return labels or usual


def is_scale_of(task: str, scale: Scale) -> bool:
    """Whether these are answers to this task."""
    if task == Task.COMPARISON:
        return (scale.low, scale.high, scale.step, len(scale.labels)) == (-3, 3, 1, len(COMPARED))
    if task == Task.DEGRADATION:
        return (scale.low, scale.high, scale.step, len(scale.labels)) == (1, 5, 1, len(IMPAIRED))
    return (scale in (CHOICE, CHOICE_OR_NONE)) == (task == Task.PAIR)


def instructions_of_two(task: str, scale: Scale, *, undo: bool) -> str:
    """The default instructions where two images are shown, in the language that is active."""
    asked, keys = {
        Task.PAIR: _of_choices,
        Task.COMPARISON: _of_comparisons,
        Task.DEGRADATION: _of_degradation,
    }[Task(task)](scale)
    how = gettext(
        "If the window is wide enough both are shown side by side, else one after the other in one place. The arrow up "
        "key or the button changes between them; look at both before you choose."
    )
    if task not in CHOOSING:
        how = gettext(
            "If the window is wide enough both are shown side by side, else one after the other in one place. The "
            "arrow up key or the button changes between them; look at both before you answer."
        )
    ways = (CHOICE_BACK, CHOICE_STANDS) if task in CHOOSING else (RATING_BACK, RATING_STANDS)
    back = gettext(ways[0] if undo else ways[1])
    sit = gettext("Sit comfortably, about an arm's length from the screen, and keep that distance.")
    stop = gettext("You can stop at any time and go on later with the same link.")
    return f"{asked}\n\n{how}\n\n{sit} {keys} {back} {stop}\n"


def _of_choices(scale: Scale) -> tuple[str, str]:
    task = gettext(
        "You will see pairs of images: two versions of the same picture. Of each pair choose the one that looks better "
        "to you. There are no right or wrong answers."
    )
    keys = gettext("Choose with the buttons, the arrow keys left and right, or the keys 1 and 2.")
    if not scale.contains(NEITHER):
        return task, keys
    none = gettext("If you see no difference that matters to you, say so.")
    keys = gettext("Choose with the buttons, the arrow keys left, down and right, or the keys 1, 2 and 3.")
    return f"{task} {none}", keys


def _of_comparisons(scale: Scale) -> tuple[str, str]:
    task = gettext(
        "You will see pairs of images: two versions of the same picture. Of each pair say how the right image looks to "
        "you beside the left one, from %(low)s to %(high)s. There are no right or wrong answers."
    )
    words = [word.lower() for _, word in scale.labels]
    keys = gettext("Answer with the buttons or with the keys 1 to %(most)s, of which 1 is the leftmost.")
    return task % {"low": f"“{words[0]}”", "high": f"“{words[-1]}”"}, keys % {"most": len(words)}


def _of_degradation(scale: Scale) -> tuple[str, str]:
    task = gettext(
        "You will see pairs of images: on the left, or first, the original, and beside it an image that was made from "
        "it. Of each pair say how much the differences from the original disturb you, from 1 (%(low)s) to %(most)s "
        "(%(high)s). There are no right or wrong answers."
    )
    words = [word.lower() for _, word in scale.labels]
    keys = gettext("Rate with the buttons or with the keys %(low)s to %(high)s.")
    told = {"low": words[0], "high": words[-1], "most": len(words)}
    return task % told, keys % {"low": 1, "high": len(words)}
