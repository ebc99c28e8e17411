"""How often the paper's findings should come out, from a normal theory of Wilcoxon's test: no ratings are drawn.

The check on `replication`: the same rater population and published MOS, but category probabilities by quadrature and
the test statistic by its U-statistic approximation (Lehmann 1975, Nonparametrics, section 4.2), with the variances
that raters and images add to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from analysis import paper
from analysis.replication import DEVIATIONS, paper_qualities
from analysis.significance import ALPHA
from analysis.simulate import LEVELS, NFLX_RATERS, THRESHOLDS, RaterPopulation

NODES = 15  # Gauss-Hermite nodes for a bias and for a deviation
SLICES = 20  # of the raters' inconsistency
POINTS = 2**14  # quasi-Monte Carlo points of the joint normal of all methods' statistics
SCORES = LEVELS.astype(np.int64)  # an index as well, so it must stay whole


@dataclass(frozen=True)
class _Method:
    """Score probabilities of one method: given a rater (raters, scores), and given a rater and an image's deviation."""

    given_rater: np.ndarray
    given_both: np.ndarray  # (raters, nodes, scores)


def expected_shares(
    *, deviations: tuple[float, ...] = DEVIATIONS, raters: RaterPopulation = NFLX_RATERS, n_raters: int = paper.RATERS
) -> pd.DataFrame:
    """deviation, event, share: the probability of each event of `replication.EVENTS`."""
    rows = []
    for deviation in deviations:
        z = {b: _statistics(b, deviation, raters, n_raters) for b in paper.BENCHMARKS}
        rows += [(deviation, event, float(hits.mean())) for event, hits in _events(z).items()]
    return pd.DataFrame(rows, columns=["deviation", "event", "share"])


Pairs = dict[tuple[str, str], np.ndarray]


def _events(z: dict[str, Pairs]) -> dict[str, np.ndarray]:
    """Truth of each event at every point, from the z values (POINTS,) of each pair on each benchmark."""
    limit = stats.norm.ppf(1 - ALPHA / 2)

    def star(benchmark: str, family: str, method: str) -> np.ndarray:
        others = [other for other in paper.FAMILIES[family] if other != method]
        return np.asarray(np.all([z[benchmark][method, other] > limit for other in others], axis=0))

    def none(benchmark: str, spared: tuple[tuple[str, str], ...] = ()) -> np.ndarray:
        pairs = [(f, m) for f, methods in paper.FAMILIES.items() for m in methods if (f, m) not in spared]
        return np.asarray(np.all([~star(benchmark, family, method) for family, method in pairs], axis=0))

    first, second = ("SRResNet", "srresnet-vgg22"), ("SRGAN", "srgan-vgg54")
    both = star("Set14", *first) & star("Set14", *second)
    quiet = ("srcnn", "selfexsr")
    rest = [np.abs(value) > limit for pair, value in z["BSD100"].items() if set(pair) != set(quiet)]
    return {
        "star_srresnet_vgg22": star("Set14", *first),
        "star_srgan_vgg54": star("Set14", *second),
        "none_set5": none("Set5"),
        "only_srcnn_selfexsr": np.all(rest, axis=0) & (np.abs(z["BSD100"][quiet]) <= limit),
        # Another image set has its own deviations: given the raters the benchmarks are close to independent.
        "table_1_exactly": (both & none("Set14", (first, second))).mean() * none("Set5"),
    }


def _statistics(benchmark: str, deviation: float, raters: RaterPopulation, n_raters: int) -> Pairs:
    """Wilcoxon's z of every ordered pair at POINTS quasi-random draws of the joint normal distribution."""
    table = paper_qualities(deviation, raters)
    table = table[table["benchmark"] == benchmark]
    names = table["method"].tolist()
    weights, node_weights, methods = _methods(table["quality"].to_numpy(), deviation, raters)
    images = paper.BENCHMARKS[benchmark]
    covariance = _mean_covariance(methods, weights, node_weights, n_raters, images)
    draws = _normal_points(covariance)
    found: Pairs = {}
    for a, b in combinations(range(len(names)), 2):
        mean, sd = _pair_z(methods[a], methods[b], weights, node_weights, n_raters, images)
        gap = draws[:, a] - draws[:, b]
        spread = np.sqrt(covariance[a, a] + covariance[b, b] - 2 * covariance[a, b])
        value = mean + sd * gap / spread
        found[names[a], names[b]], found[names[b], names[a]] = value, -value
    return found


def _methods(
    quality: np.ndarray, deviation: float, raters: RaterPopulation
) -> tuple[np.ndarray, np.ndarray, list[_Method]]:
    """Weights of the rater grid and of the deviation nodes, and the score probabilities of every method."""
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(NODES)
    node_weights = node_weights / node_weights.sum()
    inconsistency = raters.inconsistencies().reshape(SLICES, -1).mean(axis=1)
    bias = np.repeat(raters.bias_sd * nodes, SLICES)
    noise = np.tile(inconsistency, NODES)
    weights = np.repeat(node_weights, SLICES) / SLICES
    methods = []
    for level in quality:
        shifted = level + bias[:, None] + deviation * nodes[None, :]
        both = _probabilities(shifted, noise[:, None], raters.lapse)
        methods.append(_Method(np.einsum("rnk,n->rk", both, node_weights), both))
    return weights, node_weights, methods


def _probabilities(latent: np.ndarray, noise: np.ndarray, lapse: float) -> np.ndarray:
    """P(score) of a latent mean and noise, shape (..., scores)."""
    above = stats.norm.cdf((latent[..., None] - THRESHOLDS) / noise[..., None])
    edges = np.concatenate([np.ones((*above.shape[:-1], 1)), above, np.zeros((*above.shape[:-1], 1))], axis=-1)
    return np.asarray((1 - lapse) * -np.diff(edges, axis=-1) + lapse / len(SCORES))


def _pair_z(
    a: _Method, b: _Method, weights: np.ndarray, node_weights: np.ndarray, n_raters: int, images: int
) -> tuple[float, float]:
    """Mean and standard deviation of Wilcoxon's z (Pratt) between two methods over n_raters x images pairs.

    With D' an independent copy of the difference D and psi(d) = P(D' > -d) - P(D' < -d), the signed rank sum is n^2 / 2
    times a U-statistic of mean E psi(D) and projection 2 psi; its null variance is n^3 E[G^2; D != 0], G the midrank
    of |D|.
    """
    joint = np.einsum("r,ri,rj->ij", weights, a.given_rater, b.given_rater)
    span = np.arange(-(len(SCORES) - 1), len(SCORES))
    chance = np.array([np.trace(joint, offset=-step) for step in span])
    psi = np.sign(span[:, None] + span[None, :]) @ chance
    score = psi[SCORES[:, None] - SCORES[None, :] + len(SCORES) - 1]
    mean = float(chance @ psi)
    size = np.abs(span)
    midrank = np.array([chance[size < s].sum() + chance[size == s].sum() / 2 for s in size])
    null = float((chance * midrank**2)[span != 0].sum())
    by_rater = np.einsum("ri,rj,ij->r", a.given_rater, b.given_rater, score)
    by_a = np.einsum("r,rni,rj,ij->n", weights, a.given_both, b.given_rater, score)
    by_b = np.einsum("r,ri,rnj,ij->n", weights, a.given_rater, b.given_both, score)
    rater = float(weights @ (by_rater - mean) ** 2)
    image = float(node_weights @ ((by_a - mean) ** 2 + (by_b - mean) ** 2))
    rest = max(float(chance @ psi**2) - mean**2 - rater - image, 0.0)
    n = n_raters * images
    variance = rater / n_raters + image / images + rest / n
    return mean * np.sqrt(n) / (2 * np.sqrt(null)), float(np.sqrt(n * variance / null))


def _mean_covariance(
    methods: list[_Method], weights: np.ndarray, node_weights: np.ndarray, n_raters: int, images: int
) -> np.ndarray:
    """Covariance of the methods' mean scores, (methods, methods): raters are shared, deviations are not."""
    by_rater = np.array([method.given_rater @ SCORES for method in methods])
    mean = by_rater @ weights
    centred = by_rater - mean[:, None]
    covariance = (centred * weights) @ centred.T / n_raters
    for index, method in enumerate(methods):
        by_image = weights @ (method.given_both @ SCORES)
        image = float(node_weights @ (by_image - mean[index]) ** 2)
        total = float(weights @ (method.given_rater @ SCORES**2)) - mean[index] ** 2
        rater = float(weights @ centred[index] ** 2)
        covariance[index, index] += image / images + (total - image - rater) / (n_raters * images)
    return np.asarray(covariance)


def _normal_points(covariance: np.ndarray) -> np.ndarray:
    """Quasi-random points of N(0, covariance), (POINTS, methods)."""
    sobol = stats.qmc.Sobol(len(covariance), seed=0).random(POINTS)
    return np.asarray(stats.norm.ppf(np.clip(sobol, 1e-12, 1 - 1e-12)) @ np.linalg.cholesky(covariance).T)
