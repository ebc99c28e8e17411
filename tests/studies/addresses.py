"""Every address of the site that is not a rater's, from the URL resolver itself: a new page is among them at once."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from studies.models import Import, Rater, Report, Stimulus, Study

# Of an address that takes one of several words, the one that is asked for.
WORDS: dict[str, Mapping[str, str]] = {
    "study-act": {"action": "retry"},
    "import-act": {"action": "look"},
    "metric-act": {"metric": "psnr", "action": "again"},
    "study-texts": {"language": "en"},
    "colleague": {"token": "none"},
    "import-files": {},
    "import-piece": {"file": "1", "number": "0"},
    "import-thumbnail": {"number": "1"},
    "admin:view_on_site": {"content_type_id": "1", "object_id": "1"},
    "admin:app_list": {"app_label": "studies"},
}
SEVERAL: dict[str, list[Mapping[str, str]]] = {
    "study-ask": [{"action": a} for a in ("launch", "take-back", "close", "reopen", "archive")],
    "panel-csv": [{"table": "approve"}, {"table": "reject"}, {"table": "bonus"}],
    "download": [
        {"table": t, "kind": k} for t in ("ratings", "pairs", "objective", "answers") for k in ("csv", "parquet")
    ],
}
RATERS = "studies.rating.urls"


def staff_addresses(study: Study) -> Iterator[tuple[str, str]]:
    """(name, address) of all of them, with this study where one is named. Raises LookupError for a parameter that
    nobody has said how to fill: say it here."""
    for name, parameters in sorted(_named(get_resolver(), "")):
        for words in SEVERAL.get(name, [WORDS.get(name, {})]):
            values = {p: words[p] if p in words else _value(name, p, study) for p in parameters}
            yield name, reverse(name, kwargs=values or None)


def _named(resolver: URLResolver, space: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            if pattern.name:  # the others are the admin's: another spelling of an address of its own
                converters: Any = pattern.pattern.converters
                found = {*converters, *pattern.pattern.regex.groupindex}
                yield f"{space}{pattern.name}", tuple(sorted(found))
        elif getattr(pattern.urlconf_module, "__name__", "") != RATERS:
            yield from _named(pattern, f"{space}{pattern.namespace}:" if pattern.namespace else space)


def _value(name: str, parameter: str, study: Study) -> str:
    if parameter == "name":
        return study.name
    if parameter == "object_id":
        app, _, model = name.removeprefix("admin:").rpartition("_")[0].partition("_")
        return str(_first(apps.get_model(app, model)._default_manager.all()))
    if parameter == "benchmark":
        return str(study.cells.values_list("benchmark__name", flat=True).first())
    if parameter == "method":
        brought = Stimulus.objects.filter(origin="folder", source__benchmark__in=study.cells.values("benchmark"))
        return brought.values_list("method__name", flat=True).first() or "none"
    if parameter == "pk":
        return str(_key(name, study))
    if parameter == "id":
        return "1"
    raise LookupError(f"{name}: say what its {parameter} is, in {__name__}")


def _key(name: str, study: Study) -> int:
    room = name.partition("-")[0]
    if room in ("rater", "person"):
        return _first(Rater.objects.filter(study=study))
    if room == "report":
        return _first(Report.objects.filter(study=study))
    if room == "import":
        return _first(Import.objects.all())
    cell = study.cells.order_by("pk").first()
    image = Stimulus.objects.filter(source__benchmark=cell.benchmark_id, method=cell.method_id) if cell else None
    if name == "study-picture":
        return _first(image)
    if name == "region-source":
        return image.values_list("source", flat=True).first() if image else 1
    raise LookupError(f"{name}: say what its pk is, in {__name__}")


def _first(rows: Any) -> int:
    found = None if rows is None else rows.order_by("pk").values_list("pk", flat=True).first()
    return 1 if found is None else found
