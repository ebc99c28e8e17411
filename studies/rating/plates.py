"""What is drawn to find out what a rater sees on their screen: a digit of dots, and grey squares. New for each seed.

A dichromat lacks one kind of cone, and does not tell colours apart that differ in its excitation alone. The dots of the
digit and those around it differ so: by +-CONTRAST of the L cones (for protanopes) or of the M cones (for deuteranopes)
of one grey, in the cone space of Vienot, Brettel and Mollon (Color Research and Application 24, 1999), which takes an
sRGB screen. Such a difference changes the luminance a little for who sees all, so half of it is taken back, and each
dot is lighter or darker by chance by far more than the other half: neither lightness nor a dichromat's eyes find the
digit. This is our own drawing after that principle, no clinical test, and says nothing of a person but pass or fail.
"""

import io
import random
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Kind = Literal["protan", "deutan"]
PLATES: tuple[Kind, ...] = ("protan", "deutan", "protan", "deutan")
RIGHT_PLATES = 3
"""Of PLATES: one slip is none of the eyes. Of who guesses one in a hundred gets three right."""
DIGITS = "2345689"
SIDE = 360

# Linear RGB of an sRGB screen -> L, M, S (Vienot, Brettel and Mollon 1999, equation 1).
LMS = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
CONE: dict[Kind, int] = {"protan": 0, "deutan": 1}
CONTRAST: dict[Kind, float] = {"protan": 0.075, "deutan": 0.085}
GREY = 0.42  # linear
DARKEST, BRIGHTEST = 0.55, 1.25  # a dot's lightness by chance, as a factor
SURROUND = 0.216  # linear: 128 of 255
SMALLEST_DOT, LARGEST_DOT, APART = 3.2, 7.0, 0.8  # radii and distances in pixels

GREYS = (2, 3, 5, 8)
"""Differences in 8-bit levels between a square and what is around it, on each of both halves."""
GREY_FIT = 5
"""The greatest least step that is fit. Ours: 2 of 255 is seen on a good screen in a dark room, 8 on nearly any."""
NO_GREY = 255
BACKGROUNDS = (20, 235)
CELLS = 6  # on each half; in those that GREYS leaves over there is no square
_CELL, _SQUARE, _BORDER = 72, 36, 12


def digits(seed: int) -> str:
    """The digits on PLATES for this seed, no two the same."""
    return "".join(random.Random(f"{seed}/digits").sample(DIGITS, len(PLATES)))


def plate(seed: int, number: int) -> bytes:
    """PNG of the plate `number`, SIDE x SIDE."""
    return _png(plate_pixels(seed, number))


def plate_pixels(seed: int, number: int) -> NDArray[np.uint8]:
    """uint8 RGB (SIDE, SIDE, 3), sRGB."""
    kind = PLATES[number]
    rng = np.random.default_rng([seed, number])
    dots = _dots(rng)
    inside = _digit(digits(seed)[number], rng)[dots[:, 1].astype(int), dots[:, 0].astype(int)]
    # Of both kinds the same lightnesses, in another order.
    light = np.empty(len(dots))
    for group in (inside, ~inside):
        light[group] = rng.permutation(np.geomspace(DARKEST, BRIGHTEST, int(group.sum())))
    colours = light[:, None] * np.where(inside[:, None], *(colour for colour in _pair(kind, bool(rng.integers(2)))))
    return _drawn(dots, _srgb(colours))


def squares(seed: int) -> list[int]:
    """The step of each cell for this seed, 0 where there is no square: the CELLS of the dark half, then the bright."""
    rng = random.Random(f"{seed}/greys")
    found: list[int] = []
    for _ in BACKGROUNDS:
        half = [*GREYS, *[0] * (CELLS - len(GREYS))]
        rng.shuffle(half)
        found += half
    return found


def greys(seed: int) -> bytes:
    """PNG of both halves, the dark one above the bright one, with a mark for each cell."""
    steps = squares(seed)
    width, height = 2 * _BORDER + CELLS * _CELL, len(BACKGROUNDS) * (_CELL + _BORDER) + _BORDER
    pixels = np.full((height, width, 3), 128, dtype=np.uint8)
    for half, background in enumerate(BACKGROUNDS):
        top = _BORDER + half * (_CELL + _BORDER)
        pixels[top : top + _CELL, _BORDER:-_BORDER] = background
        for cell in range(CELLS):
            step = steps[half * CELLS + cell]
            left, edge = _BORDER + cell * _CELL + (_CELL - _SQUARE) // 2, top + (_CELL - _SQUARE) // 2
            towards = step if background < 128 else -step
            pixels[edge : edge + _SQUARE, left : left + _SQUARE] = background + towards
    return _png(pixels)


def least_step(seed: int, seen: set[int]) -> int:
    """From which step on all squares were told apart, dark and bright. `seen`: the cells in which a square was seen.

    NO_GREY where not even the largest were, or where squares were seen that are none, which is guessing.
    """
    steps = squares(seed)
    if any(not steps[cell] for cell in seen):
        return NO_GREY
    least = NO_GREY
    for step in sorted(GREYS, reverse=True):
        if not {cell for cell, of in enumerate(steps) if of == step} <= seen:
            break
        least = step
    return least


@lru_cache(maxsize=4)
def _pair(kind: Kind, swapped: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Linear RGB of the digit and of the dots around it, before the lightness by chance."""
    lms = LMS @ np.full(3, GREY)
    found = []
    for sign in (1, -1):
        other = lms.copy()
        other[CONE[kind]] *= 1 + sign * CONTRAST[kind]
        found.append(np.linalg.solve(LMS, other))
    # Half of their difference in luminance is taken back.
    ratio = (LUMINANCE @ found[0]) / (LUMINANCE @ found[1])
    pair = (found[0] / ratio**0.25, found[1] * ratio**0.25)
    return (pair[1], pair[0]) if swapped else pair


def _dots(rng: np.random.Generator) -> NDArray[np.float64]:
    """x, y and radius of dots that do not touch, in a circle: large ones first, small ones into the gaps."""
    dots = np.empty((0, 3))
    centre = SIDE / 2
    for radius in np.linspace(LARGEST_DOT, SMALLEST_DOT, 7):
        tries = rng.uniform(radius, SIDE - radius, (900, 2))
        tries = tries[np.hypot(*(tries - centre).T) < centre - radius - 1]
        for x, y in tries:
            if not len(dots) or (np.hypot(dots[:, 0] - x, dots[:, 1] - y) > dots[:, 2] + radius + APART).all():
                dots = np.vstack([dots, (x, y, radius)])
    return dots


def _digit(digit: str, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Where the digit is, (SIDE, SIDE): large, bold, a little beside the middle."""
    picture = Image.new("L", (SIDE, SIDE), 0)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(SIDE * 0.98)
    left, top, right, bottom = pen.textbbox((0, 0), digit, font=font)
    x, y = rng.uniform(-0.04, 0.04, 2) * SIDE
    place = ((SIDE - right - left) / 2 + x, (SIDE - bottom - top) / 2 + y)
    pen.text(place, digit, font=font, fill=255, stroke_width=round(SIDE * 0.02), stroke_fill=255)
    return np.asarray(picture) > 127


def _drawn(dots: NDArray[np.float64], colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Without blending at the edges: a blend with the surround would be of no confusion line."""
    pixels = np.empty((SIDE, SIDE, 3), dtype=np.uint8)
    pixels[:] = _srgb(np.full(3, SURROUND))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for (x, y, radius), colour in zip(dots, colours, strict=True):
        near = (slice(int(y - radius), int(y + radius) + 2), slice(int(x - radius), int(x + radius) + 2))
        pixels[near][np.hypot(columns[near] - x, rows[near] - y) <= radius] = colour
    return pixels


def _srgb(linear: NDArray[np.float64]) -> NDArray[np.uint8]:
    """IEC 61966-2-1, from linear 0 to 1."""
    inside = np.clip(linear, 0, 1)
    encoded = np.where(inside <= 0.0031308, 12.92 * inside, 1.055 * inside ** (1 / 2.4) - 0.055)
    found: NDArray[np.uint8] = np.rint(255 * encoded).astype(np.uint8)
    return found


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
