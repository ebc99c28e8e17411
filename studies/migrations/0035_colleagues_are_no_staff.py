"""A deleted account's place stays among a study's members; accounts that came by a colleague's link are no staff."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def no_staff(apps: Any, schema_editor: Any) -> None:
    """Those that are younger than the link that they used; who had an account before stays what they were."""
    user = apps.get_model("auth", "User")
    for link in apps.get_model("studies", "Colleague").objects.exclude(used_by=""):
        made = user.objects.filter(username=link.used_by, date_joined__gte=link.made_at, is_superuser=False)
        made.update(is_staff=False)


class Migration(migrations.Migration):
    dependencies = [
        ("studies", "0034_people"),
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="membership",
            name="user",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="memberships",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunPython(no_staff, migrations.RunPython.noop),
    ]
