"""The mean difference of two methods with raters and images both random, whole or in subsets.

The model of one pair of methods m: score = mu_m + a_m,rater + b_m,image + e, with (a_1, a_2) of a rater, (b_1, b_2)
of an image and (e_1, e_2) of one rater on one image independent of each other, each with a covariance of its own that
nothing ties. So methods may differ in spread, a rater's taste may favour a method (method x rater), and so may an image
(method x image). In a complete panel the answer is that of the two-way analysis of variance of the differences:

    var(d) = (MS_R + MS_I - MS_E) / (R I), never under MS_E / (R I), with Satterthwaite's (1946) degrees of freedom

Elsewhere no rater need have seen both methods of an image. The covariances come from moments: mean products of scores
that share the rater, the image, both or neither (symmetric sums, Koch 1967; Gao and Owen 2017), which in a complete
panel are the analysis of variance again. The difference is the generalised least squares estimate at those covariances;
its variance takes the moments a second time, weighted as the estimate weighs the scores, which makes it a two-way
cluster-robust variance (Cameron, Gelbach and Miller 2011) freed of its bias. Every step takes time and memory in
proportion to the ratings. That it holds is shown by `python -m tests.bench.bench_differences`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from analysis.leastsquares import Pattern, contrast_weights, positive, squared_norm

if TYPE_CHECKING:
    from collections.abc import Sequence

Numbers: TypeAlias = Any  # a float64, or an array of them, one a pair of methods

EMPTY = 1e-9  # of all weight: a class of score pairs with less has none
NO_SPREAD = 1e-9  # of the scores' range: a standard error below this is rounding


class Components(NamedTuple):
    """Covariances between two methods' scores, float64 (2, 2) each: of raters, of images, of one rater on one image."""

    rater: np.ndarray
    image: np.ndarray
    cell: np.ndarray


class Estimate(NamedTuple):
    """A mean difference (first less second method), its variance with degrees of freedom, and a score's deviation.

    sd: standard deviation of a score of one random rater on one random image, mean of the two methods' variances, with
    sd_df degrees of freedom. variance, df, sd and sd_df are NaN where there are fewer than two raters or two images, or
    where the scores do not vary beyond the difference itself: no such test can be had then. Of several pairs each is an
    array (pairs,).
    """

    difference: Numbers
    variance: Numbers
    df: Numbers
    sd: Numbers
    sd_df: Numbers


NOTHING = float("nan")


@dataclass(frozen=True)
class Pair:
    """The ratings of two methods: a row for every rater x image with a score of either, none twice.

    rater, image: integer codes (n,), each code of 0..max in use. scores: float64 (n, 2), NaN where not rated.
    """

    rater: np.ndarray
    image: np.ndarray
    scores: np.ndarray

    @property
    def is_complete(self) -> bool:
        """Whether every rater scored both methods on every image."""
        cells = (int(self.rater.max()) + 1) * (int(self.image.max()) + 1)
        return len(self.rater) == cells and not np.isnan(self.scores).any()


def estimate(pair: Pair) -> Estimate:
    """The difference of the pair's methods over raters and images; see the module for the model."""
    raters, images = int(pair.rater.max()) + 1, int(pair.image.max()) + 1
    if pair.is_complete:
        order = np.lexsort((pair.image, pair.rater))
        return Estimate(*(field[0] for field in complete(pair.scores[order].T.reshape(2, raters, images))))
    if raters < 2 or images < 2:
        return Estimate(_plain_difference(pair.scores), NOTHING, NOTHING, NOTHING, NOTHING)
    return _with_spread(_incomplete(pair, raters, images), np.nanmax(pair.scores) - np.nanmin(pair.scores))


def complete(scores: np.ndarray) -> Estimate:
    """The estimates of every two methods in a complete panel, float64 (methods, raters, images): arrays (pairs,)."""
    methods, raters, images = scores.shape
    a, b = np.triu_indices(methods, 1)
    if raters < 2 or images < 2:
        means = scores.mean(axis=(1, 2))
        return Estimate(means[a] - means[b], *[np.full(len(a), NOTHING)] * 4)
    parts = [complete_panel(scores[first] - scores[first + 1 :]) for first in range(methods - 1)]
    mean, variance, df = (np.concatenate(values) for values in zip(*parts, strict=True))
    flat = scores.reshape(methods, -1).T
    rater, image = (codes.ravel() for codes in np.indices((raters, images)))
    pattern = Pattern(rater, image, raters, images, np.ones((len(flat), 2), bool))
    components = moments(pattern, np.ones(flat.shape), flat - flat.mean(axis=0))
    own = [np.diag(component) for component in components]  # variances of each method, (methods,)
    found = Estimate(mean, variance, df, *_deviation([(v[a] + v[b]) / 2 for v in own], pattern))
    most, least = flat.max(axis=0), flat.min(axis=0)
    return _with_spread(found, np.maximum(most[a], most[b]) - np.minimum(least[a], least[b]))


def _with_spread(found: Estimate, span: Numbers) -> Estimate:
    """Without a test where the variance is that of rounding; `span` is the range of the pair's scores."""
    known = found.variance > (NO_SPREAD * span) ** 2
    return Estimate(found.difference, *(np.where(known, value, NOTHING)[()] for value in found[1:]))


def _plain_difference(scores: np.ndarray) -> float:
    paired = scores[~np.isnan(scores).any(axis=1)]
    if len(paired):
        return float((paired[:, 0] - paired[:, 1]).mean())
    return float(np.nanmean(scores[:, 0]) - np.nanmean(scores[:, 1]))


def complete_panel(difference: np.ndarray) -> tuple[Numbers, Numbers, Numbers]:
    """Mean of each complete array of differences, its variance and Satterthwaite's degrees of freedom: (..., R, I)."""
    raters, images = difference.shape[-2:]
    mean = difference.mean(axis=(-2, -1))
    by_rater, by_image = (difference.mean(axis=axis) - mean[..., None] for axis in (-1, -2))
    rest = difference - mean[..., None, None] - by_rater[..., :, None] - by_image[..., None, :]
    df_rest = (raters - 1) * (images - 1)
    ms_rater = images * (by_rater**2).sum(axis=-1) / (raters - 1)
    ms_image = raters * (by_image**2).sum(axis=-1) / (images - 1)
    ms_rest = (rest**2).sum(axis=(-2, -1)) / df_rest
    pieces = [(ms_rater, raters - 1), (ms_image, images - 1), (ms_rest, df_rest)]
    spread, df = floored(ms_rater + ms_image - ms_rest, ms_rest, pieces)
    return mean, spread / (raters * images), df


def floored(
    variance: Numbers, floor: Numbers, pieces: Sequence[tuple[Numbers, float]]
) -> tuple[Numbers, Numbers]:
    """`variance` with Satterthwaite's degrees of freedom over its pieces (variance, df), the last that of the floor.

    At or under `floor`, which independent residuals alone would give, it is the floor with the residuals' own.
    """
    under = np.asarray(variance <= floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.square(variance) / np.asarray(sum(np.square(piece) / own for piece, own in pieces))
    chosen: Numbers = np.where(under, [floor, np.full_like(df, pieces[-1][1])], [variance, df])
    return chosen[0], chosen[1]


def _incomplete(pair: Pair, raters: int, images: int) -> Estimate:
    rated = ~np.isnan(pair.scores)
    pattern = Pattern(pair.rater, pair.image, raters, images, rated)
    by_rater, by_image = pattern.by_rater(rated), pattern.by_image(rated)
    # A start: scores of raters and images with many weigh less, so that none of them rules the moments.
    weights = rated / np.sqrt(np.maximum(by_rater[pair.rater] * by_image[pair.image], 1))
    components = moments(pattern, weights, _centred(pair.scores, rated.astype(np.float64)))
    if not _spread(components) > 0:
        return Estimate(_plain_difference(pair.scores), NOTHING, NOTHING, NOTHING, NOTHING)
    share, covariance = contrast_weights(pattern, *components)
    scores = _centred(pair.scores, np.abs(share))
    means = np.array([pair.scores[rated[:, m], m] @ np.abs(share[rated[:, m], m]) for m in range(2)])
    means = means / np.abs(share).sum(axis=0)
    difference = float(means[0] - means[1] + (share * scores).sum())
    components = moments(pattern, np.abs(share), scores)
    variance, df = _variance(pattern, share, covariance, components)
    return Estimate(difference, variance, df, *_deviation([np.trace(c) / 2 for c in components], pattern))


def _centred(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Scores less their method's weighted mean, 0 where not rated."""
    known = np.nan_to_num(scores)
    return np.where(np.isnan(scores), 0.0, known - (weights * known).sum(axis=0) / weights.sum(axis=0))


def _spread(components: Components) -> float:
    return float(np.trace(sum(components)))


def moments(pattern: Pattern, weights: np.ndarray, scores: np.ndarray) -> Components:
    """Covariances by symmetric sums of `scores` (n, 2), 0 where not rated, with `weights` (n, 2), 0 there too.

    Each is a weighted mean product of scores that share the rater, the image or both, less that of scores which share
    neither; a class without pairs counts as uncorrelated. NaN throughout where no two scores differ in both.
    """
    products, counts = _class_sums(pattern, weights * scores), _class_sums(pattern, weights)
    total = np.outer(weights.sum(axis=0), weights.sum(axis=0))
    filled = [count > EMPTY * total for count in counts]
    with np.errstate(divide="ignore", invalid="ignore"):
        means = [np.where(f, p / c, np.nan) for p, c, f in zip(products, counts, filled, strict=True)]
    neither, rater, image, both = means
    found = [np.where(np.isnan(mean), 0.0, mean - neither) for mean in (rater, image, both)]
    return Components(found[0], found[1], found[2] - found[0] - found[1])


def _class_sums(pattern: Pattern, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sums of products over pairs of rows that share neither rater nor image, the rater only, the image only, both."""
    raters, images, everything = pattern.by_rater(values), pattern.by_image(values), values.sum(axis=0)
    both = values.T @ values
    rater, image = raters.T @ raters - both, images.T @ images - both
    return np.outer(everything, everything) - rater - image - both, rater, image, both


def _variance(
    pattern: Pattern, share: np.ndarray, covariance: np.ndarray, components: Components
) -> tuple[float, float]:
    """Variance of sum(share * scores), floored, and its degrees of freedom.

    The degrees of freedom of the raters' and of the images' part are those of the sum of squares of their summed
    contributions, (trace)^2 / ||.||^2 of the contributions' covariance, R - 1 and I - 1 in a complete panel.
    """
    raters, images = pattern.by_rater(share), pattern.by_image(share)
    parts = [float(((x.T @ x) * c).sum()) for x, c in zip((raters, images, share), components, strict=True)]
    variance, floor = sum(parts), parts[2]
    if not floor > 0:  # too few ratings to tell residuals from the rest: a score's whole variance, as if independent
        floor = float((share**2).sum(axis=0) @ np.maximum(np.diag(sum(components)), 0))
    clipped = Components(*(positive(c, 0.0) for c in components))
    own = np.einsum("ni,ij,nj->n", share, clipped.cell, share)
    pieces = [
        _piece(pattern, share, raters, clipped.rater, clipped.image, own, covariance),
        _piece(pattern.turned, share, images, clipped.image, clipped.rater, own, covariance),
        (floor, pattern.df_residual),
    ]
    return floored(variance, floor, pieces)


def _piece(
    pattern: Pattern,
    share: np.ndarray,
    sums: np.ndarray,
    own: np.ndarray,
    crossing: np.ndarray,
    cell: np.ndarray,
    covariance: np.ndarray,
) -> tuple[float, float]:
    """(variance, degrees of freedom) of the part that the clusters (`pattern.rater`) have in the estimate."""
    alone = np.einsum("ni,ij,nj->n", sums, own, sums) + np.bincount(pattern.rater, cell, pattern.raters)
    values, vectors = np.linalg.eigh(crossing)
    root = vectors * np.sqrt(np.maximum(values, 0))
    trace, square = squared_norm(pattern, share @ root, alone, sums, covariance)
    if not (trace > 0 and square > 0):
        return 0.0, 1.0
    df = max(trace**2 / square, 1.0)
    return trace * (df + 1) / df, df


def _deviation(parts: Sequence[Numbers], pattern: Pattern) -> tuple[Numbers, Numbers]:
    """Standard deviation of one score, whose variance has `parts` by rater, image and residual, with
    Satterthwaite's degrees of freedom of its square.
    """
    variance = np.asarray(sum(parts))
    dfs = (pattern.raters - 1, pattern.images - 1, pattern.df_residual)
    known = variance > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        df = variance**2 / np.asarray(sum(np.square(part) / df for part, df in zip(parts, dfs, strict=True)))
        deviation = np.sqrt(variance)
    return np.where(known, deviation, NOTHING)[()], np.where(known, df, NOTHING)[()]
