"""Pictures of what raters see, which a report's supplement holds."""

import io

import numpy as np
from PIL import Image

from studies.models.task import Task, pair_scale


def opened(png):
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


def test_in_each_language_there_are_the_instructions_and_the_page_that_shows_an_image(site):
    made = site.backstage(
        "pictures_of_new_study",
        languages=["en", "de"],
        questions_before="age: How old are you? [number 18-99]",
        card=True,
    )
    pictures, shown = made["pictures"], made["images"]
    assert sorted(pictures) == sorted(
        f"{name}-{language}.{kind}"
        for language in ("en", "de")
        for name, kind in (
            ("instructions", "png"),
            ("instructions", "txt"),
            ("device", "png"),
            ("questions", "png"),
            ("rating", "png"),
        )
    )
    assert b"Bewerten Sie" in pictures["instructions-de.txt"]
    for language in ("en", "de"):
        assert opened(pictures[f"instructions-{language}.png"]).shape[1] == 1280
        page = opened(pictures[f"rating-{language}.png"])
        assert page.shape == (800, 1280, 3)
        # One of the study's images, pixel for pixel, in the middle of the mid-grey above the buttons.
        rows, columns = np.nonzero((page[:600] != page[0, 0]).any(axis=2))
        image = page[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert any(np.array_equal(image, one) for one in shown)
    assert not np.array_equal(opened(pictures["rating-en.png"])[600:], opened(pictures["rating-de.png"])[600:])
    assert made["raters"] == 0, "who went there is gone"
    assert set(made["events"]) == {"created", "texts", "launch", "close"}


def test_of_a_study_of_pairs_both_images_are_on_the_picture(site):
    made = site.backstage("pictures_of_new_study", languages=["en"], task=Task.PAIR, scale=pair_scale(ties=False))
    page = opened(made["pictures"]["rating-en.png"])
    columns = np.flatnonzero((page[:560] != page[0, 0]).any(axis=(0, 2)))
    assert columns.max() - columns.min() >= 2 * 320
    left = page[:, : page.shape[1] // 2]
    rows, places = np.nonzero((left[:560] != page[0, 0]).any(axis=2))
    image = left[rows.min() : rows.max() + 1, places.min() : places.max() + 1]
    assert any(np.array_equal(image, one) for one in made["images"])
