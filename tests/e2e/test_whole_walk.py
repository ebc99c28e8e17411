"""A whole walk of a crowd's rater in a real browser: from the panel's link over consent, device, questions, examples,
practice and images to the code and the way back to the panel; in two languages, by the keyboard alone, and on a phone
by the finger. Each page is looked at for what keeps somebody out, and kept as a picture in the test's folder.
"""

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.e2e.accessible import faults, is_accessible
from tests.e2e.rater import see, two_frames
from tests.e2e.test_device import RULES, SCREEN

PHONE = {"is_mobile": True, "has_touch": True, "viewport": {"width": 390, "height": 844},
         "screen": {"width": 390, "height": 844}, "device_scale_factor": 3}  # fmt: skip
DESK = {"viewport": SCREEN, "screen": SCREEN}
QUESTIONS = {
    "questions_before": "age: How old are you? [number 18-99]\nscreen: What do you look at? [choice]\n"
    "- A laptop\n- A desktop screen",
    "questions_after": "remarks: Is there anything that you want to tell us? [text 200, optional]",
}
GERMAN = {
    "title": "Bildqualität",
    "questions": ["Wie alt sind Sie?", "Worauf schauen Sie?", "Ein Laptop", "Ein Bildschirm", "Noch etwas?"],
}
SAID = {
    "en-GB": ("en", "How old are you?", "Your code:", "You gave 4; expected: 2 to 3"),
    "de-DE": ("de", "Wie alt sind Sie?", "Ihr Code:", "Sie gaben 4; erwartet: 2 bis 3"),
}
BACK = "https://app.prolific.com/submissions/complete?cc="


class Keys:
    """A person without a mouse: nothing is reached but by Tab, nothing done but by a key."""

    def __init__(self, page):
        self.page, self.key = page, page.keyboard.press

    def reach(self, selector):
        target = self.page.locator(selector)
        for _ in range(60):
            if target.evaluate("element => element === document.activeElement"):
                return
            self.key("Tab")
        pytest.fail(f"the keyboard does not reach {selector}")

    def do(self, selector):
        self.reach(selector)
        self.key("Enter")

    def tick(self, selector):
        self.reach(selector)
        self.key("Space")

    def choose_second(self, name):
        self.tick(f"input[name='{name}'] >> nth=0")
        self.key("ArrowDown")

    def write(self, selector, text):
        self.reach(selector)
        self.key("Control+a")
        self.page.keyboard.type(text)

    def hold_card(self):
        self.reach("#card-width")
        for _ in range(5):
            self.key("ArrowRight")

    def rate(self, score):
        self.key(str(score))


class Finger:
    """A person on a phone."""

    def __init__(self, page):
        self.page = page

    def do(self, selector):
        self.page.locator(selector).tap()

    tick = do

    def choose_second(self, name):
        self.page.locator(f"label:has(input[name='{name}'])").nth(1).tap()

    def write(self, selector, text):
        self.page.locator(selector).tap()
        self.page.locator(selector).press("Control+a")
        self.page.keyboard.type(text)

    def hold_card(self):
        self.page.locator("#card-width").tap()

    def rate(self, score):
        self.page.locator(f"button[data-score='{score}']").tap()


@pytest.fixture
def open_page(playwright, chromium):
    browser = playwright.chromium.launch(executable_path=chromium)

    def begin(**options):
        context = browser.new_context(**options)
        context.set_default_timeout(20_000)
        return context.new_page()

    yield begin
    browser.close()


@pytest.fixture
def look(tmp_path):
    taken = []

    def at(page, name):
        taken.append(name)
        for picture in page.locator("main img").all():
            picture.evaluate("image => image.decode()")
        page.screenshot(path=tmp_path / f"{len(taken):02d} {name}.png", full_page=True)
        is_accessible(page)

    return at


@pytest.mark.parametrize("locale", list(SAID))
@pytest.mark.parametrize(("person", "device"), [(Keys, DESK), (Finger, PHONE)], ids=["keyboard", "phone"])
def test_a_whole_walk(site, open_page, look, person, device, locale):
    language, asked, code_said, practised = SAID[locale]
    study = site.backstage(
        "open_to_a_crowd", images=2, practised=["bicubic 2-3"], **RULES, **QUESTIONS, languages=["en", "de"],
        words={"de": GERMAN},
    )  # fmt: skip
    page = open_page(**device, locale=locale)
    who = person(page)
    page.goto(f"{site.url}{study['path']}?PROLIFIC_PID=5f0walker&STUDY_ID=s1&SESSION_ID=v1")
    assert page.url == f"{site.url}/study/", "at once an address without the panel's parameters"
    assert page.evaluate("document.documentElement.lang") == language
    page.wait_for_selector("#agree:enabled")
    look(page, "consent")
    who.do("#agree")

    page.wait_for_selector("#go-on:enabled")
    expect(page.locator("[data-rule='phone']")).to_have_class("met" if person is Keys else "")
    look(page, "device")
    rater = site.backstage("rater_of_crowd", study["name"])
    look_at_screen(site, who, rater)

    expect(page.locator("label[for='id_q-age']")).to_have_text(asked)
    assert ("phone" in site.backstage("device_of", rater)["failed"]) == (person is Finger)
    look(page, "questions")
    who.write("#id_q-age", "17")
    who.do("main form button")
    expect(page.locator("[role='alert']")).to_be_visible()
    expect(page.locator("#id_q-age")).to_have_attribute("aria-invalid", "true")
    look(page, "an answer is wrong")
    who.write("#id_q-age", "31")
    who.choose_second("q-screen")
    who.do("main form button")

    for position in (1, 2):
        see(page, position)
        look(page, f"example {position}")
        who.do("#next")
    see(page, 3)
    look(page, "practice")
    who.rate(4)
    expect(page.locator("#status")).to_have_text(practised)
    look(page, "practice, answered")
    who.do("#next")

    for position in range(4, 9):
        see(page, position)
        if position == 4:
            look(page, "rating")
        # At another place than before: a second tap there at once would be meant for the image that is gone.
        who.rate(3 + position % 2)
    the_last_is_acknowledged_first(site, page, who, rater)

    expect(page.locator("textarea")).to_be_visible()
    assert site.backstage("finished", rater), "the last rating is stored before they are asked"
    look(page, "the last questions")
    who.write("textarea", "none")
    who.do("main form button")
    expect(page.locator(".message.success")).to_be_visible()
    expect(page.get_by_text(code_said)).to_be_visible()
    look(page, "the end")
    assert site.backstage("answers_of", rater) == {
        "before": {"age": 31, "screen": "A desktop screen"}, "after": {"remarks": "none"},
    }  # fmt: skip
    goes_back_with_the_code(page, who)


def look_at_screen(site, who, rater):
    squares, digits = site.backstage("drawn_for", rater)
    who.hold_card()
    for place in squares:
        who.tick(f"input[name='seen'][value='{place}']")
    for number, digit in enumerate(digits):
        who.write(f"#plate-{number}", digit)
    who.do("#go-on")


def the_last_is_acknowledged_first(site, page, who, rater):
    """While the last answer is on its way there is no code, and no way back."""
    see(page, 9)
    held = []
    page.route("**/study/rate/**", lambda route: held.append(route))
    with page.expect_request("**/study/rate/**"):
        who.rate(4)
    while not held:
        two_frames(page)
    assert page.locator(".code, a.button").count() == 0
    assert not site.backstage("finished", rater)
    held[0].continue_()
    page.unroute("**/study/rate/**")


def goes_back_with_the_code(page, who):
    code = page.locator(".code output").first.text_content()
    page.reload()
    expect(page.locator(".code output").first).to_have_text(code)
    sent = []

    def prolific(route):
        sent.append(route.request)
        route.fulfill(body="<h1>Thank you</h1>", content_type="text/html")

    page.route("https://app.prolific.com/**", prolific)
    who.do("main a.button")
    expect(page.locator("h1")).to_have_text("Thank you")
    assert sent[0].url == f"{BACK}{code}"
    assert "referer" not in sent[0].headers
    assert parse_qs(urlsplit(sent[0].url).query) == {"cc": [code]}
    assert code.isalnum()


FAULTS = {
    "color-contrast": "<p style='color:#bbb;background:#fff'>Faint words that nobody can read.</p>",
    "button-name": "<button></button>",
    "image-alt": "<img src='data:,'>",
    "label": "<input type='text'>",
    "wide": "<p style='width:3000px'>Wide</p>",
    "cut": "<p id='place' style='width:3em;overflow:hidden;white-space:nowrap'>Image 1 of 6</p>",
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_the_look_finds_what_keeps_somebody_out(open_page, fault):
    page = open_page(**DESK)
    whole = "<!doctype html><html lang='en'><title>t</title><main><h1>Heading</h1>%s</main></html>"
    page.set_content(whole % "<p>Words.</p>")
    assert faults(page) == []
    page.set_content(whole % FAULTS[fault])
    assert any(fault in found for found in faults(page))
