"""Sums at the crossings of two kinds of codes, raters and stimuli say: a full array, or a sparse one where few cross.

Both kinds add, multiply with @ and sum alike, so what computes on a panel is written once and needs memory in
proportion to the ratings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from scipy import sparse

    Matrix: TypeAlias = np.ndarray | sparse.csr_array

FULL_UP_TO = 100_000  # places: a full array of so many is faster, however empty
FULL_SHARE = 0.25  # of the places with a rating: from here a full array takes no more memory


def crosstable(
    row: np.ndarray, column: np.ndarray, shape: tuple[int, int], *weights: np.ndarray | None
) -> list[Matrix]:
    """For each of `weights` (n,), None for counts, its sums at (row, column), float64 of `shape`; 0 where none is.

    All are full or all are sparse, and sparse ones hold the same places in the same order, zero sums too.
    """
    size = shape[0] * shape[1]
    if size <= FULL_UP_TO or len(row) >= FULL_SHARE * size:
        flat = row * shape[1] + column
        return [np.bincount(flat, one, minlength=size).reshape(shape).astype(np.float64) for one in weights]
    from scipy import sparse  # here, because the web process uses this module and seldom needs it

    ones = np.ones(len(row))
    return [sparse.csr_array((ones if one is None else one, (row, column)), shape=shape) for one in weights]


def times_rows(matrix: Matrix, factor: np.ndarray) -> Matrix:
    """Each row times its factor (rows,); a sparse one keeps its places."""
    if isinstance(matrix, np.ndarray):
        return np.asarray(matrix * factor[:, None])
    data = matrix.data * np.repeat(factor, np.diff(matrix.indptr))
    return type(matrix)((data, matrix.indices, matrix.indptr), shape=matrix.shape)
