"""What the browser tests do to the site's database, and what they read from it. Runs in a process beside the site."""

import re
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from PIL import Image

from analysis.pairs.choices import choices
from analysis.pairs.estimates import tally
from analysis.pairs.schema import counted
from analysis.scale import Scale
from srcore.images import read_image
from srcore.resize import downscale, upscale_bicubic
from studies.content.incoming import run
from studies.content.sources import pixels_sha256, png_of, store
from studies.generation import cutting
from studies.models import (
    DeviceCheck,
    Ending,
    Import,
    ImportPiece,
    Method,
    QuestionnaireAnswers,
    Rater,
    Rating,
    Session,
    SourceImage,
    Stimulus,
    Study,
    StudyEvent,
    StudyRegion,
    Task,
    Trial,
)
from studies.models.task import GRADED, pair_scale
from studies.operations import urls as operations_urls
from studies.rating import continuing, plates, sessions
from studies.research import lifecycle, people, regions, screenshots, wording
from studies.research import urls as research_urls
from studies.research.export import ratings_frame
from studies.research.pair_export import pairs_frame
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
    words: Mapping[str, Mapping[str, Any]] | None = None,
    **protocol: object,
) -> Invitation:
    """A launched study of `images` sources by 3 methods, with one calibration source; and one rater of it.

    With `calibrated` the rater has agreed and seen the examples already. `practised` has a method and an
    expectation for each practice image of that source, `words` what the researcher writes for each language.
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
    for language, own in (words or {}).items():
        wording.write(study=study, language=language, **own)
    factories.launch(study)
    rater = factories.make_rater(study)
    if calibrated:
        sessions.agree(rater=rater, now=timezone.now())
        sessions.finish_calibration(rater=Rater.objects.get(pk=rater.pk))
    return Invitation(path=f"/i/{rater.token}/", rater=rater.pk)


def invite_to_pairs(
    *,
    images: int = 2,
    height: int = 64,
    width: int = 96,
    ties: bool = True,
    task: str = Task.PAIR,
    labels: Sequence[str] = (),
    words: Any = None,
    agreed: bool = True,
    **protocol: object,
) -> Invitation:
    """A launched study of two images, 3 pairs of each of `images` sources or 2 images beside the original, and a rater.

    `task`: pairs where nothing is said. `agreed`: whether the rater has.
    """
    name = f"s{uuid.uuid4().hex[:12]}"
    study = factories.make_study(
        name=name,
        benchmarks=[factories.make_benchmark(name, images=images, height=height, width=width)],
        task=task,
        scale=_answers(task, labels=labels, ties=ties),
        **protocol,
    )
    for language, own in (words or {}).items():
        wording.write(study=study, language=language, **own)
    rater = factories.make_rater(factories.launch(study))
    if agreed:
        sessions.agree(rater=rater, now=timezone.now())
    return Invitation(path=f"/i/{rater.token}/", rater=rater.pk)


def _answers(task: str, *, labels: Sequence[str] = (), ties: bool = True) -> Scale:
    return GRADED[task](labels) if task in GRADED else pair_scale(ties=ties)


def looks(rater: int) -> list[dict[str, Any]]:
    """How the images of each pair were looked at, in the order of the trials."""
    rows = Rating.objects.filter(trial__session__rater=rater).order_by("trial__position")
    counted = [f"{name}_{of}" for name in ("left", "right", "original") for of in ("looks", "ms")]
    return list(rows.values("score", *counted, "side_by_side", "response_ms"))


def invite_to_regions(*, orientation_ms: int = 0, task: str = Task.RATING, **protocol: object) -> Invitation:
    """A launched study of 1280 x 480 pixels of a 3840 x 2160 image by 3 methods, and one rater who may begin.

    `task`: where it is not to rate each.
    """
    name = f"s{uuid.uuid4().hex[:12]}"
    study = factories.make_study(
        name=name,
        benchmarks=[factories.make_benchmark(name, images=1, height=2160, width=3840)],
        region_width=1280,
        region_height=480,
        orientation_ms=orientation_ms,
        order="random",
        **({"task": task, "scale": _answers(task)} if task != Task.RATING else {}),
        **protocol,
    )
    regions.set_by_hand(study=study, places={SourceImage.objects.get(benchmark__name=name).pk: (1203, 877)})
    cutting.cut(study.regions.get().pk)
    factories.launch(study)
    rater = factories.make_rater(study)
    return Invitation(path=f"/i/{rater.token}/", rater=rater.pk)


def draft_of_regions() -> str:
    """A draft of one 3840 x 2160 image of which raters shall see 1280 x 480 pixels; returns its name."""
    name = f"s{uuid.uuid4().hex[:12]}"
    benchmark = factories.make_benchmark(name, images=1, height=2160, width=3840)
    factories.make_study(name=name, benchmarks=[benchmark], region_width=1280, region_height=480, order="random")
    return name


def region_places(study: str) -> list[tuple[int, int]]:
    """The stored first column and row of each region."""
    return list(StudyRegion.objects.filter(study__name=study).values_list("left", "top"))


def whole_pixels(rater: int, position: int) -> np.ndarray:
    """What the whole image before a trial's region is made from, the low-resolution image: uint8 (H, W, 3)."""
    trial = Trial.objects.select_related("stimulus__source").get(session__rater=rater, position=position)
    with trial.stimulus.source.lr.open("rb") as file:
        return read_image(file, name="whole")


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


def pixels(rater: int, position: int, *, right: bool = False, original: bool = False) -> np.ndarray:
    """The image of a trial as its file holds it, or the region that is shown of it: uint8 (H, W, 3).

    `right`: of a pair's right image; `original`: of the one that a key shows.
    """
    trial = Trial.objects.select_related("stimulus", "right", "original").get(session__rater=rater, position=position)
    shown = trial.original if original else trial.right if right else trial.stimulus
    with shown.file.open("rb") as file:
        image = read_image(file, name="stimulus")
    region = StudyRegion.objects.filter(study__raters=rater, source=trial.stimulus.source_id).first()
    if region is None:
        return image
    return image[region.top :, region.left :][: region.height, : region.width]


def language(rater: int) -> str:
    """Of the rater's session."""
    return Session.objects.get(rater=rater).language


def stay_away(rater: int, *, minutes: int) -> None:
    then = timezone.now() - timedelta(minutes=minutes)
    Session.objects.filter(rater=rater).update(last_active_at=then)


def take_image_away(rater: int, position: int) -> None:
    """The file of the image at this position disappears from the storage."""
    path = Path(_image(rater, position).path)
    path.rename(path.with_suffix(".away"))


def bring_image_back(rater: int, position: int) -> None:
    path = Path(_image(rater, position).path)
    path.with_suffix(".away").rename(path)


def _image(rater: int, position: int) -> Any:
    return Trial.objects.select_related("stimulus").get(session__rater=rater, position=position).stimulus.file


def events(rater: int) -> list[str]:
    """The kinds of what happened to the rater's study, the latest first."""
    return [event.kind for event in StudyEvent.objects.filter(study__raters=rater)]


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


def drawn_for(rater: int) -> tuple[list[int], str]:
    """In which places the page that looks at the rater's device has squares, and which digits it has."""
    seed = DeviceCheck.objects.get(session__rater=rater, checked_at=None).seed
    return [place for place, step in enumerate(plates.squares(seed)) if step], plates.digits(seed)


def device_of(rater: int) -> dict[str, Any]:
    """What was found of the rater's device, and how the rater's part ended."""
    names = ("failed", "is_phone", "fills_screen", "card_css_width", "grey_step", "colour", "session__rater__outcome")
    return DeviceCheck.objects.filter(session__rater=rater).exclude(checked_at=None).values(*names)[0]


def answers_of(rater: int) -> dict[str, dict[str, Any]]:
    """Part -> what the rater answered to its questions."""
    return dict(QuestionnaireAnswers.objects.filter(session__rater=rater).values_list("part", "answers"))


def finished(rater: int) -> bool:
    return Session.objects.filter(rater=rater, finished_at__isnull=False).exists()


def invite_to_telling_study() -> Invitation:
    rater = blindness.study_with_telling_names()
    return Invitation(path=f"/i/{rater.token}/", rater=rater.pk)


def leaks_in(received: list[blindness.Received], rater: int) -> list[str]:
    return blindness.leaks(received, blindness.secrets_of(Rater.objects.get(pk=rater)))


def study_to_rehearse(*, images: int) -> str:
    """A launched study with examples and practice, that asks a device all and its raters questions; its name."""
    asked = {
        "questions_before": "age: How old? [number 18-99]\nscreen: Which? [choice]\n- small\n- large",
        "questions_after": "remarks: Anything? [text 20]",
        "phones": False, "window_fits": True, "full_screen": True, "card": True, "greys": True, "colour_vision": True,
        "device_rule": "end",
    }  # fmt: skip
    invitation = invite_to_new_study(images=images, calibrated=False, practised=("bicubic 1-5",), **asked)
    return Study.objects.get(raters=invitation.rater).name


def rehearsed(name: str) -> dict[str, Any]:
    """Ratings of each rater, who left, the scores of who gives one score, and what the export says of `simulated`."""
    study = Study.objects.get(name=name)
    frame = ratings_frame(study)
    if frame.empty:
        return {"counts": {}}
    of = {kind: frame[frame["rater"].str.contains(kind)] for kind in ("leaving", "straight")}
    return {
        "counts": frame.groupby("rater").size().to_dict(),
        "left": next(iter(of["leaving"]["rater"])),
        "straight": set(of["straight"]["score"]),
        "simulated": set(frame["simulated"]),
    }


def invite_to_blocks(*, images: int, **protocol: object) -> Invitation:
    """A rater of a block of ratings, and then of a block of pairs of the same images; both of two methods."""
    name = f"s{uuid.uuid4().hex[:12]}"
    benchmarks = [factories.make_benchmark(name, images=images, height=240, width=320)]
    asked = {"benchmarks": benchmarks, "methods": ("nearest", "bicubic"), **protocol}
    first = factories.launch(factories.make_study(name=name, title="One by one", **asked))
    task = {"task": Task.PAIR, "scale": pair_scale(ties=True)}
    second = factories.launch(factories.make_study(name=f"{name}-2", title="Two by two", **task, **asked))
    Ending.objects.create(study=first, outcome="completed", code="AFTER-BOTH", continues_in=second)
    rater = factories.make_rater(first)
    return Invitation(path=f"/i/{rater.token}/", rater=rater.pk)


def study_of(rater: int) -> str:
    return Rater.objects.get(pk=rater).study.name


def images_of_studies(names: Sequence[str]) -> list[list[int]]:
    """The images that each of the studies has rated."""
    studies = [Study.objects.get(name=name) for name in names]
    return [sorted(study.images.filter(role="rated").values_list("stimulus", flat=True)) for study in studies]


def ratings_of_parts(rater: int) -> list[int]:
    """How many ratings each part of the rater has."""
    parts = continuing.parts_of(Rater.objects.get(pk=rater))
    return [Rating.objects.filter(trial__session__rater=part).count() for part in parts]


def pairs_to_rehearse(*, images: int, task: str = Task.PAIR, **protocol: object) -> str:
    """A launched study of two images beside each other; its name."""
    return study_of(invite_to_pairs(images=images, repeats=2, task=task, **protocol).rater)


def rehearsed_pairs(name: str) -> dict[str, Any]:
    """Of a rehearsal of pairs: choices of each rater, methods with the strongest first, what `simulated` says."""
    frame = pairs_frame(Study.objects.get(name=name))
    honest = frame[~frame["rater"].str.contains("random|straight")].reset_index(drop=True)
    return {
        "counts": frame.groupby("rater").size().to_dict(),
        "shares": dict(tally(choices(counted(honest)))[["method", "share"]].to_numpy().tolist()),
        "looks": set(frame["looks"]),
        "simulated": set(frame["simulated"]),
    }


def invite_to_telling_pairs(*, images: int, kind: str) -> Invitation:
    """One rater of two images of each of `images` sources, whose every name would tell something; who has agreed."""
    rater = blindness.study_with_telling_names(images=images, kind=kind)
    sessions.agree(rater=rater, now=timezone.now())
    return Invitation(path=f"/i/{rater.token}/", rater=rater.pk)


def sides_of(rater: int) -> dict[str, tuple[int, int, int]]:
    """What nobody may tell: of each pair's token its source, and the methods' keys on the left and on the right."""
    trials = Trial.objects.filter(session__rater=rater)
    rows = trials.values_list("token", "stimulus__source", "stimulus__method", "right__method")
    return {token: tuple(rest) for token, *rest in rows}


def staff_session() -> str:
    """The cookie of a browser that is logged in as staff."""
    user = User.objects.filter(username="staff").first() or User.objects.create_superuser("staff", password="right")
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def benchmark_to_bring_to(name: str, folder: str, *, images: int, height: int = 480, width: int = 720) -> None:
    """A benchmark, and results for it in `folder`: sharpened, one of them swapped with another of its size."""
    benchmark = factories.make_benchmark(name, images=0)
    for number in range(images):
        hr = factories.photograph(number, height=height, width=width)
        source = SourceImage(benchmark=benchmark, name=f"p{number:02d}", mode="RGB", height=height, width=width)
        lr = downscale(hr)
        source.hr_sha256, source.lr_sha256 = pixels_sha256(hr), pixels_sha256(lr)
        store(source.hr, hr)
        store(source.lr, lr)
        source.save()
        blurred = upscale_bicubic(lr).astype(np.int16)
        result = np.clip(blurred + (hr.astype(np.int16) - blurred) // 4, 0, 255).astype(np.uint8)
        shown = {0: 1, 1: 0}.get(number, number)
        Image.fromarray(result).save(Path(folder) / f"p{shown:02d}_SRGAN.png")


def do_imports() -> list[tuple[str, str, str]]:
    """What a worker does; how every import stands then."""
    for row in Import.objects.filter(state="wanted"):
        run(row.pk)
    return [(row.stage, row.state, row.said or row.error) for row in Import.objects.order_by("pk")]


def pieces() -> list[tuple[str, int]]:
    return list(ImportPiece.objects.order_by("of__path", "number").values_list("of__path", "number"))


def brought(method: str) -> int:
    return Stimulus.objects.filter(method__name=method).count()


def pictures_of_new_study(*, languages: list[str], **protocol: object) -> dict[str, Any]:
    """Pictures of what raters see of a study that is closed, its images' pixels, and how many raters it has then."""
    name = f"s{uuid.uuid4().hex[:12]}"
    benchmark, anchors = (
        factories.make_benchmark(f"{name}{end}", images=2, height=240, width=320) for end in ("", "-cal")
    )
    study = factories.make_study(
        name=name,
        benchmarks=[benchmark],
        calibration=None if "task" in protocol else anchors,
        languages=languages,
        **protocol,
    )
    if "de" in languages:
        wording.write(study=study, language="de", title="Bilder", questions=["Wie alt sind Sie?"])
    factories.launch(study)
    lifecycle.close(study=study, now=timezone.now())
    pictures = screenshots.pictures(study)
    images = []
    for shown in study.images.select_related("stimulus"):
        with shown.stimulus.file.open("rb") as file:
            images.append(read_image(file, name="image"))
    events = [event.kind for event in study.events.all()]
    return {"pictures": pictures, "images": images, "raters": study.raters.count(), "events": events}


def studies_of_every_state() -> None:
    """Drafts, one that lacks images of many methods, and one that runs with raters."""
    tiny = factories.make_benchmark("Set5")
    factories.make_study(name="draft", title="How good is bicubic?", benchmarks=[tiny])
    methods = ("bicubic", "srgan-vgg22", "srgan-mse", "srresnet-vgg22", "drcn", "selfexsr")
    factories.make_study(name="lacking", title="Six methods", benchmarks=[tiny], methods=methods)
    running = factories.launch(factories.make_study(name="running", title="Image quality", benchmarks=[tiny]))
    for label in ("anna", "ben"):
        sessions.agree(rater=factories.make_rater(running, label), now=timezone.now())


def many_methods(*, methods: int, benchmarks: int) -> None:
    """Results of so many methods, each of which was brought for about half of the benchmarks."""
    if Method.objects.filter(name="net-00").exists():
        return
    rows = [Method(name=f"net-{n:02d}", display_name=f"Network {n:02d}", kind="folder") for n in range(methods)]
    Method.objects.bulk_create(rows)
    for number in range(benchmarks):
        benchmark = factories.make_benchmark(f"bench{number}", images=2)
        for source in benchmark.sources.all():
            values = {"source": source, "origin": "folder", "state": "done", "psnr": 1, "ssim": 1}
            with source.hr.open("rb") as file:
                pixels = read_image(file, name=source.name)
            _, facts = png_of(pixels)
            for method in rows[number % 2 :: 2]:
                stimulus = Stimulus(method=method, **values, **facts)
                store(stimulus.file, pixels)
                stimulus.save()


def staff_pages(study: str) -> dict[str, str]:
    """The address of every page that staff can look at, found by asking for all that the site has; by its name.

    What is no page by itself, a part of one or a file, is not among them.
    """
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(User.objects.get(username="staff"))
    row = Study.objects.get(name=study)
    first: dict[str, Any] = {
        "name": study,
        "benchmark": "Set5",
        "method": Method.objects.filter(kind="folder").values_list("name", flat=True).first(),
        "language": "en",
        "metric": "psnr",
        "number": 0,
        "file": 1,
        "table": "ratings",
        "kind": "csv",
        "token": people.invite(study=row, role="viewer", by="staff", now=timezone.now()).token,
    }
    found = {}
    for pattern in (*research_urls.urlpatterns, *operations_urls.urlpatterns):
        name = str(pattern.name)
        actions = re.findall(r"\(\?P<action>([^)]*)\)", str(pattern.pattern))
        names = re.findall(r"<(?:\w+:)?(\w+)>", str(pattern.pattern))
        keys = {"person": row.raters, "import": Import.objects}.get(name.split("-")[0])
        values = first | {"pk": keys.values_list("pk", flat=True).first() if keys else 0}
        for action in actions[0].split("|") if actions else [""]:
            try:
                path = reverse(name, kwargs={one: (values | {"action": action})[one] for one in names})
            except NoReverseMatch:
                continue
            answer = client.get(path)
            if answer.status_code == 200 and not answer.streaming and b"<main" in answer.content:
                found["-".join(filter(None, (name, action)))] = path
    return found
