"""A site as large as they come, for the console's load run: rows by the hundred thousand, written by SQL in minutes.

One study of 10,000 raters with 100 ratings each (10^6), 20,000 images; its draft clone; a large study of pairs; small
ones, pairs and drafts among them. Image files are small and all alike: what is measured is the database and the pages.
Django must be set up.
"""

import random
import uuid
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone

from srcore.images import encode_png
from studies.content.methods import sync_methods
from studies.content.stimuli import generated_key
from studies.models import (
    Arrival,
    Benchmark,
    Decision,
    Membership,
    Method,
    PanelIds,
    PublicLink,
    QuestionnaireAnswers,
    Rater,
    Role,
    Session,
    SourceImage,
    Stimulus,
    Study,
    StudyEvent,
    Task,
)
from studies.models.task import CHOICE_OR_NONE
from studies.research import drafts, lifecycle
from studies.storage.marker import mark_new_storage

METHODS = ("nearest", "bicubic", "hr", "ours", "theirs")
SIDE = 24
QUESTIONS = "age: How old are you? [number 18-99]\nscreen: What do you look at? [choice]\n- A laptop\n- A desktop"


@dataclass(frozen=True)
class Size:
    """How much there is. `trials`: ratings of each rater; images are sources x METHODS."""

    raters: int = 10_000
    trials: int = 100
    sources: int = 4_000
    studies: int = 50
    pair_raters: int = 2_000


def build(size: Size = Size(), *, seed: int = 1) -> None:
    """Fill an empty, migrated database."""
    rng = random.Random(seed)
    sync_methods()
    mark_new_storage()
    for name in ("ours", "theirs"):
        Method.objects.get_or_create(name=name, defaults={"display_name": name.title(), "kind": "folder"})
    owner = User.objects.create_user("owner", password=uuid.uuid4().hex, is_staff=True)
    User.objects.create_superuser("root", password=uuid.uuid4().hex)
    pieces = 4
    large = [_benchmark(f"Large{n}", sources=size.sources // pieces) for n in range(pieces)]
    small = _benchmark("Small", sources=4)
    big = _study("big", large, allocation="spread", trials=size.trials, ratings_each=50, questions_before=QUESTIONS)
    lifecycle.launch(study=big, now=timezone.now())
    _people(big, raters=size.raters, trials=size.trials, rng=rng, panel=True)
    drafts.clone(study=big, name="big-draft", title="Image quality, again")
    _pairs("big-pairs", large[:1], raters=size.pair_raters, trials=size.trials, rng=rng)
    for number in range(size.studies - 3):
        name = f"small-{number:02d}"
        if number % 5 == 0:
            _pairs(name, [small], raters=26, trials=20, rng=rng)
            continue
        study = _study(name, [small], repeats=2)
        if number % 5 != 1:
            lifecycle.launch(study=study, now=timezone.now())
            _people(study, raters=26, trials=20, rng=rng)
    Membership.objects.bulk_create(Membership(study=s, user=owner, role=Role.OWNER) for s in Study.objects.all())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _benchmark(name: str, *, sources: int) -> Benchmark:
    benchmark = Benchmark.objects.create(name=name)
    png = encode_png(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    file = default_storage.save(f"sources/{uuid.uuid4().hex}.png", ContentFile(png))
    rows = SourceImage.objects.bulk_create(
        SourceImage(
            benchmark=benchmark, name=f"{name}-{n:04d}", hr=file, lr=file, hr_sha256=f"{name}{n}", lr_sha256=f"{n}",
            width=SIDE, height=SIDE, mode="RGB",
        )
        for n in range(sources)
    )  # fmt: skip
    methods = {method.name: method for method in Method.objects.filter(name__in=METHODS)}
    stimuli = []
    for source in rows:
        for name in METHODS:
            brought = {"origin": "folder", "content_sha256": f"{name}{source.pk}", "code_version": ""}
            key = generated_key(name) if name in ("nearest", "bicubic", "hr") else brought
            stimulus = Stimulus(
                source=source, method=methods[name], **key, file_bytes=len(png), file_sha256="x",
                pixels_sha256=f"{name}{source.pk}", psnr=float("inf") if name == "hr" else 25 + source.pk % 7,
                ssim=0.8, seconds=0.1, state="done", finished_at=timezone.now(),
            )  # fmt: skip
            stimulus.file.name = default_storage.save(f"stimuli/{uuid.uuid4().hex}.png", ContentFile(png))
            stimuli.append(stimulus)
    Stimulus.objects.bulk_create(stimuli, batch_size=2000)
    return benchmark


def _study(name: str, benchmarks: list[Benchmark], **protocol: object) -> Study:
    methods = list(Method.objects.filter(name__in=METHODS))
    cells = dict.fromkeys(benchmarks, methods)
    return drafts.create_study(name=name, title="Image quality", cells=cells, protocol=protocol)


def _pairs(name: str, benchmarks: list[Benchmark], *, raters: int, trials: int, rng: random.Random) -> None:
    # Two of one source are far enough apart: any order.
    study = _study(name, benchmarks, task=Task.PAIR, scale=CHOICE_OR_NONE, allocation="spread", trials=trials)
    lifecycle.launch(study=study, now=timezone.now())
    _people(study, raters=raters, trials=trials, rng=rng)


def _people(study: Study, *, raters: int, trials: int, rng: random.Random, panel: bool = False) -> None:
    now = timezone.now()
    people = Rater.objects.bulk_create(
        (Rater(study=study, label=f"r{n:05d}", token=f"t{study.pk}-{n}") for n in range(1, raters + 1)),
        batch_size=2000,
    )
    begun = people[: -max(raters // 100, 1)]  # some have not begun
    sessions = Session.objects.bulk_create(
        (
            Session(
                rater=rater, seed=rng.randrange(2**40), calibration_trials=0, trials_total=trials,
                next_position=trials + 1, started_at=now - timedelta(minutes=rng.randrange(20, 60)), agreed_at=now,
                last_active_at=now, finished_at=now,
            )
            for rater in begun
        ),
        batch_size=2000,
    )  # fmt: skip
    with transaction.atomic():
        _ratings(study, sessions, trials=trials)
    StudyEvent.objects.bulk_create(
        (StudyEvent(study=study, kind="second device", rater=r.label, detail={"devices": 2}) for r in begun[::10]),
        batch_size=2000,
    )
    if panel:
        _panel(study, begun, sessions)


def _panel(study: Study, begun: list[Rater], sessions: list[Session]) -> None:
    now = timezone.now()
    PublicLink.objects.create(study=study, panel=PublicLink.Panel.PROLIFIC, quota=len(begun), is_open=True)
    arrivals = Arrival.objects.bulk_create(
        (Arrival(study=study, rater=rater, person=f"person {rater.pk}") for rater in begun[::2]), batch_size=2000
    )
    PanelIds.objects.bulk_create(
        (PanelIds(arrival=arrival, ids={"PROLIFIC_PID": f"p{arrival.pk}"}) for arrival in arrivals), batch_size=2000
    )
    QuestionnaireAnswers.objects.bulk_create(
        (
            QuestionnaireAnswers(session=s, part="before", answers={"age": 20 + s.pk % 50, "screen": "A laptop"})
            for s in sessions
        ),
        batch_size=2000,
    )
    decided = begun[::7]
    Decision.objects.bulk_create(
        (Decision(rater=r, kind=Decision.Kind.ACCEPT, by="owner", at=now) for r in decided), batch_size=2000
    )
    Rater.objects.filter(pk__in=[r.pk for r in decided]).update(verdict="accepted")
    Rater.objects.filter(pk__in=[r.pk for r in begun[3::50]]).update(excluded="does not look")


def _ratings(study: Study, sessions: list[Session], *, trials: int) -> None:
    """Trials and ratings by the database itself: scores follow from the image and the rater."""
    images = list(study.images.filter(role="rated").order_by("stimulus_id").values_list("stimulus_id", flat=True))
    pairs = study.task == Task.PAIR
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE bench_image (n integer PRIMARY KEY, stimulus bigint, right_one bigint)")
        # Of a source the methods stand side by side: two of them are a pair.
        each = len(METHODS)
        others = [images[n - n % each + (n + 1) % each] if pairs else None for n in range(len(images))]
        cursor.executemany(
            "INSERT INTO bench_image VALUES (%s, %s, %s)", list(zip(range(len(images)), images, others, strict=True))
        )
        cursor.execute("CREATE TEMPORARY TABLE bench_n (n integer PRIMARY KEY)")
        cursor.executemany("INSERT INTO bench_n VALUES (%s)", [(n,) for n in range(trials)])
        chosen = {"first": sessions[0].pk, "last": sessions[-1].pk, "images": len(images), "trials": trials}
        cursor.execute(_TRIALS, chosen)
        cursor.execute(_PAIR_RATINGS if pairs else _RATINGS, chosen)
        cursor.execute("DROP TABLE bench_image")
        cursor.execute("DROP TABLE bench_n")


# 7919 is prime: no rater sees an image twice.
_TRIALS = """
INSERT INTO studies_trial (session_id, position, phase, stimulus_id, right_id, repeat, token)
SELECT s.id, bench_n.n + 1, 'rated', i.stimulus, i.right_one, 0, 'b' || s.id || '-' || bench_n.n
FROM studies_session s CROSS JOIN bench_n
JOIN bench_image i ON i.n = (((s.id - %(first)s) * %(trials)s + bench_n.n) * 7919) %% %(images)s
WHERE s.id BETWEEN %(first)s AND %(last)s
"""
_ANSWER = """
INSERT INTO studies_rating (trial_id, attempt, score, rated_at, response_ms, hidden_ms, waited_ms, possible_ms,
 device_pixel_ratio, visual_viewport_scale, viewport_width, viewport_height, screen_width, screen_height,
 left_looks, right_looks, left_ms, right_ms, side_by_side)
SELECT t.id, 1, {score}, CURRENT_TIMESTAMP, 1500 + t.id %% 977, 0, 20, 1500 + t.id %% 977, 1, 1, 1536, 730, 1536, 864,
 {pair}
FROM studies_trial t WHERE t.session_id BETWEEN %(first)s AND %(last)s
"""
_RATINGS = _ANSWER.format(
    score="1 + (t.stimulus_id %% 5 + (t.session_id * 31 + t.id * 17 + t.stimulus_id * 13) %% 4) %% 5",
    pair="NULL, NULL, NULL, NULL, NULL",
)
_PAIR_RATINGS = _ANSWER.format(
    score="(t.session_id * 31 + t.id * 17 + t.stimulus_id * 13) %% 3 - 1", pair="1, 1, 700, 700, {true}"
).replace("{true}", "TRUE")
