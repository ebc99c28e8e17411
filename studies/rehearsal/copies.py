"""The copy of a study in which a rehearsal happens: simulated ratings never come into a study of people."""

from dataclasses import dataclass
from datetime import datetime

from studies.models import Rater, Study
from studies.research import drafts, invitations, lifecycle
from studies.research.refusals import StudyError

ENDING = "-simulated"
_LONGEST = 60


@dataclass(frozen=True)
class Guest:
    """A simulated rater before they come: how they behave, and the token of their invitation."""

    kind: str
    label: str
    token: str


def copy_of(study: Study, *, name: str = "", now: datetime) -> Study:
    """The launched rehearsal of this study; a simulated study is its own. Made where there is none, else gone on with.

    Raises StudyError if the name is that of another study, NotReady if the study lacks something for a launch.
    """
    if study.simulated:
        return _open(study, now=now)
    name = name or f"{study.name[: _LONGEST - len(ENDING)]}{ENDING}"
    there = Study.objects.filter(name=name).first()
    if there and not there.simulated:
        raise StudyError(f"The study {name} is no rehearsal, and no simulated rating comes into it: give another name.")
    if there is None:
        there = drafts.clone(study=study, name=name, title=f"{study.title[:100]} (simulated)", simulated=True)
    return _open(there, now=now)


def _open(study: Study, *, now: datetime) -> Study:
    if study.state == Study.State.DRAFT:
        lifecycle.launch(study=study, now=now)
    elif study.state == Study.State.CLOSED:
        lifecycle.reopen(study=study, now=now)
    return study


def invite(study: Study, *, kinds: list[str]) -> list[Guest]:
    """A guest for each kind, labelled by it and numbered on from those who were there."""
    guests = []
    number = study.raters.count()
    for place, kind in enumerate(kinds, start=number + 1):
        rater: Rater = invitations.invite(study=study, label=f"simulated-{kind}-{place:04d}")
        guests.append(Guest(kind, rater.label, rater.token))
    return guests
