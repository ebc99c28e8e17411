"""What must not reach a rater's browser, and how to look for it in all that did."""

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection

from srcore.registry import METHODS
from studies.models import Benchmark, Method, MetricValue, Rater, SourceImage, Stimulus, Study, StudyMetric, Task, Trial
from studies.models.task import comparison_scale, degradation_scale, pair_scale
from tests.studies import factories

# Rows made after `distinctive_ids` have numbers from here on: nothing else on a page looks like one.
FIRST_ID = 7_391_000
AN_ID = re.compile(rb"(?<!\d)7391\d{3}(?!\d)")
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{6,}={0,2}")


# The study's name, its benchmark's, and its methods', for each kind: one site may hold a study of each.
WORDS = {
    "rating": ("wombat", "quokka", {"nearest": "okapi", "bicubic": "tapir", "hr": "serval"}),
    "pair": ("koala", "dingo", {"nearest": "ocelot", "bicubic": "bongo", "hr": "caracal"}),
    "comparison": ("jackal", "weasel", {"nearest": "ferret", "bicubic": "lemur", "hr": "gibbon"}),
    # The original keeps its name, by which its place in a trial is found.
    "degradation": ("walrus", "badger", {"nearest": "gopher", "bicubic": "marmot"}),
    "original": ("narwhal", "beluga", {"nearest": "dugong", "bicubic": "manatee"}),
}
TASKS = {
    "rating": {},
    "pair": {"task": Task.PAIR, "scale": pair_scale(ties=True)},
    "comparison": {"task": Task.COMPARISON, "scale": comparison_scale()},
    "degradation": {"task": Task.DEGRADATION, "scale": degradation_scale()},
    "original": {
        "task": Task.PAIR, "scale": pair_scale(ties=True), "original_on_key": True, "methods": ("nearest", "bicubic")
    },
}  # fmt: skip
"""What makes a study of each kind; the last is of pairs with the original on a key."""


@dataclass(frozen=True)
class Received:
    """One thing that reached the browser: where from, its headers as (name, value), its body."""

    where: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def texts(self) -> Iterable[bytes]:
        """The address, the headers, the body, and what base64 in address or headers says when decoded."""
        head = "\n".join([self.where, *(f"{name}: {value}" for name, value in self.headers)]).encode()
        yield head
        yield self.body
        for match in BASE64.findall(head):
            yield from decoded(match)


def decoded(text: bytes) -> Iterable[bytes]:
    try:
        plain = base64.urlsafe_b64decode(text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4))
    except binascii.Error:
        return
    yield plain
    try:
        yield zlib.decompress(plain)
    except zlib.error:
        return


def distinctive_ids() -> None:
    """Let every table number its rows from FIRST_ID, each from another number."""
    tables = [model._meta.db_table for model in (Benchmark, Method, Rater, SourceImage, Stimulus, Study, Trial)]
    tables += ["studies_session", "studies_rating", "studies_studyimage", "studies_studymethod"]
    with connection.cursor() as cursor:
        for number, table in enumerate(tables):
            start = FIRST_ID + 80 * number
            if connection.vendor == "postgresql":
                cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {start})")
            else:
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, start])


def study_with_telling_names(*, images: int = 2, kind: str = "rating") -> Rater:
    """A launched study whose benchmark, sources, methods and own name are words that occur nowhere else.

    `kind`: one of TASKS; that of ratings has a calibration.
    """
    distinctive_ids()
    name, of_benchmark, words = WORDS[kind]
    benchmark = factories.make_benchmark(of_benchmark, images=images)
    anchors = factories.make_benchmark("numbat", images=1) if kind == "rating" else None
    study = factories.make_study(name=name, benchmarks=[benchmark], calibration=anchors, **TASKS[kind])
    factories.launch(study)
    StudyMetric.objects.create(study=study, metric="ssimulacra2")
    MetricValue.objects.bulk_create(
        MetricValue(stimulus=stimulus, metric="ssimulacra2", value=61.739174)
        for stimulus in Stimulus.objects.filter(source__benchmark=benchmark)
    )
    for method, word in words.items():
        Method.objects.filter(name=method).update(name=word, display_name=f"{word} display")
    return factories.make_rater(study, label="bilby")


def secrets_of(rater: Rater) -> dict[str, str]:
    """Every text that would tell something -> what it is."""
    found = {name: "a method of the registry" for name in METHODS if len(name) > 3}
    found |= {m.display_name: "a method's display name" for m in METHODS.values() if len(m.display_name) > 3}
    found |= {"numbat": "a source or benchmark", "bilby": "the rater's label"}
    for study, benchmark, methods in WORDS.values():
        found |= {study: "the study's name", benchmark: "a source or benchmark"}
        found |= dict.fromkeys(methods.values(), "a method")
    found |= {"ssimulacra2": "a metric", "61.739174": "a metric's value"}
    for source in SourceImage.objects.all():
        found |= {source.hr_sha256: "a source's hash", source.lr_sha256: "a source's hash"}
        found |= {source.hr.name: "a source's file", source.lr.name: "a source's file"}
    for stimulus in Stimulus.objects.all():
        found |= {stimulus.opaque_name.hex: "a file's name", str(stimulus.opaque_name): "a file's name"}
        found[stimulus.pixels_sha256] = "an image's hash"
        with stimulus.file.open("rb") as file:
            content = file.read()
        for algorithm in ("md5", "sha1", "sha256"):
            digest = hashlib.new(algorithm, content).digest()
            found[digest.hex()] = "a file's hash"
            found[base64.b64encode(digest).decode().rstrip("=")] = "a file's hash"
            found[base64.urlsafe_b64encode(digest).decode().rstrip("=")] = "a file's hash"
    return found


def leaks(received: Iterable[Received], secrets: dict[str, str]) -> list[str]:
    """One line for each secret found, with where it was."""
    found = []
    for thing in received:
        for text in thing.texts():
            lower = text.lower()
            found += [
                f"{what} ({s}) in {thing.where}" for s, what in secrets.items() if says(lower, s.lower().encode())
            ]
            found += [f"a row's number ({match.decode()}) in {thing.where}" for match in AN_ID.findall(text)]
    return found


def says(text: bytes, secret: bytes) -> bool:
    """Whether the secret is in the text. A short one must stand alone: random tokens spell four letters at times."""
    if secret not in text:
        return False
    return len(secret) > 5 or re.search(rb"(?<![a-z0-9])" + re.escape(secret) + rb"(?![a-z0-9])", text) is not None


def png_chunks(body: bytes) -> list[str]:
    """The names of a PNG file's chunks, in order."""
    assert body[:8] == b"\x89PNG\r\n\x1a\n"
    names, start = [], 8
    while start < len(body):
        length = int.from_bytes(body[start : start + 4], "big")
        names.append(body[start + 4 : start + 8].decode())
        start += length + 12
    assert start == len(body)
    return names
