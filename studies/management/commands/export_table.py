import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from studies.models import Study
from studies.research.export import KINDS
from studies.research.streaming import TABLES, table_file


class Command(BaseCommand):
    help = "Write one table of a study to the standard output, as its page gives it. For people: export_ratings."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study")
        parser.add_argument("table", choices=TABLES)
        parser.add_argument("kind", choices=KINDS)
        parser.add_argument("--free-texts", action="store_true")
        parser.add_argument("--pseudonyms", action="store_true")

    def handle(self, *, study: str, **asked: Any) -> None:
        options = {name: asked[name] for name in ("table", "kind", "free_texts", "pseudonyms")}
        for piece in table_file(Study.objects.get(name=study), **options):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
