"""The dither of daala's png2y4m: a KISS99 random sequence, the same for every picture, computed without a loop over it.

Marsaglia's KISS99 adds a multiply-with-carry pair, a xorshift and a linear congruence. Each of them can be advanced
by any number of steps at once, so a sequence is made by doubling: n values give the next n. Its values become
triangular noise through draws that may be rejected; which of six draws a value serves depends on all before it, a
six-state automaton that is run from every state over many stretches side by side.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]
Jump = Callable[[Words], Words]

_MASK = np.uint64(0xFFFFFFFF)
_RANGES = np.array([1223320000, 1479548743, 1255654969])  # of the dither of Y, Cb and Cr, in png2y4m.c
_LIMITS = np.repeat((2**32 - 1) // (_RANGES + 1) * (_RANGES + 1), 2).astype(np.uint64)  # of the draws accepted
_PHASES = len(_LIMITS)  # two draws for each of the three
_DRAWS = 4 * _PHASES  # a 2x2 block
_CHUNK = 1 << 18  # values computed at once
_STRETCH = 512  # values that one lane of the automaton runs through


def offsets_420(blocks: int) -> list[npt.NDArray[np.int16]]:
    """What the dither adds to R, G and B (16-bit scale) of the four pixels TL, TR, BL, BR of each 2x2 block.

    Three int16 arrays of shape (blocks, 4). The sequence starts anew for every picture, so a shorter one is a prefix.
    """
    capacity = 1 << max(15, (blocks - 1).bit_length())  # the same few sequences serve all pictures
    return [plane[:blocks] for plane in _offsets(capacity)]


@lru_cache(maxsize=2)
def _offsets(blocks: int) -> list[npt.NDArray[np.int16]]:
    planes = [np.empty((blocks, 4), np.int16) for _ in range(3)]
    filled, phase, rest = 0, 0, np.empty(0, np.uint64)
    for values in kiss99():
        accepted, phase = _acceptance(values, phase)
        draws = np.concatenate([rest, values[accepted]])
        whole = min(len(draws) // _DRAWS, blocks - filled)
        offsets = _block_offsets(draws[: whole * _DRAWS].astype(np.int64).reshape(whole, 4, 3, 2))
        for plane, offset in zip(planes, offsets, strict=True):
            plane[filled : filled + whole] = offset
        filled, rest = filled + whole, draws[whole * _DRAWS :]
        if filled == blocks:
            break
    return planes


def _block_offsets(draws: Integers) -> tuple[Integers, Integers, Integers]:
    """(blocks, pixel, (Y, Cb, Cr), (first, second)) accepted draws -> the offsets of R, G and B, (blocks, pixel)."""
    draws = draws % (_RANGES[:, None] + 1)
    yd, cbd, crd = np.moveaxis(draws[..., 0] - draws[..., 1], 2, 0)  # triangular noise
    cbd, crd = cbd[:, :1], crd[:, :1]  # in 4:2:0 a block's four pixels share the first one's chroma dither
    red = rdiv(2 * yd + 3 * crd, 8176000)
    green = rdiv(2384 * yd + 361 * cbd + 1063 * crd, 9745792000)
    blue = rdiv(2 * yd + 3 * cbd, 8176000)
    return red, green, blue


def kiss99() -> Iterator[Words]:
    """The outputs of KISS99 with Marsaglia's seeds, each below 2^32, without end, in arrays of 2^18."""
    z, z_jump = _multiply_with_carry(362436069, 36969)
    w, w_jump = _multiply_with_carry(521288629, 18000)
    jsr, jsr_jump = _xorshift(123456789)
    jcong, jcong_jump = _congruence(380116160)
    while True:
        mixed = ((z << np.uint64(16)) + w) & _MASK
        yield ((mixed ^ jcong) + jsr) & _MASK
        z, w, jsr, jcong = z_jump(z), w_jump(w), jsr_jump(jsr), jcong_jump(jcong)


def _multiply_with_carry(seed: int, factor: int) -> tuple[Words, Jump]:
    """x -> factor (x mod 2^16) + floor(x / 2^16), which is x -> factor x modulo factor 2^16 - 1."""
    modulus = factor * 65536 - 1

    def jump(steps: int) -> Jump:
        ahead = np.uint64(pow(factor, steps, modulus))
        return lambda x: x * ahead % np.uint64(modulus)

    return _doubled(seed, jump)


def _congruence(seed: int) -> tuple[Words, Jump]:
    """x -> 69069 x + 1234567 modulo 2^32."""

    def jump(steps: int) -> Jump:
        multiplier, increment = 69069, 1234567
        for _ in range(steps.bit_length() - 1):  # steps is a power of 2
            increment = (increment * multiplier + increment) % 2**32
            multiplier = multiplier * multiplier % 2**32
        return lambda x: (x * np.uint64(multiplier) + np.uint64(increment)) & _MASK

    return _doubled(seed, jump)


def _xorshift(seed: int) -> tuple[Words, Jump]:
    """x ^= x << 17; x ^= x >> 13; x ^= x << 5: linear over bits, so a jump is a table for each byte of x."""

    def jump(steps: int) -> Jump:
        columns = _xorshift_step(np.uint64(1) << np.arange(32, dtype=np.uint64))  # the image of each single bit
        for _ in range(steps.bit_length() - 1):  # steps is a power of 2
            columns = _look_up(_byte_tables(columns), columns)
        tables = _byte_tables(columns)
        return lambda x: _look_up(tables, x)

    return _doubled(seed, jump)


def _doubled(seed: int, jump: Callable[[int], Jump]) -> tuple[Words, Jump]:
    """The _CHUNK states after `seed`, and the jump from these to the next as many."""
    values = jump(1)(np.array([seed], np.uint64))
    while len(values) < _CHUNK:
        values = np.concatenate([values, jump(len(values))(values)])
    return values, jump(_CHUNK)


def _xorshift_step(x: Words) -> Words:
    x = (x ^ (x << np.uint64(17))) & _MASK
    x = x ^ (x >> np.uint64(13))
    return (x ^ (x << np.uint64(5))) & _MASK


def _byte_tables(columns: Words) -> list[Words]:
    """For each of the four bytes of x, the 256 images of what that byte can hold."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1 == 1
    return [
        np.bitwise_xor.reduce(np.where(bits, columns[8 * byte : 8 * byte + 8], np.uint64(0)), axis=1)
        for byte in range(4)
    ]


def _look_up(tables: list[Words], x: Words) -> Words:
    image = np.zeros_like(x)
    for byte, table in enumerate(tables):
        image ^= table[(x >> np.uint64(8 * byte)) & np.uint64(255)]
    return image


def _acceptance(values: Words, phase: int) -> tuple[npt.NDArray[np.bool_], int]:
    """Which values are accepted when each meets the limit of the phase that those before it led to; the last phase.

    The values are cut into stretches; each is run from all six phases at once, then the stretches are chained.
    """
    lanes = values.reshape(-1, _STRETCH).T
    phases = np.repeat(np.arange(_PHASES, dtype=np.intp)[:, None], lanes.shape[1], axis=1)
    accepted = np.empty((_STRETCH, *phases.shape), np.bool_)  # (value, phase that the stretch began in, stretch)
    for row, lane in enumerate(lanes):
        np.less(lane, _LIMITS[phases], out=accepted[row])
        phases += accepted[row]
        phases[phases == _PHASES] = 0
    begins = np.empty(lanes.shape[1], np.intp)
    for stretch in range(lanes.shape[1]):
        begins[stretch] = phase
        phase = int(phases[phase, stretch])
    return accepted[:, begins, np.arange(lanes.shape[1])].T.reshape(-1), phase


def rdiv(x: Integers, y: int) -> Integers:
    """x / y rounded to the nearest integer, halves away from zero, as one flooring division; y > 0."""
    half = y >> 1
    if y & 1:  # an odd divisor knows no halves
        return (x + half) // y
    return (x + half - (x < 0)) // y
