"""Generalised least squares for two methods crossed with raters and images: weights of the estimate, by iteration.

The covariance of the scores is V = Z_R (I x G_R) Z_R' + Z_I (I x G_I) Z_I' + D, with 2 x 2 blocks: never formed. Raters
are eliminated block by block, the equations of the images are solved by conjugate gradients (Henderson's mixed model
equations), so that time and memory grow with the ratings alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Callable

    Linear = Callable[[np.ndarray], np.ndarray]
    Matrix: TypeAlias = np.ndarray | sparse.csr_matrix

LEAST_EFFECT = 1e-4  # of the residual variance: the covariances that weigh must be invertible
LEAST_RESIDUAL = 1e-2
STEPS = 500
TOLERANCE = 1e-22  # of the squared residual: to the last digits, so that the order of the rows changes nothing
DENSE_UP_TO = 100_000  # entries: below, a full matrix is faster than a sparse one
MOST_PRODUCTS = 4_000_000  # entries of a sparse product held at once


@dataclass(frozen=True)
class Pattern:
    """Who rated what: codes (n,) of rater and image, how many there are, and rated (n, 2), one column a method."""

    rater: np.ndarray
    image: np.ndarray
    raters: int
    images: int
    rated: np.ndarray

    def by_rater(self, values: np.ndarray) -> np.ndarray:
        """Sums of values (n, 2) over each rater, (raters, 2)."""
        return _sums(self.rater, self.raters, values)

    def by_image(self, values: np.ndarray) -> np.ndarray:
        """Sums of values (n, 2) over each image, (images, 2)."""
        return _sums(self.image, self.images, values)

    @property
    def turned(self) -> Pattern:
        """The same with raters and images in each other's place."""
        return Pattern(self.image, self.rater, self.images, self.raters, self.rated)

    @cached_property
    def df_residual(self) -> float:
        """Of the residual: (R - 1)(I - 1) where all ratings are paired, ratings - 2 (R + I - 1) where none is."""
        cells, ratings = len(self.rater), float(self.rated.sum())
        return max(cells - 2 * (self.raters + self.images - 1) * cells / ratings, 1.0)


def _sums(codes: np.ndarray, size: int, values: np.ndarray) -> np.ndarray:
    return np.column_stack([np.bincount(codes, values[:, m], size) for m in range(values.shape[1])])


def contrast_weights(
    pattern: Pattern, rater: np.ndarray, image: np.ndarray, cell: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n, 2) whose sum with the scores is the estimate of first less second mean, and the means' covariance.

    `rater`, `image`, `cell` are covariances (2, 2), made positive here. c = V^-1 X (X' V^-1 X)^-1 (1, -1).
    """
    total = float(np.trace(rater + image + cell)) / 2
    scale = max(float(np.trace(cell)) / 2, 1e-3 * total)
    residual = positive(cell, LEAST_RESIDUAL * scale)
    inverses = [np.linalg.inv(positive(g, LEAST_EFFECT * scale)) for g in (rater, image)]
    precision = _precision(pattern.rated, residual)
    effects = _effects(pattern, precision, *inverses)
    left = np.eye(2) - effects[0][pattern.rater] - effects[1][pattern.image]  # (n, method, column of X)
    projected = _times(precision, left)
    covariance = np.linalg.inv(projected.sum(axis=0))
    return projected @ (covariance @ np.array([1.0, -1.0])), covariance


def positive(matrix: np.ndarray, least: float) -> np.ndarray:
    """The symmetric matrix with eigenvalues under `least` raised to it."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, least)) @ vectors.T)


def _precision(rated: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Inverse of the residual covariance of each row's rated methods, as its entries (aa, ab, bb), float64 (n, 3)."""
    both = np.asarray(rated.all(axis=1))
    inverse = np.linalg.inv(residual)
    alone = np.asarray(rated & ~both[:, None])
    first = both * inverse[0, 0] + alone[:, 0] / residual[0, 0]
    second = both * inverse[1, 1] + alone[:, 1] / residual[1, 1]
    return np.column_stack([first, both * inverse[0, 1], second])


def _times(precision: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Symmetric blocks (n, 3) times values (n, 2, k)."""
    first, cross, second = (precision[:, k, None] for k in range(3))
    return np.stack([first * values[:, 0] + cross * values[:, 1], cross * values[:, 0] + second * values[:, 1]], axis=1)


def _effects(
    pattern: Pattern, precision: np.ndarray, inverse_rater: np.ndarray, inverse_image: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Predicted effects of raters (R, 2, 2) and images (I, 2, 2) when the scores are each column of X in turn."""
    data_rater = _blocks(_sums(pattern.rater, pattern.raters, precision))
    data_image = _blocks(_sums(pattern.image, pattern.images, precision))
    solve_rater, block_image = np.linalg.inv(data_rater + inverse_rater), data_image + inverse_image
    solve_image = np.linalg.inv(block_image)
    link = _link(pattern, precision)
    back = _transposed(link)

    def reduced(values: np.ndarray) -> np.ndarray:
        return np.asarray(_apply(block_image, values) - back @ _apply(solve_rater, link @ values))

    right = _flat(data_image) - back @ _apply(solve_rater, _flat(data_rater))
    image = _conjugate_gradients(reduced, lambda values: _apply(solve_image, values), right)
    rater = _apply(solve_rater, _flat(data_rater) - link @ image)
    return rater.reshape(-1, 2, 2), image.reshape(-1, 2, 2)


def _blocks(entries: np.ndarray) -> np.ndarray:
    return np.stack([entries[:, [0, 1]], entries[:, [1, 2]]], axis=1)


def _flat(blocks: np.ndarray) -> np.ndarray:
    return blocks.reshape(-1, 2)


def _apply(blocks: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Block-diagonal (g, 2, 2) times values (2 g, k)."""
    product = blocks @ values.reshape(len(blocks), 2, -1)
    return np.asarray(product).reshape(len(values), -1)


def _link(pattern: Pattern, precision: np.ndarray) -> Matrix:
    """(2 R, 2 I): the precision of each row between its rater's and its image's effects."""
    rater, image = 2 * pattern.rater, 2 * pattern.image
    first, second = pattern.rated[:, 0], pattern.rated[:, 1]
    both = first & second
    values = [precision[first, 0], precision[second, 2], precision[both, 1], precision[both, 1]]
    rows = [rater[first], rater[second] + 1, rater[both], rater[both] + 1]
    columns = [image[first], image[second] + 1, image[both] + 1, image[both]]
    shape = (2 * pattern.raters, 2 * pattern.images)
    return _matrix(np.concatenate(rows), np.concatenate(columns), np.concatenate(values), shape)


def _matrix(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> Matrix:
    """The matrix with `values` at places of which none comes twice; sparse unless it is small."""
    if shape[0] * shape[1] > DENSE_UP_TO:
        return sparse.csr_matrix((values, (rows, columns)), shape=shape)
    dense = np.zeros(shape)
    dense[rows, columns] = values
    return dense


def _transposed(matrix: Matrix) -> Matrix:
    return matrix.T if isinstance(matrix, np.ndarray) else matrix.T.tocsr()


def _conjugate_gradients(operator: Linear, precondition: Linear, right: np.ndarray) -> np.ndarray:
    """Solve operator(x) = right (m, k), each column by itself; the operator is positive definite."""
    solution = precondition(right)
    residual = right - operator(solution)
    improved = precondition(residual)
    direction, size = improved, (residual * improved).sum(axis=0)
    enough = TOLERANCE * (right * precondition(right)).sum(axis=0)
    for _ in range(STEPS):
        if (size <= enough).all():
            break
        image = operator(direction)
        curvature = (direction * image).sum(axis=0)
        step = np.divide(size, curvature, out=np.zeros_like(size), where=curvature > 0)
        solution, residual = solution + step * direction, residual - step * image
        improved = precondition(residual)
        before, size = size, (residual * improved).sum(axis=0)
        direction = improved + np.divide(size, before, out=np.zeros_like(size), where=before > 0) * direction
    return np.asarray(solution)


def squared_norm(
    pattern: Pattern, crossing: np.ndarray, alone: np.ndarray, sums: np.ndarray, covariance: np.ndarray
) -> tuple[float, float]:
    """Trace and sum of squared entries of M = diag(alone) + L L' - sums covariance sums', raters x raters.

    L (raters, 2 images) holds `crossing` (n, 2) at the rater and image of each row: what images that raters share put
    into both of their sums. The last term is what the estimated means take away. M is never formed.
    """
    columns = np.r_[2 * pattern.image, 2 * pattern.image + 1]
    rows = np.r_[pattern.rater, pattern.rater]
    shape = (pattern.raters, 2 * pattern.images)
    shared = _matrix(rows, columns, crossing.T.ravel(), shape)
    lengths = np.bincount(rows, crossing.T.ravel() ** 2, pattern.raters)
    taken = np.einsum("ni,ij,nj->n", sums, covariance, sums)
    inner, outer = sums.T @ sums @ covariance, _transposed(shared) @ sums
    trace = alone.sum() + lengths.sum() - taken.sum()
    square = (alone**2).sum() + _gram_square(shared) + np.trace(inner @ inner) + 2 * (alone * (lengths - taken)).sum()
    return float(trace), float(square - 2 * np.trace(outer.T @ outer @ covariance))


def _gram_square(matrix: Matrix) -> float:
    """Sum of squared entries of A A', a few rows of the smaller of A A' and A' A at a time."""
    small = matrix if matrix.shape[0] <= matrix.shape[1] else _transposed(matrix)
    other = _transposed(small)
    width = max(1, MOST_PRODUCTS // max(small.shape[0], 1))
    total = 0.0
    for start in range(0, small.shape[0], width):
        product = small[start : start + width] @ other
        entries = product.ravel() if isinstance(product, np.ndarray) else product.data
        total += float(entries @ entries)
    return total
