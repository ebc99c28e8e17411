"""Every scale that a study can choose, answered by keyboard, by mouse and by touch."""

import pytest
from playwright.sync_api import expect

from analysis.scale import Scale
from studies.protocol import answers
from tests.e2e.rater import arrive, scores, see, stored

OWN = answers.own(["unusable", "bearable", "fine"])


@pytest.fixture
def start(site, browser):
    def begin(scale: Scale, *, calibrated: bool = True):
        invitation = site.backstage("invite_to_new_study", scale=scale, calibrated=calibrated)
        return invitation, arrive(browser, site.url, invitation.path)

    return begin


@pytest.mark.parametrize(
    ("scale", "keys", "expected"),
    [
        (answers.eleven(), ["0", "7", "x", "X"], [0, 7, 10, 10]),
        (OWN, ["1", "3", "2"], [1, 3, 2]),
        (answers.continuous(), [["7", "Enter"], ["Home", "Enter"], ["ArrowRight", "PageUp", "Enter"]], [70, 0, 11]),
        (answers.continuous(), [["ArrowLeft", "Enter"], ["End", "PageDown", "Enter"]], [99, 90]),
        # The arrows walk along the buttons, Enter gives the one in focus.
        (answers.eleven(), [["ArrowRight", "ArrowRight", "Enter"], ["ArrowRight", "Enter"]], [1, 2]),
    ],
)
def test_a_score_is_given_by_keyboard_alone(site, start, scale, keys, expected):
    invitation, page = start(scale)
    for position, presses in enumerate(keys, start=3):
        see(page, position)
        for key in presses:
            page.keyboard.press(key)
    assert scores(stored(site, invitation, len(keys))) == pytest.approx(expected)


def test_a_score_is_set_on_the_line_by_mouse_changed_and_given(site, start):
    invitation, page = start(answers.continuous())
    see(page, 3)
    line = page.locator("#score")
    box = line.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#value")).to_have_text("50")
    page.locator("#give").click()
    see(page, 4)
    (score,) = scores(stored(site, invitation, 1))
    assert score == pytest.approx(50, abs=0.5)


def test_the_line_is_seen_without_a_handle_until_a_score_is_set(start):
    _, page = start(answers.continuous())
    see(page, 3)
    box = page.locator("#score").bounding_box()

    def around(place):
        centre = box["x"] + place * box["width"]
        clip = {"x": round(centre) - 12, "y": round(box["y"]), "width": 24, "height": round(box["height"])}
        return page.screenshot(clip=clip)

    without = [around(place) for place in (0.31, 0.5, 0.69)]  # where a browser puts it unasked is the middle
    assert without[0] == without[1] == without[2]
    page.mouse.click(box["x"] + 0.31 * box["width"], box["y"] + box["height"] / 2)
    assert around(0.31) != without[0]
    assert around(0.69) == without[2]


def test_each_label_of_the_line_stands_over_the_middle_of_its_interval(start):
    """As in ITU-R BT.500: of five labels the first is over 10, the next over 30."""
    _, page = start(answers.continuous())
    see(page, 3)
    line = page.locator("#score").bounding_box()
    labels = page.locator(".line-scale li").all()
    assert [label.text_content() for label in labels] == ["Bad", "Poor", "Fair", "Good", "Excellent"]
    for middle, label in zip((10, 30, 50, 70, 90), labels, strict=True):
        box = label.bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, line["y"] + line["height"] / 2)
        assert float(page.locator("#score").input_value()) == pytest.approx(middle, abs=1)


@pytest.mark.parametrize("scale", [answers.eleven(), OWN])
def test_a_category_is_given_by_mouse(site, start, scale):
    invitation, page = start(scale)
    see(page, 3)
    page.locator(".scores button").last.click()
    see(page, 4)
    page.locator(".scores button").first.click()
    assert scores(stored(site, invitation, 2)) == [scale.high, scale.low]


def test_no_score_is_suggested_for_any_image(site, start):
    invitation, page = start(answers.continuous())
    for position in (3, 4):
        see(page, position)
        assert "unset" in page.locator("#score").get_attribute("class")
        expect(page.locator("#score")).to_have_attribute("aria-valuetext", "not set yet")
        expect(page.locator("#give")).to_be_disabled()
        page.keyboard.press("Enter")
        expect(page.locator("#stage")).to_have_attribute("data-painted", str(position))
        page.keyboard.press("3")
        expect(page.locator("#score")).to_have_attribute("aria-valuetext", "30")
        page.keyboard.press("Enter")
    assert scores(stored(site, invitation, 2)) == [30, 30]


def test_a_held_enter_gives_one_score_on_the_line(site, start):
    invitation, page = start(answers.continuous())
    see(page, 3)
    page.keyboard.press("4")
    page.keyboard.down("Enter")
    see(page, 4)
    page.keyboard.press("6")
    page.keyboard.down("Enter")  # repeats while it is held
    expect(page.locator("#stage")).to_have_attribute("data-painted", "4")
    page.keyboard.up("Enter")
    page.keyboard.press("Enter")
    assert scores(stored(site, invitation, 2)) == [40, 60]


@pytest.mark.parametrize("scale", [answers.eleven(), OWN, answers.continuous()])
def test_the_examples_and_the_instructions_show_the_ends_of_the_scale(start, scale):
    _, page = start(scale, calibrated=False)
    expect(page.locator("table.scale")).to_contain_text(scale.labels[-1][1])
    expect(page.locator("table.scale th").last).to_have_text(answers.marks(scale)[-1][0])
    page.locator("#agree").click()
    see(page, 1)
    low, high = answers.examples(scale)[0], answers.examples(scale)[-1]
    expect(page.locator("#status")).to_contain_text(f"This is {low.score}")
    expect(page.locator(".examples .shown")).to_have_count(1)
    page.locator("#next").click()
    see(page, 2)
    expect(page.locator("#status")).to_contain_text(f"This is {high.score}")


@pytest.mark.parametrize("scale", [answers.five(), answers.eleven(), OWN, answers.continuous()])
def test_a_phone_rates_by_touch(site, playwright, chromium, scale):
    invitation = site.backstage("invite_to_new_study", scale=scale)
    phone = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    context = phone.new_context(viewport={"width": 390, "height": 740}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(site.url + invitation.path)
    see(page, 3)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if scale.is_categorical:
        page.locator(".scores button").last.tap()
        expected = scale.high
    else:
        box = page.locator("#score").bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
        page.locator("#give").tap()
        expected = 100
    see(page, 4)
    assert scores(stored(site, invitation, 1)) == pytest.approx([expected], abs=1.5)
    phone.close()
