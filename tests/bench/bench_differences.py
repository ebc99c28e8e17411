"""How often the default test calls equal methods different, and how often its intervals hold the truth.

python -m tests.bench.bench_differences [--panels 4000] [--design complete ...] [--mixed PANELS]

Each panel is drawn from latent normals, rounded to 1..5: 12 methods, raters (sd .35), images (.6), method x rater and
method x image deviations as stated, residual .7. Three of the methods take part in what is counted: two equal ones (the
tested pair, raw p) and one .6 above them. A test of a pair reads no others' ratings, so the ratings of the other nine
are not drawn; in the subsets they take their share of each rater's trials all the same. Truth is integrated, not drawn.

share: of panels with p < .05 for the equal pair. zero and truth: coverage of the difference's interval for the equal
pair and for the unequal one. effect: coverage of the effect size's interval, unequal pair. The aims are the issue's:
share at most .07 everywhere and at least .03 where both deviations are .2 or more on 14 images or more; coverage of
at least .93 everywhere, at most .97 in the same cells.
"""

from __future__ import annotations

import argparse
from itertools import product
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from analysis.crossed import Pair, estimate
from analysis.differences import effect_size, interval, p_value
from analysis.mixed import contrasts, ordinal_mixed_model
from analysis.schema import validate_ratings

METHODS = 12
RATER, IMAGE, RESIDUAL = 0.35, 0.6, 0.7
EQUAL, ABOVE = 3.0, 3.6
DEVIATIONS = ((0.0, 0.0), (0.2, 0.2), (0.3, 0.3), (0.3, 0.0), (0.0, 0.3))
MOST, LEAST = 0.07, 0.03


class Design(NamedTuple):
    """name; raters x images; share of ratings missing at random; trials of a rater, None for all."""

    name: str
    raters: int
    images: int
    missing: float = 0.0
    trials: int | None = None


DESIGNS = (
    *(Design("complete", 26, images) for images in (5, 14, 100)),
    *(Design("missing", 26, images, missing=0.3) for images in (5, 14, 100)),
    *(Design("subsets", 200, images, trials=60) for images in (14, 100)),
)


class Shares(NamedTuple):
    """What a cell of the table counts, each a share of its panels."""

    share: float
    zero: float
    truth: float
    effect: float

    def failures(self, design: Design, deviations: tuple[float, float]) -> list[str]:
        """The aims that this cell misses."""
        bounded = min(deviations) >= 0.2 and design.images >= 14
        said = [] if self.share <= MOST else [f"share above {MOST}"]
        said += [f"share under {LEAST}"] if bounded and self.share < LEAST else []
        for name in ("zero", "truth"):
            value = getattr(self, name)
            said += [f"{name} under {1 - MOST:g}"] if value < 1 - MOST - 1e-9 else []
            said += [f"{name} above {1 - LEAST:g}"] if bounded and value > 1 - LEAST + 1e-9 else []
        return said


def draw(
    design: Design, deviations: tuple[float, float], rng: np.random.Generator, *, levels: tuple[float, ...]
) -> np.ndarray:
    """Scores of one panel, float64 (raters, images, methods of `levels`), NaN where not rated."""
    shape = (design.raters, design.images, len(levels))
    latent = np.array(levels) + rng.normal(0, RATER, (shape[0], 1, 1)) + rng.normal(0, IMAGE, (1, shape[1], 1))
    latent = latent + rng.normal(0, deviations[0], (shape[0], 1, shape[2]))
    latent = latent + rng.normal(0, deviations[1], (1, shape[1], shape[2])) + rng.normal(0, RESIDUAL, shape)
    scores = np.clip(np.rint(latent), 1, 5)
    if design.missing:
        scores[rng.random(shape) < design.missing] = np.nan
    if design.trials is not None:
        scores[~_subset(design, len(levels), rng)] = np.nan
    return scores


def _subset(design: Design, drawn: int, rng: np.random.Generator) -> np.ndarray:
    """Which stimuli of the drawn methods lie among each rater's trials, a random subset of all METHODS x images."""
    mine = drawn * design.images
    counts = rng.hypergeometric(mine, METHODS * design.images - mine, design.trials, design.raters)
    keys = rng.random((design.raters, mine))
    limit = np.take_along_axis(np.sort(keys, axis=1), np.minimum(counts, mine - 1)[:, None], axis=1)
    return np.asarray((keys < limit).reshape(design.raters, design.images, drawn))


def pair_of(scores: np.ndarray, a: int, b: int) -> Pair:
    """Two methods of a panel, on the images of which both were rated."""
    both = scores[:, :, [a, b]]
    both = both[:, ~np.isnan(both).all(axis=0).any(axis=1)]
    rater, image = np.nonzero(~np.isnan(both).all(axis=2))
    _, rater_codes = np.unique(rater, return_inverse=True)
    return Pair(rater_codes, image, both[rater, image])


def expected(level: float, deviations: tuple[float, float]) -> tuple[float, float]:
    """Mean and variance of a score of that latent level over raters and images."""
    spread = np.sqrt(RATER**2 + IMAGE**2 + RESIDUAL**2 + deviations[0] ** 2 + deviations[1] ** 2)
    above = stats.norm.sf((np.arange(1.5, 5) - level) / spread)
    mean = 1 + above.sum()
    return float(mean), float((above * (2 * np.arange(1, 5) - 1)).sum() - (mean - 1) ** 2)


def shares(design: Design, deviations: tuple[float, float], *, panels: int, seed: int = 0) -> Shares:
    """Count over `panels` panels; each cell has its own stream of `seed`."""
    rng = np.random.default_rng([seed, DESIGNS.index(design), DEVIATIONS.index(deviations)])
    low, high = (expected(level, deviations) for level in (EQUAL, ABOVE))
    difference = high[0] - low[0]
    effect = difference / np.sqrt((low[1] + high[1]) / 2)
    hits = np.zeros(4)
    for _ in range(panels):
        scores = draw(design, deviations, rng, levels=(EQUAL, EQUAL, ABOVE))
        equal, unequal = estimate(pair_of(scores, 0, 1)), estimate(pair_of(scores, 2, 0))
        at_zero, at_truth = (interval(found, confidence=0.95) for found in (equal, unequal))
        _, low_effect, high_effect = effect_size(unequal, at_truth, confidence=0.95)
        hits += (
            p_value(equal) < 0.05,
            at_zero.low <= 0 <= at_zero.high,
            at_truth.low <= difference <= at_truth.high,
            low_effect <= effect <= high_effect,
        )
    return Shares(*(hits / panels))


def mixed(panels: int, *, seed: int) -> None:
    """Share of panels in which the ordinal mixed model tells the equal pair apart: three methods, 26 x 14, p < .05."""
    design = DESIGNS[1]
    print("ordinal mixed model, complete 26 x 14: share of p < .05 with its interactions, and without them")
    for deviations in DEVIATIONS:
        rng = np.random.default_rng([seed, 99, DEVIATIONS.index(deviations)])
        hits, failed = np.zeros(2), 0
        for _ in range(panels):
            rater, source, method = np.indices((design.raters, design.images, 3)).reshape(3, -1).astype(str)
            scores = draw(design, deviations, rng, levels=(EQUAL, EQUAL, ABOVE)).ravel().astype(int)
            columns = {"rater": rater, "source": source, "method": method, "score": scores}
            panel = validate_ratings(pd.DataFrame(columns))
            models = [ordinal_mixed_model(panel, interactions=kind) for kind in (True, False)]
            hits += [contrasts(model)["p"].iloc[0] < 0.05 for model in models]
            failed += not models[0].converged
        shares = hits / panels
        print(f"{deviations[0]:.1f} {deviations[1]:.1f}: {shares[0]:.3f} {shares[1]:.3f} of {panels} panels"
              f"{f', {failed} not converged' if failed else ''}", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panels", type=int, default=4000)
    parser.add_argument("--design", action="append", choices=sorted({d.name for d in DESIGNS}))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mixed", type=int, default=0, metavar="PANELS", help="of the ordinal mixed model instead")
    given = parser.parse_args()
    if given.mixed:
        mixed(given.mixed, seed=given.seed)
        return
    print(f"{given.panels} panels a cell, seed {given.seed}; standard error of a share of .05: "
          f"{np.sqrt(0.05 * 0.95 / given.panels):.4f}")  # fmt: skip
    print("design    raters images  m x rater m x image   share   zero  truth effect   ms a panel")
    missed = 0
    for design, deviations in product(DESIGNS, DEVIATIONS):
        if given.design and design.name not in given.design:
            continue
        start = perf_counter()
        found = shares(design, deviations, panels=given.panels, seed=given.seed)
        took = (perf_counter() - start) / given.panels * 1e3
        said = found.failures(design, deviations)
        missed += bool(said)
        print(f"{design.name:9s} {design.raters:6d} {design.images:6d}  {deviations[0]:9.1f} {deviations[1]:9.1f}  "
              f"{found.share:.4f} {found.zero:.4f} {found.truth:.4f} {found.effect:.4f} {took:8.1f}   "
              + ", ".join(said), flush=True)  # fmt: skip
    print("every cell holds" if not missed else f"{missed} cells miss an aim")


if __name__ == "__main__":
    main()
