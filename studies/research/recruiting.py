"""A study's public link and what raters are told at the end; both may change while it runs."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count

from studies.models import Ending, Outcome, PublicLink, Study, tell
from studies.rating.arrivals import holding

# What each panel writes in place of these.
_FILLED_BY = {"PROLIFIC_PID": "{{%PROLIFIC_PID%}}", "STUDY_ID": "{{%STUDY_ID%}}", "SESSION_ID": "{{%SESSION_ID%}}"}


def link_of(study: Study) -> PublicLink:
    """The study's public link; one that is switched off and not yet stored where there is none."""
    found = PublicLink.objects.filter(study=study).first()
    return found or PublicLink(study=study)


def address_to_give_out(link: PublicLink, address: str) -> str:
    """The address with the places that the panel fills in."""
    if not link.parameters:
        return address
    words = {name: _FILLED_BY.get(name, name.upper()) for name in link.parameters}
    return f"{address}?{urlencode(words, safe='{}%')}"


def endings_of(study: Study) -> list[Ending]:
    """One for each outcome, stored or not, in the order of the outcomes."""
    stored = {ending.outcome: ending for ending in study.endings.all()}
    return [stored.get(outcome) or Ending(study=study, outcome=outcome) for outcome in Outcome.values]


def link_told(study: Study) -> dict[str, Any]:
    """The stored public link as an event tells it, without its secret; {} where there is none."""
    link = PublicLink.objects.filter(study=study).first()
    if link is None:
        return {}
    names = {"is_open", "quota", "panel", "names", "panel_study", "hold_minutes", "late_go_on"}
    # Other studies by number: not everybody who reads the events may see them.
    fields = [field for field in PublicLink._meta.concrete_fields if field.name in names]
    told = {str(field.verbose_name): getattr(link, field.name) for field in fields}
    return told | {"studies turned away": link.turned_away.count()}


def endings_told(study: Study) -> dict[str, Any]:
    """The stored endings as an event tells them."""
    fields = ("code", "own_code", "return_address", "texts")
    told = {f"{one.outcome}, {name}": getattr(one, name) for one in study.endings.all() for name in fields}
    # By its number: not everybody who reads the events may see it.
    goes_on = goes_on_in(study)
    return told | ({"goes on in study": goes_on} if goes_on else {})


def goes_on_in(study: Study) -> int | None:
    """The key of the study in which raters go on who have completed this one."""
    return study.endings.exclude(continues_in=None).values_list("continues_in", flat=True).first()


def tell_going_on(study: Study, *, before: int | None, by: str) -> None:
    """Where another study is the next part than `before`, both have an event: theirs is a say in who rates there."""
    now = goes_on_in(study)
    for key, does in ((before, "no longer come"), (now, "come")):
        if key and before != now:
            tell(Study.objects.get(pk=key), "parts", by=by, detail={f"raters {does} from study": study.pk})


def who_came(study: Study, *, now: datetime) -> dict[str, Any]:
    """`arrivals` so far, `holding` a place now, and `ended`: how many of each outcome but completing."""
    link = PublicLink.objects.filter(study=study).first()
    ended = study.raters.filter(arrival__isnull=False).exclude(outcome="").values_list("outcome")
    counts = dict(ended.annotate(Count("pk")))
    return {
        "arrivals": study.arrivals.count(),
        "holding": holding(study, now=now).count() if link else 0,
        "completed": study.arrivals.filter(rater__session__finished_at__isnull=False, rater__outcome="").count(),
        "ended": [(Outcome(outcome).label, number) for outcome, number in sorted(counts.items())],
    }
