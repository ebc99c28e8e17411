"""What a launched study consists of does not change: the database refuses, whoever asks.

The rules follow from the models: every column of a study's design, and of an image that a launched study shows, is
frozen but those that the model names in EDITABLE. They are triggers, taken away before a migration, which could not
alter the tables otherwise, and made anew from the models as they then are after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps as installed
from django.apps.registry import Apps
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from studies import models

_FROZEN = "the design of a launched study does not change; clone the study instead"
_SHOWN = "an image of a launched study does not change"
_LAUNCHED = "EXISTS (SELECT 1 FROM studies_study s WHERE s.id = {row}.study_id AND s.state <> 'draft')"
_OF_LAUNCHED = (
    "EXISTS (SELECT 1 FROM studies_studyregion g JOIN studies_study s ON s.id = g.study_id"
    " WHERE g.id = {row}.region_id AND s.state <> 'draft')"
)
_IS_SHOWN = "EXISTS (SELECT 1 FROM studies_studyimage i WHERE i.stimulus_id = OLD.id)"
_SOURCE_IS_SHOWN = (
    "EXISTS (SELECT 1 FROM studies_studyimage i JOIN studies_stimulus t ON t.id = i.stimulus_id"
    " WHERE t.source_id = OLD.id)"
)
# Nobody has seen it: its launch can be taken back.
_HAS_SESSION = (
    "EXISTS (SELECT 1 FROM studies_session e JOIN studies_rater r ON r.id = e.rater_id WHERE r.study_id = OLD.id)"
)
_OF_TWO_SOURCES = (
    "NEW.{other}_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM studies_stimulus l JOIN studies_stimulus r"
    " ON r.source_id = l.source_id WHERE l.id = NEW.stimulus_id AND r.id = NEW.{other}_id)"
)
_STUDY_OF_TRIAL = (
    "studies_trial t JOIN studies_session e ON e.id = t.session_id JOIN studies_rater r ON r.id = e.rater_id"
    " JOIN studies_study s ON s.id = r.study_id"
)
# Of a step: 0.1 + 0.2 is the level 0.3.
_ON_A_LEVEL = 1e-6


@dataclass(frozen=True)
class Rule:
    """Before `event` on `table` the database refuses with `message` where `condition` holds."""

    name: str
    table: str
    event: str
    condition: str
    message: str


def rules(apps: Apps, connection: BaseDatabaseWrapper) -> Iterator[Rule]:
    """Every rule, for the models of this state of the migrations."""
    vendor = connection.vendor
    design, stimulus, source = (
        _changed(apps, connection, model) for model in (models.Study, models.Stimulus, models.SourceImage)
    )
    back = f"(NEW.state = 'draft' AND {_HAS_SESSION})" if _has(apps, "Study", "archived_at") else "NEW.state = 'draft'"
    redesigned = f"OLD.state <> 'draft' AND ({back} OR {design})"
    yield Rule("study_frozen", "studies_study", "UPDATE", redesigned, _FROZEN)
    yield Rule("study_kept", "studies_study", "DELETE", "OLD.state <> 'draft'", "a launched study is not deleted")
    yield Rule("stimulus_frozen", "studies_stimulus", "UPDATE", f"{stimulus} AND {_IS_SHOWN}", _SHOWN)
    yield Rule("source_frozen", "studies_sourceimage", "UPDATE", f"{source} AND {_SOURCE_IS_SHOWN}", _SHOWN)
    yield Rule("rating_stands", "studies_rating", "UPDATE", "1 = 1", "a rating stands once it is given")
    if _has(apps, "Study", "scale"):
        yield Rule(
            "rating_on_the_scale", "studies_rating", "INSERT", _off_the_scale(vendor), "the score is not on the scale"
        )
    if _has(apps, "Trial", "right"):
        condition = _OF_TWO_SOURCES.format(other="right")
        yield Rule("pair_of_one_source", "studies_trial", "INSERT", condition, "a pair is of one source")
    if _has(apps, "Trial", "original"):
        condition = _OF_TWO_SOURCES.format(other="original")
        yield Rule("original_of_source", "studies_trial", "INSERT", condition, "an original is of its own source")
    if _has(apps, "StudyRegion", "width"):
        moved = _changed(apps, connection, models.StudyRegion)
        for event, row, when in (("INSERT", "NEW", ""), ("UPDATE", "OLD", f" AND {moved}"), ("DELETE", "OLD", "")):
            launched = _LAUNCHED.format(row=row) + when
            yield Rule(f"region_no_{event.lower()}", "studies_studyregion", event, launched, _FROZEN)
            launched = _OF_LAUNCHED.format(row=row)
            yield Rule(f"cut_no_{event.lower()}", "studies_cut", event, launched, _FROZEN)
    for table in ("studies_studymethod", "studies_studyimage", "studies_study_calibration"):
        for event, row in (("INSERT", "NEW"), ("UPDATE", "OLD"), ("DELETE", "OLD")):
            yield Rule(f"{table}_no_{event.lower()}", table, event, _LAUNCHED.format(row=row), _FROZEN)


def thaw(*, using: str = "default", plan: Any = None, **of_signal: Any) -> None:
    """Before a migration: take the triggers away. A receiver of pre_migrate."""
    if plan is None or any(migration.app_label == "studies" for migration, _ in plan):
        with transaction.atomic(using=using):
            _drop(connections[using])


def freeze(*, using: str = "default", apps: Any = None, plan: Any = (), **of_signal: Any) -> None:
    """After a migration: make the triggers. A receiver of post_migrate, which `flush` sends too, without a plan."""
    connection = connections[using]
    if plan is None or "studies_rating" not in connection.introspection.table_names():
        return
    with transaction.atomic(using=using):
        _drop(connection)
        with connection.cursor() as cursor:
            for rule in rules(apps or installed, connection):
                for statement in _statements(rule, connection.vendor):
                    cursor.execute(statement)


def _has(apps: Apps, model: str, field: str) -> bool:
    try:
        return any(f.name == field for f in apps.get_model("studies", model)._meta.concrete_fields)
    except LookupError:
        return False


def _changed(apps: Apps, connection: BaseDatabaseWrapper, model: type[Model]) -> str:
    """That a column changes which is not named as editable."""
    differs = "IS NOT" if connection.vendor == "sqlite" else "IS DISTINCT FROM"
    editable: frozenset[str] = model.EDITABLE  # type: ignore[attr-defined]
    fields = apps.get_model("studies", model.__name__)._meta.concrete_fields
    columns = [connection.ops.quote_name(f.column) for f in fields if f.name not in editable]
    return "(" + " OR ".join(f"OLD.{column} {differs} NEW.{column}" for column in columns) + ")"


def _off_the_scale(vendor: str) -> str:
    if vendor == "sqlite":
        low, high, step = (f"json_extract(s.scale, '$.{name}')" for name in ("low", "high", "step"))
    else:
        low, high, step = (f"CAST(s.scale ->> '{name}' AS double precision)" for name in ("low", "high", "step"))
    steps = f"(NEW.score - {low}) * 1.0 / {step}"
    return (
        f"NOT EXISTS (SELECT 1 FROM {_STUDY_OF_TRIAL} WHERE t.id = NEW.trial_id"  # noqa: S608
        f" AND NEW.score >= {low} AND NEW.score <= {high}"
        f" AND ({step} IS NULL OR abs({steps} - round({steps})) <= {_ON_A_LEVEL}))"
    )


def _statements(rule: Rule, vendor: str) -> Iterator[str]:
    if vendor == "sqlite":
        yield (
            f"CREATE TRIGGER {rule.name} BEFORE {rule.event} ON {rule.table} WHEN {rule.condition} "
            f"BEGIN SELECT RAISE(ABORT, '{rule.message}'); END"
        )
        return
    # PostgreSQL allows no subquery in WHEN: the condition is tested in the function.
    result = "OLD" if rule.event == "DELETE" else "NEW"
    yield (
        f"CREATE FUNCTION {rule.name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {rule.condition} THEN "
        f"RAISE EXCEPTION '{rule.message}' USING ERRCODE = 'integrity_constraint_violation'; END IF; "
        f"RETURN {result}; END $$"
    )
    yield (
        f"CREATE TRIGGER {rule.name} BEFORE {rule.event} ON {rule.table} FOR EACH ROW EXECUTE FUNCTION {rule.name}()"
    )


def _drop(connection: BaseDatabaseWrapper) -> None:
    """Every trigger on a table of studies: all of them are these."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name GLOB 'studies_*'")
            statements = [f"DROP TRIGGER {name}" for (name,) in cursor.fetchall()]
        else:
            cursor.execute(
                "SELECT p.proname FROM pg_trigger t"
                " JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid"
                " WHERE NOT t.tgisinternal AND c.relname LIKE 'studies\\_%' AND pg_table_is_visible(c.oid)"
            )
            statements = [f"DROP FUNCTION {name}() CASCADE" for (name,) in cursor.fetchall()]
        for statement in statements:
            cursor.execute(statement)
