import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from studies.generation.requests import ImagesProgress, progress, request_missing, retry_failures
from studies.jobs.dispatch import living_queues
from studies.models import Study
from studies.research.monitoring import screen_needed

POLL_SECONDS = 1
BAR_WIDTH = 30


class Command(BaseCommand):
    help = (
        "Ask for the images that studies still miss and show how the workers make them, until none is left. "
        "Exit code 1 if images failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("study", nargs="?", help="the study's name; without one, every draft")
        parser.add_argument("--no-wait", action="store_true", help="ask for the images and return at once")
        parser.add_argument("--retry", action="store_true", help="try failed images again")

    def handle(self, *args: Any, **options: Any) -> None:
        studies = self._studies(options["study"])
        for study in studies:
            request_missing(study)
            if options["retry"]:
                retry_failures(study)
            self._say_what_is_there(study)
        if options["no_wait"]:
            return
        failures = [failure for study in studies for failure in self._watch(study).failures]
        if failures:
            lines = "\n".join(f"- {failure}: {failure.error}" for failure in failures)
            raise CommandError(f"{len(failures)} images failed:\n{lines}\nTry them again with --retry.")

    def _studies(self, name: str | None) -> list[Study]:
        if name is None:
            return list(Study.objects.filter(state=Study.State.DRAFT))
        study = Study.objects.filter(name=name).first()
        if study is None:
            known = ", ".join(Study.objects.values_list("name", flat=True)) or "none"
            raise CommandError(f"There is no study {name!r}; there are: {known}.")
        return [study]

    def _say_what_is_there(self, study: Study) -> None:
        found = progress(study)
        self.stdout.write(f"{study.name}: {found.done} of {found.total} images are there, {found.pending} to be made.")
        if screen := screen_needed(study):
            self.stdout.write(screen)
        for cell in found.cells:
            if cell.unavailable:
                self.stderr.write(
                    f"{cell.method.name} on {cell.benchmark}: {cell.missing} images cannot be made here. "
                    f"What to do: {cell.unavailable}."
                )

    def _watch(self, study: Study) -> ImagesProgress:
        found = progress(study)
        begun, done_before, shown = time.monotonic(), found.done, -1
        if found.pending and not living_queues():
            self.stderr.write("No worker is running; the images wait for one: celery -A mosweb worker -Q default,cpu")
        while True:
            rate = (found.done - done_before) / max(time.monotonic() - begun, 1e-3)
            if self.stdout.isatty() or found.done != shown:
                self._draw(found, rate)
            shown = found.done
            if not found.pending:
                return found
            time.sleep(POLL_SECONDS)
            found = progress(study)

    def _draw(self, found: ImagesProgress, rate: float) -> None:
        filled = BAR_WIDTH * found.done // found.total if found.total else BAR_WIDTH
        line = (
            f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {found.done}/{found.total} done, {found.failed} failed, "
            f"{found.pending} left, {rate:.1f} images/s"
        )
        # On a terminal the line is drawn over; a log gets a line for each change.
        over = self.stdout.isatty() and found.pending
        self.stdout.write(line.ljust(90) if over else line, ending="\r" if over else "\n")
        self.stdout.flush()
