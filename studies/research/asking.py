"""Before a step in a study's life: what follows from it, and how it is undone."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from srcore.registry import METHODS
from studies.models import Study
from studies.protocol.chosen import chosen_of
from studies.rating.continuing import studies_after
from studies.research import lifecycle, planning
from studies.research.draft_state import state_of
from studies.research.drafts import Cells

# Of a method's name what says nothing of it to a reader.
_SAYS_NOTHING = frozenset({"image", "images", "quality", "the", "and", "paper", "results", "photo", "photos", "study"})
_ALWAYS = frozenset({"gan", "cnn", "transformer", "diffusion", "network", "upscaled", "upscaling", "superresolution"})


@dataclass
class Question:
    """`title` asks, `follows` is a sentence each, `undo` says how it is undone, `button` does it.

    `problems` keep it from being done.
    """

    title: str
    button: str
    undo: str
    follows: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def question(study: Study, action: str, *, now: datetime) -> Question:
    """What to ask before the step."""
    steps: dict[str, Callable[[Study], Question]] = {
        "launch": partial(_launch, now=now),
        "take-back": _take_back,
        "close": _close,
        "reopen": _reopen,
        "archive": _archive,
    }
    return steps[action](study)


def hints(study: Study, chosen: Cells) -> list[str]:
    """Words of the title that name a method, of the study's `chosen` cells or of the site, or what kind one is: raters
    read it."""
    names = {name for own in chosen.values() for method in own for name in (method.name, str(method))}
    words = {part for name in names | set(METHODS) for part in re.split(r"[\W_]+", name.lower()) if len(part) > 2}
    telling = (words - _SAYS_NOTHING - {"hr"}) | _ALWAYS
    return [word for word in re.split(r"[\W_]+", study.title) if word.lower() in telling and not word.isdigit()]


def _launch(study: Study, *, now: datetime) -> Question:
    chosen = chosen_of(study)
    plan = planning.before_launch(study, chosen)
    state = state_of(study, now=now, chosen=chosen) if study.state == Study.State.DRAFT else None
    invited = study.raters.filter(is_preview=False, revoked_at=None, withdrawn_at=None).count()
    minutes = f"{plan['minutes']} minute{'' if plan['minutes'] == 1 else 's'}"
    follows = [
        "Images, design and texts are frozen from then on, by the database itself.",
        f"Each rater rates {plan['trials']} times, for about {minutes}.",
        f"The links of {invited} invited rater{'' if invited == 1 else 's'} work at once."
        if invited
        else "Nobody is invited yet; you can do that before or after.",
    ]
    found = hints(study, chosen.cells)
    told = [f"The title says {', '.join(found)}: raters read it before they rate."] if found else []
    if any(following.state != Study.State.LAUNCHED for following in studies_after(study)):
        told.append("Raters shall go on in another study, which is not launched: until it is, they end with this one.")
    if state and not state.is_current:
        told.append("Its images are not checked since something was changed: the launch does it, and may refuse.")
    return Question(
        "Launch this study?",
        "Launch it",
        "Until the first rater has agreed the launch can be taken back. After that, close it and clone it.",
        follows,
        (state.problems if state.is_current else []) if state else ["It was launched already."],
        told,
    )


def _take_back(study: Study) -> Question:
    begun = lifecycle.seen_by(study)
    problems = [f"{begun} rater{' has' if begun == 1 else 's have'} begun."] if begun else []
    follows = [
        "It is a draft again, with the images that are newest for it.",
        "Links do not work until it is launched anew; they stay the same.",
        "What staff rated to try it is deleted.",
    ]
    return Question("Take the launch back?", "Make it a draft again", "Launch it again.", follows, problems)


def _close(study: Study) -> Question:
    begun = study.raters.filter(is_preview=False, session__isnull=False, session__finished_at=None).count()
    follows = [
        f"{begun} rater{'' if begun == 1 else 's'} who have begun and not finished cannot go on; "
        "what they have rated is kept and counts.",
        "Nobody new can begin. Results, exports and reports go on working.",
    ]
    if study.comes_from.exists():
        follows.append("Who completes the part before it ends with that one.")
    return Question("Close this study?", "Close it", "Reopen it: who was stopped goes on where they were.", follows)


def _reopen(study: Study) -> Question:
    begun = study.raters.filter(is_preview=False, session__isnull=False, session__finished_at=None).count()
    follows = [f"Links work again, and {begun} can go on. The design is the same."]
    return Question("Reopen this study?", "Reopen it", "Close it again.", follows)


def _archive(study: Study) -> Question:
    problems = ["Raters can rate it just now: close it first."] if study.state == Study.State.LAUNCHED else []
    follows = ["It leaves the list of studies, and stays as it is, with all its data, under archived studies."]
    return Question("Archive this study?", "Archive it", "Bring it back to the list from its page.", follows, problems)
