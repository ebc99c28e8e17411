"""What a browser gets of a hundred pairs, put before a classifier: it must not tell which image is whose."""


import numpy as np
import pytest
from playwright.sync_api import expect
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import GroupKFold, permutation_test_score

from tests.blindness import TASKS, Received
from tests.e2e.rater import arrive, see
from tests.e2e.test_blind_browser import record
from tests.variants import LONG

# Kind of a study -> what is shown of each source: trials, and images of a trial.
SHOWN = {"pair": (3, 2), "comparison": (3, 2), "degradation": (2, 2), "original": (1, 3)}
# A hundred pairs, of which the classifier is asked; of the two kinds whose pairs are shown as pairs are, fewer.
SOURCES = {"pair": 34, "comparison": 34 if LONG else 14, "degradation": 50 if LONG else 20, "original": 50}
# Balanced accuracy of a hundred pairs' images by chance: 0.5 with a standard deviation of some 0.04; of fewer, more.
BY_CHANCE, IMAGES = 0.15, 204


@pytest.mark.parametrize("kind", SHOWN)
def test_a_whole_session_of_pairs_tells_nothing(site, browser, kind):
    invitation = site.backstage("invite_to_telling_pairs", images=2, kind=kind)
    received = record(browser)
    page = arrive(browser, site.url, invitation.path)
    trials, each = SHOWN[kind]
    for position in range(1, 2 * trials + 1):
        see(page, position)
        page.keyboard.press("r")
        page.keyboard.press("1")
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    received.append(Received("cookies", tuple((c["name"], c["value"]) for c in browser.cookies()), b""))
    assert site.backstage("leaks_in", received, invitation.rater) == []
    images = [thing for thing in received if thing.body.startswith(b"\x89PNG")]
    assert len(images) == 2 * trials * each
    assert len({thing.body for thing in images}) == 6


@pytest.mark.parametrize("kind", SHOWN)
def test_no_classifier_tells_the_method_by_name_size_time_order_of_fetching_or_side(site, browser, kind):
    trials, each = SHOWN[kind]
    number = trials * SOURCES[kind]
    asked = {name: value for name, value in TASKS[kind].items() if name != "scale"}
    invitation = site.backstage("invite_to_pairs", images=SOURCES[kind], **asked)
    seen = []
    browser.on("requestfinished", lambda request: seen.append(request) if "/image/" in request.url else None)
    page = arrive(browser, site.url, invitation.path)
    for position in range(1, number + 1):
        see(page, position)
        page.keyboard.press("3")
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert len(seen) == each * number
    rows, methods, sources = rows_of(seen, site.backstage("sides_of", invitation.rater), kind)
    found = np.array(rows, dtype=float)
    is_best = np.array(methods) == max(methods)
    score, p = told(found, is_best, sources)
    print(f"\n{number} pairs, {kind}: balanced accuracy {score:.2f}, permutation p {p:.2f}")
    assert score < 0.5 + BY_CHANCE * (IMAGES / len(rows)) ** 0.5
    leaking = found.copy()
    leaking[:, 3] += 1.0 * is_best  # one byte more
    score, p = told(leaking, is_best, sources)
    print(f"with a planted leak: {score:.2f}, p {p:.2f}")
    assert score > 0.9
    assert p <= 0.01


def rows_of(seen, of, kind):
    """What the network told of each image that is one of two methods or more, its method, its source.

    The original is called so where it stands left, always, or comes by a key.
    """
    rows, methods, sources = [], [], []
    for place, request in enumerate(seen):
        address, _, which = request.url.partition("/image/")[2].partition("/")
        if which == "original" or (kind == "degradation" and not which):
            continue
        source, *sides = of[address]
        answer, timing = request.response(), request.timing
        size = int(answer.headers["content-length"])
        took = [timing["responseEnd"] - timing["requestStart"], timing["responseStart"] - timing["requestStart"]]
        is_right = which == "right"
        shape = [is_right, place, place % 2, size, len(answer.headers), len(address), *map(ord, address[:8]), *took]
        rows.append(shape)
        methods.append(sides[is_right])
        sources.append(source)
    return rows, methods, sources


def told(rows, is_best, sources):
    """Balanced accuracy on sources that were not learnt from, and p by 99 permutations."""
    sizes = rows[:, 3].copy()
    # A source's size is the same for all of its images; what differs from its smallest would tell.
    for source in set(sources):
        own = np.array(sources) == source
        rows[own, 3] -= sizes[own].min()
    score, _, p = permutation_test_score(
        GradientBoostingClassifier(n_estimators=30, max_depth=2, random_state=0), rows, is_best, groups=sources,
        cv=GroupKFold(5), n_permutations=99, scoring="balanced_accuracy", random_state=0,
    )  # fmt: skip
    return score, p
