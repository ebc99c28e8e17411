"""Models of a choice between two: Bradley-Terry with Davidson's ties, and Thurstone's case V with a tie's threshold.

With eta the strength on the left minus that on the right (plus, if asked for, what the left side itself is worth):

bradley_terry   left : tie : right = exp(eta / 2) : nu : exp(-eta / 2)   (Bradley and Terry 1952; Davidson 1970)
thurstone       left = Phi(eta - tau), right = Phi(-eta - tau), a tie the rest (Thurstone 1927, case V, the unit being
                the standard deviation of a difference; the threshold after Glenn and David 1960)

Without any tie in the table nu and tau are 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy import sparse, special
from scipy.sparse import csgraph

from analysis.pairs.choices import LEFT, NEITHER, RIGHT
from analysis.pairs.schema import PairsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.pairs.choices import Counts

ModelName = Literal["bradley_terry", "thurstone"]
STEPS = 200
SETTLED = 1e-10  # largest step of a parameter at which a fit has ended
LONGEST = 3.0  # step of a parameter, so that a flat start does not throw the fit out of all numbers
RUNAWAY = 25.0  # a log strength or side so large is on its way to infinity: exp(25) to one
_TINY = 1e-100  # its square is still a number


class Unfittable(PairsError):
    """The choices do not determine the strengths; the message names the methods that nothing ties together."""


@dataclass(frozen=True)
class Fit:
    """Maximum likelihood: `strength` (methods,) with mean 0, `side` and `tie` (log nu or log tau; -inf without ties).

    `bread` is the inverse information of (strengths, side, tie), centred in the strengths; `score` (k, 3, p) the
    gradient of the log likelihood of one choice by ordered pair and outcome; `chance` (k, 3) the fitted chances.
    """

    model: ModelName
    strength: np.ndarray
    side: float
    tie: float
    loglik: float
    parameters: int
    bread: np.ndarray
    slope: np.ndarray
    chance: np.ndarray


def chances(model: ModelName, eta: np.ndarray, tie: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chances of LEFT, NEITHER, RIGHT (k, 3) and the slopes of their logarithms in eta and in `tie`, (k, 3) each."""
    if model == "bradley_terry":
        log = np.stack([eta / 2, np.full_like(eta, tie), -eta / 2], axis=1)
        chance = special.softmax(log, axis=1)
        drift = (chance[:, LEFT] - chance[:, RIGHT]) / 2
        by_eta = np.array([0.5, 0.0, -0.5]) - drift[:, None]
        return chance, by_eta, np.array([0.0, 1.0, 0.0]) - chance[:, [NEITHER]]
    if model != "thurstone":
        raise ValueError(f"unknown model {model!r}; known: {', '.join(get_args(ModelName))}")
    tau = np.exp(tie)
    ends = np.stack([eta - tau, -eta - tau])
    left, right = special.ndtr(ends)
    between = special.ndtr(tau - eta) - special.ndtr(-tau - eta)
    density = np.exp(-(ends**2) / 2) / np.sqrt(2 * np.pi)
    chance = np.stack([left, np.where(tau > 0, between, 0.0), right], axis=1)
    by_eta = np.stack([density[0], density[1] - density[0], -density[1]], axis=1)
    by_tie = tau * np.stack([-density[0], density[0] + density[1], -density[1]], axis=1)
    safe = np.maximum(chance, _TINY)
    return chance, by_eta / safe, by_tie / safe


def fit(counts: Counts, names: Sequence[str], *, model: ModelName = "bradley_terry", side: bool = False) -> Fit:
    """Maximum likelihood by Fisher's scoring. Raises Unfittable where it does not exist, with the methods' names.

    It exists where from every method a chain of wins or ties leads to every other (Ford 1957), and, with ties, where
    the choices contradict themselves at all: see `check`.
    """
    check(counts, names)
    design = counts.design(side=side)
    free = np.zeros(design.shape[1] + counts.ties)
    if counts.ties:
        share = counts.count[:, NEITHER].sum() / counts.count.sum()
        even = 2 * share / (1 - share) if model == "bradley_terry" else special.ndtri((1 + share) / 2)
        free[-1] = np.log(even)
    loglik = _loglik(counts, *_parts(counts, design, free, model)[:1])
    for _ in range(STEPS):
        gradient, information = _scoring(counts, design, free, model)
        step = _solve(information, gradient)
        step = step * min(1.0, LONGEST / np.abs(step).max()) if step.any() else step
        for _halving in range(40):
            trial = _loglik(counts, _parts(counts, design, free + step, model)[0])
            if trial >= loglik - 1e-9 * abs(loglik):
                break
            step = step / 2
        free, loglik = free + step, trial
        if np.abs(free).max() > RUNAWAY:
            raise Unfittable("the strengths run off to infinity: too few choices between some of the methods")
        if np.abs(step).max() < SETTLED:
            return _finish(counts, design, free, model, loglik, side=side)
    raise Unfittable(f"the fit did not settle in {STEPS} steps")


def _solve(information: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(np.linalg.solve(information, gradient))
    except np.linalg.LinAlgError:
        raise Unfittable("the choices leave some strengths open: too few between some of the methods") from None


def check(counts: Counts, names: Sequence[str]) -> None:
    """Raise Unfittable, naming the methods, where the table falls apart, is separated, or holds nothing but ties."""
    size = counts.size
    if not counts.count[:, [LEFT, RIGHT]].any():
        raise Unfittable("every choice is a tie: there is nothing to tell the methods apart")
    met = sparse.csr_array((np.ones(len(counts.left)), (counts.left, counts.right)), shape=(size, size))
    parts, label = csgraph.connected_components(met, directed=False)
    if parts > 1:
        groups = _groups(label, names)
        raise Unfittable(f"the table falls apart: no choice was ever made between {' and '.join(groups[:6])}")
    left_held = counts.count[:, [LEFT, NEITHER]].any(axis=1)
    right_held = counts.count[:, [RIGHT, NEITHER]].any(axis=1)
    winner = np.concatenate([counts.left[left_held], counts.right[right_held]])
    loser = np.concatenate([counts.right[left_held], counts.left[right_held]])
    held = sparse.csr_array((np.ones(len(winner)), (winner, loser)), shape=(size, size))
    parts, label = csgraph.connected_components(held, directed=True, connection="strong")
    if parts > 1:
        top, bottom = _extremes(held, parts, label)
        if top is not None:
            what = f"every choice between {_names(label == top, names)} and another method went to {_it(label == top)}"
        else:
            what = f"{_names(label == bottom, names)} was never chosen over another method"
        raise Unfittable(f"the table is separated: {what}, so its strength would be infinite")
    wins = np.concatenate([counts.count[left_held, LEFT], counts.count[right_held, RIGHT]])
    if counts.ties and not _contradicts(winner, loser, wins, size):
        raise Unfittable(
            "the table is separated: the choices follow one order of the methods without any exception, with ties "
            "between neighbours only, so their strengths would be infinite"
        )


def _contradicts(winner: np.ndarray, loser: np.ndarray, wins: np.ndarray, size: int) -> bool:
    """Whether no order fits all choices: strengths at least 1 apart where one was chosen, at most 1 where they tied.

    Were there such strengths, ever larger multiples of them, with ties ever wider, would fit ever better. Constraints
    on differences have a solution where the graph of their limits has no negative cycle (Bellman and Ford).
    """
    limit = np.full((size, size), np.inf)
    np.minimum.at(limit, (winner, loser), np.where(wins > 0, -1.0, 1.0))
    graph = csgraph.csgraph_from_dense(limit, null_value=np.inf)
    try:
        csgraph.bellman_ford(graph, indices=0)
    except csgraph.NegativeCycleError:
        return True
    return False


def _extremes(held: sparse.csr_array, parts: int, label: np.ndarray) -> tuple[int | None, int | None]:
    """The smallest group that never lost to another, and the smallest that never won."""
    row, column = held.nonzero()
    across = label[row] != label[column]
    loses, wins = set(label[column][across]), set(label[row][across])
    sizes = np.bincount(label)
    best = sorted((g for g in range(parts) if g not in loses), key=lambda g: sizes[g])
    worst = sorted((g for g in range(parts) if g not in wins), key=lambda g: sizes[g])
    if best and (not worst or sizes[best[0]] <= sizes[worst[0]]):
        return best[0], None
    return None, worst[0]


def _it(members: np.ndarray) -> str:
    return "it" if members.sum() == 1 else "them"


def _names(members: np.ndarray, names: Sequence[str]) -> str:
    found = [name for name, member in zip(names, members, strict=True) if member]
    return ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")


def _groups(label: np.ndarray, names: Sequence[str]) -> list[str]:
    return [f"{{{_names(label == part, names)}}}" for part in range(label.max() + 1)]


def _parts(
    counts: Counts, design: sparse.csr_array, free: np.ndarray, model: ModelName
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    tie = free[-1] if counts.ties else -np.inf
    return chances(model, design @ free[: design.shape[1]], tie)


def _loglik(counts: Counts, chance: np.ndarray) -> float:
    return float(special.xlogy(counts.count, np.maximum(chance, _TINY)).sum())


def _scoring(
    counts: Counts, design: sparse.csr_array, free: np.ndarray, model: ModelName
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and expected information, the latter with the mean of the strengths held at 0."""
    chance, by_eta, by_tie = _parts(counts, design, free, model)
    n = counts.count.sum(axis=1)
    width = design.shape[1]
    gradient, information = np.empty(len(free)), np.zeros((len(free), len(free)))
    gradient[:width] = design.T @ (counts.count * by_eta).sum(axis=1)
    weight = n * (chance * by_eta**2).sum(axis=1)
    information[:width, :width] = (design.T @ (design * weight[:, None])).toarray()
    information[: counts.size, : counts.size] += 1 / counts.size
    if counts.ties:
        gradient[width] = (counts.count * by_tie).sum()
        information[:width, width] = design.T @ (n * (chance * by_eta * by_tie).sum(axis=1))
        information[width, :width] = information[:width, width]
        information[width, width] = (n * (chance * by_tie**2).sum(axis=1)).sum()
    return gradient, information


def _finish(
    counts: Counts, design: sparse.csr_array, free: np.ndarray, model: ModelName, loglik: float, *, side: bool
) -> Fit:
    _, information = _scoring(counts, design, free, model)
    bread = np.linalg.inv(information)
    bread[: counts.size, : counts.size] -= 1 / counts.size
    chance, by_eta, by_tie = _parts(counts, design, free, model)
    slope = np.stack([by_eta, by_tie if counts.ties else np.zeros_like(by_eta)], axis=2)
    return Fit(
        model=model,
        strength=free[: counts.size] - free[: counts.size].mean(),
        side=float(free[counts.size]) if side else 0.0,
        tie=float(free[-1]) if counts.ties else -np.inf,
        loglik=loglik,
        parameters=counts.size - 1 + side + counts.ties,
        bread=bread,
        slope=slope,
        chance=chance,
    )
