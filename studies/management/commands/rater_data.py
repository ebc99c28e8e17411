from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from srcore.files import whole_file
from studies.models import Rater, Study
from studies.research import person


class Command(BaseCommand):
    help = "Write all that the site has of one rater to a file, or erase it for good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's short name")
        parser.add_argument("label", help="the rater's")
        parser.add_argument("--out", type=Path, help="JSON file for the data; without it a summary is printed")
        parser.add_argument("--erase", action="store_true", help="then erase all of it; the label must be given twice")
        parser.add_argument("--really", default="", metavar="LABEL", help="the label once more, to erase")

    def handle(self, *, study: str, label: str, out: Path | None, erase: bool, really: str, **options: Any) -> None:
        found = Study.objects.filter(name=study).first()
        if found is None:
            known = ", ".join(Study.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no study called {study!r}. Studies: {known}.")
        rater = Rater.objects.select_related("study").filter(study=found, label=label).first()
        if rater is None:
            raise CommandError(f"{study} has no rater called {label!r}.")
        if erase and really != label:
            raise CommandError(f"Nothing was erased: say --really {label} too.")
        for name, number in person.counts_of(rater):
            self.stdout.write(f"{number} {name}")
        if out:
            with whole_file(out) as file:
                file.write(person.as_json(rater).encode())
            person.tell_handed_over(rater, by="")
            self.stdout.write(f"all of it -> {out}")
        if erase:
            ratings = person.erase(rater, by="", now=timezone.now())
            self.stdout.write(f"Erased, with {ratings} ratings. The rater is called {rater.label} from now on.")
