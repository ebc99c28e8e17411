from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import IntegrityError
from django.utils import timezone

from studies.access import InvitationRevoked, RaterWithdrawn, StudyNotOpen, UnknownInvitation, invited_rater
from studies.models import Rating, Session, StudyEvent, Trial
from studies.protocol import order
from studies.rating import sessions
from studies.rating.evidence import receipt
from studies.rating.recording import (
    DisplayFacts,
    InvalidRating,
    RatingConflict,
    UnknownTrial,
    image_trial,
    record_rating,
)
from studies.rating.withdrawal import withdraw
from studies.research import invitations, lifecycle
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.threads import at_once

pytestmark = [pytest.mark.services, pytest.mark.django_db]

NOW = timezone.now()
DISPLAY = DisplayFacts(
    response_ms=900.5,
    hidden_ms=0,
    device_pixel_ratio=1.25,
    visual_viewport_scale=1,
    viewport_width=1280,
    viewport_height=800,
    screen_width=1536,
    screen_height=864,
)


@pytest.fixture
def rater():
    calibration = make_benchmark("anchors", images=1)
    return make_rater(launch(make_study(calibration=calibration, repeats=1)))


@pytest.fixture
def session(rater):
    """A session whose calibration is done: 2 sources x 3 methods + 1 repeat to rate."""
    sessions.agree(rater=rater, now=NOW)
    return sessions.finish_calibration(rater=reread(rater))


def reread(rater):
    return invited_rater(token=rater.token)


def rate(rater, trial, score=3, now=NOW, display=DISPLAY):
    return record_rating(
        rater_token=rater.token,
        token=trial.token,
        score=score,
        display=display,
        receipt=receipt(token=trial.token, now=now),
        now=now,
    )


def due(session):
    session.refresh_from_db()
    return Trial.objects.get(token=sessions.standing(session, now=NOW).upcoming[0].token)


def rated_trials(session):
    return list(session.trials.filter(phase=Trial.Phase.RATED))


def test_agreeing_writes_every_trial_before_the_first_is_shown(rater):
    session = sessions.agree(rater=rater, now=NOW)
    trials = list(session.trials.all())
    assert [trial.position for trial in trials] == list(range(1, 10))
    assert [trial.anchor_score for trial in trials] == [1, 5] + [None] * 7
    assert [trial.stimulus.method.name for trial in trials[:2]] == ["nearest", "hr"]
    shown = [trial.stimulus_id for trial in trials[2:]]
    assert len(shown) == 7
    assert len(set(shown)) == 6
    assert sorted(trial.repeat for trial in trials[2:]) == [0] * 6 + [1]
    assert all(a.stimulus.source_id != b.stimulus.source_id for a, b in pairwise(trials[2:]))


def test_agreeing_again_keeps_the_session(rater):
    first = sessions.agree(rater=rater, now=NOW)
    tokens = [trial.token for trial in first.trials.all()]
    again = sessions.agree(rater=reread(rater), now=NOW + timedelta(hours=2))
    assert again.pk == first.pk
    assert [trial.token for trial in again.trials.all()] == tokens


def test_the_order_follows_from_the_seed_and_the_label_and_differs_between_raters():
    study = launch(make_study(benchmarks=[make_benchmark(images=6)]))
    orders = {}
    for label in ("anna", "berta"):
        session = sessions.agree(rater=make_rater(study, label), now=NOW)
        orders[label] = list(session.trials.values_list("stimulus_id", flat=True))
        assert session.seed == order.session_seed(study_seed=study.seed, rater=label)
    assert sorted(orders["anna"]) == sorted(orders["berta"])
    assert orders["anna"] != orders["berta"]


def test_stabilising_trials_come_first_look_like_all_others_and_leave_the_order_as_it_is():
    sources = make_benchmark(images=4)
    plain = sessions.agree(rater=make_rater(launch(make_study(benchmarks=[sources])), "anna"), now=NOW)
    study = launch(make_study(name="settled", benchmarks=[sources], stabilising=5))
    session = sessions.agree(rater=make_rater(study, "anna"), now=NOW)
    trials = list(session.trials.select_related("stimulus"))
    assert [trial.phase for trial in trials] == ["stabilising"] * 5 + ["rated"] * 12
    assert [t.stimulus_id for t in trials[5:]] == list(plain.trials.values_list("stimulus_id", flat=True))
    assert all(a.stimulus.source_id != b.stimulus.source_id for a, b in pairwise(trials))
    standing = sessions.standing(session, now=NOW)
    assert (standing.rated, standing.total) == (0, 17)
    assert [t.position for t in standing.upcoming] == [1, 2, 3, 4, 5]
    assert all(t.anchor_score is None for t in standing.upcoming)


def test_the_stages_follow_each_other(rater):
    assert sessions.stage(rater, now=NOW) == "instructions"
    sessions.agree(rater=rater, now=NOW)
    assert sessions.stage(reread(rater), now=NOW) == "calibration"
    session = sessions.finish_calibration(rater=reread(rater))
    assert sessions.stage(reread(rater), now=NOW) == "rating"
    for trial in rated_trials(session):
        rate(rater, trial)
    assert sessions.stage(reread(rater), now=NOW) == "finished"
    assert reread(rater).session.finished_at == NOW


def test_after_a_long_gap_the_instructions_come_again_and_the_right_trial_after_them(rater, session):
    rate(rater, due(session))
    waiting = due(session)
    gap = timedelta(minutes=rater.study.reminder_minutes)
    assert sessions.stage(reread(rater), now=NOW + gap) == "rating"
    later = NOW + gap + timedelta(seconds=1)
    assert sessions.stage(reread(rater), now=later) == "instructions"
    sessions.agree(rater=reread(rater), now=later)
    assert sessions.stage(reread(rater), now=later) == "calibration"
    sessions.finish_calibration(rater=reread(rater))
    assert sessions.stage(reread(rater), now=later) == "rating"
    assert due(session).pk == waiting.pk


def test_a_rating_is_stored_with_its_display_facts(rater, session):
    trial = due(session)
    receipt = rate(rater, trial, score=4)
    rating = Rating.objects.get()
    assert (rating.trial_id, rating.score, rating.response_ms, rating.device_pixel_ratio) == (trial.pk, 4, 900.5, 1.25)
    assert not receipt.repeated
    assert (receipt.rated, receipt.total) == (1, 7)
    assert [t.position for t in receipt.upcoming] == [4, 5, 6, 7, 8]


def test_the_same_rating_again_is_fine_and_makes_no_second_row(rater, session):
    trial = due(session)
    rate(rater, trial, score=4)
    again = rate(rater, trial, score=4)
    assert again.repeated
    assert again.rated == 1
    assert Rating.objects.count() == 1


def test_another_score_is_refused_and_logged_and_the_first_stands(rater, session):
    trial = due(session)
    rate(rater, trial, score=4)
    with pytest.raises(RatingConflict, match="already rated 4") as caught:
        rate(rater, trial, score=2)
    assert caught.value.stored == 4
    assert Rating.objects.get().score == 4
    event = StudyEvent.objects.get(kind="conflict")
    assert (event.rater, event.detail) == (rater.label, {"position": 3, "stored": 4, "refused": 2})


def test_a_trial_that_is_not_due_is_refused(rater, session):
    with pytest.raises(sessions.TrialNotDue):
        rate(rater, rated_trials(session)[1])
    assert not Rating.objects.exists()


def test_nothing_is_rated_before_the_calibration_is_done(rater):
    session = sessions.agree(rater=rater, now=NOW)
    for trial in session.trials.all():
        with pytest.raises(sessions.TrialNotDue):
            rate(rater, trial)
    assert sessions.standing(session, now=NOW).upcoming == []


def test_another_raters_trial_is_unknown(rater, session):
    other = make_rater(rater.study)
    with pytest.raises(UnknownTrial):
        rate(other, due(session))
    with pytest.raises(UnknownTrial):
        image_trial(rater_token=other.token, token=due(session).token, now=NOW)


def test_images_are_served_within_the_window_only(rater, session):
    trials = rated_trials(session)
    rate(rater, trials[0])

    def served(trial):
        try:
            return image_trial(rater_token=rater.token, token=trial.token, now=NOW).image == trial.stimulus.file.name
        except sessions.TrialNotDue:
            return False

    assert [served(trial) for trial in trials] == [False, True, True, True, True, True, False]


def test_a_revoked_rater_can_do_nothing_more(rater, session):
    invitations.revoke(rater=rater, now=NOW)
    for attempt in (
        lambda: invited_rater(token=rater.token),
        lambda: rate(rater, due(session)),
        lambda: image_trial(rater_token=rater.token, token=due(session).token, now=NOW),
    ):
        with pytest.raises(InvitationRevoked):
            attempt()


def test_a_closed_study_takes_no_rating_until_it_is_reopened(rater, session):
    lifecycle.close(study=rater.study, now=NOW)
    with pytest.raises(StudyNotOpen):
        rate(rater, due(session))
    lifecycle.reopen(study=rater.study, now=NOW)
    assert rate(rater, due(session)).rated == 1


def test_who_has_finished_still_finds_the_thanks_after_the_study_is_closed(rater, session):
    for trial in rated_trials(session):
        rate(rater, trial)
    lifecycle.close(study=rater.study, now=NOW)
    assert sessions.stage(reread(rater), now=NOW) == "finished"


@pytest.mark.parametrize("state", ["draft", "closed"])
def test_a_study_that_is_not_open_is_open_to_staff_previews_alone(state):
    study = make_study()
    if state == "closed":
        launch(study)
        lifecycle.close(study=study, now=NOW)
    with pytest.raises(StudyNotOpen):
        invited_rater(token=make_rater(study).token)
    preview = make_rater(study, is_preview=True)
    session = sessions.agree(rater=invited_rater(token=preview.token), now=NOW)
    assert session.trials_total == 6


def test_an_unknown_invitation_says_what_to_do():
    with pytest.raises(UnknownInvitation, match="copied whole"):
        invited_rater(token="guess")


def test_a_revoked_rater_can_still_withdraw(rater, session):
    rate(rater, due(session))
    invitations.revoke(rater=rater, now=NOW)
    assert withdraw(rater=invited_rater(token=rater.token, at_any_time=True), now=NOW) == 1


def test_another_window_is_told_of_a_withdrawal(rater, session):
    trial = due(session)
    withdraw(rater=rater, now=NOW)
    with pytest.raises(RaterWithdrawn):
        rate(rater, trial)


def test_withdrawing_erases_that_raters_ratings_alone_and_is_logged(rater, session):
    other = make_rater(rater.study)
    sessions.agree(rater=other, now=NOW)
    theirs = sessions.finish_calibration(rater=reread(other))
    rate(other, due(theirs), score=5)
    rate(rater, due(session), score=2)
    with pytest.raises(RatingConflict):
        rate(rater, rated_trials(session)[0], score=3)
    assert withdraw(rater=rater, now=NOW) == 1
    assert [rating.score for rating in Rating.objects.all()] == [5]
    assert not Session.objects.filter(rater=rater).exists()
    assert list(StudyEvent.objects.filter(rater=rater.label).values_list("kind", "detail")) == [
        ("withdrawal", {"ratings_erased": 1})
    ]
    with pytest.raises(RaterWithdrawn):
        reread(rater)
    assert withdraw(rater=rater, now=NOW) == 0


def test_one_can_withdraw_from_a_closed_study(rater, session):
    rate(rater, due(session))
    lifecycle.close(study=rater.study, now=NOW)
    assert withdraw(rater=invited_rater(token=rater.token, at_any_time=True), now=NOW) == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_different_ratings_at_once_one_is_stored_and_the_others_are_refused(rater, session):
    trial = due(session)
    outcomes = at_once(*[lambda score=score: rate(rater, trial, score=score) for score in (1, 2, 3, 4, 5)])
    stored = [outcome for outcome in outcomes if isinstance(outcome, sessions.Standing)]
    assert len(stored) == 1
    assert sum(isinstance(outcome, RatingConflict) for outcome in outcomes) == 4
    assert Rating.objects.get().score == outcomes.index(stored[0]) + 1
    session.refresh_from_db()
    assert session.next_position == trial.position + 1


@pytest.mark.django_db(transaction=True)
def test_the_same_rating_many_times_at_once_is_one_row(rater, session):
    trial = due(session)
    outcomes = at_once(*[lambda: rate(rater, trial, score=4)] * 6)
    assert sorted(outcome.repeated for outcome in outcomes) == [False] + [True] * 5
    assert Rating.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_rating_that_the_database_refuses_does_not_move_the_session(rater, session):
    trial = due(session)
    with pytest.raises(IntegrityError):
        rate(rater, trial, display=replace(DISPLAY, response_ms=-1))
    assert due(session) == trial
    assert rate(rater, trial).repeated is False


@pytest.mark.parametrize("score", [0, 9, 2.5, -0.5, 1e300])
def test_a_score_that_is_not_on_the_studys_scale_is_refused_and_does_not_move_the_session(rater, session, score):
    trial = due(session)
    with pytest.raises(InvalidRating) as refused:
        rate(rater, trial, score=score)
    assert refused.value.errors == {"score": "a number on the scale, 1 to 5 in steps of 1"}
    assert due(session) == trial


@pytest.mark.django_db(transaction=True)
def test_agreeing_in_two_windows_at_once_makes_one_session(rater):
    outcomes = at_once(*[lambda: sessions.agree(rater=reread(rater), now=NOW)] * 4)
    assert len({outcome.pk for outcome in outcomes}) == 1
    assert Trial.objects.count() == 9


@pytest.mark.django_db(transaction=True)
def test_withdrawing_while_a_rating_arrives_leaves_no_rating(rater, session):
    trial = due(session)
    at_once(lambda: rate(rater, trial), lambda: withdraw(rater=rater, now=NOW))
    assert not Rating.objects.exists()


def test_a_rating_takes_few_queries(rater, session, django_assert_max_num_queries):
    trial = due(session)
    # The trial; savepoint, claim, insert, release; what is upcoming.
    with django_assert_max_num_queries(6):
        rate(rater, trial)
    waiting = due(session)
    with django_assert_max_num_queries(1):
        image_trial(rater_token=rater.token, token=waiting.token, now=NOW)
