"""The study's rules for devices: each met and not, ending the part or only marking it; what is drawn says no answer."""

import json
import re

import pandas as pd
import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analysis import read_ratings
from analysis.methodology import devices
from studies.models import DeviceCheck, Ending, Outcome, Rating, Session, StudyEvent
from studies.rating import plates
from studies.rating.withdrawal import withdraw
from studies.research.export import protocol_json, ratings_frame, serialise
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_joining import join, make_link
from tests.studies.rating.test_questionnaire import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]

HOME, DEVICE = "/study/", "/study/device/"
ALL = {
    "least_screen_width": 1280, "least_screen_height": 720, "phones": False, "full_screen": True, "window_fits": True,
    "card": True, "viewing_heights": 4, "greys": True, "colour_vision": True,
}  # fmt: skip
FACTS = {
    "device_pixel_ratio": "1.5", "screen_width": "1280", "screen_height": "720", "window_width": "1280",
    "window_height": "720", "image_height": "565", "is_phone": "0", "fills_screen": "1", "card_css_width": "321.5",
}  # fmt: skip
ONLY = {
    "screen": {"least_screen_width": 1280, "least_screen_height": 720},
    "phone": {"phones": False},
    "full_screen": {"full_screen": True},
    "window": {"window_fits": True},
    "card": {"card": True},
    "greys": {"greys": True},
    "colour": {"colour_vision": True},
}
WRONG = {
    "screen": {"screen_width": "850", "screen_height": "479"},
    "phone": {"is_phone": "1"},
    "full_screen": {"fills_screen": "0"},
    "window": {"image_height": "20"},
    "card": {"card_css_width": ""},
    "greys": {"seen": []},
    "colour": {"plate_0": "1", "plate_1": ""},
}


def study_with(**rules):
    return launch(make_study(benchmarks=[make_benchmark(images=1)], order="random", **rules))


def arrive(rater):
    client = Client()
    client.get(reverse("invitation", args=[rater.token]))
    client.post(reverse("agree"))
    return client


def look(client):
    """What a person with good eyes sends, without what is measured."""
    token = re.search(r'name="token" value="([^"]+)"', client.get(DEVICE).text)[1]
    seed = DeviceCheck.objects.get(token=token).seed
    seen = [cell for cell, step in enumerate(plates.squares(seed)) if step]
    return {"token": token, "seen": seen, **{f"plate_{n}": digit for n, digit in enumerate(plates.digits(seed))}}


def send(client, **other):
    return client.post(DEVICE, {**look(client), **FACTS, **other})


def is_rating(client):
    return 'id="stage"' in client.get(HOME).text


@pytest.mark.parametrize("rule", ["mark", "end"])
def test_a_device_that_meets_all_goes_on_and_what_was_measured_is_stored(rule):
    rater = make_rater(study_with(**ALL, device_rule=rule))
    client = arrive(rater)
    assert client.get(HOME).headers["Location"] == DEVICE
    assert client.get(reverse("upcoming")).json()["code"] == "not-due"
    assert send(client).headers["Location"] == HOME
    assert is_rating(client)
    check = DeviceCheck.objects.get()
    assert (check.failed, check.grey_step, check.colour, check.card_css_width) == ([], 2, "pass", 321.5)
    assert (check.is_phone, check.fills_screen, check.image_height) == (False, True, 565)
    rate_all(client)
    assert Rating.objects.count() == 3


@pytest.mark.parametrize("rule", ["mark", "end"])
@pytest.mark.parametrize("name", list(ONLY))
def test_each_rule_by_itself_met_and_not(name, rule):
    study = study_with(**ONLY[name], device_rule=rule)
    Ending.objects.create(study=study, outcome="device", code="N0FIT")
    fit, unfit = make_rater(study), make_rater(study)
    client = arrive(fit)
    send(client)
    assert is_rating(client)
    client = arrive(unfit)
    send(client, **WRONG[name])
    assert DeviceCheck.objects.get(session__rater=unfit).failed == [name]
    page = client.get(HOME).text
    unfit.refresh_from_db()
    if rule == "mark":
        assert 'id="stage"' in page
        assert unfit.outcome == ""
        return
    assert (unfit.outcome, "N0FIT" in page) == (Outcome.DEVICE, True)
    assert page.count("<li>") == 1, "why, in plain words"
    assert StudyEvent.objects.get(kind="ended").detail == {"outcome": "device", "reason": name}
    assert client.get(reverse("upcoming")).status_code == 403


def test_a_rule_that_is_off_is_not_judged_and_without_any_there_is_no_such_page():
    plain = study_with()
    client = arrive(make_rater(plain))
    assert is_rating(client)
    assert client.get(DEVICE).headers["Location"] == HOME
    assert DeviceCheck.objects.count() == 0


def test_colour_vision_can_be_skipped_and_is_read_with_three_of_four():
    study = study_with(colour_vision=True, device_rule="end")
    results = []
    for other in ({"skip_colour": "1"}, {"plate_2": ""}, {"plate_2": "", "plate_3": "x"}):
        client = arrive(make_rater(study))
        send(client, **other)
        results.append((DeviceCheck.objects.last().colour, is_rating(client)))
    assert results == [("skip", True), ("pass", True), ("fail", False)]
    text = Client().get(reverse("invitation", args=[make_rater(study).token]), follow=True).text
    assert "It is no medical test" in text
    assert "olour vision" not in text.replace("colour_vision", "")


def test_wide_digits_are_digits():
    client = arrive(make_rater(study_with(colour_vision=True)))
    seen = look(client)
    wide = {name: chr(ord(digit) + 0xFEE0) for name, digit in seen.items() if name.startswith("plate")}
    client.post(DEVICE, {**seen, **FACTS, **wide})
    assert DeviceCheck.objects.get().colour == "pass"


def test_neither_page_nor_pictures_say_what_is_drawn_and_each_time_it_is_another():
    rater = make_rater(study_with(**ALL))
    client = arrive(rater)
    drawn = set()
    for _ in range(3):
        page = client.get(DEVICE).text
        check = DeviceCheck.objects.get()
        assert str(check.seed) not in page
        assert plates.digits(check.seed) not in page
        addresses = re.findall(r'<img src="([^"]+)"', page)
        assert len(addresses) == 5
        for address in addresses:
            response = client.get(address)
            assert response.headers["Content-Type"] == "image/png"
            assert b"tEXt" not in response.content
            drawn.add(response.content)
    assert len(drawn) == 15
    assert client.get(addresses[1].replace("plate-0", "plate-9")).status_code == 404


def test_nobody_else_gets_the_pictures_and_a_page_of_before_is_told_so():
    study = study_with(**ALL)
    client, other = arrive(make_rater(study)), arrive(make_rater(study))
    old = look(client)
    address = reverse("device-drawing", args=[old["token"], "greys"])
    assert (Client().get(address).status_code, other.get(address).status_code) == (403, 404)
    look(client)  # in another window
    assert client.get(address).status_code == 404
    answer = client.post(DEVICE, {**old, **FACTS})
    assert (answer.status_code, "opened again meanwhile" in answer.text) == (409, True)
    assert other.post(DEVICE, {**old, **FACTS}).status_code == 409
    assert DeviceCheck.objects.exclude(checked_at=None).count() == 0
    assert client.post(DEVICE, {"who": "f" * 24}).status_code == 409
    assert Client().post(DEVICE, FACTS).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"device_pixel_ratio": ""}, {"device_pixel_ratio": "0"}, {"screen_width": "１２"}, {"screen_width": "inf"},
        {"is_phone": "2"}, {"fills_screen": ""}, {"card_css_width": "5"}, {"card_css_width": "1e9"}, {"seen": ["12"]},
        {"plate_0": "7" * 9}, {"token": "x" * 41},
    ],
)  # fmt: skip
def test_what_cannot_be_is_not_stored(wrong):
    client = arrive(make_rater(study_with(**ALL)))
    answer = send(client, **wrong)
    assert (answer.status_code, "was missing" in answer.text) == (422, True)
    assert DeviceCheck.objects.exclude(checked_at=None).count() == 0


def test_another_device_is_looked_at_too_and_one_that_is_not_fit_costs_nothing():
    rater = make_rater(study_with(phones=False, device_rule="end"))
    first = arrive(rater)
    send(first)
    assert is_rating(first)
    phone = Client()
    phone.get(reverse("invitation", args=[rater.token]))
    assert phone.get(HOME).headers["Location"] == DEVICE
    refused = send(phone, is_phone="1")
    assert (refused.status_code, "go on with the one on which you began" in refused.text) == (403, True)
    assert phone.get(HOME).headers["Location"] == DEVICE
    rate_all(first)
    rater.refresh_from_db()
    assert (rater.outcome, Rating.objects.count()) == ("", 3)


def test_by_a_public_link_the_place_of_who_is_not_fit_is_free_again():
    study = study_with(phones=False, device_rule="end")
    link = make_link(study, quota=1)
    client, _ = join(link)
    client.post(reverse("agree"))
    send(client, is_phone="1")
    assert "The study cannot be done on a phone" in client.get(HOME).text
    _, response = join(link, {"PROLIFIC_PID": "another1", "STUDY_ID": "s1", "SESSION_ID": "x2"})
    assert response.headers["Location"] == HOME


def test_the_page_before_agreeing_says_what_is_looked_at_and_its_button_does_not_wait_for_the_window():
    client = Client()
    rater = make_rater(study_with(**ALL, device_rule="end"))
    text = client.get(reverse("invitation", args=[rater.token]), follow=True).text
    assert "a page measures your screen and window" in text
    assert "Who has a device that is not fit cannot take part." in text
    assert '"window_is_looked_at": true' in text


def test_withdrawing_erases_what_was_measured():
    rater = make_rater(study_with(**ALL))
    client = arrive(rater)
    send(client)
    seen = {"token": "x", **FACTS}
    withdraw(rater=rater, now=timezone.now())
    assert DeviceCheck.objects.count() == 0
    assert client.post(DEVICE, seen).status_code == 403


def test_each_rating_is_exported_with_its_device_and_analysis_reads_it(tmp_path):
    study = study_with(**ALL)
    fit, marked = make_rater(study, "anna"), make_rater(study, "boris")
    client = arrive(fit)
    send(client)
    rate_all(client)
    client = arrive(marked)
    send(client, is_phone="1", fills_screen="0", card_css_width="", skip_colour="1")
    rate_all(client)
    for kind in ("csv", "parquet"):
        path = tmp_path / f"ratings.{kind}"
        path.write_bytes(serialise(ratings_frame(study), kind=kind))
        table = read_ratings(path)
        one = table.groupby("rater").first()
        assert one["device_failed"].to_dict() == {"anna": "none", "boris": "phone, full_screen, card"}
        assert one["phone"].to_dict() == {"anna": 0, "boris": 1}
        assert one["filled_screen"].to_dict() == {"anna": 1, "boris": 0}
        assert one.loc["anna", "pixel_mm"] == pytest.approx(85.60 / (321.5 * 1.5))
        assert pd.isna(one.loc["boris", "pixel_mm"])
        assert one["grey_step"].to_dict() == {"anna": 2, "boris": 2}
        assert one["colour_vision"].to_dict() == {"anna": "pass", "boris": "skip"}
    said = " ".join(devices(table, json.loads(protocol_json(study))))
    assert "a screen of 1280 x 720 pixels or more, no phone, a browser that fills the screen" in said
    assert "a device that was not fit is marked" in said
    assert "Raters were asked to sit 4 heights of the largest image from the screen." in said
    assert "Of 2 raters whose device was looked at, 1 met all of it." in said
    assert "A pixel measured 0.178 mm (1 rater)." in said
    assert "Digits of dots: read by 1 and skipped by 1." in said


def test_ratings_without_a_look_say_nothing_of_devices():
    study = study_with()
    client = arrive(make_rater(study))
    rate_all(client)
    frame = ratings_frame(study)
    assert frame[["device_failed", "phone", "pixel_mm", "grey_step", "colour_vision"]].isna().all(axis=None)
    assert list(devices(frame, {})) == []


def test_a_distance_needs_the_card():
    with pytest.raises(ValidationError, match="The distance is told by the size of a pixel"):
        make_study(viewing_heights=3)
    assert Session.objects.count() == 0


def test_staff_who_try_it_are_looked_at_once():
    study = study_with(phones=False)
    client = arrive(make_rater(study, is_preview=True))
    assert client.get(HOME).headers["Location"] == DEVICE
    send(client)
    client.cookies.pop("rater_looked_at")
    assert is_rating(client)
