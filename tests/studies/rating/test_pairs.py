"""A study of pairs keeps what a study of ratings promises: of both images, exactly once, undone, erased, frozen."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from analysis.scale import ACR
from studies.access import invited_rater
from studies.models import LEFT, NEITHER, RIGHT, Rating, Session, Stimulus, TakenBack, Task, Trial
from studies.models.task import pair_scale
from studies.protocol import languages, readiness
from studies.protocol.duration import trials_each
from studies.rating import evidence, places, sessions
from studies.rating.recording import (
    AttemptTakenBack,
    InvalidRating,
    Looks,
    NoReceipt,
    RatingConflict,
    TrialNotDue,
    UnknownTrial,
    image_trial,
    record_rating,
)
from studies.rating.undo import RatingStands, take_back
from studies.rating.withdrawal import withdraw
from studies.research import drafts
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_sessions import DISPLAY
from tests.studies.threads import at_once

pytestmark = [pytest.mark.services, pytest.mark.django_db]

NOW = timezone.now()
LOOKS = Looks(left_looks=1, right_looks=2, left_ms=400.5, right_ms=700, side_by_side=False)


def pair_study(*, images=4, ties=True, **protocol):
    """A draft of pairs: 3 pairs of methods on each source."""
    asked = {"task": Task.PAIR, "scale": pair_scale(ties=ties), **protocol}
    return make_study(benchmarks=[make_benchmark(images=images, height=16, width=16)], **asked)


@pytest.fixture
def rater():
    return make_rater(launch(pair_study()))


def begin(rater, now=NOW):
    return sessions.agree(rater=invited_rater(token=rater.token), now=now)


def due(rater, now=NOW):
    session = Session.objects.get(rater=rater)
    return Trial.objects.get(token=sessions.standing(session, now=now).upcoming[0].token)


def receipts(trial, now=NOW, *, right=None):
    left = evidence.receipt(token=trial.token, now=now)
    return f"{left} {evidence.receipt(token=trial.token, now=right or now, which='right')}"


def choose(rater, trial, score=LEFT, now=NOW, **values):
    asked = {"looks": LOOKS, "receipt": receipts(trial, now), "display": DISPLAY, **values}
    return record_rating(rater_token=rater.token, token=trial.token, score=score, now=now, **asked)


def shown(rater):
    return list(rater.session.trials.select_related("stimulus__source", "right__source").order_by("position"))


def methods(trial):
    return trial.stimulus.method_id, trial.right.method_id


def test_each_rater_is_shown_every_pair_once_of_one_source_and_no_source_twice_running(rater):
    session = begin(rater)
    trials = shown(rater)
    assert session.to_rate == len(trials) == 12 == trials_each(rater.study)
    assert all(trial.stimulus.source == trial.right.source for trial in trials)
    assert len({frozenset((trial.stimulus_id, trial.right_id)) for trial in trials}) == 12
    assert all(one.stimulus.source != other.stimulus.source for one, other in pairwise(trials))


def test_repeats_come_with_their_sides_changed():
    rater = make_rater(launch(pair_study(repeats=5)))
    begin(rater)
    first = {(t.stimulus_id, t.right_id): t.position for t in shown(rater) if t.repeat == 0}
    again = {(t.right_id, t.stimulus_id): t.position for t in shown(rater) if t.repeat == 1}
    assert len(again) == 5
    assert all(first[pair] < position for pair, position in again.items())


@pytest.mark.parametrize("part", [{}, {"allocation": "spread", "trials": 8}, {"allocation": "together", "trials": 9}])
def test_sides_are_balanced_for_each_two_methods_of_each_rater_and_of_all(part):
    study = launch(pair_study(**part))
    overall = Counter()
    for _ in range(6):
        rater = make_rater(study)
        begin(rater)
        while (session := Session.objects.get(rater=rater)).finished_at is None:
            choose(rater, due(rater))
        own = Counter()
        for trial in shown(rater):
            left, right = methods(trial)
            own[min(left, right), max(left, right)] += 1 if left < right else -1
            overall[trial.stimulus_id, trial.right_id] += 1
        assert max(abs(more) for more in own.values()) <= 1
        assert len(shown(rater)) == session.to_rate
    of_pairs = {frozenset(pair) for pair in overall}
    assert len(of_pairs) == 12
    counts = [sum(overall[pair] for pair in overall if set(pair) == two) for two in of_pairs]
    if part.get("allocation") == "spread":
        assert counts == [4] * 12  # 6 raters x 8 of 12 pairs


def test_of_a_part_each_run_is_claimed_as_of_ratings_and_places_of_who_stays_away_come_back():
    study = launch(pair_study(allocation="spread", trials=12))
    away, other = make_rater(study), make_rater(study)
    begin(away)
    claimed = Trial.objects.filter(session__rater=away)
    assert claimed.count() == 10
    begin(other, NOW + timedelta(minutes=11))
    assert claimed.count() == places.HELD
    assert sum(places.stored(study).values()) == 0


def test_a_choice_is_stored_once_with_how_both_images_were_looked_at(rater):
    begin(rater)
    trial = due(rater)
    choose(rater, trial, RIGHT, now=NOW + timedelta(seconds=5), receipt=receipts(trial))
    assert choose(rater, trial, RIGHT, now=NOW + timedelta(seconds=6), receipt=receipts(trial)).repeated
    rating = Rating.objects.get()
    assert (rating.trial, rating.score) == (trial, RIGHT)
    assert {name: getattr(rating, name) for name in vars(LOOKS)} == vars(LOOKS)
    with pytest.raises(RatingConflict):
        choose(rater, trial, LEFT)


@pytest.mark.django_db(transaction=True)
def test_of_two_choices_at_once_one_is_stored_and_the_other_refused(rater):
    begin(rater)
    trial = due(rater)
    outcomes = at_once(*[lambda score=score: choose(rater, trial, score) for score in (LEFT, NEITHER, RIGHT)])
    assert sum(isinstance(outcome, RatingConflict) for outcome in outcomes) == 2
    stored = next(place for place, outcome in enumerate(outcomes) if isinstance(outcome, sessions.Standing))
    assert Rating.objects.get().score == (LEFT, NEITHER, RIGHT)[stored]


@pytest.mark.django_db(transaction=True)
def test_raters_who_begin_at_once_have_all_pairs_each():
    study = launch(pair_study())
    raters = [make_rater(study) for _ in range(4)]
    outcomes = at_once(*[lambda rater=rater: begin(rater) for rater in raters])
    assert all(isinstance(outcome, Session) for outcome in outcomes)
    placed = Counter(Trial.objects.values_list("stimulus", "right"))
    assert sum(placed.values()) == 48


def test_a_pair_counts_as_seen_once_both_images_were_sent(rater):
    begin(rater)
    trial = due(rater)
    later = NOW + timedelta(milliseconds=600)
    at = NOW + timedelta(milliseconds=700)
    choose(rater, trial, now=at, receipt=receipts(trial, NOW, right=later))
    rating = Rating.objects.get()
    assert evidence.milliseconds(rating.served_at) == evidence.milliseconds(later)
    assert rating.possible_ms <= 100 + evidence.CLOCKS_DIFFER_MS
    assert Session.objects.get().first_served_ms == evidence.milliseconds(NOW)


def test_without_the_receipts_of_both_images_nothing_is_stored(rater):
    begin(rater)
    trial = due(rater)
    left, _, right = receipts(trial).partition(" ")
    for said in ("", left, right, f"{left} {left}", f"{right} {left}", f"{right} {right}"):
        with pytest.raises(NoReceipt):
            choose(rater, trial, receipt=said)
    assert not Rating.objects.exists()


@pytest.mark.parametrize("gone", ["left_looks", "right_looks", "left_ms", "right_ms", "side_by_side"])
def test_an_answer_before_both_were_seen_is_refused(rater, gone):
    begin(rater)
    for value in {None, 0 if gone.endswith("looks") else None}:
        with pytest.raises(InvalidRating, match="looks"):
            choose(rater, due(rater), looks=Looks(**{**vars(LOOKS), gone: value}))
    assert not Rating.objects.exists()


def test_no_difference_is_an_answer_only_where_the_study_has_it(rater):
    begin(rater)
    choose(rater, due(rater), NEITHER)
    strict = make_rater(launch(make_study(
        name="strict", benchmarks=[rater.study.cells.first().benchmark], task=Task.PAIR, scale=pair_scale(ties=False)
    )))  # fmt: skip
    begin(strict)
    with pytest.raises(InvalidRating):
        choose(strict, due(strict), NEITHER)
    with pytest.raises(DatabaseError, match="not on the scale"), transaction.atomic():
        Rating.objects.create(trial=due(strict), score=0, **vars(DISPLAY))
    choose(strict, due(strict), RIGHT)


def test_a_choice_is_taken_back_and_given_again(rater):
    begin(rater)
    trial = due(rater)
    choose(rater, trial, LEFT)
    take_back(rater_token=rater.token, token=trial.token, attempt=1, now=NOW)
    taken = TakenBack.objects.get()
    assert (taken.score, taken.left_looks, taken.right_ms) == (LEFT, 1, 700)
    assert due(rater) == trial
    with pytest.raises(AttemptTakenBack):
        choose(rater, trial, LEFT)
    choose(rater, trial, RIGHT, attempt=2)
    choose(rater, due(rater))
    with pytest.raises(RatingStands):
        take_back(rater_token=rater.token, token=trial.token, attempt=2, now=NOW)


def test_withdrawing_erases_choices_taken_back_and_standing(rater):
    begin(rater)
    trial = due(rater)
    choose(rater, trial)
    take_back(rater_token=rater.token, token=trial.token, attempt=1, now=NOW)
    choose(rater, trial, attempt=2)
    assert withdraw(rater=rater, now=NOW) == 1
    assert not Trial.objects.exists()
    assert not TakenBack.objects.exists()


def test_each_image_has_an_address_of_its_own_with_the_bytes_of_that_side_and_its_receipt(rater, client):
    client.get(reverse("invitation", args=[rater.token]))
    begin(rater)
    trial = due(rater)
    left = client.get(reverse("image", args=[trial.token]))
    right = client.get(reverse("right-image", args=[trial.token]))
    assert left.content == trial.stimulus.file.open().read()
    assert right.content == trial.right.file.open().read()
    assert left.content != right.content
    assert len(left.content) == len(right.content)
    assert "no-transform" in right.headers["Cache-Control"]
    said = f"{left.headers['Receipt']} {right.headers['Receipt']}"
    body = {"score": RIGHT, "receipt": said, **{k: v for k, v in vars(DISPLAY).items() if v is not None}}
    looks = {name: value for name, value in vars(LOOKS).items() if value is not None} | {"side_by_side": "false"}
    assert client.post(reverse("rate", args=[trial.token]), body).status_code == 422
    assert client.post(reverse("rate", args=[trial.token]), body | looks).status_code == 200
    assert Rating.objects.get().right_looks == 2


def test_an_image_alone_has_no_right_side_and_stores_no_looks(client):
    rater = make_rater(launch(make_study()))
    client.get(reverse("invitation", args=[rater.token]))
    begin(rater)
    trial = due(rater)
    assert client.get(reverse("right-image", args=[trial.token])).status_code == 404
    choose(rater, trial, 3, receipt=evidence.receipt(token=trial.token, now=NOW))
    assert Rating.objects.get().left_looks is None


def test_nobody_else_and_nobody_early_gets_the_right_image(rater):
    begin(rater)
    stranger, *_, late = make_rater(rater.study), shown(rater)[-1]
    with pytest.raises(UnknownTrial):
        image_trial(rater_token=stranger.token, token=due(rater).token, now=NOW, which="right")
    with pytest.raises(TrialNotDue):
        image_trial(rater_token=rater.token, token=late.token, now=NOW, which="right")


def test_a_browser_is_told_of_a_pair_nothing_but_where_its_images_are(rater, client):
    client.get(reverse("invitation", args=[rater.token]))
    begin(rater)
    for trial in client.get(reverse("upcoming")).json()["upcoming"]:
        assert set(trial) == {"position", "url", "right", "token", "attempt", "width", "height"}
        assert trial["right"] == f"{trial['url']}/right"


def test_the_database_takes_no_pair_of_two_sources_or_of_one_image(rater):
    session = begin(rater)
    mine = session.trials.first()
    other = Stimulus.objects.exclude(source=mine.stimulus.source).first()
    for right in (other, mine.stimulus):
        with pytest.raises((DatabaseError, IntegrityError)), transaction.atomic():
            Trial.objects.create(session=session, position=99, phase="rated", stimulus=mine.stimulus, right=right)


def test_task_and_method_against_are_frozen_and_a_clone_has_them(rater):
    study = rater.study
    for change in ({"task": Task.RATING}, {"against": "hr"}):
        with pytest.raises(DatabaseError, match="does not change"), transaction.atomic():
            type(study).objects.filter(pk=study.pk).update(**change)
    copy = drafts.clone(study=study, name="copy", title="Copy")
    assert (copy.task, copy.scale, copy.against) == (study.task, study.scale, "")
    assert readiness.check(copy) == []


def test_against_the_original_alone_each_method_meets_it():
    rater = make_rater(launch(pair_study(against="hr")))
    begin(rater)
    hr = Stimulus.objects.filter(method__name="hr").first().method_id
    assert len(shown(rater)) == 8
    assert all(hr in methods(trial) for trial in shown(rater))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"scale": None}, "__all__"),
        ({"practice": "tiny/tiny_000 hr 1"}, "practice"),
        ({"gold": "tiny/tiny_000 hr 1"}, "gold"),
        ({"stabilising": 2}, "stabilising"),
        ({"stop_rule": "share", "stop_half_width": 0.5}, "stop_half_width"),
    ],
)
def test_what_asks_for_a_score_is_refused_for_pairs(wrong, field):
    if wrong == {"scale": None}:
        wrong = {"scale": ACR}
    with pytest.raises(ValidationError) as refused:
        pair_study(**wrong)
    assert field in refused.value.message_dict


def test_what_keeps_pairs_from_a_launch_is_said():
    study = pair_study(against="srgan-vgg54")
    assert any("against srgan-vgg54, which the design has not" in said for said in readiness.check(study))
    study.against, study.stop_rule, study.stop_half_width = "", "share", 0.05
    study.save()
    assert readiness.check(study) == []
    study.cells.filter(method__name="hr").delete()
    assert any("shares against one method" in said for said in readiness.check(study))
    calibrated = make_study(
        name="calibrated", benchmarks=[study.cells.first().benchmark], methods=["hr"],
        calibration=make_benchmark("anchors", images=1), task=Task.PAIR, scale=pair_scale(ties=True),
    )  # fmt: skip
    said = " ".join(readiness.check(calibrated))
    assert "There is no pair of tiny/tiny_000" in said
    assert "choose no calibration" in said


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "zh-hans"])
def test_instructions_and_answers_are_said_in_every_language_of_the_site(language):
    study = pair_study(languages=["en", "de", "fr", "es", "zh-hans"])
    assert set(languages.missing(study, language)) <= {"title"}
    assert len(languages.labels(study, language)) == 3
    if language != "en":
        assert not set(languages.labels(study, language)) & {"Left", "No difference", "Right"}
        assert languages.instructions(study, language) != languages.instructions(study, "en")


@pytest.mark.parametrize("part", [{}, {"allocation": "spread", "trials": 24}])
def test_traps_are_the_original_beside_nearest_on_sides_by_lot_and_no_source_comes_twice_running(part):
    study = launch(pair_study(images=10, traps_a_run=2, **part))
    sides = Counter()
    for _ in range(4):
        rater = make_rater(study)
        session = begin(rater)
        while Session.objects.get(rater=rater).finished_at is None:
            choose(rater, due(rater))
        trials = shown(rater)
        traps = [trial for trial in trials if trial.phase == "trap"]
        assert len(trials) == session.to_rate == trials_each(study)
        assert len(traps) == 6
        for trap in traps:
            names = (trap.stimulus.method.name, trap.right.method.name)
            assert names == (("hr", "nearest") if trap.expected == LEFT else ("nearest", "hr"))
            sides[trap.expected] += 1
        assert all(one.stimulus.source != other.stimulus.source for one, other in pairwise(trials))
    assert min(sides.values()) > 4
    assert sum(places.stored(study).values()) == 4 * (30 if not part else 24)


@pytest.mark.parametrize("part", [{}, {"allocation": "spread", "trials": 9}, {"allocation": "together", "trials": 9}])
@pytest.mark.parametrize(
    ("methods_of", "against", "kinds"),
    [
        (("nearest", "bicubic", "hr"), "", {"bicubic hr", "bicubic nearest", "hr nearest"}),
        (("nearest", "bicubic", "hr"), "bicubic", {"bicubic hr", "bicubic nearest"}),
        (("nearest", "bicubic"), "", {"bicubic nearest"}),  # without the original
    ],
)
def test_of_any_chosen_methods_all_or_a_part_of_the_pairs_come_balanced_and_no_source_twice_running(
    part, methods_of, against, kinds
):
    benchmark = make_benchmark(images=12, height=16, width=16)
    asked = {"task": Task.PAIR, "scale": pair_scale(ties=True), "against": against, "traps_a_run": 1, **part}
    study = launch(make_study(benchmarks=[benchmark], methods=methods_of, **asked))
    met = Counter()
    for _ in range(4):
        rater = make_rater(study)
        begin(rater)
        while Session.objects.get(rater=rater).finished_at is None:
            choose(rater, due(rater))
        trials = shown(rater)
        assert all(one.stimulus.source != other.stimulus.source for one, other in pairwise(trials))
        rated = [trial for trial in trials if trial.phase == "rated"]
        assert len(rated) == len({frozenset((t.stimulus_id, t.right_id)) for t in rated})
        assert len(rated) == (9 if part else 12 * len(kinds))
        for trial in rated:
            met[" ".join(sorted((trial.stimulus.method.name, trial.right.method.name)))] += 1
    assert set(met) == kinds
    assert max(met.values()) - min(met.values()) <= 4
    stored = places.stored(study)
    total = 12 * len(kinds)
    counts = [*stored.values(), *[0] * (total - len(stored))]
    assert max(counts) - min(counts) <= 1


def test_a_trap_needs_its_two_images_also_where_no_method_of_it_is_in_the_design():
    benchmark = make_benchmark(images=4, height=16, width=16)
    asked = {"task": Task.PAIR, "scale": pair_scale(ties=True), "traps_a_run": 1}
    study = make_study(benchmarks=[benchmark], methods=["bicubic", "hr"], **asked)
    Stimulus.objects.filter(method__name="nearest", source__name="tiny_001").delete()
    assert readiness.check(study) == ["nearest on tiny: 1 of 4 images are missing (tiny_001)."]


def test_what_a_rater_reads_and_gets_tells_of_no_trap(client):
    rater = make_rater(launch(pair_study(traps_a_run=1)))
    client.get(reverse("invitation", args=[rater.token]))
    assert "nothing but a number" not in client.get(reverse("rater-home")).content.decode()
    begin(rater)
    told = client.get(reverse("upcoming")).json()["upcoming"]
    assert {frozenset(trial) for trial in told} == {
        frozenset({"position", "url", "right", "token", "attempt", "width", "height"})
    }
