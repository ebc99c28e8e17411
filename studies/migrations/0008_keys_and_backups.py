import hashlib

import django.utils.timezone
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import studies.models.site


def keep_the_outbox_key(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Browsers of sessions under way hold ratings under a name that followed from SECRET_KEY: it stays the same.

    Where nobody was invited yet there is none to keep, and the key is random.
    """
    invited = apps.get_model("studies", "Rater").objects.exists()
    value = key_of_old(settings.SECRET_KEY) if invited else studies.models.site.new_key()
    apps.get_model("studies", "SiteKey").objects.get_or_create(name="outbox", defaults={"value": value})


def key_of_old(secret: str) -> str:
    """The key that django.utils.crypto.salted_hmac("studies.outbox", ..., secret) used."""
    return hashlib.sha1(b"studies.outbox" + secret.encode()).hexdigest()  # noqa: S324


class Migration(migrations.Migration):
    dependencies = [("studies", "0007_storage_and_fitness")]

    operations = [
        migrations.CreateModel(
            name="SiteKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.SlugField(max_length=40, unique=True)),
                ("value", models.CharField(default=studies.models.site.new_key, editable=False, max_length=128)),
            ],
        ),
        migrations.CreateModel(
            name="Backup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("made_at", models.DateTimeField(default=django.utils.timezone.now, help_text="the moment that it shows")),
                ("file_name", models.CharField(max_length=255)),
                ("size", models.PositiveBigIntegerField(help_text="bytes")),
                ("encrypted", models.BooleanField()),
            ],
            options={"ordering": ["-made_at"]},
        ),
        migrations.RunPython(keep_the_outbox_key, migrations.RunPython.noop),
    ]
