"""In which tiles a network of others saw an image is stored with it, not only in the method's hash."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("studies", "0035_colleagues_are_no_staff")]

    operations = [
        migrations.AddField(
            model_name="stimulus",
            name="sees",
            field=models.CharField(
                blank=True,
                default="",
                help_text="the tiles in which a network of others saw LR: part of the method",
                max_length=80,
            ),
            preserve_default=False,
        ),
    ]
