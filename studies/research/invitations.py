"""Who is invited to a study."""

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import count

from django.core.exceptions import ValidationError
from django.db import transaction

from studies.models import Rater, Study, StudyEvent, tell
from studies.rating.continuing import parts_from
from studies.research.refusals import StudyError

# Two words that begin with capitals, "Last, First", an @, seven digits as of a telephone.
_TELLING = re.compile(r"[^\W\d_a-z]\w+[\s,]+[^\W\d_a-z]\w+|@|(?:\d[\s/-]?){7}")


def invite(*, study: Study, label: str = "", is_preview: bool = False) -> Rater:
    """A new rater with a link of their own; without a label the next free of r001, r002, ...

    Raises StudyError if the label is taken.
    """
    with transaction.atomic():
        # Two invitations at once must not draw the same number.
        Study.objects.select_for_update().get(pk=study.pk)
        label = label or _next_label(study, prefix="preview" if is_preview else "r")
        rater = Rater(study=study, label=label, is_preview=is_preview)
        try:
            rater.full_clean()
        except ValidationError as error:
            raise StudyError(" ".join(error.messages)) from error
        rater.save()
    return rater


def invite_all(*, study: Study, labels: Sequence[str], by: str = "") -> list[Rater]:
    """A rater for each label, all or none; without a label the next free. Raises StudyError naming the first that
    cannot be."""
    with transaction.atomic():
        Study.objects.select_for_update(no_key=True).get(pk=study.pk)  # nobody who comes meanwhile waits
        taken = set(study.raters.values_list("label", flat=True))
        numbers = _free_numbers(study, taken, prefix="r")
        raters = []
        for asked in labels:
            rater = Rater(study=study, label=asked or next(numbers))
            try:
                rater.clean_fields(exclude=["study"])
                if rater.label in taken:
                    rater.validate_constraints()  # says it in its words
                    raise StudyError(f"{asked}: it stands in the list twice.")
            except ValidationError as error:
                raise StudyError(f"{asked}: {' '.join(error.messages)}") from error
            taken.add(rater.label)
            raters.append(rater)
        invited = Rater.objects.bulk_create(raters, batch_size=1000)
        # Of several no labels: an event is no list of people.
        only = invited[0].label if len(invited) == 1 else ""
        if invited:
            tell(study, "invited", by=by, rater=only, detail={"raters": len(invited)})
    return invited


def read_labels(text: str) -> list[str]:
    """The first column of lines or of a CSV table, without empty ones and a heading that says label, name or rater."""
    delimiter = max(",;\t", key=text.count)
    first = [row[0].strip() for row in csv.reader(text.splitlines(), delimiter=delimiter) if row]
    found = [label for label in first if label]
    return found[1:] if found and found[0].lower() in ("label", "labels", "name", "rater") else found


def telling(label: str) -> bool:
    """Whether it looks like a person's name, an address or a number to call: exports and reports carry labels."""
    return bool(_TELLING.search(label))


def restore(*, rater: Rater, now: datetime, by: str = "") -> None:
    """Make a revoked link work again, in the parts after this one too. Asked twice, nothing changes."""
    with transaction.atomic():
        for part in parts_from(rater):
            if Rater.objects.filter(pk=part.pk, revoked_at__isnull=False).update(revoked_at=None):
                StudyEvent.objects.create(study=part.study, at=now, kind="link given back", rater=part.label, by=by)


def revoke(*, rater: Rater, now: datetime, by: str = "") -> None:
    """Make a rater's link useless, in the parts after this one too; the ratings stay. Asked twice, nothing changes."""
    with transaction.atomic():
        for part in parts_from(rater):
            if Rater.objects.filter(pk=part.pk, revoked_at=None).update(revoked_at=now):
                StudyEvent.objects.create(study=part.study, at=now, kind="revoke", rater=part.label, by=by)


def _next_label(study: Study, *, prefix: str) -> str:
    return next(_free_numbers(study, set(study.raters.values_list("label", flat=True)), prefix=prefix))


def _free_numbers(study: Study, taken: Collection[str], *, prefix: str) -> Iterator[str]:
    """The next free labels, one after the other; `taken` may grow meanwhile."""
    for number in count(study.raters.filter(label__startswith=prefix).count() + 1):
        if (label := f"{prefix}{number:03d}") not in taken:
            yield label
