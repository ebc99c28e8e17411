"""A block of ratings and a block of pairs over the same images, one rater, one link, in a real browser."""

from playwright.sync_api import expect

from tests.e2e.accessible import is_accessible
from tests.e2e.rater import arrive, press, see
from tests.e2e.test_languages import picture

__all__ = ["picture"]
IMAGES, METHODS = 3, 2


def test_a_rater_goes_on_from_ratings_to_pairs_without_a_link_and_is_thanked_once(site, browser, picture):
    invitation = site.backstage("invite_to_blocks", images=IMAGES)
    page = arrive(browser, site.url, invitation.path)
    expect(page.get_by_text("Then the study goes on with another task, for about 1 minute.").first).to_be_visible()
    picture(page, "1 first block")
    page.click("#agree:enabled")
    for position in range(1, IMAGES * METHODS + 1):
        press(page, position, 4)
    # By itself, as the last page would come.
    expect(page.get_by_role("heading", level=1)).to_have_text("Two by two")
    expect(page.get_by_text("All that you have rated so far is saved.")).to_be_visible()
    is_accessible(page)
    picture(page, "2 second block")
    assert site.backstage("ratings_of_parts", invitation.rater) == [IMAGES * METHODS, 0]
    # Closed and opened again by the same link, it is the second block.
    page.goto(site.url + invitation.path)
    page.click("#agree:enabled")
    for position in range(1, IMAGES + 1):
        see(page, position)
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("AFTER-BOTH")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    picture(page, "3 the end")
    assert site.backstage("ratings_of_parts", invitation.rater) == [IMAGES * METHODS, IMAGES]
    assert page.evaluate("Object.keys(localStorage).length") == 0


def test_a_researcher_makes_the_second_block_of_the_first_without_a_shell(site, browser, picture):
    """Clone, another task, launch, choose; both blocks then show the same images."""
    invitation = site.backstage("invite_to_new_study", images=IMAGES)
    name = site.backstage("study_of", invitation.rater)
    browser.add_cookies([{"name": "sessionid", "value": site.backstage("staff_session"), "url": site.url}])
    page = browser.pages[0]
    page.goto(f"{site.url}/studies/{name}/")
    page.click("summary:has-text('Clone')")
    page.fill("#id_clone-name", f"{name}-pairs")
    page.fill("#id_clone-title", "Which of two?")
    page.click("form[action$='/clone/'] button")
    page.click("text=Edit the design")
    page.select_option("#id_task", "pair")
    page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")
    page.fill("#id_calibration_images", "")
    page.select_option("#id_calibration_benchmark", "")
    picture(page, "1 the clone's design")
    page.click("text=Save the draft")
    page.click("a.button:has-text('Launch')")
    page.click("button:has-text('Launch it')")
    expect(page.locator("h1 .state")).to_have_text("Launched")
    page.goto(f"{site.url}/studies/{name}/endings/")
    page.select_option("#id_completed-continues_in", label=f"{name}-pairs (Launched)")
    page.click("button:has-text('Save')")
    expect(page.locator(".message.success")).to_be_visible()
    picture(page, "2 endings")
    page.goto(site.url + invitation.path)
    for position in range(3, 3 + IMAGES * 3):  # after the examples
        press(page, position, 4)
    expect(page.get_by_role("heading", level=1)).to_have_text("Which of two?")
    expect(page.get_by_text("You will see pairs of images")).to_be_visible()
    images = site.backstage("images_of_studies", [name, f"{name}-pairs"])
    assert images[0] == images[1]
