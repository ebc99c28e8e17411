"""Compiled: the search for each pixel's best source, as in generalized PatchMatch (Barnes et al. 2010), and the vote.

Numba computes 2.8 million patch costs a second on two cores, torch on the same arrays 0.4 million (see
tests/bench/bench_selfexsr.py). All of it is one file because numba's cache notices a change in the file of a function,
not in what that calls.

The state of a pixel is (x, y, a, b, c, d): its patch's pixel at the offset (i, j) corresponds to the position
(x + a i + b j, y + c i + d j), in pixels of the level being made. `source` is (buffer, places, ratios): one of the
pyramid's buffers and what `Pyramid.sources` says. The search works in place on `match`, a tuple (states, costs,
biases, updated) of arrays with a row and a column a pixel, and on a band of rows or columns, so that bands run on
several cores; no result depends on how the bands are cut. A margin of two pixels has no patch of its own.
"""

import math

import numpy as np
import numpy.typing as npt

from srcore.methods.selfexsr.jit import compiled

Floats = npt.NDArray[np.float32]
Source = tuple[Floats, npt.NDArray[np.int64], Floats]
Match = tuple[Floats, Floats, Floats, npt.NDArray[np.bool_]]
Colour = tuple[np.float32, np.float32, np.float32]
State = tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32]

RADIUS = 2  # patches of 5x5
BIAS_LIMIT = np.float32(0.25)
MIN_DETERMINANT = 2 ** (2 / 3)  # scale 2^(1/3), one level
MAX_DETERMINANT = 8.0**2  # scale 8, nine levels


def _gaussian(sigma: float) -> Floats:
    taps = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / sigma) ** 2)
    weights: Floats = (np.outer(taps, taps) / taps.sum() ** 2).astype(np.float32)
    return weights


WEIGHTS = _gaussian(3.0)
OFFSETS = np.arange(-RADIUS, RADIUS + 1, dtype=np.float32)
_HALF = np.float32(0.5)
_ONE = np.float32(1)
_ZERO = np.float32(0)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / the golden ratio: SplitMix64's increment


@compiled
def evaluate(target: Floats, match: Match, source: Source, first: int, last: int) -> None:
    """Set costs and biases of the states as they are, for the rows first..last."""
    states, costs = match[0], match[1]
    height, width = costs.shape
    for row in range(max(first, RADIUS), min(last, height - RADIUS)):
        for col in range(RADIUS, width - RADIUS):
            costs[row, col] = np.inf
            _accept_if_cheaper(target, row, col, _as_tuple(states[row, col]), match, source)


@compiled
def search(target: Floats, match: Match, source: Source, key: np.uint64, first: int, last: int) -> None:
    """Random search, for the rows first..last; sets `updated` where a cheaper state was found.

    Around the best position so far, in a square that starts at a quarter of the picture and is halved before each
    try, with the transform changed less and less. The numbers drawn depend on `key` and the pixel alone.
    """
    states, costs, _, updated = match
    height, width = costs.shape
    for row in range(max(first, RADIUS), min(last, height - RADIUS)):
        for col in range(RADIUS, width - RADIUS):
            random = key + np.uint64(row * width + col) * _GOLDEN
            radius, tries = max(height, width) / 4, 1
            updated[row, col] = False
            while radius > 1:
                radius, tries = radius / 2, tries + 1
                candidate, random = _changed(_as_tuple(states[row, col]), radius, tries, random)
                if _is_allowed(candidate, height, width):
                    updated[row, col] |= _accept_if_cheaper(target, row, col, candidate, match, source)


@compiled
def propagate_along_rows(target: Floats, match: Match, source: Source, step: int, first: int, last: int) -> None:
    """Offer each updated pixel's source to its right (step 1) or left (-1) neighbour, which then offers it on."""
    height, width = match[1].shape
    for row in range(max(first, RADIUS), min(last, height - RADIUS)):
        for k in range(RADIUS + 1, width - RADIUS):
            col = k if step > 0 else width - 1 - k
            _take_over(target, row, col, 0, step, match, source)


@compiled
def propagate_along_columns(target: Floats, match: Match, source: Source, step: int, first: int, last: int) -> None:
    """The same downwards (step 1) or upwards (-1), for the columns first..last."""
    height, width = match[1].shape
    for k in range(RADIUS + 1, height - RADIUS):
        row = k if step > 0 else height - 1 - k
        for col in range(max(first, RADIUS), min(last, width - RADIUS)):
            _take_over(target, row, col, step, 0, match, source)


@compiled
def _take_over(target: Floats, row: int, col: int, down: int, right: int, match: Match, source: Source) -> None:
    """Try the state of the neighbour that lies (down, right) before, if it was updated and leads elsewhere."""
    states, costs, _, updated = match
    if not updated[row - down, col - right]:
        return
    x, y, a, b, c, d = _as_tuple(states[row - down, col - right])
    x, y = x + a * np.float32(right) + b * np.float32(down), y + c * np.float32(right) + d * np.float32(down)
    moved = max(abs(x - states[row, col, 0]), abs(y - states[row, col, 1]))
    if moved > 1 and _is_allowed((x, y, a, b, c, d), costs.shape[0], costs.shape[1]):
        updated[row, col] |= _accept_if_cheaper(target, row, col, (x, y, a, b, c, d), match, source)


@compiled
def _accept_if_cheaper(target: Floats, row: int, col: int, state: State, match: Match, source: Source) -> bool:
    states, costs, biases, _ = match
    cost, b0, b1, b2 = patch_cost(target, row, col, state, source)
    if cost >= costs[row, col]:
        return False
    costs[row, col] = cost
    biases[row, col, 0], biases[row, col, 1], biases[row, col, 2] = b0, b1, b2
    for k in range(6):
        states[row, col, k] = state[k]
    return True


@compiled
def _is_allowed(state: State, height: int, width: int) -> bool:
    """The source centre lies outside the margin, and its scale is between one and nine levels."""
    x, y, a, b, c, d = state
    inside = RADIUS <= x <= width - 1 - RADIUS and RADIUS <= y <= height - 1 - RADIUS
    return bool(inside and MIN_DETERMINANT <= abs(a * d - b * c) <= MAX_DETERMINANT)


@compiled
def _changed(state: State, radius: float, tries: int, random: np.uint64) -> tuple[State, np.uint64]:
    """Another position within the radius, and D A in place of A, with D a scaling, rotation and shear close to I."""
    x, y, a, b, c, d = state
    right, random = _uniform(random)
    down, random = _uniform(random)
    scale, random = _uniform(random)
    angle, random = _uniform(random)
    shear, random = _uniform(random)
    x, y = x + 2 * right * np.float32(radius), y + 2 * down * np.float32(radius)
    scale = 1 + scale / tries
    angle, shear = angle * (math.pi / 4) / tries, shear * 0.05 / tries
    cos, sin = np.float32(scale * math.cos(angle)), np.float32(scale * math.sin(angle))
    tilt_cos, tilt_sin = np.float32(cos * shear - sin), np.float32(sin * shear + cos)  # second column of D
    moved = (
        np.float32(x),
        np.float32(y),
        cos * a + tilt_cos * c,
        cos * b + tilt_cos * d,
        sin * a + tilt_sin * c,
        sin * b + tilt_sin * d,
    )
    return moved, random


@compiled
def _uniform(random: np.uint64) -> tuple[np.float32, np.uint64]:
    """A number in [-0.5, 0.5) and the next state of the generator: SplitMix64 (Steele et al. 2014)."""
    random += _GOLDEN
    z = (random ^ (random >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return np.float32(np.int64(z >> np.uint64(40)) * 2.0**-24 - 0.5), random


@compiled
def _as_tuple(state: Floats) -> State:
    return state[0], state[1], state[2], state[3], state[4], state[5]


@compiled
def vote(out: Floats, states: Floats, biases: Floats, source: Source, first: int, last: int) -> None:
    """Set the rows first..last of `out` to the weighted mean of all the source patches, with bias, that cover a pixel.

    A gathering of what would otherwise be scattered, so that rows can be done at once and in any order.
    """
    height, width = out.shape[:2]
    for row in range(first, last):
        for col in range(width):
            total0 = total1 = total2 = weights = _ZERO
            for y in range(max(row - RADIUS, RADIUS), min(row + RADIUS + 1, height - RADIUS)):
                for x in range(max(col - RADIUS, RADIUS), min(col + RADIUS + 1, width - RADIUS)):
                    r, g, b = _read_patch(states[y, x], col - x, row - y, source)
                    weight = WEIGHTS[row - y + RADIUS, col - x + RADIUS]
                    weights += weight
                    total0 += weight * (r + biases[y, x, 0])
                    total1 += weight * (g + biases[y, x, 1])
                    total2 += weight * (b + biases[y, x, 2])
            out[row, col, 0] = total0 / weights
            out[row, col, 1] = total1 / weights
            out[row, col, 2] = total2 / weights


@compiled
def _read_patch(state: Floats, i: int, j: int, source: Source) -> Colour:
    buffer, places, ratios = source
    s = source_index(state[2] * state[5] - state[3] * state[4])
    u = (state[0] + state[2] * np.float32(i) + state[3] * np.float32(j) + _HALF) * ratios[s, 1] - _HALF
    v = (state[1] + state[4] * np.float32(i) + state[5] * np.float32(j) + _HALF) * ratios[s, 0] - _HALF
    return read(buffer, places[s, 0], places[s, 1], places[s, 2], u, v)


@compiled
def source_index(determinant: np.float32) -> int:
    """Which of the nine source levels, from 0, has the resolution at which a transform of this area is 1:1."""
    level = math.floor(1.5 * math.log2(abs(determinant)) + 0.5)  # log of sqrt(determinant) to the base 2^(1/3)
    return int(min(max(level, 1), 9)) - 1


@compiled
def read(buffer: Floats, start: int, height: int, width: int, u: np.float32, v: np.float32) -> Colour:
    """RGB at column u and row v of a level, bilinear, 0 outside. The frame of zeros shifts all by one pixel."""
    u = min(max(u + _ONE, _ZERO), np.float32(width + 1))
    v = min(max(v + _ONE, _ZERO), np.float32(height + 1))
    column, row = int(u), int(v)
    right, below = u - np.float32(column), v - np.float32(row)
    w11 = right * below
    w01, w10 = right - w11, below - w11
    w00 = _ONE - right - w10
    p = start + row * (width + 2) + column
    q = p + width + 2
    return (
        w00 * buffer[p, 0] + w01 * buffer[p + 1, 0] + w10 * buffer[q, 0] + w11 * buffer[q + 1, 0],
        w00 * buffer[p, 1] + w01 * buffer[p + 1, 1] + w10 * buffer[q, 1] + w11 * buffer[q + 1, 1],
        w00 * buffer[p, 2] + w01 * buffer[p + 1, 2] + w10 * buffer[q, 2] + w11 * buffer[q + 1, 2],
    )


@compiled
def patch_cost(
    target: Floats, row: int, col: int, state: State, source: Source
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Gaussian-weighted sum of squared RGB differences after a bias, and that bias (R, G, B).

    The bias is the mean difference, target minus source, of a channel, clipped to +-0.25. The weights sum to 1.
    """
    x, y, a, b, c, d = state
    buffer, places, ratios = source
    s = source_index(a * d - b * c)
    start, height, width = places[s, 0], places[s, 1], places[s, 2]
    down, across = ratios[s, 0], ratios[s, 1]
    u, v = (x + _HALF) * across - _HALF, (y + _HALF) * down - _HALF
    a, b, c, d = a * across, b * across, c * down, d * down
    sum0 = sum1 = sum2 = mean0 = mean1 = mean2 = squares = _ZERO
    for k in range(2 * RADIUS + 1):
        j = OFFSETS[k]
        for m in range(2 * RADIUS + 1):
            i = OFFSETS[m]
            r, g, bl = read(buffer, start, height, width, u + a * i + b * j, v + c * i + d * j)
            here = target[row + k - RADIUS, col + m - RADIUS]
            e0, e1, e2 = here[0] - r, here[1] - g, here[2] - bl
            weight = WEIGHTS[k, m]
            sum0, sum1, sum2 = sum0 + e0, sum1 + e1, sum2 + e2
            mean0, mean1, mean2 = mean0 + weight * e0, mean1 + weight * e1, mean2 + weight * e2
            squares += weight * (e0 * e0 + e1 * e1 + e2 * e2)
    b0, b1, b2 = _bias(sum0), _bias(sum1), _bias(sum2)
    # sum w (e - bias)^2, expanded so that one pass over the patch is enough
    cost = squares + b0 * (b0 - 2 * mean0) + b1 * (b1 - 2 * mean1) + b2 * (b2 - 2 * mean2)
    return max(cost, _ZERO), b0, b1, b2


@compiled
def _bias(total: np.float32) -> np.float32:
    mean = total / np.float32(25)
    return min(max(mean, -BIAS_LIMIT), BIAS_LIMIT)
