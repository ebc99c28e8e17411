"""Which methods differ: every pair at one sight, and by method what it stands above, below and beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis import paper
from analysis.significance import ALPHA

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = [
    *("benchmark", "method", "mos", "ci_low", "ci_high", "better_than", "worse_than", "not_told_apart"),
    *("first_below", "difference", "low", "high"),
]


@dataclass(frozen=True)
class Matrix:
    """Differences row less column of a benchmark's methods, the highest MOS first; arrays (n, n), NaN without a test.

    differs: Holm's p is under 5 %.
    """

    benchmark: str
    methods: list[str]
    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    differs: np.ndarray


def matrices(tests: pd.DataFrame, mos: pd.DataFrame) -> Iterator[Matrix]:
    """A matrix for each benchmark of `pairwise_tests`, the paper's first; methods by the MOS of `method_scores`."""
    for benchmark in paper.benchmarks_in_order(tests):
        part = tests[tests["benchmark"] == benchmark]
        scores = mos[mos["benchmark"] == benchmark].sort_values(["mos", "method"], ascending=[False, True])
        methods = scores["method"].tolist()
        place = {method: index for index, method in enumerate(methods)}
        a, b = (part[name].map(place).to_numpy() for name in ("method_a", "method_b"))
        arrays = tuple(np.full((len(methods),) * 2, np.nan) for _ in range(3))
        difference, low, high = (part[name].to_numpy(np.float64) for name in ("mean_difference", "low", "high"))
        for array, ours, theirs in zip(arrays, (difference, low, high), (-difference, -high, -low), strict=True):
            array[a, b], array[b, a] = ours, theirs
        differs = np.zeros((len(methods),) * 2, bool)
        differs[a, b] = differs[b, a] = (part["p_holm"] < ALPHA).to_numpy()
        yield Matrix(benchmark, methods, arrays[0], arrays[1], arrays[2], differs)


def which_differ(tests: pd.DataFrame, mos: pd.DataFrame) -> pd.DataFrame:
    """A row a method, the highest MOS first: how many it is better than, worse than and not told apart from.

    first_below is the method of the highest MOS that it is better than, with the difference and its limits: between the
    two lie those that it is not told apart from. Columns: COLUMNS; empty and NaN where there is no such method.
    """
    rows = []
    for matrix in matrices(tests, mos):
        scores = mos[mos["benchmark"] == matrix.benchmark].set_index("method")
        for index, method in enumerate(matrix.methods):
            above = matrix.differs[index] & (matrix.difference[index] > 0)
            below = matrix.differs[index] & (matrix.difference[index] < 0)
            first = int(np.flatnonzero(above)[0]) if above.any() else -1
            found = [array[index, first] if first >= 0 else np.nan for array in (matrix.difference, matrix.low)]
            rows.append(
                (
                    *(matrix.benchmark, method, *scores.loc[method, ["mos", "ci_low", "ci_high"]]),
                    *(int(above.sum()), int(below.sum()), len(matrix.methods) - 1 - int(above.sum() + below.sum())),
                    *(matrix.methods[first] if first >= 0 else "", *found),
                    matrix.high[index, first] if first >= 0 else np.nan,
                )
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def matrix_table(tests: pd.DataFrame, mos: pd.DataFrame, *, decimals: int = 2) -> pd.DataFrame:
    """The matrices as text, row less column: benchmark, method, a column a method; "0.45 [0.20, 0.70]*", * differs."""
    parts = []
    for matrix in matrices(tests, mos):
        cells = [
            [_cell(matrix, row, column, decimals) for column in range(len(matrix.methods))]
            for row in range(len(matrix.methods))
        ]
        part = pd.DataFrame(cells, columns=matrix.methods)
        part.insert(0, "method", matrix.methods, allow_duplicates=True)
        part.insert(0, "benchmark", matrix.benchmark, allow_duplicates=True)
        parts.append(part)
    return pd.concat(parts, ignore_index=True).fillna("") if parts else pd.DataFrame()


def _cell(matrix: Matrix, row: int, column: int, decimals: int) -> str:
    value, low, high = (array[row, column] for array in (matrix.difference, matrix.low, matrix.high))
    if np.isnan(value):
        return ""
    mark = "*" if matrix.differs[row, column] else ""
    limits = "" if np.isnan(low) else f" [{low:.{decimals}f}, {high:.{decimals}f}]"
    return f"{value:.{decimals}f}{limits}{mark}"
