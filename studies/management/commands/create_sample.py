from typing import Any

from django.core.management.base import BaseCommand, CommandError

from studies.research import sample


class Command(BaseCommand):
    help = "Create the sample benchmark and study if they are missing. 'generate sample' then makes the images."

    def handle(self, **options: Any) -> None:
        study = sample.create_sample()
        if study is None:
            raise CommandError("There are studies but no sample among them: it was removed, and is not made again.")
        self.stdout.write(f"The study '{study.name}' is {study.get_state_display()}.")
