"""What the panel is told: whom to approve, to reject and why, who gets a bonus. Only here are the panel's ids read."""

import csv
import io

from django.db import transaction

from studies.models import Decision, PanelIds, PublicLink, Study, tell

SHORTEST_REASON = 100
"""Characters; Prolific takes no shorter reason for a rejection."""
# Mechanical Turk approves and rejects an assignment, and pays a bonus to a worker for one.
_OF_MTURK = {"approve": ("assignmentId",), "reject": ("assignmentId",), "bonus": ("workerId", "assignmentId")}


def panel_csv(study: Study, table: str, *, amount: str = "") -> str:
    """UTF-8 text, a line a person: the id, then the reason or the amount. `table`: approve, reject or bonus.

    The id is who came; of Mechanical Turk the assignment, and for a bonus both.

    To approve, and for a bonus, is who was accepted; without a head, as Prolific's forms take it. Who was rejected with
    a reason under SHORTEST_REASON is left out; `short_reasons` names them.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = _names(study, table)
    if table == "reject":
        writer.writerow([*names, "reason"])
        reasons = _reasons(study)
        for rater, ids in _people(study, "rejected", names):
            if len(reasons.get(rater, "")) >= SHORTEST_REASON:
                writer.writerow([*ids, _plain(reasons[rater])])
        return buffer.getvalue()
    for _, ids in _people(study, "accepted", names):
        writer.writerow([*ids, amount] if table == "bonus" else ids)
    return buffer.getvalue()


def short_reasons(study: Study) -> list[str]:
    """The labels of who was rejected with a reason that the panel does not take."""
    reasons = _reasons(study)
    rejected = study.raters.filter(verdict="rejected").values_list("pk", "label")
    return [label for pk, label in rejected if len(reasons.get(pk, "")) < SHORTEST_REASON]


def forget_ids(study: Study, *, by: str = "") -> int:
    """Delete the panel's ids, once everybody is paid; returns how many there were."""
    with transaction.atomic():
        gone, _ = PanelIds.objects.filter(arrival__study=study).delete()
        if gone:
            tell(study, "panel ids deleted", by=by, detail={"ids": gone})
    return gone


def _names(study: Study, table: str) -> tuple[str, ...]:
    """The parameters whose values name a person in this table."""
    link = PublicLink.objects.filter(study=study).first()
    if link and link.panel == PublicLink.Panel.MTURK:
        return _OF_MTURK[table]
    return link.parameters[:1] if link and link.parameters else ("id",)


def _people(study: Study, verdict: str, names: tuple[str, ...]) -> list[tuple[int, list[str]]]:
    rows = PanelIds.objects.filter(arrival__study=study, arrival__rater__verdict=verdict).order_by("arrival__rater_id")
    found = rows.values_list("arrival__rater_id", "ids")
    return [(rater, [_plain(str(ids[n])) for n in names]) for rater, ids in found if all(ids.get(n) for n in names)]


def _reasons(study: Study) -> dict[int, str]:
    """Of each rater's last rejection."""
    rows = Decision.objects.filter(rater__study=study, kind=Decision.Kind.REJECT).order_by("at", "pk")
    return dict(rows.values_list("rater_id", "reason"))


def _plain(text: str) -> str:
    """On one line, and nothing that a spreadsheet would run: an id comes from a link that anybody can write."""
    line = " ".join(text.split())
    return f"'{line}" if line[:1] in ("=", "+", "-", "@") else line
