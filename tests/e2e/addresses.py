"""Every address of a site, and who asks for it: run in the site's own shell, it prints both as JSON.

    python manage.py shell -c "from tests.e2e.addresses import prepare; prepare('study')"

First it does what staff do: decide about raters, order the reports and have them made, invite colleagues, begin an
import.
"""

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from studies.models import Colleague, DeviceCheck, Import, ImportFile, Membership, PublicLink, Rater, Role, Study, Trial
from studies.research import people, reporting
from studies.research.decisions import decide
from studies.research.report_orders import order_report

# In the order in which they look: an administrator sees the admin's pages too.
ACCOUNTS = ("administrator", Role.OWNER, Role.EDITOR, Role.VIEWER, Role.BLIND)
REASON = "You gave one score to all of the sixty images, the two whose score you were shown among them; we are sorry."
_CHOICES = re.compile(r"\(\?P<(\w+)>(\w[\w|-]*)\)")
_NAMED = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")


def prepare(study: str) -> None:
    found = Study.objects.get(name=study)
    now = timezone.now()
    sessions = {str(role): _account(found, role) for role in ACCOUNTS}
    people.invite(study=found, role=Role.VIEWER, by="owner", now=now)
    for number, rater in enumerate(found.raters.filter(is_preview=False)):
        kind = ("accept", "reject", "exclude", "give_back")[number % 4]
        decide(rater=rater, kind=kind, reason=REASON, by="owner", now=now)
    for options in ({}, {"supplement": True}):
        reporting.make(order_report(found, options).pk)
    assert not found.reports.exclude(state="done").exists(), list(found.reports.values("state", "error"))
    incoming = Import.objects.create(kind="benchmark", benchmark="brought", by="owner")
    ImportFile.objects.create(incoming=incoming, path="a_HR.png", size=1, stamp="1")
    print("ADDRESSES", json.dumps({"sessions": sessions, "addresses": sorted(set(_addresses(_values(found))))}))


def _account(study: Study, role: str) -> str:
    """The cookie of a browser in which the account is logged in."""
    is_site = role == "administrator"
    user, _ = User.objects.get_or_create(username=role, defaults={"is_staff": is_site, "is_superuser": is_site})
    if not is_site:
        Membership.objects.get_or_create(study=study, user=user, role=role)
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def _values(study: Study) -> dict[str, list[str]]:
    """What stands for each variable of an address; of an address's own name where it means something else there."""
    image = study.images.select_related("stimulus__source__benchmark", "stimulus__method").first()
    assert image is not None
    rater = study.raters.filter(is_preview=False, session__isnull=False).first()
    trial = Trial.objects.filter(session__rater=rater, phase="rated").first()
    check = DeviceCheck.objects.filter(session__rater__study=study).first()
    incoming = Import.objects.first()
    assert None not in (rater, trial, incoming)
    reports = list(study.reports.values_list("pk", flat=True))
    raters = [rater.pk]
    values: dict[str, list[Any]] = {
        "name": [study.name],
        "benchmark": [image.stimulus.source.benchmark.name],
        "method": [image.stimulus.method.name],
        "metric": ["psnr"],
        "language": ["en", "de"],
        "link": [PublicLink.objects.get(study=study).token],
        "token": [trial.token],
        "invitation token": [rater.token],
        "colleague token": list(Colleague.objects.values_list("token", flat=True)[:1]),
        "device-drawing token": [check.token if check else "none"],
        "what": ["greys", "plate-0"],
        "import pk": [incoming.pk], "import-now pk": [incoming.pk], "import-files pk": [incoming.pk],
        "import-piece pk": [incoming.pk], "import-thumbnail pk": [incoming.pk], "import-act pk": [incoming.pk],
        "file": list(incoming.files.values_list("pk", flat=True)),
        "number": [0],
        "regions-source pk": [image.stimulus.source_id], "region-source pk": [image.stimulus.source_id],
        "study-picture pk": [image.stimulus_id],
        "person pk": raters, "person-everything pk": raters, "person-erase pk": raters,
        "rater-restore pk": raters, "rater-revoke pk": raters, "rater-decide pk": raters, "rater-go-on pk": raters,
        "report pk": reports, "report-delete pk": reports,
        "app_label": ["auth", "studies", "axes"],
        "content_type_id": [1],
        "url": ["nowhere"],
    }  # fmt: skip
    return {name: [str(value) for value in of] for name, of in values.items()}


def _addresses(values: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """(name, path) of every pattern. A pattern with a variable that nothing is known of fails."""
    for route, name in _patterns(get_resolver()):
        given = {}
        for match in _NAMED.finditer(route):
            variable = match[1] or match[2]
            choices = dict(_CHOICES.findall(route)).get(variable)
            of = choices.split("|") if choices else values.get(f"{name} {variable}") or values.get(variable)
            given[match[0]] = of or _keys(name, variable)
        for combination in product(*given.values()):
            path = route
            for pattern, value in zip(given, combination, strict=True):
                path = path.replace(pattern, value, 1)
            yield name, "/" + path.replace("^", "").replace("$", "").replace("\\", "")


def _keys(name: str, variable: str) -> list[str]:
    """Of the admin's pages, whose names have the model's."""
    if variable in ("object_id", "id"):
        label, _, rest = name.partition("_")
        model = rest.rpartition("_")[0] if rest else ""
        known = {(one._meta.app_label, one._meta.model_name): one for one in apps.get_models()}
        model = "user" if name == "auth_user_password_change" else model
        first = known[label, model].objects.first() if (label, model) in known else Rater.objects.first()
        return [str(first.pk if first else 1)]
    raise AssertionError(f"what stands for {variable} in the address {name!r}?")


def _patterns(resolver: URLResolver, before: str = "") -> Iterator[tuple[str, str]]:
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLPattern):
            yield route, one.name or ""
        else:
            yield from _patterns(one, route)
