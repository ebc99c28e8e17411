"""Simulated studies of pairs, always labelled so: strengths that differ by rater and source, ties, a favoured side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.pairs.choices import LEFT, NEITHER, Choices
from analysis.pairs.models import chances
from analysis.pairs.schema import TIE

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Design:
    """A study: `pairs` choices of each rater, spread evenly over sources and pairs of methods; log-scale deviations.

    `rater_sd`, `source_sd`: of each method's strength by rater and by source. `tie`: nu of Davidson's model, 0 for no
    ties. `side`: what the left side is worth, log odds. `lapse`: share of answers given without looking.
    """

    raters: int = 26
    sources: int = 20
    pairs: int = 60
    rater_sd: float = 0.3
    source_sd: float = 0.3
    tie: float = 0.0
    side: float = 0.0
    lapse: float = 0.0


def simulate_choices(strength: np.ndarray, design: Design, *, rng: np.random.Generator) -> Choices:
    """One study: each rater sees `design.pairs` random ones of all pairs of methods on all sources, sides at random.

    A rater sees no pair of a source again before all were seen once. `strength` (methods,) in log odds.
    """
    size = len(strength)
    a, b = np.triu_indices(size, 1)
    items = len(a) * design.sources
    shown = [_draw(items, design.pairs, rng) for _ in range(design.raters)]
    item = np.concatenate(shown)
    rater = np.repeat(np.arange(design.raters), design.pairs)
    source, pair = item // len(a), item % len(a)
    swap = rng.random(len(item)) < 0.5
    left, right = np.where(swap, b[pair], a[pair]), np.where(swap, a[pair], b[pair])
    taste = strength + design.rater_sd * rng.standard_normal((design.raters, size))
    content = design.source_sd * rng.standard_normal((design.sources, size))
    eta = taste[rater, left] - taste[rater, right] + content[source, left] - content[source, right] + design.side
    with np.errstate(divide="ignore"):
        chance, _, _ = chances("bradley_terry", eta, float(np.log(design.tie)))
    even = np.array([1.0, float(design.tie > 0), 1.0])
    chance = (1 - design.lapse) * chance + design.lapse * even / even.sum()
    outcome = (rng.random(len(eta))[:, None] > np.cumsum(chance, axis=1)[:, :2]).sum(axis=1)
    names = (_names("simulated", design.raters), _names("source", design.sources), _names("method", size))
    return Choices(rater, source, left, right, outcome, *names)


def _draw(items: int, pairs: int, rng: np.random.Generator) -> np.ndarray:
    rounds = [rng.permutation(items) for _ in range(-(-pairs // items))]
    return np.concatenate(rounds)[:pairs]


def _names(what: str, count: int) -> list[str]:
    width = len(str(count))
    return [f"{what}_{number:0{width}d}" for number in range(1, count + 1)]


def simulate_pairs(
    strength: Mapping[str, float], design: Design | None = None, *, rng: np.random.Generator
) -> pd.DataFrame:
    """A pairs table of a simulated study, with `simulated` always True; `strength` gives log odds by method."""
    design = design or Design()
    methods = sorted(strength)
    found = simulate_choices(np.array([strength[name] for name in methods]), design, rng=rng)
    name = np.array(methods, dtype=object)
    left, right = name[found.left], name[found.right]
    chosen = np.where(found.outcome == NEITHER, TIE, np.where(found.outcome == LEFT, left, right))
    repeat = pd.Series(1, index=range(len(found))).groupby([found.rater, found.source, left, right]).cumsum() - 1
    return pd.DataFrame(
        {
            "rater": np.array(found.raters)[found.rater],
            "source": np.array(found.sources)[found.source],
            "left": left,
            "right": right,
            "chosen": chosen,
            "repeat": repeat.to_numpy(),
            "simulated": True,
        }
    )
