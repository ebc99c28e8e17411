"""Wilcoxon's signed-rank test of counted differences, for many pairs of methods at once."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple, get_args

import numpy as np
from scipy import special

ZeroMethod = Literal["pratt", "wilcox"]
EXACT_UP_TO = 50  # pairs that differ: the exact distribution below, the normal approximation above


class SignedRank(NamedTuple):
    """Wilcoxon's test: pairs, zero differences, rank sums, two-sided p and how p was computed; arrays (k,) or one."""

    n_pairs: np.ndarray
    n_zero: np.ndarray
    w_plus: np.ndarray
    w_minus: np.ndarray
    p: np.ndarray
    p_method: np.ndarray

    @property
    def rank_biserial(self) -> np.ndarray:
        """Matched-pairs rank-biserial correlation (Kerby 2014), in [-1, 1]; 0 where no pair differs."""
        return np.asarray((self.w_plus - self.w_minus) / np.maximum(self.w_plus + self.w_minus, 1.0))[()]


def signed_rank(values: np.ndarray, counts: np.ndarray, *, zero_method: ZeroMethod = "pratt") -> SignedRank:
    """`signed_ranks` of one pair: values (d,) and counts (d,), and each of its numbers alone."""
    return SignedRank(*(field[0] for field in signed_ranks(values, counts[None], zero_method=zero_method)))


def signed_ranks(values: np.ndarray, counts: np.ndarray, *, zero_method: ZeroMethod = "pratt") -> SignedRank:
    """Wilcoxon signed-rank tests of k pairs by distinct `values` (d,), and how often each occurs: `counts` (k, d).

    pratt ranks the zeros and then drops their ranks (Pratt 1959); wilcox drops the zeros first. p is
    two-sided: exact over all sign changes, ties included, where at most 50 pairs differ, else the normal
    approximation with tie correction and without continuity correction. Without a pair p is NaN, where none differs 1.
    """
    sums, ranks, ties = _signed_ranks(values, counts, zero_method)
    differ = ties.sum(axis=1)
    p, how = np.full(len(counts), np.nan), np.full(len(counts), "none", dtype=object)
    p[(differ == 0) & (sums.n_pairs > 0)] = 1.0  # no pair, no test
    larger = np.maximum(sums.w_plus, sums.w_minus)
    for k in np.flatnonzero((differ > 0) & (differ <= EXACT_UP_TO)):
        p[k], how[k] = _exact_p(ranks[k], ties[k], larger[k]), "exact"
    many = differ > EXACT_UP_TO
    deviation = np.sqrt((ties * ranks**2)[many].sum(axis=1) / 4)  # conditional on the ties, as each sign is a fair coin
    p[many] = 2 * special.ndtr(-np.abs(sums.w_plus - sums.w_minus)[many] / 2 / deviation)
    how[many] = "normal"
    return sums._replace(p=p, p_method=how)


def rank_sums(values: np.ndarray, counts: np.ndarray) -> SignedRank:
    """`signed_ranks` by pratt without its p: what describes the differences."""
    return _signed_ranks(values, counts, "pratt")[0]


def _signed_ranks(
    values: np.ndarray, counts: np.ndarray, zero_method: ZeroMethod
) -> tuple[SignedRank, np.ndarray, np.ndarray]:
    """The rank sums, without p, and rank and number of each size of difference above 0, (k, sizes)."""
    if zero_method not in get_args(ZeroMethod):
        raise ValueError(f"unknown zero_method {zero_method!r}; known: {', '.join(get_args(ZeroMethod))}")
    sizes, group = np.unique(np.abs(values), return_inverse=True)
    ties = counts @ (group[:, None] == np.arange(len(sizes))).astype(np.float64)
    zeros = ties[:, sizes == 0].sum(axis=1)
    start = np.cumsum(ties, axis=1) - ties  # zeros come first, so they shift the ranks unless dropped
    if zero_method == "wilcox":
        start = start - zeros[:, None]
    ranks = start + (ties + 1) / 2
    signed = counts * ranks[:, group]
    plus, minus = (signed[:, side].sum(axis=1) for side in (values > 0, values < 0))
    nothing = np.full(len(counts), np.nan)
    none = np.full(len(counts), "none", dtype=object)
    sums = SignedRank(counts.sum(axis=1).astype(np.int64), zeros.astype(np.int64), plus, minus, nothing, none)
    return sums, ranks[:, sizes > 0], ties[:, sizes > 0]


def _exact_p(ranks: np.ndarray, ties: np.ndarray, larger: float) -> float:
    """2 P(W+ >= larger) when every sign is a fair coin; doubled ranks are whole numbers."""
    steps = np.repeat(np.rint(2 * ranks).astype(int), ties.astype(int))
    return min(1.0, 2 * float(_upper(tuple(steps.tolist()))[round(2 * larger)]))


@lru_cache(maxsize=512)  # on a scale of few categories many pairs have the same ties
def _upper(steps: tuple[int, ...]) -> np.ndarray:
    """P(sum >= w) for w = 0, 1, ..., where each step counts or not by a fair coin."""
    chance = np.zeros(sum(steps) + 1)
    chance[0] = 1.0
    for step in steps:
        chance[step:] = (chance[step:] + chance[: len(chance) - step]) / 2
        chance[:step] /= 2
    return np.asarray(chance[::-1].cumsum()[::-1])


def least_p(pairs: int) -> float:
    """The least two-sided p of a signed-rank test of so many pairs: all signs alike, 2 / 2^pairs; 1 without a pair.

    >>> least_p(5)
    0.0625
    """
    return min(1.0, 2.0 ** (1 - pairs))
