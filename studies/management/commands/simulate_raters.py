from argparse import ArgumentParser
from dataclasses import fields
from math import gcd
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from studies.models import Study
from studies.rehearsal import copies, run
from studies.rehearsal.opinions import Model
from studies.rehearsal.people import KINDS
from studies.research.refusals import StudyError

OTHERS = [kind for kind in KINDS if kind != "honest"]


class Command(BaseCommand):
    help = (
        "Rehearse a study: simulated people come through the real pages of the running site, into a copy that is "
        "marked as simulated in every list, table and report."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's short name; a simulated copy is gone on with")
        parser.add_argument("--raters", type=int, default=30, help="how many come in all; 30")
        for kind in OTHERS:
            parser.add_argument(f"--{kind}", type=int, default=0, metavar="N", help=f"so many of them {KINDS[kind]}")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the site listens; %(default)s")
        parser.add_argument("--into", default="", metavar="NAME", help="the copy's short name; STUDY-simulated")
        parser.add_argument(
            "--speed", type=float, default=1.0, help="1: people take their time, and the site's clock agrees; 20: hasty"
        )
        parser.add_argument("--at-once", type=int, default=50, help="most people at one time; %(default)s")
        parser.add_argument(
            "--patience", type=float, default=300.0, help="seconds for which people wait for a site; %(default)s"
        )
        parser.add_argument("--seed", type=int, default=0, help="of what they think and do; %(default)s")
        for field in fields(Model):
            told = f"{field.name.replace('_', ' ')} of the honest, in categories; %(default)s"
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=float, default=field.default, help=told)

    def handle(self, *, study: str, raters: int, url: str, into: str, **options: Any) -> None:
        found = Study.objects.filter(name=study).first()
        if found is None:
            known = ", ".join(Study.objects.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no study called {study!r}. Studies: {known}.")
        others = [kind for kind in OTHERS for _ in range(options[kind])]
        if raters < max(len(others), 1) or options["speed"] <= 0 or options["at_once"] < 1:
            raise CommandError(f"--raters {raters} is less than the {len(others)} of other kinds, or a number is 0.")
        try:
            copy = copies.copy_of(found, name=into, now=timezone.now())
        except StudyError as error:
            raise CommandError(str(error)) from error
        kinds = _mixed([*others, *["honest"] * (raters - len(others))])
        guests = copies.invite(copy, kinds=kinds)
        self.stdout.write(f"{len(guests)} simulated raters come to {copy.name} at {url}")
        model = Model(**{field.name: options[field.name] for field in fields(Model)})
        walks = []
        given = {name: options[name] for name in ("seed", "speed", "at_once", "patience")}
        for walk in run.rehearse(copy, guests, base=url, model=model, **given):
            walks.append(walk)
            if walk.problem:
                self.stderr.write(f"{walk.guest.label}: {walk.problem}")
        self.stdout.write(f"{'kind':10} {'raters':>6} {'finished':>8} {'ratings':>8} {'conflicts':>9}")
        for row in run.summaries(walks):
            told = f"{row.kind:10} {row.guests:6} {row.finished:8} {row.ratings:8} {row.conflicts:9}"
            self.stdout.write(f"{told}  {'; '.join(row.problems)}".rstrip())
        if lost := run.differences(copy, walks):
            raise CommandError(f"{len(lost)} ratings are not as acknowledged: {lost[0]}")
        self.stdout.write("Every rating that was acknowledged is stored, with its score.")
        if any(walk.problem for walk in walks):
            raise CommandError("Some raters could not go on, as said above.")


def _mixed(kinds: list[str]) -> list[str]:
    """Kinds in turn rather than one after the other: they come mixed."""
    step = next(number for number in range(max(len(kinds) * 5 // 8, 1), len(kinds) + 2) if gcd(number, len(kinds)) == 1)
    return [kinds[place * step % len(kinds)] for place in range(len(kinds))]
