"""A study of which each rater rates a part: claimed in runs, given back by who stays away, never two raters' place."""

from collections import Counter
from datetime import timedelta
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from django.utils import timezone

from studies.access import invited_rater
from studies.models import Rating, Session, Stimulus, Trial
from studies.models.task import pair_scale
from studies.protocol.checks import MOST_TRAPS
from studies.protocol.subsets import RUN, WINDOW
from studies.rating import places, sessions
from studies.rating.evidence import receipt
from studies.rating.recording import record_rating
from studies.rating.undo import take_back
from studies.rating.withdrawal import withdraw
from studies.research import decisions, invitations
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_sessions import DISPLAY
from tests.studies.threads import at_once

pytestmark = [pytest.mark.services, pytest.mark.django_db]

NOW = timezone.now()
SOURCES, METHODS = 12, 3


def minutes(number):
    return NOW + timedelta(minutes=number)


def part_study(**protocol):
    """A launched study of 36 images, of which each rater rates 24; places are given back after 10 minutes."""
    asked = {"allocation": "spread", "trials": 24, **protocol}
    return launch(make_study(benchmarks=[make_benchmark(images=SOURCES, height=16, width=16)], **asked))


def begin(study, now=NOW):
    rater = make_rater(study)
    sessions.agree(rater=rater, now=now)
    return rater


def session_of(rater):
    return Session.objects.get(rater=rater)


def upcoming(rater, now=NOW):
    return sessions.standing(invited_rater(token=rater.token).session, now=now).upcoming


def rate(rater, shown, now=NOW, score=3):
    proof = receipt(token=shown.token, now=now)
    return record_rating(
        rater_token=rater.token, token=shown.token, score=score, display=DISPLAY, receipt=proof, now=now,
        attempt=shown.attempt,
    )  # fmt: skip


def rate_some(rater, number, now=NOW):
    for _ in range(number):
        rate(rater, upcoming(rater, now)[0], now)


def claimed(rater):
    return list(session_of(rater).trials.filter(phase=Trial.Phase.RATED).order_by("position"))


def test_agreeing_claims_one_run_and_the_rater_is_told_of_all_that_will_come():
    session = sessions.agree(rater=make_rater(part_study(repeats=4, stabilising=2)), now=NOW)
    trials = list(session.trials.order_by("position"))
    assert [trial.phase for trial in trials] == ["stabilising"] * 2 + ["rated"] * RUN
    assert [trial.run for trial in trials] == [None] * 2 + [1] * RUN
    assert (session.trials_total, session.to_rate) == (30, 30)


OF_PAIRS = {
    "task": "pair", "scale": pair_scale(ties=True), "methods": ("nearest", "bicubic"), "traps_a_run": 1, "trials": 12
}  # fmt: skip


@pytest.mark.parametrize(
    "protocol",
    [{}, {"stabilising": 2, "traps_a_run": 1}, OF_PAIRS, {**OF_PAIRS, "original_on_key": True}],
    ids=["plain", "with checks", "pairs", "pairs with the original on a key"],
)
def test_the_first_page_and_a_claim_read_no_more_of_a_study_with_more_images(protocol, monkeypatch):
    read = []
    real = Stimulus.from_db.__func__
    monkeypatch.setattr(Stimulus, "from_db", classmethod(lambda *row: read.append(1) or real(*row)))
    numbers = []
    for name, images in (("few", 12), ("many", 24)):
        benchmark = make_benchmark(name, images=images, height=16, width=16)
        study = launch(make_study(name=name, benchmarks=[benchmark], allocation="spread", **{"trials": 24, **protocol}))
        read.clear()
        rater = begin(study)
        places.claim(session=session_of(rater).pk, now=NOW)
        numbers.append(len(read))
    # Of the session and of its first run; of pairs two images.
    assert numbers[0] == numbers[1] <= 2 * MOST_TRAPS * (2 if "task" in protocol else 1)


def test_a_run_is_claimed_before_its_first_image_is_due_and_the_browser_always_has_as_many_ahead_as_it_may():
    rater = begin(part_study(repeats=4))
    total = session_of(rater).trials_total
    for position in range(1, total + 1):
        shown = upcoming(rater)
        assert [trial.position for trial in shown] == list(range(position, min(position + WINDOW, total + 1)))
        assert len(claimed(rater)) < position + WINDOW + RUN
        answer = rate(rater, shown[0])
        assert len(answer.upcoming) == min(WINDOW, total - position)
    trials = claimed(rater)
    assert session_of(rater).finished_at == NOW
    assert [trial.run for trial in trials] == sorted(trial.run for trial in trials)
    assert max(trial.run for trial in trials) == 3
    assert Counter(trial.repeat for trial in trials) == {0: 24, 1: 4}
    assert max(Counter(trial.stimulus_id for trial in trials if not trial.repeat).values()) == 1
    assert all(a.stimulus.source_id != b.stimulus.source_id for a, b in pairwise(trials))


def test_who_stays_away_gives_back_what_no_browser_can_hold_and_goes_on_with_others():
    study = part_study()
    gone = begin(study)
    rate_some(gone, 2)
    before = claimed(gone)
    begin(study, minutes(10))
    assert claimed(gone) == before
    # Whoever claims next after the stated time finds them away.
    begin(study, minutes(10.1))
    kept = claimed(gone)
    assert kept == before[: 2 + places.HELD]
    # Ratings given meanwhile without a network, of images that the browser had, are stored.
    for trial in kept[2:]:
        rate(gone, next(t for t in upcoming(gone, minutes(30)) if t.token == trial.token), minutes(30))
    while shown := upcoming(gone, minutes(31)):
        rate(gone, shown[0], minutes(31))
    trials = claimed(gone)
    assert len({trial.stimulus_id for trial in trials}) == len(trials) == 24
    assert all(a.stimulus.source_id != b.stimulus.source_id for a, b in pairwise(trials))
    assert session_of(gone).finished_at


def test_what_a_browser_holds_after_an_undo_whose_answer_was_lost_is_not_given_back():
    study = part_study()
    gone = begin(study)
    rate_some(gone, 2)
    held = upcoming(gone)
    last = claimed(gone)[1]
    first = take_back(rater_token=gone.token, token=last.token, attempt=1, now=NOW).upcoming[0]
    begin(study, minutes(30))
    # Without a network the rater gave these six answers.
    for trial in (first, *held):
        rate(gone, trial, minutes(31))
    assert Rating.objects.filter(trial__session__rater=gone).count() == 2 + WINDOW


def test_places_of_who_is_away_are_free_for_others():
    study = part_study(trials=12, order="random")
    gone = begin(study)
    taken = {trial.stimulus_id for trial in claimed(gone)}
    others = [begin(study, minutes(1)), begin(study, minutes(1))]
    new = [trial.stimulus_id for rater in others for trial in claimed(rater)]
    assert len(set(new) - taken) == 20
    begin(study, minutes(12))
    # By now all three are away: of their 30 places none counts, only the run just claimed.
    assert sum(counts_of(study, minutes(12))) == RUN


def counts_of(study, now):
    images = places.Images.of(places.rated_keys(study))
    return list(places._counts(study, images, now=now)[0])


def test_an_answer_at_a_runs_border_is_taken_back_and_given_again():
    rater = begin(part_study())
    rate_some(rater, RUN - 1)
    last = upcoming(rater)[0]
    rate(rater, last, score=2)
    first_of_next = upcoming(rater)[0]
    assert Trial.objects.get(token=first_of_next.token).run == 2
    again = take_back(rater_token=rater.token, token=last.token, attempt=1, now=NOW).upcoming
    assert [trial.token for trial in again[:2]] == [last.token, first_of_next.token]
    rate(rater, again[0], score=5)
    rate(rater, first_of_next)
    assert list(Rating.objects.order_by("trial__position").values_list("score", "attempt"))[-2:] == [(5, 2), (3, 1)]


def test_only_what_will_count_is_balanced_against():
    study = part_study()
    revoked, withdrawn, excluded, counts = (begin(study) for _ in range(4))
    preview = make_rater(study, is_preview=True)
    sessions.agree(rater=preview, now=NOW)
    for rater in (revoked, withdrawn, excluded, preview, counts):
        rate_some(rater, 3)
    invitations.revoke(rater=revoked, now=NOW)
    withdraw(rater=withdrawn, now=NOW)
    decisions.decide(rater=excluded, kind="exclude", reason="pressed 3 throughout", by="staff", now=NOW)
    assert sum(places.stored(study).values()) == 3
    assert sum(counts_of(study, NOW)) == len(claimed(counts))


def test_together_gives_a_rater_all_versions_of_few_sources():
    rater = begin(part_study(allocation="together", trials=12))
    rate_some(rater, 12)
    assert sorted(Counter(trial.stimulus.source_id for trial in claimed(rater)).values()) == [3, 3, 3, 3]


def test_a_part_goes_on_after_a_rest_at_a_runs_border():
    rater = begin(part_study(sitting_trials=RUN, rest_minutes=5))
    rate_some(rater, RUN)
    assert upcoming(rater) == []
    shown = upcoming(rater, minutes(6))
    assert [trial.position for trial in shown] == list(range(RUN + 1, RUN + 1 + WINDOW))


@pytest.mark.django_db(transaction=True)
def test_raters_who_start_at_the_same_moment_never_take_one_place():
    """On PostgreSQL the study's row is locked, on SQLite the transaction is alone; without either some would."""
    study = part_study(trials=6)  # of 36 places four take 24: whoever comes last still has a choice
    raters = [make_rater(study) for _ in range(4)]
    outcomes = at_once(
        *(partial(sessions.agree, rater=invited_rater(token=rater.token), now=timezone.now()) for rater in raters)
    )
    assert [error for error in outcomes if isinstance(error, Exception)] == []
    taken = Counter(Trial.objects.values_list("stimulus_id", flat=True))
    assert (len(taken), set(taken.values())) == (4 * 6, {1})


@pytest.mark.django_db(transaction=True)
def test_two_windows_that_need_the_next_run_at_once_write_it_once():
    rater = begin(part_study())
    session = session_of(rater)
    Session.objects.filter(pk=session.pk).update(next_position=RUN - 1)
    assert at_once(*[lambda: places.claim(session=session.pk, now=timezone.now())] * 2) == [None, None]
    assert [trial.run for trial in claimed(rater)] == [1] * RUN + [2] * RUN


def test_a_small_study_ends_balanced_though_some_leave():
    """The simulation of tests/bench/bench_subsets.py, on the site itself: a unit of time is a minute."""
    rng = np.random.default_rng(5)
    study = part_study(trials=12, away_minutes=6)
    raters = {make_rater(study): int(rng.integers(1, 12)) if number % 3 == 0 else 12 for number in range(12)}
    for rater in raters:
        sessions.agree(rater=rater, now=NOW)
    for minute in range(1, 13):
        for rater, leaves in raters.items():
            if minute <= leaves:
                rate_some(rater, 1, minutes(minute))
    found = places.stored(study)
    counts = [found.get(stimulus, 0) for stimulus, _, _ in places.rated_keys(study)]
    assert sum(counts) == sum(raters.values())
    assert max(counts) - min(counts) <= 4
