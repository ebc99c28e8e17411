"""Separation in a cumulative model of methods: estimates that run to infinity, found before the search for them.

A shift of thresholds and effects that never lowers the likelihood of any score exists exactly where the methods' scores
fall apart (Albert and Anderson 1984, for cumulative links Haberman 1980). With methods as the only fixed effect that is
seen from each method's lowest and highest score: a method between them ties the thresholds it spans, and what hangs
together by such ties is finite.
"""

from __future__ import annotations

import numpy as np


def separate(method: np.ndarray, response: np.ndarray, *, prefer: int) -> np.ndarray:
    """Which methods (codes (n,)) hang together by their responses (levels 0..K-1 (n,), each in use).

    For each method 0 where it hangs together with the fitted ones, 1 where it lies above them, -1 below. The part with
    the method `prefer` is the fitted one, or where that method stands alone the part with most ratings.
    """
    count, levels = int(method.max()) + 1, int(response.max()) + 1
    lowest, highest = np.full(count, levels), np.full(count, -1)
    np.minimum.at(lowest, method, response)
    np.maximum.at(highest, method, response)
    tied = np.zeros(levels, bool)  # whether the thresholds at both sides of a level move together
    for low, high in zip(lowest, highest, strict=True):
        tied[low + 1 : high] = True  # thresholds low .. high - 1: each inner level ties those at its sides
    part = np.cumsum(~tied[:-1]) - 1 if levels > 1 else np.zeros(1, int)  # of each threshold
    home = np.full(count, -1)
    for index, (low, high) in enumerate(zip(lowest, highest, strict=True)):
        if low < high or (0 < low < levels - 1 and part[low - 1] == part[low]):
            home[index] = part[low]
    chosen = home[prefer]
    if chosen < 0:
        weight = np.bincount(home[method][home[method] >= 0], minlength=1)
        chosen = int(weight.argmax())
    inside = np.flatnonzero(part == chosen)
    return np.where(home == chosen, 0, np.where(lowest > inside.max(), 1, -1))
