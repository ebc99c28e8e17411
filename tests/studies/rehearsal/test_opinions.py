import numpy as np
import pytest

from analysis.scale import ACR, Scale
from studies.models import LEFT, NEITHER, RIGHT
from studies.models.task import pair_scale
from studies.rehearsal.opinions import Model, Person, Seen, world

LINE = Scale(0, 100, None)
STIMULI = {key: (key % 4, 20.0 + 3 * (key % 4)) for key in range(200)}


def scores(kind: str, *, scale: Scale = ACR, seed: int = 1, model: Model | None = None) -> np.ndarray:
    there = world(scale, model or Model(), STIMULI, seed=0)
    person = Person(there, kind, np.random.default_rng(seed))
    return np.array([person.score(Seen(key, method)) for key, (method, _) in STIMULI.items()])


@pytest.mark.parametrize("scale", [ACR, Scale(0, 10), LINE])
def test_the_honest_agree_as_real_panels_do_and_the_random_with_nobody(scale):
    panel = np.array([scores("honest", scale=scale, seed=seed) for seed in range(10)])
    assert all(scale.contains(score) for score in panel.ravel())
    agreement = [np.corrcoef(panel[one], np.delete(panel, one, 0).mean(axis=0))[0, 1] for one in range(10)]
    # nflx_public: 0.75 to 0.95.
    assert min(agreement) > 0.8
    assert max(agreement) < 0.97
    assert abs(np.corrcoef(scores("random", scale=scale), panel.mean(axis=0))[0, 1]) < 0.25


def test_better_methods_score_higher_over_most_of_the_scale():
    means = [scores("honest")[method::4].mean() for method in range(4)]
    assert means == sorted(means)
    assert means[0] < 1.8
    assert means[-1] > 4.2


@pytest.mark.parametrize("ties", [True, False])
def test_of_two_images_the_better_is_chosen_by_most_whichever_side_it_is_on(ties):
    there = world(pair_scale(ties=ties), Model(), STIMULI, seed=0)
    given = []
    for seed in range(40):
        person = Person(there, "honest", np.random.default_rng(seed))
        # Method 3 is the best and 0 the worst; the last pair is of one method's two images of the same quality.
        given.append([person.score(Seen(3, 3, None, 0, 0)), person.score(Seen(0, 0, None, 3, 3))])
    assert np.mean(given, axis=0) == pytest.approx([LEFT, RIGHT], abs=0.1)
    same = [Person(there, "honest", np.random.default_rng(s)).score(Seen(3, 3, None, 3, 3)) for s in range(200)]
    assert abs(np.mean(same)) < 0.2
    assert (NEITHER in same) == ties


def test_one_score_for_everything():
    assert len(set(scores("straight"))) == 1


@pytest.mark.parametrize(("kind", "low", "high"), [("honest", 1, 5), ("leaving", 1, 5), ("gold", 5, 1)])
def test_known_scores_are_given_by_all_but_those_who_fail(kind, low, high):
    person = Person(world(ACR, Model(), STIMULI, seed=0), kind, np.random.default_rng(0))
    assert [person.score(Seen(0, 0, expected)) for expected in (1.0, 5.0)] == [low, high]


def test_inconsistency_and_bias_are_what_they_are_set_to():
    same = scores("honest", model=Model(0, 0, 0, 0, 0), seed=1)
    assert (same == scores("honest", model=Model(0, 0, 0, 0, 0), seed=2)).all()
    biased = [scores("honest", scale=LINE, model=Model(2, 0.1, 0, 0, 0), seed=seed).mean() for seed in range(30)]
    assert np.std(biased) > 15
