"""The original as a third image on a key, what raters looked at of it; gold images beside the original."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("studies", "0110_shares_end_a_study"),
    ]

    operations = [
        migrations.AddField(
            model_name="rating",
            name="original_looks",
            field=models.PositiveIntegerField(
                help_text="of a pair with the original on a key: how often it was shown", null=True
            ),
        ),
        migrations.AddField(
            model_name="rating",
            name="original_ms",
            field=models.FloatField(help_text="of a pair with the original on a key: how long it was seen", null=True),
        ),
        migrations.AddField(
            model_name="study",
            name="original_on_key",
            field=models.BooleanField(
                default=False,
                help_text="Of pairs: as a third image in their place, by the key R or a button, while the question stays the one about the two. HR can then be none of the two.",
                verbose_name="the original is on a key",
            ),
        ),
        migrations.AddField(
            model_name="takenback",
            name="original_looks",
            field=models.PositiveIntegerField(
                help_text="of a pair with the original on a key: how often it was shown", null=True
            ),
        ),
        migrations.AddField(
            model_name="takenback",
            name="original_ms",
            field=models.FloatField(help_text="of a pair with the original on a key: how long it was seen", null=True),
        ),
        migrations.AddField(
            model_name="trial",
            name="original",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="studies.stimulus"
            ),
        ),
        migrations.AlterField(
            model_name="studyimage",
            name="role",
            field=models.CharField(
                choices=[
                    ("rated", "Rated"),
                    ("low", "calibration: the scale's low end"),
                    ("high", "calibration: the scale's high end"),
                    ("practice", "rated for practice, stored nowhere"),
                    ("gold", "a check: its score is known"),
                    ("trap", "a check: it says which score to give"),
                    ("original", "shown beside others: on a key, or with gold"),
                ],
                max_length=8,
            ),
        ),
        migrations.RemoveConstraint(
            model_name="trial",
            name="a_pair_is_of_two_images",
        ),
        migrations.AlterField(
            model_name="study",
            name="gold",
            field=models.TextField(
                blank=True,
                default="",
                help_text="One a line: benchmark/image, method and the score that all would give, such as Set5/baby hr 5. They come among the others, which raters cannot tell; no result counts them. One category off is no failure. Beside the original: of the image that is beside it, so that hr is the original beside itself.",
                verbose_name="gold images",
            ),
        ),
        migrations.AddConstraint(
            model_name="trial",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("right__isnull", True),
                    models.Q(("right", models.F("stimulus")), _negated=True),
                    ("phase", "gold"),
                    _connector="OR",
                ),
                name="a_pair_is_of_two_images_or_a_check",
            ),
        ),
    ]
