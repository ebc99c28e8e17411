"""One step of the pyramid: from the next smaller picture, enlarged, to one made of its own patches."""

from collections.abc import Callable

import numpy as np

from srcore.methods.selfexsr import matching
from srcore.methods.selfexsr.jit import Bands
from srcore.methods.selfexsr.matching import RADIUS, Floats
from srcore.methods.selfexsr.pyramid import Image, Pyramid


class Step:
    """The search at one level, for the best source of each pixel's patch.

    `states` is (H, W, 6) as in `patches`; without those of the smaller level, the search starts with each patch
    being the same place seen at half the size.
    """

    def __init__(self, target: Image, pyramid: Pyramid, level: int, smaller: Floats | None, bands: Bands) -> None:
        self.target = target
        height, width = target.shape[:2]
        self.states = first_states(height, width) if smaller is None else next_states(smaller, height, width)
        places, ratios = pyramid.sources(level)
        self._low, self._high = (pyramid.low, places, ratios), (pyramid.high, places, ratios)
        self.costs = np.zeros((height, width), np.float32)
        self._biases = np.zeros((height, width, 3), np.float32)
        self._match = (self.states, self.costs, self._biases, np.zeros((height, width), np.bool_))
        self._bands = bands
        self.evaluate()

    def evaluate(self) -> None:
        """Set the costs and biases of the states as they are."""
        self._run(matching.evaluate, len(self.costs))

    def search(self, key: int) -> None:
        """One round: random search, then propagation to the right, down, left and up. `key` is the round's seed."""
        height, width = self.costs.shape
        self._run(matching.search, height, np.uint64(key))
        for direction in (1, -1):
            self._run(matching.propagate_along_rows, height, direction)
            self._run(matching.propagate_along_columns, width, direction)

    def picture(self) -> Image:
        """The mean of the sources of all the patches that cover a pixel."""
        out = np.empty_like(self.target)
        self._bands.run(matching.vote, len(out), out, self.states, self._biases, self._high)
        return out

    def _run(self, function: Callable[..., None], size: int, *arguments: object) -> None:
        self._bands.run(function, size, self.target, self._match, self._low, *arguments)


def first_states(height: int, width: int) -> Floats:
    """Each patch's source is at the same place, and twice as large."""
    rows, cols = np.mgrid[0:height, 0:width]
    states = np.zeros((height, width, 6), np.float32)
    states[:, :, 0], states[:, :, 1] = cols, rows
    states[:, :, 2] = states[:, :, 5] = 2
    return _kept_inside(states)


def next_states(smaller: Floats, height: int, width: int) -> Floats:
    """The states of the nearest pixel of a smaller level, followed to where the larger level's pixel lies exactly."""
    small_height, small_width = smaller.shape[:2]
    row, col = np.mgrid[0:height, 0:width].astype(np.float32)
    row, col = (row + 0.5) * (small_height / height) - 0.5, (col + 0.5) * (small_width / width) - 0.5
    nearest_row = np.clip(np.rint(row), RADIUS, small_height - 1 - RADIUS).astype(np.intp)
    nearest_col = np.clip(np.rint(col), RADIUS, small_width - 1 - RADIUS).astype(np.intp)
    states = smaller[nearest_row, nearest_col]
    i, j = col - nearest_col, row - nearest_row
    x = states[:, :, 0] + states[:, :, 2] * i + states[:, :, 3] * j
    y = states[:, :, 1] + states[:, :, 4] * i + states[:, :, 5] * j
    states[:, :, 0] = (x + 0.5) * (width / small_width) - 0.5
    states[:, :, 1] = (y + 0.5) * (height / small_height) - 0.5
    return _kept_inside(states)


def _kept_inside(states: Floats) -> Floats:
    height, width = states.shape[:2]
    states[:, :, 0] = np.clip(states[:, :, 0], RADIUS, width - 1 - RADIUS)
    states[:, :, 1] = np.clip(states[:, :, 1], RADIUS, height - 1 - RADIUS)
    return states
