"""What is deleted for good: first what goes and what stands in the way is listed, then somebody types its name.

Stored ratings go by a step of their own, before their study can. Each step leaves an event that says what went, and who
did it. Files go once the rows have: what a storage that is away keeps of them, `manage.py verify` finds.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from studies.models import (
    Arrival,
    Benchmark,
    Cut,
    Decision,
    Job,
    Method,
    Rating,
    Session,
    Stimulus,
    Study,
    StudyEvent,
    StudyImage,
    StudyMethod,
    TakenBack,
    Tally,
    Trial,
)
from studies.rating.places import given
from studies.research import regions
from studies.research.lifecycle import forget_previews
from studies.research.refusals import StudyError

BEFORE = "Backups made before still hold it, for as long as they are kept."
_NAMED = 5


@dataclass(frozen=True)
class InUse:
    """A problem with studies of these names, which only who may see a study reads."""

    what: str
    studies: list[str]
    then: str = ""

    def __str__(self) -> str:
        return f"{self.what}.{self.then}"

    def naming(self, visible: Collection[str]) -> str:
        named = [name for name in self.studies if name in visible]
        hidden = len(self.studies) - len(named)
        unnamed = f"{'another study' if hidden == 1 else f'{hidden} other studies'} that you cannot see"
        shown = [_some(named)] * bool(named) + [unnamed] * bool(hidden)
        return f"{self.what}: {' and '.join(shown)}.{self.then}"


@dataclass
class Going:
    """`what` would be deleted: `goes` and `stays` say what that means, `problems` keep it from being done.

    `name` has to be typed; `do` does it, given who and when, and raises StudyError for what stands in the way by then.
    """

    what: str
    name: str
    goes: list[str]
    do: Callable[[str, datetime], None]
    stays: list[str] = field(default_factory=list)
    problems: Sequence[str | InUse] = ()


def ratings_of(study: Study) -> Going:
    """All that raters gave and what tells of them: the step before a study that was launched can be deleted."""
    raters = study.raters.filter(is_preview=False)
    ratings = given(study)
    goes = [
        f"{_count(ratings, 'rating')} of {_count(raters.filter(session__isnull=False).count(), 'rater')}, with times, "
        "screens and answers to questions",
        f"{_count(raters.count(), 'invitation')} and their links, decisions, agreements and panel ids",
        f"{_count(study.reports.count(), 'report')}",
    ]
    problems = [] if study.state == Study.State.CLOSED else ["Only the ratings of a closed study are erased: close it."]
    if study.state == Study.State.CLOSED and not raters.exists():
        problems = ["It has no raters any more."]
    following = Q(continued__study__state=Study.State.LAUNCHED, continued__withdrawn_at=None)
    if at_work := raters.filter(following, continued__session__finished_at=None).count():
        problems = [*problems, f"{_count(at_work, 'rater')} of it may still go on in another study: close that first."]
    stays = ["The design and the images. Export the ratings first if anybody may ask for them.", BEFORE]
    return Going(f"the ratings of {study.title}", study.name, goes, partial(_erase, study), stays, problems)


def of_study(study: Study) -> Going:
    raters = study.raters.filter(is_preview=False)
    goes = [
        "design, texts, consent texts, endings, regions and public link",
        f"{_count(raters.count(), 'invitation')}, {_count(study.reports.count(), 'report')}",
        f"{_count(study.raters.filter(is_preview=True).count(), 'trial')} by staff",
    ]
    stays = ["Benchmarks, methods and their images.", "That it was deleted, by whom, in the site's events.", BEFORE]
    problems = _keeps(study)
    return Going(f"the study {study.title}", study.name, goes, partial(_delete_study, study), stays, problems)


def of_benchmark(benchmark: Benchmark) -> Going:
    images = Stimulus.objects.filter(source__benchmark=benchmark)
    goes = [
        f"{_count(benchmark.sources.count(), 'source image')}, HR and LR",
        f"{_count(images.count(), 'image')} that methods made of them, with their metrics",
    ]
    text = f"{benchmark.name}/"
    shown = StudyImage.objects.filter(stimulus__source__benchmark=benchmark).order_by().values("study")
    uses = Study.objects.filter(
        Q(pk__in=StudyMethod.objects.filter(benchmark=benchmark).order_by().values("study"))
        | Q(pk__in=Study.calibration.through.objects.filter(sourceimage__benchmark=benchmark).values("study"))
        | Q(pk__in=shown)
        | Q(practice__contains=text)
        | Q(gold__contains=text)
    )
    problems = _used(uses) + _being_made(images)
    do = partial(_delete_benchmark, benchmark)
    return Going(f"the benchmark {benchmark}", benchmark.name, goes, do, [BEFORE], problems)


def of_results(method: Method, benchmark: Benchmark) -> Going:
    """Results that were brought and that no study shows: trial imports, versions that others have replaced."""
    brought = _brought(method, benchmark)
    free = _free(brought)
    shown = brought.count() - free.count()
    goes = [f"{_count(free.count(), 'image')} of {method} on {benchmark} that were brought and that no study shows"]
    if method.kind == "folder" and not method.stimuli.exclude(pk__in=free.values("pk")).exists():
        goes.append(f"the method {method} itself, which has no other image")
    stays = [f"{_count(shown, 'image')} that studies show."] if shown else []
    nothing = [] if free.exists() else ["There is nothing that no study shows."]
    problems = _used(_drafts_with(method, benchmark)) or nothing
    do = partial(_delete_results, method, benchmark)
    return Going(f"results of {method} on {benchmark}", method.name, goes, do, [*stays, BEFORE], problems)


def _erase(study: Study, by: str, now: datetime) -> None:
    with transaction.atomic():
        locked = Study.objects.select_for_update().get(pk=study.pk)
        _require(ratings_of(locked))
        sessions = Session.objects.filter(rater__study=locked)
        # Against a rating that is being stored at this moment: its claim waits for this lock, and then finds nothing.
        list(sessions.select_for_update().values_list("pk"))
        raters = locked.raters.filter(is_preview=False).count()
        TakenBack.objects.filter(trial__session__in=sessions).delete()
        erased, _ = Rating.objects.filter(trial__session__in=sessions).delete()
        _forget_raters(locked)
        _delete_reports(locked)
        Tally.objects.filter(study=locked).delete()
        _forget_raters_in_events(locked)
        detail = {"ratings": erased, "raters": raters}
        StudyEvent.objects.create(study=locked, at=now, by=by, kind="ratings erased", detail=detail)


def _delete_study(study: Study, by: str, now: datetime) -> None:
    with transaction.atomic():
        locked = Study.objects.select_for_update().get(pk=study.pk)
        list(locked.raters.select_for_update().values_list("pk"))
        _require(of_study(locked))
        detail = {"title": locked.title, "state": locked.state, "ratings_each": locked.ratings_each}
        TakenBack.objects.filter(trial__session__rater__study=locked).delete()
        Rating.objects.filter(trial__session__rater__study=locked, trial__session__rater__is_preview=True).delete()
        _forget_raters(locked)
        _delete_reports(locked)
        # Nobody's data is left: as a draft its design is free to go.
        Study.objects.filter(pk=locked.pk).update(state=Study.State.DRAFT)
        locked.images.all().delete()
        regions.remove(locked.regions.all())
        _forget_raters_in_events(locked)
        locked.events.update(of=f"study {locked.name}")
        StudyEvent.objects.create(of=f"study {locked.name}", at=now, by=by, kind="study deleted", detail=detail)
        Study.objects.get(pk=locked.pk).delete()


def _delete_benchmark(benchmark: Benchmark, by: str, now: datetime) -> None:
    with transaction.atomic():
        locked = Benchmark.objects.select_for_update().get(pk=benchmark.pk)
        _require(of_benchmark(locked))
        images = Stimulus.objects.filter(source__benchmark=locked)
        detail = {"sources": locked.sources.count(), "images": images.count()}
        for study in _tried_on(locked):
            forget_previews(study)
        _remove_files(images.exclude(file="").values_list("file", flat=True))
        _remove_files(name for pair in locked.sources.values_list("hr", "lr") for name in pair)
        images.delete()
        locked.sources.all().delete()
        StudyEvent.objects.create(of=f"benchmark {locked}", at=now, by=by, kind="benchmark deleted", detail=detail)
        locked.delete()


def _delete_results(method: Method, benchmark: Benchmark, by: str, now: datetime) -> None:
    with transaction.atomic():
        _require(of_results(method, benchmark))
        free = Stimulus.objects.filter(pk__in=list(_free(_brought(method, benchmark)).values_list("pk", flat=True)))
        detail = {"images": free.count()}
        _remove_files(free.values_list("file", flat=True))
        free.delete()
        if method.kind == "folder" and not method.stimuli.exists() and not _in_a_design(method):
            method.delete()
        of = f"results of {method} on {benchmark}"
        StudyEvent.objects.create(of=of, at=now, by=by, kind="results deleted", detail=detail)


def _keeps(study: Study) -> list[str | InUse]:
    """What keeps a study from being deleted."""
    if study.state == Study.State.LAUNCHED:
        return ["Raters can rate it just now: close it first."]
    begun = study.raters.filter(is_preview=False, session__isnull=False).count()
    if begun:
        return [f"It has ratings of {_count(begun, 'rater')}. They go by a step of their own: erase them first."]
    others = list(study.same_images.order_by("name").values_list("name", flat=True))
    if others:
        return [InUse("Studies that were cloned from it have its images", others, " Delete them first.")]
    return []


def _used(studies: "QuerySet[Study]") -> list[str | InUse]:
    names = list(studies.order_by("name").values_list("name", flat=True))
    use = "uses" if len(names) == 1 else "use"
    return [InUse(f"{_count(len(names), 'study')} {use} it", names)] if names else []


def _tried_on(benchmark: Benchmark) -> "QuerySet[Study]":
    """Drafts that staff tried while they showed images of it."""
    return Study.objects.filter(raters__session__trials__stimulus__source__benchmark=benchmark).distinct()


def _being_made(images: "QuerySet[Stimulus]") -> list[str]:
    if images.filter(state=Job.State.RUNNING).exists():
        return ["A worker is making an image of it just now: wait a moment."]
    return []


def _brought(method: Method, benchmark: Benchmark) -> "QuerySet[Stimulus]":
    return Stimulus.objects.filter(method=method, source__benchmark=benchmark, origin=Stimulus.Origin.FOLDER)


def _free(images: "QuerySet[Stimulus]") -> "QuerySet[Stimulus]":
    # By their indices: there can be a million trials.
    named = [(StudyImage, "stimulus"), (Cut, "stimulus")]
    named += [(Trial, name) for name in ("stimulus", "right", "original")]
    for rows, name in named:
        images = images.filter(~Exists(rows._default_manager.filter(**{name: OuterRef("pk")}).order_by()))
    return images


def _drafts_with(method: Method, benchmark: Benchmark) -> "QuerySet[Study]":
    """Drafts that have the method on the benchmark among what is rated, or one of these images for practice or gold."""
    drafts = Study.objects.filter(state=Study.State.DRAFT)
    lines = {draft.pk: f"{draft.practice}\n{draft.gold}".splitlines() for draft in drafts}
    named = [
        pk
        for pk, of in lines.items()
        if any(line.strip().startswith(f"{benchmark.name}/") and method.name in line.split() for line in of)
    ]
    return drafts.filter(Q(cells__method=method, cells__benchmark=benchmark) | Q(pk__in=named)).distinct()


def _in_a_design(method: Method) -> bool:
    return StudyMethod.objects.filter(method=method).exists()


def _require(going: Going) -> None:
    if going.problems:
        raise StudyError(" ".join(map(str, going.problems)))


def _forget_raters(study: Study) -> None:
    Session.objects.filter(rater__study=study).delete()
    Decision.objects.filter(rater__study=study).delete()
    Arrival.objects.filter(study=study).delete()
    study.raters.all().delete()


def _forget_raters_in_events(study: Study) -> None:
    """Labels, and what events say of how somebody rated."""
    study.events.exclude(rater="").delete()


def _delete_reports(study: Study) -> None:
    _remove_files(study.reports.exclude(file="").values_list("file", flat=True))
    study.reports.all().delete()


def _remove_files(names: Iterable[str]) -> None:
    for name in list(names):
        transaction.on_commit(partial(default_storage.delete, name), robust=True)


def _count(number: int, word: str) -> str:
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
