"""How large a site the researcher's console bears: every staff page, the exports, invitations, a launch.

    python -m tests.bench.bench_console [--database URL] [--keep FOLDER] [--raters 10000] [--sources 4000] [--only NAME]

Builds the site of `big_site` (10^6 ratings of 20,000 images by 10,000 raters, 50 studies), makes what a worker makes
ahead, then asks each address of the URL resolver that is not a rater's, as owner and as administrator: milliseconds of
server time (and of this process's processor, for the machine may be busy otherwise), database queries, bytes, and by
how much the process grew meanwhile; the worst first. `--keep`: build once into this folder (and database), and use it
again.
"""

import argparse
import gc
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.bench.paper_study import environment
from tests.conftest import ROOT

MOST_MS, MOST_QUERIES, MOST_BYTES = 300, 20, 1_000_000
STUDIES = ("big", "big-draft", "big-pairs", "small-02", "small-00")
# Files to download stream for as long as they are long: they are measured by themselves.
FILES = (".csv", ".parquet", ".zip", ".png", ".jpg", ".po", ".json")


class Asked(NamedTuple):
    who: str
    address: str
    status: int
    ms: float
    cpu_ms: float
    queries: int
    bytes: int
    grew_mb: float

    @property
    def is_over(self) -> bool:
        return self.ms > MOST_MS or self.queries > MOST_QUERIES or self.bytes > MOST_BYTES


class Peak:
    """By how many MB the process's memory rises above what it held when the block began."""

    mb = 0.0


@contextmanager
def peak() -> Iterator[Peak]:
    gc.collect()
    before, found = _memory("VmRSS"), Peak()
    Path("/proc/self/clear_refs").write_text("5")
    yield found
    found.mb = max(0.0, (_memory("VmHWM") - before) / 1024)


def _memory(name: str) -> int:
    """In KB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="", help="URL of an empty PostgreSQL database; default a new SQLite file")
    parser.add_argument("--keep", type=Path, help="folder of a site to build if it is not there, and to keep")
    parser.add_argument("--raters", type=int, default=10_000)
    parser.add_argument("--sources", type=int, default=4_000, help="source images; five methods each")
    parser.add_argument("--only", default="", help="addresses that have this in them; no exports")
    parser.add_argument("--skip", default="", help="tallies, pages, exports, steps: what is not done, with commas")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp())
    try:
        os.environ.update(environment(folder, options.database))
        os.environ["DJANGO_SETTINGS_MODULE"] = "mosweb.settings"
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        logging.disable(logging.WARNING)  # of what is refused, with its traceback
        _built(options)
        kind = urlsplit(options.database).scheme or "sqlite"
        print(f"{kind}: {_what_there_is()}", flush=True)
        skipped = options.skip.split(",")
        if "tallies" not in skipped:
            tallies()
        if "pages" not in skipped:
            pages(options.only)
        if not options.only and "exports" not in skipped:
            exports()
            command()
        if not options.only and "steps" not in skipped:
            steps()
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def _built(options: argparse.Namespace) -> None:
    from django.core.management import call_command

    from studies.models import Study
    from tests.bench.big_site import Size, build

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    if Study.objects.filter(name="big").exists():
        return
    began = time.monotonic()
    build(Size(raters=options.raters, sources=options.sources, pair_raters=max(options.raters // 5, 30)))
    print(f"built in {time.monotonic() - began:.0f} s", flush=True)


def _what_there_is() -> str:
    from studies.models import Rater, Rating, Study, StudyImage

    big = Study.objects.get(name="big")
    return (
        f"{Study.objects.count()} studies, {Rater.objects.count()} raters, {Rating.objects.count()} ratings; of one "
        f"study {big.raters.count()} raters and {StudyImage.objects.filter(study=big).count()} images"
    )


def tallies() -> None:
    """What a worker does ahead of the pages, here in this process."""
    from django.utils import timezone

    from studies.models import Study, Tally
    from studies.research.draft_state import draft_tally
    from studies.research.tallies import tally_of
    from studies.research.tallying import make

    for study in Study.objects.all():
        tally = (draft_tally if study.state == "draft" else tally_of)(study, now=timezone.now())
        if tally is None or not tally.pending:
            continue
        with peak() as grew:
            began = time.perf_counter()
            make(tally.pk)
            took = time.perf_counter() - began
        done = Tally.objects.get(pk=tally.pk)
        what = f"{done.state}{done.error}, {done.ratings} ratings"
        print(f"  tally of {study.name}: {what} in {took:.1f} s, grew by {grew.mb:.0f} MB", flush=True)


def pages(only: str = "") -> list[Asked]:
    from django.contrib.auth.models import User
    from django.test import Client

    from studies.models import Study
    from tests.studies.addresses import staff_addresses

    found: list[Asked] = []
    for who in ("owner", "root"):
        client = Client(SERVER_NAME="127.0.0.1", raise_request_exception=False)
        client.force_login(User.objects.get(username=who), backend="django.contrib.auth.backends.ModelBackend")
        seen = set()
        for study in Study.objects.filter(name__in=STUDIES):
            for _, address in staff_addresses(study):
                if address in seen or address.endswith(FILES) or only not in address:
                    continue
                seen.add(address)
                if asked := ask(client, who, address):
                    found.append(asked)
    found.sort(key=lambda one: one.ms, reverse=True)
    print(f"{'ms':>8} {'CPU ms':>8} {'queries':>7} {'KB':>7} {'grew MB':>7} status")
    for one in found if only else [one for one in found if one.is_over] + [o for o in found if not o.is_over][:8]:
        mark = "!" if one.is_over else " "
        size = one.bytes / 1000
        numbers = f"{one.ms:8.0f} {one.cpu_ms:8.0f} {one.queries:7} {size:7.0f} {one.grew_mb:7.0f}"
        print(f"{numbers} {one.status} {mark} {one.who} {one.address}")
    over = sum(one.is_over for one in found)
    print(f"{len(found)} pages asked; {over} over {MOST_MS} ms, {MOST_QUERIES} queries or {MOST_BYTES / 1e6:.0f} MB")
    return found


def ask(client: object, who: str, address: str) -> Asked | None:
    """The second of two times, as a page that is looked at; None where nothing is to be looked at."""
    from django.core.cache import cache
    from django.db import connection, reset_queries
    from django.test.utils import CaptureQueriesContext

    first = client.get(address)  # type: ignore[attr-defined]
    if first.status_code not in (200, 302):
        return None
    cache.clear()
    with peak() as grew, CaptureQueriesContext(connection) as queries:
        began, worked = time.perf_counter(), time.process_time()
        answer = client.get(address)  # type: ignore[attr-defined]
        size = len(b"".join(answer) if answer.streaming else answer.content)
        ms, cpu_ms = 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - worked)
    number = len(queries)
    reset_queries()
    return Asked(who, address, answer.status_code, ms, cpu_ms, number, size, grew.mb)


def exports() -> None:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(User.objects.get(username="owner"), backend="django.contrib.auth.backends.ModelBackend")
    big = "/studies/big/"
    wanted = [
        f"{big}ratings.csv", f"{big}ratings.csv?pseudonyms", f"{big}ratings.parquet", f"{big}objective.csv",
        f"{big}answers.csv", f"{big}events.csv", f"{big}raters.csv", f"{big}panel/approve.csv", f"{big}protocol.json",
        "/studies/big-pairs/pairs.csv",
    ]  # fmt: skip
    print("exports:")
    for address in wanted:
        with peak() as grew:
            began = time.perf_counter()
            answer = client.get(address)
            first, size = 0.0, 0
            for piece in answer if answer.streaming else [answer.content]:
                first = first or time.perf_counter() - began
                size += len(piece)
            took = time.perf_counter() - began
        print(
            f"  {address}: {answer.status_code}, {size / 1e6:.1f} MB in {took:.1f} s, first byte after {first:.2f} s, "
            f"grew by {grew.mb:.0f} MB",
            flush=True,
        )


def command() -> None:
    """`export_ratings` of the large study, which writes the same file as the page gives."""
    from django.core.management import call_command

    with tempfile.TemporaryDirectory() as folder, peak() as grew:
        began = time.perf_counter()
        ratings, objective = Path(folder) / "ratings.csv", Path(folder) / "objective.csv"
        call_command("export_ratings", "big", out=ratings, objective=objective)
        took, size = time.perf_counter() - began, ratings.stat().st_size
    print(f"  export_ratings: {size / 1e6:.1f} MB in {took:.1f} s, grew by {grew.mb:.0f} MB", flush=True)


def steps() -> None:
    """Inviting 10,000 and a launch, in transactions that are taken back, so that the site can be used again."""
    from django.db import transaction
    from django.utils import timezone

    from studies.models import Study
    from studies.research import invitations, lifecycle

    class TakenBack(Exception):
        pass

    def timed(what: str, act: object) -> None:
        try:
            with transaction.atomic(), peak() as grew:
                began = time.perf_counter()
                act()  # type: ignore[operator]
                took = time.perf_counter() - began
                raise TakenBack
        except TakenBack:
            pass
        print(f"  {what}: {took:.1f} s, grew by {grew.mb:.0f} MB", flush=True)

    small, draft = Study.objects.get(name="small-02"), Study.objects.get(name="big-draft")
    people = [f"guest-{number}" for number in range(10_000)]
    print("steps:")
    timed("inviting 10,000 by a list", lambda: invitations.invite_all(study=small, labels=people))
    timed("inviting 10,000 without labels", lambda: invitations.invite_all(study=small, labels=[""] * 10_000))
    timed("launching 20,000 images", lambda: lifecycle.launch(study=draft, now=timezone.now()))


if __name__ == "__main__":
    main()
