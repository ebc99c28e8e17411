"""Gold images and traps among the images of a session."""

import random
from collections import Counter

import pytest
from django.utils import timezone

from srcore.images import read_image
from studies.models import Rater, Stimulus, StudyImage, Trial
from studies.protocol import checks, readiness
from studies.protocol.duration import trials_each
from studies.rating import sessions
from studies.rating.statements import shown_trials
from studies.rating.told import trials_data
from studies.research.export import protocol_json, ratings_frame
from studies.research.monitoring import results_table
from studies.research.quality import quality
from tests.studies.factories import launch, make_benchmark, make_rater, make_study

pytestmark = [pytest.mark.services, pytest.mark.django_db]
GOLD = "known/known_000 hr 5\nknown/known_001 nearest 1"


def study_with(*, images=8, gold=GOLD, **protocol):
    make_benchmark("known", images=2)
    return make_study(benchmarks=[make_benchmark(images=images)], gold=gold, **protocol)


def started(study, label=""):
    rater = make_rater(study, label)
    sessions.agree(rater=rater, now=timezone.now())
    return list(Trial.objects.filter(session__rater=rater).select_related("stimulus__method").order_by("position"))


def runs_of(trials, kinds, length):
    """How many trials of these kinds are in each run of `length`."""
    return [Counter(t.phase for t in trials[start : start + length]) for start in range(0, len(trials), length)]


def test_each_run_of_ten_has_as_many_as_the_study_says_at_places_of_each_raters_own():
    study = launch(study_with(images=10, gold_a_run=1, traps_a_run=2))
    assert trials_each(study) == 30 + 3 * 3
    orders = [started(study) for _ in range(6)]
    for trials in orders:
        assert [run["gold"] for run in runs_of(trials, "gold", 13)] == [1, 1, 1]
        assert [run["trap"] for run in runs_of(trials, "trap", 13)] == [2, 2, 2]
        assert {t.expected for t in trials if t.phase == "gold"} == {1, 5}
        assert all((t.expected is None) == (t.phase == "rated") for t in trials)
    places = {tuple(t.position for t in trials if t.expected is not None) for trials in orders}
    assert len(places) == 6


def test_without_checks_the_order_is_the_one_that_it_was():
    plain = launch(make_study(name="plain", benchmarks=[make_benchmark(images=8)]))
    study = launch(study_with_same(plain))
    order = [t.stimulus_id for t in started(plain, "anna")]
    assert [t.stimulus_id for t in started(study, "anna") if t.phase == "rated"] == order


def study_with_same(plain):
    make_benchmark("known", images=2)
    return make_study(name="other", benchmarks=[plain.cells.first().benchmark], gold=GOLD, seed=plain.seed)


@pytest.mark.parametrize("protocol", [{}, {"allocation": "spread", "trials": 20, "repeats": 2}])
def test_a_whole_session_has_what_was_told_and_counts_in_no_result(protocol):
    study = launch(study_with(images=8, traps_a_run=1, **protocol))
    rater = rate(study, "anna")
    session = rater.session
    assert session.finished_at
    images = 24 if not protocol else 22
    assert session.to_rate == images + 2 * 3
    phases = Counter(session.trials.values_list("phase", flat=True))
    assert phases == {"rated": images, "gold": 3, "trap": 3}
    frame = ratings_frame(study)
    assert Counter(frame["check"]) == {"": images, "gold": 3, "trap": 3}
    assert frame.loc[frame["check"] != "", "expected"].notna().all()
    assert results_table(study)["n"].sum() == images - (2 if protocol else 0)
    row = quality(study).iloc[0]
    assert (row["n"], row["gold"], row["gold_failed"], row["traps"], row["traps_failed"]) == (images, 3, 0, 3, 0)


def rate(study, label):
    from tests.studies.research.test_quality import NOW, rate_due

    rater = make_rater(study, label)
    sessions.agree(rater=rater, now=NOW)
    sessions.finish_calibration(rater=Rater.objects.get(pk=rater.pk))
    rate_due(rater)
    return Rater.objects.get(pk=rater.pk)


def test_places_given_back_are_claimed_again_with_the_checks_that_are_left():
    """Whatever was given back, a part has its number of checks in the end."""
    for shown, ends, expected in ((0, False, 1), (1, False, 1), (3, False, 0), (1, True, 2), (3, True, 0)):
        assert checks.due({"gold": 1}, images=22, shown={"gold": shown}, ends=ends) == {"gold": expected}


def test_a_trap_is_as_large_in_pixels_and_bytes_as_the_images_of_its_source():
    study = launch(study_with(images=4, traps_a_run=1))
    traps = study.images.filter(role=StudyImage.Role.TRAP).select_related("stimulus__source")
    assert len(traps) == 4
    for trap in traps:
        others = Stimulus.objects.filter(source=trap.stimulus.source).exclude(pk=trap.stimulus.pk)
        assert {one.file_bytes for one in others} == {trap.stimulus.file_bytes}
        with trap.stimulus.file.open("rb") as file:
            pixels = read_image(file, name="trap")
        assert pixels.shape[:2] == (trap.stimulus.source.height, trap.stimulus.source.width)
        assert 0.02 < (pixels[:, :, 0] < 60).mean() < 0.4  # a number is on it
    scores = {trap.stimulus.code_version for trap in traps}
    assert len(scores) == 4


def test_a_browser_is_told_of_a_check_what_it_is_told_of_any_image():
    study = launch(study_with(images=4, traps_a_run=1))
    trials = started(study)
    told = trials_data(shown_trials(session=trials[0].session_id, start=1, stop=100))
    assert len({tuple(one) for one in told}) == 1


def test_gold_never_lies_beside_its_own_source_where_it_need_not():
    run = [Trial(stimulus_id=s, phase="rated") for s in (1, 2, 1, 2, 3)]
    source = {1: 10, 2: 20, 3: 30}
    gold = checks.Check("gold", 9, 10, 5.0)
    for seed in range(30):
        found = checks.inserted(run, [(gold, 0)], source=source, before=10, apart=True, rng=random.Random(seed))
        place = [t.stimulus_id for t in found].index(9)
        assert place in (4, 5)


def test_what_keeps_gold_from_a_launch_is_said():
    study = study_with(gold="tiny/tiny_000 hr 5")
    assert readiness.check(study) == ["The gold image tiny/tiny_000 by hr is rated too; choose one that is not."]
    study.gold = "known/known_000 hr 4-5"
    assert "A gold image has one score" in readiness.check(study)[0]
    study.gold = "known/none hr 5"
    assert readiness.check(study) == ["Gold images: There is no image known/none for gold."]


def test_the_design_is_exported():
    study = launch(study_with(images=2, traps_a_run=1))
    assert b'"traps_a_run": 1' in protocol_json(study)
