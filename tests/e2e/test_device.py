"""The page that looks at a device, in a real browser: each rule met and not, ending the part or marking it; by keys."""

import pytest
from playwright.sync_api import expect

from tests.e2e.rater import see

RULES = {
    "least_screen_width": 1280, "least_screen_height": 720, "phones": False, "full_screen": True, "window_fits": True,
    "card": True, "viewing_heights": 4, "greys": True, "colour_vision": True,
}  # fmt: skip
SCREEN = {"width": 1280, "height": 800}
LARGE = {"width": 1920, "height": 1080}
# What of a browser, or of a person, does not meet the rule, and what follows from it too.
UNFIT = {
    "screen": {"screen": {"width": 1000, "height": 800}, "viewport": {"width": 1000, "height": 800}},
    "phone": {"is_mobile": True, "has_touch": True, "viewport": {"width": 500, "height": 900},
              "screen": {"width": 500, "height": 900}, "device_scale_factor": 3},
    "full_screen": {"screen": LARGE},
    "window": {"screen": {"width": 1280, "height": 800}, "viewport": {"width": 1280, "height": 120}},
    "card": {"has_card": False},
    "greys": {"sees_greys": False},
    "colour": {"reads_dots": False},
}  # fmt: skip
AND_SO = {"window": ["full_screen", "window"]}


@pytest.fixture
def open_page(playwright, chromium):
    browser = playwright.chromium.launch(executable_path=chromium)

    def begin(**options):
        context = browser.new_context(**{"viewport": SCREEN, "screen": SCREEN, **options})
        context.set_default_timeout(20_000)
        return context.new_page()

    yield begin
    browser.close()


def to_the_page(site, page, rule, **others):
    invitation = site.backstage("invite_to_new_study", calibrated=False, **RULES, device_rule=rule, **others)
    page.goto(site.url + invitation.path)
    page.locator("#agree").click()
    page.wait_for_selector("#go-on:enabled")
    return invitation


def fill(site, page, invitation, *, has_card=True, sees_greys=True, reads_dots=True):
    """By the keyboard alone, from field to field."""
    squares, digits = site.backstage("drawn_for", invitation.rater)
    page.locator("#card-width").focus()
    if has_card:
        for _ in range(5):
            page.keyboard.press("ArrowRight")
    press_tab(page)
    expect(page.locator("#no-card")).to_be_focused()
    if not has_card:
        page.keyboard.press("Space")
    for place in range(12):
        press_tab(page)
        if place in squares and sees_greys:
            page.keyboard.press("Space")
    press_tab(page)
    expect(page.locator("#skip-colour")).to_be_focused()
    for number, digit in enumerate(digits):
        press_tab(page)
        expect(page.locator(f"#plate-{number}")).to_be_focused()
        page.keyboard.type(digit if reads_dots else "1")
    press_tab(page)
    expect(page.locator("#go-on")).to_be_focused()
    page.keyboard.press("Enter")


def press_tab(page):
    page.keyboard.press("Tab")


def test_who_meets_all_goes_on_by_the_keyboard_alone_and_sees_the_distance(site, open_page):
    page = open_page()
    invitation = to_the_page(site, page, "end")
    expect(page.locator(".rules output")).to_have_text(["yes"] * 4)
    expect(page.locator("#not-met")).to_be_hidden()
    page.locator("#card-width").fill("321")
    # 68 pixels of 85.6 / 321 mm, four times.
    expect(page.locator("#distance")).to_have_text("Please sit 7 cm from the screen, and keep that distance.")
    fill(site, page, invitation)
    see(page, 1)
    found = site.backstage("device_of", invitation.rater)
    assert (found["failed"], found["card_css_width"], found["grey_step"], found["colour"]) == ([], 326, 2, "pass")


@pytest.mark.parametrize("rule", list(UNFIT))
def test_who_does_not_meet_one_is_told_why_and_the_part_ends(site, open_page, rule):
    options = dict(UNFIT[rule])
    person = {name: options.pop(name) for name in ("has_card", "sees_greys", "reads_dots") if name in options}
    page = open_page(**options)
    invitation = to_the_page(site, page, "end")
    if options:
        expect(page.locator(f"[data-rule='{rule}'] output")).to_have_text("no")
        expect(page.locator("#not-met")).to_contain_text("your part in this study ends here")
    fill(site, page, invitation, **person)
    expect(page.locator("h1")).to_have_text("This study ends here for you")
    failed = AND_SO.get(rule, [rule])
    expect(page.locator("main li")).to_have_count(len(failed))
    found = site.backstage("device_of", invitation.rater)
    assert (found["failed"], found["session__rater__outcome"]) == (failed, "device")


def test_where_it_only_marks_who_meets_nothing_goes_on(site, open_page):
    page = open_page(**UNFIT["phone"])
    invitation = to_the_page(site, page, "mark")
    fill(site, page, invitation, has_card=False, sees_greys=False, reads_dots=False)
    see(page, 1)
    found = site.backstage("device_of", invitation.rater)
    assert found["failed"] == ["phone", "card", "greys", "colour"]
    assert (found["colour"], found["session__rater__outcome"]) == ("fail", "")


def test_the_card_is_not_passed_over_and_a_lost_full_screen_is_asked_for_again(site, open_page):
    page = open_page(screen=LARGE)
    invitation = to_the_page(site, page, "end")
    expect(page.locator("[data-rule='full_screen'] output")).to_have_text("no")
    page.locator("#full-screen").click()
    expect(page.locator("[data-rule='full_screen'] output")).to_have_text("yes")
    page.locator("#go-on").click()
    expect(page.locator("#card-missing")).to_be_visible()
    expect(page.locator("#card-width")).to_be_focused()
    fill(site, page, invitation)
    expect(page.locator("#overlay-text")).to_contain_text("This study is seen in full screen")
    page.locator("#overlay-button").click()
    see(page, 1)


def test_the_pictures_are_where_a_phone_shows_them_whole(site, open_page):
    page = open_page(is_mobile=True, has_touch=True, viewport={"width": 390, "height": 844}, screen=SCREEN)
    to_the_page(site, page, "mark")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for picture in page.locator("main img").all():
        picture.scroll_into_view_if_needed()
        picture.evaluate("image => image.decode()")
        box = picture.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    upright = page.locator("#card").bounding_box()
    assert upright["height"] / upright["width"] == pytest.approx(85.60 / 53.98, rel=0.02)
