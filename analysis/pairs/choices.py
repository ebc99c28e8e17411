"""A pairs table as integer codes, and the counts that the models are fitted to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from analysis.pairs.schema import TIE

if TYPE_CHECKING:
    from collections.abc import Sequence

LEFT, NEITHER, RIGHT = 0, 1, 2  # the three outcomes, in the order of a model's chances


@dataclass(frozen=True)
class Choices:
    """`rater`, `source`, `left`, `right` int64 (n,), indices of the sorted names; `outcome` LEFT, NEITHER or RIGHT."""

    rater: np.ndarray
    source: np.ndarray
    left: np.ndarray
    right: np.ndarray
    outcome: np.ndarray
    raters: Sequence[str]
    sources: Sequence[str]
    methods: Sequence[str]

    def __len__(self) -> int:
        return len(self.outcome)

    def take(self, rows: np.ndarray) -> Choices:
        """Some of the rows (a mask or indices), with the methods and clusters that are left in them."""
        found: dict[str, object] = {"outcome": self.outcome[rows]}
        for name, names in (("rater", "raters"), ("source", "sources")):
            present, code = np.unique(getattr(self, name)[rows], return_inverse=True)
            found |= {name: code, names: [getattr(self, names)[index] for index in present]}
        both = np.stack([self.left[rows], self.right[rows]])
        present, code = np.unique(both, return_inverse=True)
        left, right = code.reshape(both.shape)
        found |= {"left": left, "right": right, "methods": [self.methods[index] for index in present]}
        return replace(self, **found)  # type: ignore[arg-type]

    @cached_property
    def table(self) -> Counts:
        """How often each outcome occurred for each pair of methods on its sides."""
        size = len(self.methods)
        flat, pair = np.unique(self.left * size + self.right, return_inverse=True)
        counts = np.bincount(pair * 3 + self.outcome, minlength=3 * len(flat)).reshape(-1, 3)
        return Counts(flat // size, flat % size, counts.astype(np.float64), pair, size)


@dataclass(frozen=True)
class Counts:
    """`left`, `right` (k,) methods of each ordered pair, `count` (k, 3) of its outcomes, `pair` (n,) of each choice."""

    left: np.ndarray
    right: np.ndarray
    count: np.ndarray
    pair: np.ndarray
    size: int

    @cached_property
    def ties(self) -> bool:
        """Whether any choice was a tie."""
        return bool(self.count[:, NEITHER].any())

    def design(self, *, side: bool) -> sparse.csr_array:
        """(k, methods + side): 1 for the method on the left, -1 for that on the right, and a column of ones."""
        k = len(self.left)
        row = np.tile(np.arange(k), 2 + side)
        column = np.concatenate([self.left, self.right, *([np.full(k, self.size)] if side else [])])
        value = np.repeat([1.0, -1.0, 1.0][: 2 + side], k)
        return sparse.csr_array((value, (row, column)), shape=(k, self.size + side))

    def without_sides(self) -> Counts:
        """The counts of each two methods, whatever their sides: left is the one first in the alphabet."""
        swap = self.left > self.right
        low, high = np.where(swap, self.right, self.left), np.where(swap, self.left, self.right)
        flat, index = np.unique(low * self.size + high, return_inverse=True)
        count = np.zeros((len(flat), 3))
        np.add.at(count, index, np.where(swap[:, None], self.count[:, ::-1], self.count))
        return Counts(flat // self.size, flat % self.size, count, index[self.pair], self.size)


def choices(pairs: pd.DataFrame) -> Choices:
    """The codes of a validated pairs table, its rows in their order; every row counts."""
    rater, raters = pd.factorize(pairs["rater"], sort=True)
    source, sources = pd.factorize(pairs["source"], sort=True)
    both, methods = pd.factorize(pd.concat([pairs["left"], pairs["right"]]), sort=True)
    left, right = np.split(both.astype(np.int64), 2)
    chosen = pairs["chosen"].to_numpy()
    outcome = np.where(chosen == TIE, NEITHER, np.where(chosen == pairs["left"].to_numpy(), LEFT, RIGHT))
    names = (list(map(str, raters)), list(map(str, sources)), list(map(str, methods)))
    return Choices(rater.astype(np.int64), source.astype(np.int64), left, right, outcome, *names)
