"""Would pairs chosen by what their answers tell save answers? Active choice of half of each run, against none.

    python -m tests.bench.bench_active [--studies N] [--methods 10] [--seed N]

Simulated studies of pairs of methods, each pair within a source. Raters come one after the other, 60 pairs each, in
runs of 10 that are chosen when they are claimed, from all answers so far. *Balanced*, as `studies.protocol.subsets`
chooses: a source that this rater had least and not the one before; of it a pair with the fewest answers, then one that
the rater had least, then by lot. An active choice takes half of a run's positions, by lot; the rest is balanced. It
knows the fit of Bradley and Terry's model with a normal prior to the answers so far, and nothing else:

    error    the pair whose answer lowers the summed variance of the strengths most (A-optimal)
    answer   the pair whose answer tells most of them (Houlsby et al. 2011, arXiv:1112.5745, their approximation)
    tree     pairs of the spanning tree whose answers tell most (Hybrid-MST: Li et al., NeurIPS 2018), by lot

The first two count what a choice will bring before they make the next one of the run. True strengths deviate as stated
(log odds), and by rater and by source by .3 more, as in `bench_pairs`; a study's truth is the mean over its sources,
and the same with every choice. The same model and prior estimate the strengths with every choice.

saving   share of answers fewer for the same root mean square error of the strengths, negative where more are needed
rank     Spearman's correlation with the truth less that of balanced

Both with a quarter of the answers and with all, with 95 % intervals over studies. A choice is worth building if it
saves 15 % in a cell and is worse in none (all its numbers at 5 % together, after Bonferroni).

Decided so: left out. None saves more than 9 % in any cell, and with 40 methods that deviate by .3 each needs a third
more answers at a quarter of them. So with a normal prior of one deviation for every study, which is wide for strengths
that deviate by .3: one that is estimated from the answers was not tried.
"""

from __future__ import annotations

import argparse
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special, stats
from scipy.sparse import csgraph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN, PAIRS = 10, 60
SOURCES = 20
INTERACTION = 0.3
RATERS = {10: 26, 40: 60}  # of a study with so many methods
DEVIATIONS = (0.3, 0.6, 1.5)
PRIOR = 1.0  # standard deviation of a strength before any answer
WORTH = 0.15  # the least saving for which a choice is built
PROBIT = 1.702  # a logistic of x is close to a normal distribution of x / 1.702


class Fits(NamedTuple):
    """Posterior of the strengths of many studies: mode (studies, methods), covariance (studies, methods, methods)."""

    strength: np.ndarray
    covariance: np.ndarray


def refit(wins: np.ndarray, strength: np.ndarray, *, steps: int) -> Fits:
    """Newton's method from `strength`; wins (studies, methods, methods): how often the first was chosen."""
    answers = wins + np.swapaxes(wins, 1, 2)
    own = np.eye(wins.shape[1]) / PRIOR**2
    for _ in range(steps + 1):
        chance = special.expit(strength[:, :, None] - strength[:, None, :])
        weight = answers * chance * (1 - chance)
        information = own + np.eye(len(own)) * weight.sum(axis=2)[:, :, None] - weight
        covariance = np.linalg.inv(information)
        gradient = (wins - answers * chance).sum(axis=2) - strength / PRIOR**2
        moved = strength + np.einsum("bij,bj->bi", covariance, gradient)
        last, strength = strength, moved
    return Fits(last, covariance)


def by_error(fits: Fits, wanted: int, _: np.random.Generator) -> np.ndarray:
    def gain(covariance: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        weight = _weight(fits.strength[:, one] - fits.strength[:, other])
        fall = _variance(covariance @ covariance, one, other)
        return np.asarray(weight * fall / (1 + weight * _variance(covariance, one, other)))

    return _greedy(fits, wanted, gain)


def by_answer(fits: Fits, wanted: int, _: np.random.Generator) -> np.ndarray:
    def gain(covariance: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return told(fits.strength[:, one] - fits.strength[:, other], _variance(covariance, one, other))

    return _greedy(fits, wanted, gain)


def by_tree(fits: Fits, wanted: int, rng: np.random.Generator) -> np.ndarray:
    one, other = np.triu_indices(fits.strength.shape[1], 1)
    size = fits.strength.shape[1]
    number = np.zeros((size, size), dtype=int)
    number[one, other] = number[other, one] = np.arange(len(one))
    bits = told(fits.strength[:, one] - fits.strength[:, other], _variance(fits.covariance, one, other))
    price = 1 / np.maximum(bits, 1e-12)
    found = []
    for study in price:
        graph = np.zeros((size, size))
        graph[one, other] = study
        edges = csgraph.minimum_spanning_tree(graph).nonzero()
        found.append(rng.permutation(number[edges])[:wanted])
    return np.array(found)


CHOICES = {"error": by_error, "answer": by_answer, "tree": by_tree}


def told(eta: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Bits that an answer tells of the strengths, for a difference of mean `eta` and this variance."""
    mean, variance = eta / PROBIT, variance / PROBIT**2
    chance = special.ndtr(mean / np.sqrt(variance + 1))
    before = (special.entr(chance) + special.entr(1 - chance)) / np.log(2)
    c = np.pi * np.log(2) / 2
    return np.asarray(before - np.sqrt(c / (variance + c)) * np.exp(-(mean**2) / (2 * (variance + c))))


def _variance(covariance: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    own = np.diagonal(covariance, axis1=1, axis2=2)
    return np.asarray(own[:, one] + own[:, other] - 2 * covariance[:, one, other])


def _weight(eta: np.ndarray) -> np.ndarray:
    chance = special.expit(eta)
    return np.asarray(chance * (1 - chance))


def _greedy(fits: Fits, wanted: int, gain: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Pairs (studies, wanted), one after the other the best by `gain`, with the information added that each brings."""
    one, other = np.triu_indices(fits.strength.shape[1], 1)
    weight = _weight(fits.strength[:, one] - fits.strength[:, other])
    covariance, studies = fits.covariance, np.arange(len(weight))
    found = []
    for _ in range(wanted):
        best = gain(covariance, one, other).argmax(axis=1)
        column = covariance[studies, :, one[best]] - covariance[studies, :, other[best]]
        variance = column[studies, one[best]] - column[studies, other[best]]
        shrink = weight[studies, best] / (1 + weight[studies, best] * variance)
        covariance = covariance - shrink[:, None, None] * column[:, :, None] * column[:, None, :]
        found.append(best)
    return np.stack(found, axis=1)


class Studies:
    """Many studies at once, as they grow: `error` (mean square) and `rank`, (raters, studies), after each rater."""

    def __init__(self, strength: np.ndarray, *, raters: int, choice: str, seed: int) -> None:
        studies, methods = strength.shape
        content = INTERACTION * np.random.default_rng([seed, 1]).standard_normal((studies, SOURCES, methods))
        self.worth = strength[:, None, :] + content
        self.truth = self.worth.mean(axis=1)
        self.truth -= self.truth.mean(axis=1, keepdims=True)
        self.choice, self.rng = choice, np.random.default_rng([seed, *choice.encode()])
        self.all = np.arange(studies)
        self.one, self.other = np.triu_indices(methods, 1)
        self.counts = np.zeros((studies, SOURCES, len(self.one)), dtype=np.int64)
        self.wins = np.zeros((studies, methods, methods))
        self.strength = np.zeros_like(strength)
        after = [self._rater() for _ in range(raters)]
        self.error, self.rank = (np.array(values) for values in zip(*after, strict=True))

    def _rater(self) -> tuple[np.ndarray, np.ndarray]:
        studies, methods = self.truth.shape
        self.taste = INTERACTION * self.rng.standard_normal((studies, methods))
        self.seen = np.zeros(self.counts.shape, dtype=bool)
        self.of_source = np.zeros((studies, SOURCES), dtype=np.int64)
        self.of_pair = np.zeros((studies, len(self.one)), dtype=np.int64)
        self.last = np.full(studies, -1)
        for _ in range(PAIRS // RUN):
            self._run()
        self.strength = refit(self.wins, self.strength, steps=6).strength
        error = self.strength - self.strength.mean(axis=1, keepdims=True) - self.truth
        rank = [stats.spearmanr(*both).statistic for both in zip(self.strength, self.truth, strict=True)]
        return (error**2).mean(axis=1), np.array(rank)

    def _run(self) -> None:
        active = np.zeros(RUN, dtype=bool)
        asked: Iterator[np.ndarray] = iter(())
        if self.choice != "balanced":
            fits = refit(self.wins, self.strength, steps=2)
            self.strength = fits.strength
            asked = iter(CHOICES[self.choice](fits, RUN // 2, self.rng).T)
            active[self.rng.permutation(RUN)[: RUN // 2]] = True
        for chosen in active:
            if chosen:
                pair = next(asked)
                self._show(self._source(pair), pair)
            else:
                source = self._source()
                self._show(source, self._pair(source))

    def _source(self, pair: np.ndarray | None = None) -> np.ndarray:
        """A source for each study; where the pair is chosen, the one that has fewest answers to it."""
        key = self.of_source + self.rng.random(self.of_source.shape)
        if pair is not None:
            key = key + 1e3 * self.counts[self.all, :, pair] + 1e6 * self.seen[self.all, :, pair]
        had = self.last >= 0
        key[self.all[had], self.last[had]] = np.inf
        return np.asarray(key.argmin(axis=1))

    def _pair(self, source: np.ndarray) -> np.ndarray:
        key = 1e3 * self.counts[self.all, source] + self.of_pair + 1e6 * self.seen[self.all, source]
        return np.asarray((key + self.rng.random(key.shape)).argmin(axis=1))

    def _show(self, source: np.ndarray, pair: np.ndarray) -> None:
        """The answers are drawn at once: no choice of this run looks at them."""
        self.counts[self.all, source, pair] += 1
        self.seen[self.all, source, pair] = True
        self.of_source[self.all, source] += 1
        self.of_pair[self.all, pair] += 1
        self.last = source
        one, other = self.one[pair], self.other[pair]
        worth = self.taste + self.worth[self.all, source]
        first = self.rng.random(len(one)) < special.expit(worth[self.all, one] - worth[self.all, other])
        self.wins[self.all, np.where(first, one, other), np.where(first, other, one)] += 1


def needed(error: np.ndarray, target: float) -> float:
    """Answers after which the mean of `error` (raters, studies) has come down to `target`, straight in logarithms."""
    mean = np.minimum.accumulate(error.mean(axis=1))
    answers = PAIRS * np.arange(1, len(mean) + 1)
    return float(np.exp(np.interp(-np.log(target), -np.log(mean), np.log(answers))))


def saving(active: np.ndarray, balanced: np.ndarray) -> float:
    """Share of answers fewer for the same error: the larger one of the two that the errors (raters, studies) end at."""
    target = max(active[-1].mean(), balanced[-1].mean())
    return 1 - needed(active, target) / needed(balanced, target)


def saving_and_deviation(active: np.ndarray, balanced: np.ndarray, *, draws: int = 200) -> tuple[float, float]:
    """With the standard deviation of a bootstrap of studies."""
    rng, studies = np.random.default_rng(0), active.shape[1]
    drawn = [rng.integers(0, studies, studies) for _ in range(draws)]
    return saving(active, balanced), float(np.std([saving(active[:, d], balanced[:, d]) for d in drawn], ddof=1))


def gains(active: Studies, balanced: Studies, raters: int) -> list[tuple[float, float]]:
    """Saving and gain in rank correlation after so many raters, each with its standard deviation."""
    rank = active.rank[raters - 1] - balanced.rank[raters - 1]
    return [
        saving_and_deviation(active.error[:raters], balanced.error[:raters]),
        (float(rank.mean()), float(rank.std(ddof=1) / np.sqrt(len(rank)))),
    ]


def cell(methods: int, deviation: float, *, studies: int, seed: int) -> dict[str, list[tuple[float, float]]]:
    """Print a cell; of each choice saving and rank after a quarter of the raters, and after all."""
    raters = RATERS[methods]
    strength = deviation * np.random.default_rng([seed, methods]).standard_normal((studies, methods))
    start = perf_counter()
    balanced = Studies(strength, raters=raters, choice="balanced", seed=seed)
    print(f"{methods} methods, deviation {deviation}, {studies} studies; balanced ends with an error of "
          f"{np.sqrt(balanced.error[-1].mean()):.3f}, rank correlation {balanced.rank[-1].mean():.3f}")  # fmt: skip
    found: dict[str, list[tuple[float, float]]] = {}
    for name in CHOICES:
        active = Studies(strength, raters=raters, choice=name, seed=seed)
        found[name] = []
        for part in (raters // 4, raters):
            save, rank = gains(active, balanced, part)
            found[name] += [save, rank]
            low, high = save[0] - 1.96 * save[1], save[0] + 1.96 * save[1]
            print(f"  {name:>6}, {PAIRS * part:4} answers: saving {save[0]:6.1%} ({low:6.1%} to {high:6.1%}), "
                  f"rank {rank[0]:+.4f} -+ {1.96 * rank[1]:.4f}", flush=True)  # fmt: skip
    print(f"  {perf_counter() - start:.0f} s", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200, help="of 10 methods; a quarter as many of 40")
    parser.add_argument("--methods", type=int, choices=list(RATERS), action="append", help="only studies of so many")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cells = [
        cell(methods, deviation, studies=options.studies * 10 // methods, seed=options.seed)
        for methods in options.methods or RATERS
        for deviation in DEVIATIONS
    ]
    for name in CHOICES:
        numbers = [number for found in cells for number in found[name]]
        far = special.ndtri(1 - 0.025 / len(numbers))
        most, deviation = max(numbers[::2])
        worse = sum(value + far * deviation < 0 for value, deviation in numbers)
        good = most >= WORTH and most > far * deviation and not worse
        print(f"{name}: saves {most:.1%} at most, worse in {worse} of {len(numbers)} numbers: "
              f"{'worth building' if good else 'left out'}")  # fmt: skip


if __name__ == "__main__":
    main()
