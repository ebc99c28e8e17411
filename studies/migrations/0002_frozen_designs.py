"""What a launched study consists of does not change: the database refuses, whoever asks.

SQLite and PostgreSQL write triggers differently; the rules are stated once, as (table, event, condition, message).
"""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

DESIGN = ("name", "title", "instructions", '"order"', "seed", "repeats", "pause_minutes", "reminder_minutes")
STIMULUS = ("source_id", "method_id", "origin", "content_sha256", "code_version", "opaque_name", "file",
            "pixels_sha256", "psnr", "ssim", "state")  # fmt: skip
SOURCE = ("benchmark_id", "name", "hr", "lr", "hr_sha256", "lr_sha256", "width", "height", "mode")

LAUNCHED = "EXISTS (SELECT 1 FROM studies_study s WHERE s.id = {row}.study_id AND s.state <> 'draft')"
SHOWN = "EXISTS (SELECT 1 FROM studies_studyimage i WHERE i.stimulus_id = OLD.id)"
SHOWN_SOURCE = (
    "EXISTS (SELECT 1 FROM studies_studyimage i JOIN studies_stimulus t ON t.id = i.stimulus_id"
    " WHERE t.source_id = OLD.id)"
)


def changed(columns: tuple[str, ...], vendor: str) -> str:
    differs = "IS NOT" if vendor == "sqlite" else "IS DISTINCT FROM"
    return "(" + " OR ".join(f"OLD.{column} {differs} NEW.{column}" for column in columns) + ")"


def rules(vendor: str) -> list[tuple[str, str, str, str, str]]:
    frozen = "the design of a launched study does not change; clone the study instead"
    found = [
        ("study_frozen", "studies_study", "UPDATE",
         f"OLD.state <> 'draft' AND (NEW.state = 'draft' OR {changed(DESIGN, vendor)})", frozen),
        ("study_kept", "studies_study", "DELETE", "OLD.state <> 'draft'", "a launched study is not deleted"),
        ("stimulus_frozen", "studies_stimulus", "UPDATE", f"{changed(STIMULUS, vendor)} AND {SHOWN}",
         "an image of a launched study does not change"),
        ("source_frozen", "studies_sourceimage", "UPDATE", f"{changed(SOURCE, vendor)} AND {SHOWN_SOURCE}",
         "an image of a launched study does not change"),
        ("rating_stands", "studies_rating", "UPDATE", "1 = 1", "a rating stands once it is given"),
    ]  # fmt: skip
    for table in ("studies_studymethod", "studies_studyimage", "studies_study_calibration"):
        found.append((f"{table}_no_insert", table, "INSERT", LAUNCHED.format(row="NEW"), frozen))
        found.append((f"{table}_no_update", table, "UPDATE", LAUNCHED.format(row="OLD"), frozen))
        found.append((f"{table}_no_delete", table, "DELETE", LAUNCHED.format(row="OLD"), frozen))
    return found


def create(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    vendor = schema_editor.connection.vendor
    for name, table, event, condition, message in rules(vendor):
        if vendor == "sqlite":
            schema_editor.execute(
                f"CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN {condition} "
                f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )
            continue
        # PostgreSQL allows no subquery in WHEN: the condition is tested in the function.
        result = "OLD" if event == "DELETE" else "NEW"
        schema_editor.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF {condition} THEN RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END IF; "
            f"RETURN {result}; END $$"
        )
        schema_editor.execute(
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
        )


def drop(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    vendor = schema_editor.connection.vendor
    for name, table, *_ in rules(vendor):
        if vendor == "sqlite":
            schema_editor.execute(f"DROP TRIGGER {name}")
        else:
            schema_editor.execute(f"DROP TRIGGER {name} ON {table}")
            schema_editor.execute(f"DROP FUNCTION {name}()")


class Migration(migrations.Migration):
    dependencies = [("studies", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]
