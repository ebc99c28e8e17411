"""Studies of several parts, such as a block of ratings and a block of pairs over the same images.

Each part is a study of its own, with its own task, scale and table. Who completes one goes on in the next that its
ending names (`Ending.continues_in`), under the same link; a part is a rater of its own, bound to the one before.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import takewhile

from django.db import transaction

from studies.models import Outcome, Rater, Session, Study
from studies.rating import places, sessions


def _next_study(study: Study) -> Study | None:
    """Where raters shall go on who have completed this one, launched or not."""
    ending = study.endings.filter(outcome=Outcome.COMPLETED).select_related("continues_in").first()
    return ending.continues_in if ending else None


def studies_after(study: Study) -> Iterator[Study]:
    """Those in which its raters go on, in their order, launched or not."""
    seen, following = {study.pk}, _next_study(study)
    while following and following.pk not in seen:
        yield following
        seen.add(following.pk)
        following = _next_study(following)


def open_studies_after(study: Study) -> Iterator[Study]:
    """The first of them, as far as they are launched: to these raters come now."""
    return takewhile(lambda following: following.state == Study.State.LAUNCHED, studies_after(study))


def first_part(rater: Rater) -> Rater:
    """That of the link by which the person came; the rater's own where there is no other."""
    return _up_to(rater)[0]


def next_part(rater: Rater) -> Rater | None:
    """The person's part after this one, if it was made."""
    return Rater.objects.select_related("study", "session").filter(continues=rater).first()


def parts_from(rater: Rater) -> Iterator[Rater]:
    """This part and those after it. Each is looked for when the one before is done with: a caller that locks each keeps
    another from being made behind its back."""
    following: Rater | None = rater
    while following:
        yield following
        following = next_part(following)


def parts_of(rater: Rater) -> Iterator[Rater]:
    """All parts of this person, the first first; as `parts_from`."""
    return parts_from(first_part(rater))


def is_shut(part: Rater) -> bool:
    """Whether it is a part after another that nobody has begun, of a study in which nobody can begin now."""
    begun = Session.objects.filter(rater=part).exists()
    return part.continues_id is not None and not begun and part.study.state != Study.State.LAUNCHED


def due_part(rater: Rater, *, now: datetime) -> Rater:
    """The part at which the person is: the rater's own or, where that is completed and another follows, the next.

    It is made when it is first asked for. Who has not begun it when its study is closed, or has nothing in it any more,
    ends with the one before.
    """
    while not rater.outcome and sessions.stage(rater, now=now) == "finished":
        following = next_part(rater) or _begin_next(rater)
        if following is None or following.withdrawn_at or is_shut(following):
            break
        rater = following
    return rater


def _up_to(rater: Rater) -> list[Rater]:
    """The person's parts up to this one, the first first."""
    parts = [rater]
    while before := parts[0].continues:
        parts.insert(0, before)
    return parts


def _begin_next(rater: Rater) -> Rater | None:
    study = next(open_studies_after(rater.study), None)
    if study is None or study.pk in {part.study_id for part in _up_to(rater)}:
        return None
    with transaction.atomic():
        study = places.lock(study)
        # Against a withdrawal at this moment, and another window of the rater.
        locked = Rater.objects.select_for_update(of=("self",)).get(pk=rater.pk)
        found = next_part(rater)
        if found or locked.withdrawn_at or locked.revoked_at or study.state != Study.State.LAUNCHED:
            return found
        label = _free_label(study, rater.label)
        return Rater.objects.create(study=study, label=label, is_preview=rater.is_preview, continues=locked)


def _free_label(study: Study, label: str) -> str:
    """The same as in the part before, by which the tables of both are joined; else with a number."""
    longest, number, free = Rater._meta.get_field("label").max_length or 0, 2, label
    while study.raters.filter(label=free).exists():
        free, number = f"{label[: longest - 5]}-{number}", number + 1
    return free
