"""An image that came without its receipt, as from a site of before: it is fetched again, and the rating is taken."""

from tests.e2e.rater import arrive, expect_status, press, scores, see, stored


def test_a_rating_without_a_receipt_fetches_the_image_again_and_is_stored(site, browser):
    invitation = site.backstage("invite_to_new_study", images=2)
    stripped, fetched = set(), []

    def without_receipt_at_first(route):
        url = route.request.url
        fetched.append(url)
        response = route.fetch()
        headers = dict(response.headers)
        if url not in stripped:
            headers.pop("receipt")
            stripped.add(url)
        route.fulfill(response=response, headers=headers)

    browser.route("**/image/**", without_receipt_at_first)
    page = arrive(browser, site.url, invitation.path)
    for position, score in ((3, 2), (4, 5), (5, 1)):
        with page.expect_response(lambda answer: "/rate/" in answer.url and answer.status == 200):
            press(page, position, score)
    see(page, 6)
    assert scores(stored(site, invitation, 3)) == [2, 5, 1]
    expect_status(page, "All ratings are saved")
    assert [fetched.count(url) for url in fetched[:3]] == [2, 2, 2]
