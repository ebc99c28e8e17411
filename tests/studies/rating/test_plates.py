"""Digits of dots that a dichromat does not see, and grey squares: new each time, the answer kept here.

The eyes of the dichromats are the matrices of Vienot, Brettel and Mollon (1999), written out here by their equations 4
and 5 and not taken from the code. What can be found is told by the area under the ROC curve between the dots of the
digit and the others: 0.5 is nothing, 0 or 1 is all.
"""

import io
import random

import numpy as np
import pytest
from PIL import Image
from scipy.stats import mannwhitneyu

from studies.rating import plates

SEEDS = range(1, 7)
RGB_TO_LMS = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
PROTANOPE = np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]])
DEUTERANOPE = np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]])
EYES = {"protan": PROTANOPE, "deutan": DEUTERANOPE}


def linear(pixels):
    levels = pixels / 255
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def dots_of(seed, number):
    """Linear RGB of each dot's middle, and whether it is of the digit."""
    rng = np.random.default_rng([seed, number])
    dots = plates._dots(rng)
    at = dots[:, 1].astype(int), dots[:, 0].astype(int)
    inside = plates._digit(plates.digits(seed)[number], rng)[at]
    return linear(plates.plate_pixels(seed, number)[at].astype(float)), inside


def found(values, inside):
    area = mannwhitneyu(values[inside], values[~inside]).statistic / (inside.sum() * (~inside).sum())
    return max(area, 1 - area)


def seen_by(eyes, rgb):
    """Linear RGB as it looks the same to a dichromat, and to who sees all."""
    return np.clip(rgb @ (np.linalg.inv(RGB_TO_LMS) @ eyes @ RGB_TO_LMS).T, 0, None)


def opponent(rgb):
    """Red against green, and blue against yellow: what is left of a colour without its lightness."""
    red, green, blue = (rgb + 1e-9).T
    return np.log(red / green), np.log(blue / (red + green))


@pytest.mark.parametrize("number", range(len(plates.PLATES)))
def test_the_digit_is_plain_to_who_sees_all_and_vanishes_for_the_dichromat(number):
    eyes = EYES[plates.PLATES[number]]
    for seed in SEEDS:
        rgb, inside = dots_of(seed, number)
        assert inside.sum() > 60
        assert found(opponent(rgb)[0], inside) > 0.99
        looks = seen_by(eyes, rgb)
        for channel in (*looks.T, *opponent(looks)):
            assert found(channel, inside) < 0.62, (seed, number)


@pytest.mark.parametrize("number", range(len(plates.PLATES)))
def test_lightness_alone_does_not_tell_the_digit(number):
    weights = np.array([0.2126, 0.7152, 0.0722])
    for seed in SEEDS:
        rgb, inside = dots_of(seed, number)
        assert found(rgb @ weights, inside) < 0.6


def test_the_other_dichromat_is_told_apart_by_the_plates_of_the_other_kind():
    areas = {kind: [] for kind in EYES}
    for seed in SEEDS:
        for number, kind in enumerate(plates.PLATES):
            rgb, inside = dots_of(seed, number)
            other = EYES["deutan" if kind == "protan" else "protan"]
            areas[kind].append(max(found(channel, inside) for channel in opponent(seen_by(other, rgb))))
    assert min(np.median(values) for values in areas.values()) > 0.6


def test_each_seed_draws_others_and_the_same_seed_the_same():
    drawn = {plates.plate(seed, number) for seed in (1, 2, 3) for number in range(4)}
    assert len(drawn) == 12
    assert plates.plate(1, 0) == plates.plate(1, 0)
    assert len({plates.digits(seed) for seed in range(50)}) > 40
    assert all(len(set(plates.digits(seed))) == 4 for seed in range(50))
    assert len({tuple(plates.squares(seed)) for seed in range(50)}) > 40


def test_where_the_digit_stands_and_which_colour_it_has_says_nothing():
    """Red digits as often as green ones, for each digit."""
    reds = [opponent(rgb[inside])[0].mean() > 0 for rgb, inside in (dots_of(seed, 1) for seed in range(24))]
    assert 4 < sum(reds) < 20


def test_each_square_differs_by_its_step_and_the_other_places_by_nothing():
    for seed in SEEDS:
        with Image.open(io.BytesIO(plates.greys(seed))) as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        for place, step in enumerate(plates.squares(seed)):
            half, cell = divmod(place, plates.CELLS)
            y, x = 12 + half * 84 + 36, 12 + cell * 72 + 36
            inside, outside = pixels[y, x], pixels[y, x - 30]
            assert (outside == plates.BACKGROUNDS[half]).all()
            assert abs(inside - outside).max() == step
            assert len(set(inside)) == 1
        assert sorted(plates.squares(seed)) == sorted([0, 0, *plates.GREYS] * 2)


def test_the_least_step_is_the_one_from_which_all_were_seen_on_dark_and_on_bright():
    steps = plates.squares(7)
    of = lambda *wanted: {place for place, step in enumerate(steps) if step in wanted}  # noqa: E731
    assert plates.least_step(7, of(2, 3, 5, 8)) == 2
    assert plates.least_step(7, of(3, 5, 8)) == 3
    assert plates.least_step(7, of(2, 3, 8)) == 8
    one_of_five = of(5, 8) - {min(of(5))}
    assert plates.least_step(7, one_of_five) == 8
    assert plates.least_step(7, set()) == plates.NO_GREY
    guessed = of(2, 3, 5, 8) | {min(of(0))}
    assert plates.least_step(7, guessed) == plates.NO_GREY


def test_who_guesses_does_not_read_the_digits():
    rng = random.Random(1)
    right = 0
    for seed in range(3000):
        said = rng.choices(plates.DIGITS, k=len(plates.PLATES))
        right += sum(a == b for a, b in zip(said, plates.digits(seed), strict=True)) >= plates.RIGHT_PLATES
    assert right / 3000 < 0.02
