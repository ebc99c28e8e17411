"""All that the site has of one rater: as a file to hand over, and erased for good by an owner."""

import json
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import QuerySet

from studies.models import Rater, Stimulus, StudyEvent, tell
from studies.rating.continuing import parts_from
from studies.rating.withdrawal import forget_label, withdraw
from studies.research.deleting import BEFORE, Going

# Opens something, or says what a check asks for before it is answered; says nothing of the person.
_SECRET = frozenset({"token", "seed", "withdrawal_hash"})


def models_of_raters() -> dict[type[models.Model], str]:
    """Each model whose rows belong to one rater -> the way from its rows to that rater, as a filter has it."""
    found: dict[type[models.Model], str] = {Rater: "pk"}
    todo: list[tuple[type[models.Model], str]] = [(Rater, "")]
    while todo:
        model, way = todo.pop(0)
        for relation in model._meta.related_objects:
            below = relation.related_model
            if isinstance(below, type) and below not in found:
                found[below] = "__".join(filter(None, [relation.field.name, way]))
                todo.append((below, found[below]))
    return found


def rows_of(rater: Rater) -> "Iterator[tuple[type[models.Model], QuerySet[Any]]]":
    """All that is stored of the rater, a model at a time; the study's events that name them are among it."""
    for model, way in models_of_raters().items():
        yield model, model._default_manager.filter(**{way: rater.pk}).order_by("pk")
    yield StudyEvent, StudyEvent.objects.filter(study=rater.study_id, rater=rater.label).order_by("pk")


def counts_of(rater: Rater) -> list[tuple[str, int]]:
    """What there is of the rater, in words, and how much."""
    counts = [(model._meta, rows.count()) for model, rows in rows_of(rater) if model is not Rater]
    named = [(str(of.verbose_name if number == 1 else of.verbose_name_plural), number) for of, number in counts]
    return [(name, number) for name, number in named if number]


def everything_of(rater: Rater) -> dict[str, Any]:
    """All of it as plain values: the model's name -> its rows. Secrets are left out, images are named."""
    found: dict[str, Any] = {"study": rater.study.name, "title": rater.study.title}
    for model, rows in rows_of(rater):
        values = [_plain(row) for row in rows.select_related(*_named(model))]
        if values:
            found[str(model._meta.verbose_name_plural)] = values
    return found


def as_json(rater: Rater) -> str:
    return json.dumps(everything_of(rater), cls=DjangoJSONEncoder, ensure_ascii=False, indent=1) + "\n"


def going(rater: Rater) -> Going:
    """What an owner erases of one person, and what stays of them."""
    goes = [f"{number} {name}" for name, number in counts_of(rater)]
    after = [getattr(part, "session", None) for part in parts_from(rater) if part != rater]
    goes += [f"the part in which the person went on, with {one.rated if one else 0} ratings" for one in after]
    goes.append("the label, here and in the study's events; the study's reports, which say how each rated")
    stays = ["That somebody's data was erased, when and by whom; the link opens nothing any more.", BEFORE]
    problems = ["All of it is erased already."] if rater.withdrawn_at and rater.label == erased_label(rater) else []
    return Going(f"all data of {rater.label}", rater.label, goes, partial(_erase, rater), stays, problems)


def erased_label(rater: Rater) -> str:
    return f"erased-{rater.pk}"


def erase(rater: Rater, *, by: str, now: datetime) -> int:
    """All that the rater did, in the parts after this one too, with the labels; returns how many ratings were erased.
    Done twice, nothing changes."""
    with transaction.atomic():
        ratings = withdraw(rater=rater, now=now, by=by)
        for part in list(parts_from(rater)):
            forget_label(part, erased_label(part))
    return ratings


def tell_handed_over(rater: Rater, *, by: str) -> None:
    """That somebody took a copy of the person's data out of the site."""
    tell(rater.study, "downloaded", by=by, rater=rater.label, detail={"what": "all data of one rater"})


def _erase(rater: Rater, by: str, now: datetime) -> None:
    erase(rater, by=by, now=now)


def _named(model: type[models.Model]) -> list[str]:
    """The foreign keys that are written as what they stand for, with what that is named by."""
    images = [field.name for field in model._meta.concrete_fields if field.is_relation and _is_image(field)]
    return [f"{name}__{of}" for name in images for of in ("source__benchmark", "method")]


def _is_image(field: Any) -> bool:
    return field.related_model is Stimulus


def _plain(row: models.Model) -> dict[str, Any]:
    told = {}
    for field in row._meta.concrete_fields:
        if field.name in _SECRET:
            continue
        value = getattr(row, field.name) if field.is_relation and _is_image(field) else getattr(row, field.attname)
        told[field.name] = str(value) if isinstance(value, models.Model) else value
    return told
