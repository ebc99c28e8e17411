"""Comparisons and degradation keep what pairs keep, each in its own way: sides, scales, the original, traps, words."""

from collections import Counter

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from analysis.scale import ACR, ScaleError
from analysis.schema import counted
from studies.access import invited_rater
from studies.models import LEFT, Outcome, Rater, Rating, Session, TakenBack, Task, Trial
from studies.models.task import CHOICE_OR_NONE, comparison_scale, degradation_scale
from studies.protocol import readiness
from studies.rating import sessions
from studies.rating.recording import NO_PAIR, InvalidRating, NoReceipt, RatingConflict
from studies.rating.undo import take_back
from studies.research.export import ratings_frame
from studies.research.monitoring import protocol_rows
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_pairs import begin, choose, due, methods, receipts, shown

pytestmark = [pytest.mark.services, pytest.mark.django_db]
SCALES = {Task.COMPARISON: comparison_scale(), Task.DEGRADATION: degradation_scale()}
PARTS = [{}, {"allocation": "spread", "trials": 6}, {"allocation": "together", "trials": 6}]


def two_study(task, *, images=4, **protocol):
    """A draft: of each source 3 pairs of methods, or 2 methods beside the original."""
    benchmark = make_benchmark(images=images, height=16, width=16)
    return make_study(benchmarks=[benchmark], task=task, scale=SCALES[task], **protocol)


def walk(rater, score):
    begin(rater)
    while Session.objects.get(rater=rater).finished_at is None:
        trial = due(rater)
        choose(rater, trial, score(trial))


@pytest.mark.parametrize("part", PARTS)
def test_of_a_comparison_sides_are_balanced_as_of_pairs_and_any_of_seven_answers_is_taken(part):
    study = launch(two_study(Task.COMPARISON, **part))
    given = iter(list(range(-3, 4)) * 20)
    for _ in range(4):
        rater = make_rater(study)
        walk(rater, lambda trial: next(given))
        own = Counter()
        for trial in shown(rater):
            left, right = methods(trial)
            own[min(left, right), max(left, right)] += 1 if left < right else -1
        assert max(abs(more) for more in own.values()) <= 1
    assert set(Rating.objects.values_list("score", flat=True)) == set(range(-3, 4))


@pytest.mark.parametrize("part", PARTS)
def test_the_original_always_stands_left_and_each_other_method_meets_it_once(part):
    study = launch(two_study(Task.DEGRADATION, repeats=2, **part))
    rater = make_rater(study)
    walk(rater, lambda trial: 4)
    trials = shown(rater)
    assert {trial.stimulus.method.name for trial in trials} == {"hr"}
    assert {trial.right.method.name for trial in trials} == {"nearest", "bicubic"}
    first = [trial for trial in trials if not trial.repeat]
    assert len({trial.right_id for trial in first}) == len(first) == (6 if part else 8)
    assert len(trials) == len(first) + 2


@pytest.mark.parametrize("task", SCALES)
def test_both_receipts_and_looks_are_asked_for_and_an_answer_is_stored_once_and_undone(task):
    rater = make_rater(launch(two_study(task)))
    begin(rater)
    trial = due(rater)
    with pytest.raises(NoReceipt):
        choose(rater, trial, 1, receipt=receipts(trial).split(" ")[0])
    for score in (SCALES[task].low - 1, 0.5):
        with pytest.raises(InvalidRating):
            choose(rater, trial, score)
    with pytest.raises(InvalidRating, match="looks"):
        choose(rater, trial, 1, looks=NO_PAIR)
    choose(rater, trial, 1)
    assert choose(rater, trial, 1).repeated
    with pytest.raises(RatingConflict, match="This pair was answered"):
        choose(rater, trial, 3)
    take_back(rater_token=rater.token, token=trial.token, attempt=1, now=timezone.now())
    choose(rater, trial, 2, attempt=2)
    assert (Rating.objects.get().score, TakenBack.objects.get().score) == (2, 1)


@pytest.mark.parametrize(("task", "off"), [(Task.COMPARISON, 4), (Task.DEGRADATION, 0)])
def test_the_database_itself_refuses_a_score_that_is_not_on_the_tasks_scale(task, off):
    rater = make_rater(launch(two_study(task)))
    begin(rater)
    choose(rater, due(rater), SCALES[task].high)
    rating = Rating.objects.get()
    values = {field.attname: getattr(rating, field.attname) for field in Rating._meta.concrete_fields}
    other = Trial.objects.exclude(pk=rating.trial_id).first()
    with pytest.raises(DatabaseError), transaction.atomic():
        Rating.objects.create(**values | {"id": None, "trial_id": other.pk, "score": off})


def test_a_trap_of_a_comparison_is_failed_by_the_wrong_side_and_by_none():
    study = launch(two_study(Task.COMPARISON, images=8, traps_a_run=2, end_after_failed=2))
    good, bad = make_rater(study), make_rater(study)
    walk(good, lambda trial: 3 * trial.expected if trial.expected else 0)
    assert Session.objects.get(rater=good).finished_at
    begin(bad)
    while not Rater.objects.get(pk=bad.pk).outcome:
        trial = due(bad)
        choose(bad, trial, 0 if trial.expected else 1)
    assert Rater.objects.get(pk=bad.pk).outcome == Outcome.CHECKS
    assert set(Trial.objects.exclude(expected=None).values_list("expected", flat=True)) <= {LEFT, -LEFT}


GOLD = "anchors/anchors_000 hr 5\nanchors/anchors_000 nearest 1\nanchors/anchors_001 hr 5"


@pytest.mark.parametrize("part", [{}, {"allocation": "spread", "trials": 12}])
def test_beside_the_original_gold_is_the_original_itself_or_an_image_whose_score_all_would_give(part):
    make_benchmark("anchors", images=2, height=16, width=16)
    study = launch(two_study(Task.DEGRADATION, images=8, gold=GOLD, gold_a_run=2, end_after_failed=2, **part))
    assert readiness.check(study) == []
    good, bad = make_rater(study), make_rater(study)
    walk(good, lambda trial: (trial.expected or 4) - (trial.expected == 5))  # one category off is no failure
    assert Session.objects.get(rater=good).finished_at
    checks = [trial for trial in shown(good) if trial.phase == Trial.Phase.GOLD]
    assert len(checks) == 4
    assert {(trial.right.method.name, trial.expected) for trial in checks} == {("hr", 5), ("nearest", 1)}
    for trial in checks:
        assert (trial.stimulus.method.name, trial.stimulus.source) == ("hr", trial.right.source)
    begin(bad)
    while not Rater.objects.get(pk=bad.pk).outcome:
        choose(bad, due(bad), 3)
    assert Rater.objects.get(pk=bad.pk).outcome == Outcome.CHECKS
    frame = ratings_frame(study)
    asked = frame[frame["check"] == "gold"]
    assert set(zip(asked["method"], asked["expected"], strict=True)) == {("hr", 5), ("nearest", 1)}
    assert "hr" not in set(counted(frame)["method"])
    assert (counted(frame)["rater"] == good.label).sum() == (12 if part else 16)
    assert dict(protocol_rows(study))["Gold images"].startswith("anchors/anchors_000 hr 5")


def test_gold_beside_the_original_is_not_rated_too_and_pairs_have_none():
    study = two_study(Task.DEGRADATION, gold="tiny/tiny_000 nearest 1")
    assert any("is rated too" in said for said in readiness.check(study))
    study.gold = "tiny/tiny_000 hr 5"
    study.save()
    assert readiness.check(study) == []
    with pytest.raises(ValidationError, match="A study of pairs has none"):
        make_study(
            name="ccr", benchmarks=[study.cells.first().benchmark], task=Task.COMPARISON, scale=comparison_scale(),
            gold="tiny/tiny_000 hr 1",
        )  # fmt: skip
    rater = make_rater(launch(study))
    trial = begin(rater).trials.exclude(phase=Trial.Phase.GOLD).first()
    with pytest.raises(IntegrityError), transaction.atomic():
        Trial.objects.create(
            session=rater.session, position=99, phase="rated", stimulus=trial.stimulus, right=trial.stimulus
        )


def test_a_design_says_what_its_task_lacks():
    for task, scale in ((Task.COMPARISON, ACR), (Task.DEGRADATION, CHOICE_OR_NONE), (Task.RATING, CHOICE_OR_NONE)):
        with pytest.raises(ValidationError, match="not those of the study's task"):
            make_study(name=f"{task}x", benchmarks=[make_benchmark(f"b{task}", images=1)], task=task, scale=scale)
    benchmark = make_benchmark(images=3, height=16, width=16)
    asked = {"task": Task.DEGRADATION, "scale": degradation_scale()}
    without = make_study(name="without", benchmarks=[benchmark], methods=["bicubic", "nearest"], **asked)
    [problem] = readiness.check(without)
    assert problem.startswith("Each image is shown beside the original, which the design has not of tiny/tiny_000")
    alone = make_study(name="alone", benchmarks=[benchmark], methods=["hr"], **asked)
    assert [text[:20] for text in readiness.check(alone)] == ["There is no pair of "]
    with pytest.raises(ValidationError, match="nothing is a trap"):
        make_study(name="traps", benchmarks=[benchmark], traps_a_run=1, **asked)
    with pytest.raises(ValidationError, match="Only pairs have a method"):
        make_study(name="against", benchmarks=[benchmark], against="hr", **asked)
    with pytest.raises(ScaleError, match="7 labels"):
        comparison_scale(["worse", "better"])
    assert readiness.check(make_study(name="whole", benchmarks=[benchmark], **asked)) == []


@pytest.mark.parametrize(("task", "said"), [
    (Task.COMPARISON, ["Much worse", "Beside the left image, the right one is:", "Undo last rating", 'dir="ltr"']),
    (Task.DEGRADATION, ["Imperceptible", "The differences from the original are:", "Undo last rating"]),
])  # fmt: skip
def test_the_pages_say_what_is_asked_and_nothing_of_methods(client, task, said):
    rater = make_rater(launch(two_study(task)))
    client.get(reverse("invitation", args=[rater.token]))
    before = client.get(reverse("rater-home")).content.decode()
    assert "You will compare" in before
    assert said[0] in before
    sessions.agree(rater=invited_rater(token=rater.token), now=timezone.now())
    page = client.get(reverse("rater-home")).content.decode()
    for text in said:
        assert text in page
    assert not [name for name in ("nearest", "bicubic") if name in page]
    told = client.get(reverse("upcoming")).json()["upcoming"]
    assert {frozenset(trial) for trial in told} == {
        frozenset({"position", "url", "right", "token", "attempt", "width", "height"})
    }
