"""A rater's way in Firefox: examples, practice, every scale, the pixels, a rest. Skipped where no Firefox is."""

import io

import numpy as np
import pytest
from PIL import Image

from studies.protocol import answers
from tests.e2e import firefox
from tests.e2e.rater import places_of, scores, stored

ENTER = "\ue007"


def found():
    return firefox.find() or pytest.skip("needs Firefox (Debian: apt-get install firefox-esr), or MOSWEB_FIREFOX")


@pytest.fixture
def fox(tmp_path):
    with firefox.Firefox(found(), tmp_path / "profile") as running:
        yield running


def pixels(fox):
    with Image.open(io.BytesIO(fox.picture())) as image:
        return np.asarray(image.convert("RGB"))


def test_from_the_link_to_the_last_page_by_keyboard_and_mouse(site, fox):
    invitation = site.backstage(
        "invite_to_new_study", calibrated=False, announce_start=True, practised=["bicubic 2-3"], gap_ms=50
    )
    fox.open(site.url + invitation.path)
    fox.wait("!document.querySelector('#agree').disabled")
    fox.click("#agree")
    fox.see(1)
    fox.click("#next")
    fox.see(2)
    fox.click("#next")
    fox.see(3)
    fox.press("4")
    fox.wait("document.querySelector('#status').textContent === 'You gave 4; expected: 2 to 3'")
    fox.press(ENTER)
    fox.wait("document.querySelector('#overlay-title')?.textContent === 'Now it counts'")
    fox.press(ENTER)
    for position in range(4, 10):
        fox.see(position)
        assert len(places_of(site.backstage("pixels", invitation.rater, position), pixels(fox))) == 1
        if position % 2:
            fox.click(f"button[data-score='{position % 5 + 1}']")
        else:
            fox.press(str(position % 5 + 1))
    fox.wait("document.body.innerText.includes('all of your ratings are saved')")
    rows = stored(site, invitation, 6)
    assert scores(rows) == [position % 5 + 1 for position in range(4, 10)]


@pytest.mark.parametrize(
    ("scale", "keys", "expected"),
    [(answers.eleven(), ["x"], 10), (answers.own(["no", "yes"]), ["2"], 2), (answers.continuous(), ["3", ENTER], 30)],
)
def test_every_scale_by_keyboard(site, fox, scale, keys, expected):
    invitation = site.backstage("invite_to_new_study", scale=scale)
    fox.open(site.url + invitation.path)
    fox.see(3)
    for key in keys:
        fox.press(key)
    fox.see(4)
    assert scores(stored(site, invitation, 1)) == [expected]


@pytest.mark.parametrize("pointer", ["mouse", "touch"])
def test_every_scale_by_mouse_and_by_touch_in_a_phones_width(site, tmp_path, pointer):
    scales = [answers.five(), answers.eleven(), answers.own(["no", "yes"]), answers.continuous()]
    size = (1280, 900) if pointer == "mouse" else (390, 740)
    with firefox.Firefox(found(), tmp_path / "profile", size=size) as fox:
        for scale in scales:
            invitation = site.backstage("invite_to_new_study", scale=scale)
            fox.open(site.url + invitation.path)
            fox.see(3)
            assert fox.run("return document.documentElement.scrollWidth <= innerWidth")
            if scale.is_categorical:
                fox.point(".scores button:last-of-type", pointer=pointer)
            else:
                fox.point("#score", 0.25, pointer=pointer)
                fox.point("#score", 0.75, pointer=pointer)
                fox.point("#give", pointer=pointer)
            fox.see(4)
            expected = scale.high if scale.is_categorical else 75
            assert scores(stored(site, invitation, 1)) == pytest.approx([expected], abs=3)


def test_a_reload_goes_on_at_the_same_image_and_a_rest_is_kept(site, fox):
    invitation = site.backstage("invite_to_new_study", sitting_trials=2, rest_minutes=5)
    fox.open(site.url + invitation.path)
    fox.see(3)
    fox.press("5")
    fox.see(4)
    fox.command("WebDriver:Refresh")
    fox.see(4)
    fox.press("1")
    fox.wait("document.querySelector('#overlay[open] #overlay-title')?.textContent === 'Time for a rest'")
    assert scores(stored(site, invitation, 2)) == [5, 1]
