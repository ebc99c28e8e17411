"""What the pages say before a launch and while a study runs: raters, minutes, differences, and what is missing."""

import math
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from studies.access import invited_rater
from studies.models import Rater, Session, Study
from studies.protocol.duration import minutes_each, seconds_a_trial, trials_each
from studies.rating import sessions
from studies.research import invitations, planning, presets
from tests.studies.factories import launch, make_benchmark, make_methods, make_rater, make_study
from tests.studies.rating.test_sessions import rate

pytestmark = [pytest.mark.services, pytest.mark.django_db]
NOW = timezone.now()


def go(rater, number=None):
    sessions.agree(rater=rater, now=NOW)
    while number != 0 and (shown := sessions.standing(invited_rater(token=rater.token).session, now=NOW).upcoming):
        rate(rater, rater.session.trials.get(token=shown[0].token))
        number = None if number is None else number - 1


def test_a_study_says_how_many_raters_it_needs_how_long_each_sits_and_what_that_finds():
    study = make_study(benchmarks=[make_benchmark(images=8)], allocation="spread", trials=10, repeats=2, gap_ms=500)
    plan = planning.before_launch(study)
    # 24 images of which each of 72 raters rates 10: 30 ratings each; 12 trials of 4 s.
    assert (plan["raters"], plan["trials"], plan["minutes"]) == (72, 12, 1)
    (finds,) = plan["finds"]
    assert (finds.benchmark, finds.images, finds.methods) == ("tiny", 8, 3)
    assert 0.5 < finds.difference < 1.5
    together = make_study(name="t", benchmarks=[make_benchmark("u", images=8)], allocation="together", trials=10)
    assert planning.before_launch(together)["finds"][0].difference <= finds.difference
    assert planning.before_launch(make_study(name="n", benchmarks=[], ratings_each=0))["raters"] == 0


def test_the_overview_tells_of_parts_only_where_each_rater_rates_one(staff):
    make_study(name="all", benchmarks=[], ratings_each=0)
    make_study(name="part", benchmarks=[], allocation="spread", trials=5)
    labels = ("Images in each rater&#x27;s part", "Minutes away after which others get a rater&#x27;s places")
    whole, part = (staff.get(reverse("study", args=[name])).text for name in ("all", "part"))
    assert [(label in whole, label in part) for label in labels] == [(False, True)] * 2
    assert "<dt>Ratings that each image shall get</dt><dd>not stated</dd>" in whole


def test_every_image_of_the_papers_design_takes_75_minutes():
    study = make_study(benchmarks=[], gap_ms=500)
    assert minutes_each(study, trials=1128) == 76  # 75.2
    assert trials_each(study, images=1128) == 1128


def test_once_raters_have_finished_their_median_says_how_long_it_takes():
    study = launch(make_study(gap_ms=500))
    assert seconds_a_trial(study) == 4.0
    go(make_rater(study), 2)
    assert seconds_a_trial(study) == 4.0
    go(make_rater(study))
    assert seconds_a_trial(study) == pytest.approx(0.9005 + 0.5)


def test_what_is_rated_and_what_is_missing_is_told_with_the_raters_that_it_takes(staff):
    study = launch(make_study(benchmarks=[make_benchmark(images=4)], allocation="spread", trials=6, ratings_each=2))
    assert planning.coverage(study) is None
    go(make_rater(study))
    go(make_rater(study), 3)
    found = planning.coverage(study)
    # 9 of 24 ratings; who left may have rated what the first one had not.
    assert (found.lowest, found.median, found.highest) == (0, 1.0, 1)
    assert (found.missing, found.images_missing, found.raters_missing) == (15, 12, 4)
    page = staff.get(reverse("study", kwargs={"name": "study"})).text
    assert "lowest 0, median 1, highest 1" in page
    assert "15 ratings on 12 images: 4 more raters" in page
    assert "4, for 2 ratings of each image" in page
    invitations.revoke(rater=Rater.objects.last(), now=NOW)
    assert planning.coverage(study).missing == 18


def test_the_instructions_say_how_many_images_and_minutes(client):
    study = launch(make_study(benchmarks=[make_benchmark(images=8)], allocation="spread", trials=20, gap_ms=2000))
    rater = make_rater(study)
    client.get(reverse("invitation", args=[rater.token]))
    page = " ".join(client.get(reverse("rater-home")).text.split())
    assert "You will rate 20 images. It takes about 2 minutes." in page
    go(rater, 5)
    Session.objects.update(last_active_at=NOW - timedelta(minutes=90))
    assert "15 images are left to rate." in client.get(reverse("rater-home")).text


def test_the_planner_sets_every_image_spread_and_together_beside_each_other():
    whole, spread, together = planning.ways(images=100, methods=9, raters=200, minutes=5)
    assert (whole.trials, whole.minutes, whole.ratings) == (900, 60, 200)
    assert (spread.trials, spread.minutes, spread.ratings) == (75, 5, 16.7)
    assert together.trials == 72
    assert whole.difference < together.difference < spread.difference < 1
    assert planning.ways(images=2, methods=2, raters=2, minutes=60)[0].difference == math.inf


def test_a_new_study_begins_with_16_images_6_methods_30_raters_and_15_minutes(staff):
    for number, images in enumerate((2, 15, 40)):
        make_benchmark(f"b{number}", images=images, height=16, width=16)
    page = staff.get(reverse("study-new"))
    assert page.context["planner"]["raters"].value() == 30
    assert [(way.trials, way.minutes, way.ratings) for way in page.context["ways"]] == [(96, 7, 30)]
    chosen = [
        (benchmark.name, method.name)
        for method, row in page.context["form"].table()
        for benchmark, _, is_chosen, *_ in row
        if is_chosen
    ]
    assert {benchmark for benchmark, _ in chosen} == {"b1"}
    assert len(chosen) == 6
    assert ("b1", "hr") in chosen


def test_the_planner_takes_other_numbers_and_says_what_it_cannot_plan(staff):
    asked = {"images": 100, "methods": 9, "raters": 200, "minutes": 5}
    assert [way.trials for way in staff.get(reverse("study-new"), asked).context["ways"]] == [900, 75, 72]
    page = staff.get(reverse("study-new"), asked | {"images": 1})
    assert page.context["ways"] == []
    assert "greater than or equal to 2" in page.text


def paper(staff, **fields):
    return staff.post(reverse("study-new-paper"), {f"paper-{name}": value for name, value in fields.items()})


def test_the_papers_preset_offers_what_runs_or_was_brought_and_is_split_into_sittings(staff):
    for name in ("Set5", "Set14", "BSD100", "Calibration20"):
        make_benchmark(name, images=1)
    offered = staff.get(reverse("study-new")).context["paper"].fields["methods"].queryset
    assert {"nearest", "bicubic", "hr"} <= {method.name for method in offered}
    assert "srgan-vgg22" not in {method.name for method in offered}
    two = [method.pk for method in offered if method.name in ("bicubic", "hr")]
    paper(staff, name="p", title="P", methods=two)
    study = Study.objects.get(name="p")
    assert sorted(set(study.cells.values_list("method__name", flat=True))) == ["bicubic", "hr"]
    assert (study.sitting_minutes, study.rest_minutes) == (30, 10)
    # The name is taken: what was filled in stays.
    again = paper(staff, name="p", title="Kept title", methods=two[:1])
    assert again.status_code == 422
    assert "There is a study of this name already" in again.text
    assert 'value="Kept title"' in again.text
    assert [str(value) for value in again.context["paper"]["methods"].value()] == [str(two[0])]


def test_the_preset_takes_all_of_the_papers_methods_where_nobody_chooses():
    for name in ("Set5", "Set14", "BSD100", "Calibration20"):
        make_benchmark(name, images=1)
    make_methods()
    assert presets.create_paper_study(name="p", title="P").cells.count() == 33
