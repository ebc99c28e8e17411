"""A share against one method, precise enough, can end a study of pairs; so can a strength."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("studies", "0100_tallies"),
    ]

    operations = [
        migrations.AlterField(
            model_name="study",
            name="stop_half_width",
            field=models.FloatField(
                default=0.2,
                help_text="Of the widest interval of a method's MOS on a benchmark, in scores, where that ends the study; of pairs of a strength, in log odds, or of a share, such as 0.05. Not before 15 raters.",
                validators=[django.core.validators.MinValueValidator(0.001)],
                verbose_name="half-width that is narrow enough",
            ),
        ),
        migrations.AlterField(
            model_name="study",
            name="stop_rule",
            field=models.CharField(
                choices=[
                    ("none", "none: you close it"),
                    ("targets", "each image has the ratings that it shall get"),
                    ("width", "the widest 95 % interval of a MOS, or of pairs of a strength, is narrow enough"),
                    ("share", "of pairs: the widest 95 % interval of a share against one method is narrow enough"),
                ],
                default="none",
                help_text="Then the public link is switched off; who is at work goes on. A p value is no such rule: looked at again and again, it finds differences that are not there.",
                max_length=10,
                verbose_name="what ends it",
            ),
        ),
    ]
