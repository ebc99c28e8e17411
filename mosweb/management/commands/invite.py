from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from mosweb import paths
from studies.models import Study
from studies.research import invitations, refusals


class Command(BaseCommand):
    help = "Invite raters to a study and print their links."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's short name")
        parser.add_argument("--label", default="", help="the rater's name in exports; default r001, r002, ...")
        parser.add_argument("--count", type=int, default=1, help="how many raters to invite")
        default = paths.site_url(paths.VAR_DIR)
        parser.add_argument("--base", default=default, help=f"the site's address, put before each link; now {default}")

    def handle(self, *, study: str, label: str, count: int, base: str, **options: Any) -> None:
        found = Study.objects.filter(name=study).first()
        if found is None:
            known = ", ".join(Study.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no study called {study!r}. Studies: {known}.")
        if label and count != 1:
            raise CommandError("--label names one rater; leave it out to invite several.")
        try:
            raters = invitations.invite_all(study=found, labels=[label] * count)
        except refusals.StudyError as error:
            raise CommandError(str(error)) from error
        for rater in raters:
            self.stdout.write(f"{rater.label}\t{base.rstrip('/')}{reverse('invitation', args=[rater.token])}")
