"""Practice: images of which a score is expected, and of which nothing is stored."""

import pytest
from django.urls import reverse
from django.utils import timezone

from analysis.scale import ACR
from studies.models import Rating, Trial
from studies.protocol import practice
from studies.protocol.readiness import check
from studies.rating import sessions
from studies.research import drafts, lifecycle
from studies.research.refusals import NotReady
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_sessions import reread
from tests.studies.rating.test_views import arrive, fetch, rate

pytestmark = [pytest.mark.services, pytest.mark.django_db]

NOW = timezone.now()
LINES = "anchors/anchors_000 bicubic 2-3\nanchors/anchors_000 hr 5\n"


@pytest.fixture
def anchors():
    return make_benchmark("anchors", images=1)


@pytest.fixture
def study(anchors):
    return make_study(calibration=anchors, practice=LINES)


@pytest.fixture
def rater(study):
    return make_rater(launch(study))


def test_practice_comes_after_the_examples_and_before_what_is_rated(rater):
    session = sessions.agree(rater=rater, now=NOW)
    shown = [(t.phase, t.stimulus.method.name, t.anchor_score, t.anchor_high) for t in session.trials.all()[:5]]
    assert shown[:4] == [
        ("calibration", "nearest", 1, None),
        ("calibration", "hr", 5, None),
        ("practice", "bicubic", 2, 3),
        ("practice", "hr", 5, 5),
    ]
    assert shown[4][0] == "rated"
    assert (session.rated, session.to_rate) == (0, 6)


def test_a_rater_goes_from_examples_to_practice_to_rating(rater):
    client = arrive(rater)
    client.post(reverse("agree"))
    assert client.post(reverse("practised")).status_code == 409, "the examples come first"
    assert client.get(reverse("rater-home")).context["data"]["last"] == "Go on"
    client.post(reverse("calibrated"))
    page = client.get(reverse("rater-home"))
    assert "practice.js" in page.text
    told = [(trial["anchor_score"], trial["anchor_high"]) for trial in page.context["data"]["practice"]]
    assert told == [(2, 3), (5, 5)]
    client.post(reverse("practised"))
    client.post(reverse("calibrated"))
    assert "rate.js" in client.get(reverse("rater-home")).text


def test_of_practice_nothing_is_stored_and_its_images_are_its_raters_alone(rater, study):
    client = arrive(rater)
    client.post(reverse("agree"))
    client.post(reverse("calibrated"))
    trial = Trial.objects.filter(phase="practice").first()
    assert fetch(client, trial)[0].status_code == 200
    assert rate(client, trial).json()["code"] == "not-due"
    assert not Rating.objects.exists()
    other = arrive(make_rater(study))
    assert fetch(other, trial)[0].status_code == 404


def test_no_image_to_be_rated_is_served_during_practice(rater):
    sessions.agree(rater=rater, now=NOW)
    session = sessions.finish_calibration(rater=reread(rater))
    assert sessions.stage(reread(rater), now=NOW) == "practice"
    assert sessions.standing(session, now=NOW).upcoming == []


def test_a_clone_practises_the_same(study):
    assert drafts.clone(study=study, name="clone", title="Clone").practice == study.practice


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("anchors_000 bicubic 3", "write benchmark/image, method and the expected score"),
        ("anchors/anchors_000 bicubic", "write benchmark/image"),
        ("anchors/anchors_000 bicubic 3.4.5", "write benchmark/image"),
        ("anchors/anchors_000 bicubic 4-2", "the lower first"),
        ("anchors/anchors_000 bicubic 6", "from 1 to 5"),
        ("anchors/anchors_000 bicubic 2.5", "from 1 to 5"),
        ("anchors/other bicubic 3", "no image anchors/other"),
        ("anchors/anchors_000 sharp 3", "no method sharp"),
        ("anchors/anchors_000 hr 5\nanchors/anchors_000 hr 4", "there twice"),
    ],
)
def test_a_line_that_cannot_be_practised_is_named(anchors, text, says):
    with pytest.raises(practice.PracticeError, match=says):
        practice.find(text, ACR)
    study = make_study(practice=text)
    assert any(says in problem for problem in check(study))
    with pytest.raises(NotReady):
        lifecycle.launch(study=study, now=NOW)


def test_an_images_name_may_hold_spaces(anchors):
    (line,) = practice.parse("set/my old photo bicubic 2-3", ACR)
    assert (line.benchmark, line.source, line.method, line.low, line.high) == ("set", "my old photo", "bicubic", 2, 3)
