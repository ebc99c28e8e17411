"""The triggers that once stood here follow from the models now: studies.protocol.freezing."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("studies", "0001_initial")]
    operations = []
