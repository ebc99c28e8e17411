"""What the browser tests of a crowd's study do behind the scenes; reached as tests.e2e.backstage's functions are."""

from typing import Any

from django.utils import timezone

from studies.models import Arrival, Ending, Import, ImportFile, PanelIds, PublicLink, Study
from studies.research import people
from studies.research.decisions import decide
from tests.e2e import backstage
from tests.studies import factories
from tests.studies.research.test_quality import rate_all

BACK = "https://app.prolific.com/submissions/complete?cc=CODE"
REASON = "You gave one score to all of the images, also to the two whose score the instructions had shown you before."


def open_to_a_crowd(**protocol: Any) -> dict[str, str]:
    """A launched study with a public link for Prolific, which gives each a code of their own: its name and the path."""
    invitation = backstage.invite_to_new_study(calibrated=False, **protocol)
    study = Study.objects.get(raters=invitation.rater)
    link = PublicLink.objects.create(study=study, is_open=True, panel="prolific")
    Ending.objects.create(study=study, outcome="completed", own_code=True, return_address=BACK)
    return {"name": study.name, "path": f"/join/{link.token}/"}


def rater_of_crowd(name: str) -> int:
    """Who came by the study's link last."""
    return Arrival.objects.filter(study__name=name).latest("pk").rater_id


def study_to_watch(*, raters: int = 4) -> dict[str, str]:
    """A study that so many have rated, one of them with one score for all: `name`, and `import`, one that has begun."""
    number = Study.objects.count()
    benchmark = factories.make_benchmark(f"watched{number}", images=2)
    study = factories.launch(
        factories.make_study(
            name=f"watched-{number}", benchmarks=[benchmark], ratings_each=5, pay_each=2.5, stop_rule="targets"
        )
    )
    PublicLink.objects.create(study=study, is_open=True, panel="prolific")
    now = timezone.now()
    for place in range(raters):
        rate_whole_part(study.name, f"rater {place}", same=place == 0)
    for rater, kind in zip(study.raters.order_by("pk"), ("reject", "accept", "exclude"), strict=False):
        decide(rater=rater, kind=kind, reason=REASON, by="staff", now=now)
        arrival = Arrival.objects.create(rater=rater, study=study, person=f"hash of {rater.pk}")
        PanelIds.objects.create(arrival=arrival, ids={"PROLIFIC_PID": f"pid{rater.pk}"})
    people.invite(study=study, role="viewer", by="staff", now=now)
    incoming = Import.objects.create(kind="benchmark", benchmark="brought", by="staff")
    ImportFile.objects.create(incoming=incoming, path="a_HR.png", size=1, stamp="1")
    return {"name": study.name, "import": str(incoming.pk)}


def rate_whole_part(name: str, label: str, *, same: bool = False) -> None:
    """By methods; or with one score for all."""
    study = Study.objects.get(name=name)
    number = study.raters.count() % 2
    scores = {"nearest": 1 + number, "bicubic": 2, "hr": 5 - number}
    rate_all(study, label, scores=dict.fromkeys(scores, 3) if same else scores)
