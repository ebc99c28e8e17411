"""What the browser tests do to the site's database, and what they read from it. Runs in a process beside the site."""

import time
import uuid
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from django.utils import timezone

from srcore.images import read_image
from studies.models import Rater, Rating, Session, Study, Trial
from studies.rating import sessions
from studies.research import lifecycle
from tests import blindness
from tests.e2e.site import Invitation
from tests.studies import factories


def invite_to_new_study(
    *,
    images: int = 2,
    height: int = 64,
    width: int = 96,
    calibrated: bool = True,
    practised: Sequence[str] = (),
    **protocol: object,
) -> Invitation:
    """A launched study of `images` sources by 3 methods, with one calibration source; and one rater of it.

    With `calibrated` the rater has agreed and seen the examples already. `practised` has a method and an
    expectation for each practice image of that source.
    """
    name = f"s{uuid.uuid4().hex[:12]}"
    benchmark = factories.make_benchmark(name, images=images, height=height, width=width)
    anchors = factories.make_benchmark(f"{name}-cal", images=1, height=height, width=width)
    study = factories.make_study(
        name=name,
        benchmarks=[benchmark],
        calibration=anchors,
        practice="\n".join(f"{name}-cal/{name}-cal_000 {line}" for line in practised),
        **protocol,
    )
    factories.launch(study)
    rater = factories.make_rater(study)
    if calibrated:
        sessions.agree(rater=rater, now=timezone.now())
        sessions.finish_calibration(rater=Rater.objects.get(pk=rater.pk))
    return Invitation(path=f"/i/{rater.token}/", rater=rater.pk)


def ratings(rater: int) -> list[dict[str, float]]:
    rows = Rating.objects.filter(trial__session__rater=rater).order_by("trial__position")
    return list(rows.values("trial__position", "score", "response_ms", "hidden_ms", "device_pixel_ratio"))


def pace_of(rater: int, *, number: int = 0) -> list[dict[str, float]]:
    """response_ms and waited_ms of the ratings, once there are `number`."""
    deadline = time.monotonic() + 20
    while len(rows := list(Rating.objects.filter(trial__session__rater=rater).order_by("trial__position"))) < number:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(rows)} of {number} ratings arrived")
        time.sleep(0.05)
    return [{"response_ms": row.response_ms, "waited_ms": row.waited_ms} for row in rows]


def scores(rater: int) -> list[int]:
    return [int(row["score"]) for row in ratings(rater)]


def pixels(rater: int, position: int) -> np.ndarray:
    """The image of a trial as its file holds it: uint8 (H, W, 3)."""
    trial = Trial.objects.select_related("stimulus").get(session__rater=rater, position=position)
    with trial.stimulus.file.open("rb") as file:
        return read_image(file, name="stimulus")


def stay_away(rater: int, *, minutes: int) -> None:
    then = timezone.now() - timedelta(minutes=minutes)
    Session.objects.filter(rater=rater).update(last_active_at=then)


def let_time_pass(rater: int, *, minutes: int) -> None:
    """Of a sitting and its rest."""
    session = Session.objects.get(rater=rater)
    past = timedelta(minutes=minutes)
    session.sitting_at -= past
    if session.last_rated_at:
        session.last_rated_at -= past
    session.save(update_fields=["sitting_at", "last_rated_at"])


def canvas_of(rater: int) -> dict[str, float]:
    """Of the rater's first rating."""
    names = ("canvas_width", "canvas_height", "canvas_css_width", "canvas_css_height")
    return Rating.objects.filter(trial__session__rater=rater).values(*names)[0]


def close_study(rater: int) -> None:
    lifecycle.close(study=Study.objects.get(raters=rater), now=timezone.now())


def finished(rater: int) -> bool:
    return Session.objects.filter(rater=rater, finished_at__isnull=False).exists()


def invite_to_telling_study() -> Invitation:
    rater = blindness.study_with_telling_names()
    return Invitation(path=f"/i/{rater.token}/", rater=rater.pk)


def leaks_in(received: list[blindness.Received], rater: int) -> list[str]:
    return blindness.leaks(received, blindness.secrets_of(Rater.objects.get(pk=rater)))
