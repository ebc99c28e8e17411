"""Weighted correlations of many draws at once: a weight counts how often a bootstrap drew a stimulus.

All take y and weight of shape (draws, n), weights whole numbers, and return (draws,); NaN where a side is constant.
"""

from __future__ import annotations

import numpy as np


def pearson(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Pearson's correlation of x (draws, n) and y."""
    total = weight.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = x - (x * weight).sum(axis=1, keepdims=True) / total
        b = y - (y * weight).sum(axis=1, keepdims=True) / total
        spread = np.sqrt((weight * a**2).sum(axis=1) * (weight * b**2).sum(axis=1))
        return np.where(spread > 1e-12, (weight * a * b).sum(axis=1) / spread, np.nan)


def spearman(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Spearman's correlation: Pearson's of the midranks that the repeated values have."""
    return pearson(_midranks(x, weight), _midranks(y, weight), weight)


def kendall(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Kendall's tau-b by Knight's algorithm (JASA 61, 1966): discordant pairs are inversions after sorting by x, y."""
    by_x, by_y = _codes(x), _codes(y)
    both = by_x.astype(np.int64) * x.shape[1] + by_y
    order = np.argsort(both, axis=1, kind="stable")
    discordant = _inversions(np.take_along_axis(by_y, order, 1), np.take_along_axis(weight, order, 1))
    total = weight.sum(axis=1)
    pairs = total * (total - 1) / 2
    tied_x, tied_y, tied_both = (_tied_pairs(codes, weight) for codes in (by_x, by_y, _codes(both)))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt((pairs - tied_x) * (pairs - tied_y))
        return np.where(spread > 0, (pairs - tied_x - tied_y + tied_both - 2 * discordant) / spread, np.nan)


def _codes(values: np.ndarray) -> np.ndarray:
    """Dense ranks 0, 1, ... within each row, int16 or int32: equal values share one."""
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, 1)
    steps = np.zeros(values.shape, dtype=np.int16 if values.shape[1] < 2**15 else np.int32)
    steps[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    codes = np.empty_like(steps)
    np.put_along_axis(codes, order, np.cumsum(steps, axis=1, dtype=steps.dtype), 1)
    return codes


def _group_weights(codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Sum of the weights of each code, (draws, n)."""
    draws, n = codes.shape
    flat = (np.arange(draws)[:, None] * n + codes).ravel()
    return np.bincount(flat, weights=weight.ravel(), minlength=draws * n).reshape(draws, n)


def _midranks(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    codes = _codes(values)
    sums = _group_weights(codes, weight)
    ends = np.cumsum(sums, axis=1)
    return np.take_along_axis(ends - (sums - 1) / 2, codes.astype(np.intp), 1)


def _tied_pairs(codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    sums = _group_weights(codes, weight)
    return np.asarray((sums * (sums - 1) / 2).sum(axis=1))


def _inversions(codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weight of the pairs in each row whose earlier code is the larger: a bottom-up merge sort of all rows together."""
    draws, n = codes.shape
    size = 1 << max(n - 1, 1).bit_length()
    pad = ((0, 0), (0, size - n))
    codes, weight = np.pad(codes, pad), np.pad(weight, pad)  # padding weighs nothing
    found = np.zeros(draws)
    half = 1
    while half < size:
        blocks = codes.reshape(draws, -1, 2 * half)
        order = np.argsort(blocks, axis=2, kind="stable")  # equal codes keep the left half first
        codes = np.take_along_axis(blocks, order, 2)
        weight = np.take_along_axis(weight.reshape(blocks.shape), order, 2)
        left = np.where(order < half, weight, 0)
        later = left.sum(axis=2, keepdims=True) - np.cumsum(left, axis=2)  # left weight strictly above
        found += ((weight - left) * later).sum(axis=(1, 2))
        half *= 2
    return found
