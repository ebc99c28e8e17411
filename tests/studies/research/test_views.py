"""The staff's pages as staff, as a rater and as a stranger."""

import io
import re

import pandas as pd
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.forms.models import model_to_dict
from django.urls import reverse

from analysis.scale import ACR
from studies.models import Rater, Stimulus, Study
from studies.models.study import instructions_for
from studies.protocol import answers
from tests.studies.factories import launch, make_benchmark, make_methods, make_rater, make_study
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]

PACE = {"pause_minutes": 20, "reminder_minutes": 60, "least_view_ms": 300, "gap_ms": 500,
        "stabilising": 0, "sitting_trials": 0, "sitting_minutes": 0, "rest_minutes": 0}  # fmt: skip
NAME = {"name": "study"}
PAGES = [
    ("study-list", {}), ("study-new", {}), ("study", NAME), ("study-edit", NAME), ("study-images", NAME),
    ("raters", NAME), ("results", NAME), ("download", NAME | {"table": "ratings", "kind": "csv"}),
    ("download", NAME | {"table": "objective", "kind": "parquet"}), ("study-protocol", NAME),
]  # fmt: skip
ACTIONS = [
    ("study-new", {}), ("study-new-paper", {}), ("study-edit", NAME), ("study-clone", NAME), ("study-preview", NAME),
    ("raters", NAME), ("rater-revoke", NAME | {"pk": 1}),
    *(("study-act", NAME | {"action": action}) for action in ("launch", "close", "reopen", "generate", "retry")),
]  # fmt: skip


@pytest.fixture
def study():
    return make_study()


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_user("staff", is_staff=True))
    return client


def post(client, page, data=None, **kwargs):
    return client.post(reverse(page, kwargs=kwargs), data or {}, follow=True)


def text(response):
    return response.content.decode()


@pytest.mark.parametrize(("name", "kwargs"), PAGES)
def test_strangers_and_raters_are_sent_to_the_login(study, client, name, kwargs):
    launch(study)
    address = reverse(name, kwargs=kwargs)
    assert client.get(address)["Location"] == f"{reverse('login')}?next={address}"
    client.get(reverse("invitation", args=[make_rater(study).token]))
    assert client.get(address)["Location"].startswith(reverse("login"))


@pytest.mark.parametrize(("name", "kwargs"), ACTIONS)
def test_a_stranger_can_do_nothing(study, client, name, kwargs):
    before = Study.objects.values().get(), Rater.objects.count()
    response = client.post(reverse(name, kwargs=kwargs), {"count": 1})
    assert response["Location"].startswith(reverse("login"))
    assert (Study.objects.values().get(), Rater.objects.count()) == before


def test_an_account_that_is_not_staff_is_a_stranger(study, client):
    client.force_login(User.objects.create_user("someone"))
    assert client.get(reverse("results", kwargs=NAME)).status_code == 302


@pytest.mark.parametrize(("name", "kwargs"), [a for a in ACTIONS if a[0] not in ("study-new", "study-edit", "raters")])
def test_what_changes_something_is_not_done_by_a_link(study, staff, name, kwargs):
    assert staff.get(reverse(name, kwargs=kwargs)).status_code == 405


@pytest.mark.parametrize(("name", "kwargs"), PAGES)
def test_every_page_opens_in_every_state_of_a_study(study, staff, name, kwargs):
    for _ in range(2):
        response = staff.get(reverse(name, kwargs=kwargs), follow=True)
        assert response.status_code == 200
        if study.state == "draft":
            launch(study)
            rate_all(study, "anna")


def test_the_front_page_tells_a_stranger_nothing(client):
    study = make_study(name="qx17", benchmarks=[make_benchmark("qy18")])
    Study.objects.update(title="qz19")
    launch(study)
    page = text(client.get(reverse("front")))
    assert "staff login" in page
    assert not [word for word in ("qx17", "qy18", "qz19") if word in page]


def test_staff_create_a_study_on_the_page(staff):
    benchmark, anchors = make_benchmark(images=3), make_benchmark("anchors", images=3)
    methods = make_methods()
    cells = [f"{benchmark.pk}:{methods[name].pk}" for name in ("nearest", "hr")]
    form = {
        "name": "first", "title": "Image quality", "instructions": "Rate.", "order": "apart", "repeats": 2,
        **PACE, "cells": cells, "calibration_benchmark": anchors.pk,
        "calibration_images": 2, "seed": "",
    }  # fmt: skip
    page = text(post(staff, "study-new", form))
    study = Study.objects.get()
    assert "Everything is there" in page
    assert sorted(cell.method.name for cell in study.cells.all()) == ["hr", "nearest"]
    assert list(study.calibration.values_list("name", flat=True)) == ["anchors_000", "anchors_001"]
    assert study.seed > 0
    assert str(study.seed) in page


@pytest.mark.parametrize(
    ("kind", "labels", "expected"),
    [
        ("five", "", ACR),
        ("eleven", "", answers.eleven()),
        ("continuous", "awful\r\nso so\r\nlovely", answers.continuous(["awful", "so so", "lovely"])),
        ("own", "no\n\nyes\n", answers.own(["no", "yes"])),
    ],
)
def test_staff_choose_the_scale_and_instructions_that_nobody_rewrote_follow_it(staff, kind, labels, expected):
    cell = f"{make_benchmark().pk}:{make_methods()['hr'].pk}"
    form = {
        "name": "x", "title": "x", "order": "apart", "repeats": 0, **PACE,
        "cells": [cell], "scale_kind": kind, "scale_labels": labels,
        "instructions": instructions_for(ACR).replace("\n", "\r\n"),
    }  # fmt: skip
    post(staff, "study-new", form)
    study = Study.objects.get()
    assert study.scale == expected
    assert not study.undo
    assert study.instructions == instructions_for(expected, undo=False), "a box that is not ticked"
    page = text(staff.get(reverse("study-edit", kwargs={"name": "x"})))
    assert f'<option value="{kind}" selected>' in page


def test_labels_that_do_not_fit_the_scale_are_said_beside_their_field(staff):
    cell = f"{make_benchmark().pk}:{make_methods()['hr'].pk}"
    form = {
        "name": "x", "title": "x", "order": "apart", "repeats": 0, **PACE,
        "cells": [cell], "scale_kind": "five", "scale_labels": "one\ntwo", "instructions": "Rate.",
    }  # fmt: skip
    page = text(post(staff, "study-new", form))
    assert "5 categories take 5 labels" in page
    assert not Study.objects.exists()


def test_practice_that_cannot_be_is_said_beside_its_field_and_what_can_be_is_kept(staff):
    cell = f"{make_benchmark('anchors', images=1).pk}:{make_methods()['hr'].pk}"
    form = {
        "name": "p", "title": "P", "order": "random", "repeats": 0, **PACE,
        "cells": [cell], "scale_kind": "five", "instructions": "Rate.",
    }  # fmt: skip
    page = text(post(staff, "study-new", form | {"practice": "anchors/anchors_000 bicubic 7"}))
    assert "Line 1: expect a score or a range, the lower first, from 1 to 5" in page
    assert not Study.objects.filter(name="p").exists()
    post(staff, "study-new", form | {"practice": "anchors/anchors_000 bicubic 2-3"})
    assert Study.objects.get(name="p").practice == "anchors/anchors_000 bicubic 2-3"


def test_a_rest_without_an_end_of_sittings_is_sent_back_with_the_reason(study, staff):
    form = model_to_dict(study, exclude=["calibration"]) | {"rest_minutes": 5}
    assert "A rest needs sittings that end" in text(post(staff, "study-edit", form, **NAME))


def test_the_overview_and_the_command_say_which_screen_raters_need(study, staff):
    # The factory's images are 96 wide, the second is 68 high.
    needed = (
        "The largest images have 96 x 68 pixels. With the bar below them they need a window of 96 x 223 CSS pixels "
        "(64 x 201 at a device pixel ratio of 1.5, 48 x 189 at 2)."
    )
    assert needed in text(staff.get(reverse("study", kwargs=NAME)))
    out = io.StringIO()
    call_command("generate", "study", no_wait=True, stdout=out)
    assert needed in out.getvalue()


def test_a_study_without_any_method_is_sent_back_with_the_reason(staff):
    make_benchmark()
    page = text(post(staff, "study-new", {"name": "x", "title": "x", "order": "apart"}))
    assert "Choose at least one method" in page
    assert not Study.objects.exists()


def test_a_draft_is_edited_and_keeps_its_seed(study, staff):
    cell = study.cells.get(method__name="hr")
    form = {
        "name": "study", "title": "New title", "instructions": "Rate.", "order": "random", "repeats": 0,
        **PACE, "cells": [f"{cell.benchmark_id}:{cell.method_id}"], "seed": "",
    }  # fmt: skip
    post(staff, "study-edit", form, **NAME)
    changed = Study.objects.get()
    assert (changed.title, changed.order, changed.seed) == ("New title", "random", study.seed)
    assert [c.method.name for c in changed.cells.all()] == ["hr"]


def test_methods_that_cannot_run_and_have_no_results_are_not_offered(study, staff):
    page = text(staff.get(reverse("study-new")))
    assert "bicubic on tiny" in page
    assert "SRGAN-VGG54 on tiny" not in page


def test_launching_says_what_is_missing(study, staff):
    Stimulus.objects.filter(method__name="hr").update(state="wanted", file="")
    page = text(post(staff, "study-act", action="launch", **NAME))
    assert "hr on tiny: 2 of 2 images are missing" in page
    assert Study.objects.get().state == "draft"


def test_a_study_goes_through_its_life_on_the_page(study, staff):
    for action, state in (("launch", "launched"), ("close", "closed"), ("reopen", "launched")):
        post(staff, "study-act", action=action, **NAME)
        assert Study.objects.get().state == state
    assert "does not change" in text(staff.get(reverse("study-edit", kwargs=NAME), follow=True))
    post(staff, "study-clone", {"clone-name": "again", "clone-title": "Again"}, **NAME)
    assert Study.objects.get(name="again").state == "draft"


def test_missing_images_are_asked_for_on_the_page(study, staff):
    Stimulus.objects.filter(method__name="bicubic").delete()
    post(staff, "study-act", action="generate", **NAME)
    assert list(Stimulus.objects.filter(method__name="bicubic").values_list("state", flat=True)) == ["wanted"] * 2
    assert "No worker is running" in text(staff.get(reverse("study-images", kwargs=NAME)))


def test_failed_images_are_shown_with_their_reason_and_can_be_tried_again(study, staff):
    Stimulus.objects.filter(method__name="hr").update(state="failed", file="", error="out of memory")
    assert "out of memory" in text(staff.get(reverse("study", kwargs=NAME)))
    post(staff, "study-act", action="retry", **NAME)
    assert set(Stimulus.objects.filter(method__name="hr").values_list("state", "error")) == {("wanted", "")}


def test_links_are_shown_again_and_revoked(study, staff):
    launch(study)
    post(staff, "raters", {"count": 2}, **NAME)
    tokens = list(Rater.objects.values_list("token", flat=True))
    for _ in range(2):
        page = text(staff.get(reverse("raters", kwargs=NAME)))
        assert all(f"http://testserver/i/{token}/" in page for token in tokens)
    post(staff, "rater-revoke", pk=Rater.objects.first().pk, **NAME)
    page = text(staff.get(reverse("raters", kwargs=NAME)))
    assert tokens[0] not in page
    assert tokens[1] in page


def test_a_label_for_several_raters_is_refused(study, staff):
    page = text(post(staff, "raters", {"count": 2, "label": "anna"}, **NAME))
    assert "A label names one rater" in page
    assert not Rater.objects.exists()


def test_a_taken_label_is_refused(study, staff):
    make_rater(study, "anna")
    assert "already exists" in text(post(staff, "raters", {"count": 1, "label": "anna"}, **NAME))
    assert Rater.objects.count() == 1


def test_staff_try_a_draft_as_a_rater(study, staff):
    page = text(post(staff, "study-preview", **NAME))
    assert Rater.objects.get().is_preview
    assert "Rate the quality" in page


def test_the_paper_preset_says_which_benchmarks_are_missing(staff):
    page = text(post(staff, "study-new-paper", {"paper-name": "paper", "paper-title": "Image quality"}))
    assert "Set5, Set14, BSD100, Calibration20" in page


def test_results_show_mos_with_intervals_beside_psnr_and_ssim(study, staff):
    launch(study)
    rate_all(study, "anna")
    rate_all(study, "berta", shift=1)
    rate_all(study, "clara", shift=1)
    rows = re.findall(r"<tr>(.*?)</tr>", text(staff.get(reverse("results", kwargs=NAME))), re.DOTALL)
    cells = [re.findall(r"<td.*?>(?:<strong>)?([^<]*)", row) for row in rows]
    # Scores 5, 4, 4 on both images: 4.33 with a half width of t(0.975, 2) 0.57735 / sqrt(3) = 1.43, cut at 5.
    assert ["tiny", "HR", "6", "4.33", "2.90 – 5.00", "30.00", "0.9000"] in cells


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_downloads_are_files_named_after_the_study(study, staff, kind):
    launch(study)
    rate_all(study, "anna")
    response = staff.get(reverse("download", kwargs=NAME | {"table": "ratings", "kind": kind}))
    assert response["Content-Disposition"] == f'attachment; filename="study-ratings.{kind}"'
    read = pd.read_csv if kind == "csv" else pd.read_parquet
    assert len(read(io.BytesIO(response.content))) == 6


def test_unknown_studies_are_not_found(staff):
    assert staff.get(reverse("study", kwargs={"name": "nothing"})).status_code == 404


def test_a_login_is_throttled(client, db):
    User.objects.create_user("staff", password="right and long", is_staff=True)
    attempt = {"username": "staff", "password": "wrong"}
    codes = [client.post(reverse("login"), attempt).status_code for _ in range(6)]
    assert codes[-1] == 429
    assert client.post(reverse("login"), {"username": "staff", "password": "right and long"}).status_code == 429


def test_behind_a_proxy_a_stranger_elsewhere_does_not_lock_the_staff_out(client, db, settings):
    settings.PROXIES = 1
    User.objects.create_user("staff", password="right and long", is_staff=True)
    for _ in range(6):
        # What the stranger writes into the header stands before what the proxy adds.
        client.post(
            reverse("login"),
            {"username": "staff", "password": "wrong"},
            headers={"X-Forwarded-For": "198.51.100.7, 203.0.113.9"},
        )
    right = {"username": "staff", "password": "right and long"}
    assert client.post(reverse("login"), right, headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 429
    assert client.post(reverse("login"), right, headers={"X-Forwarded-For": "198.51.100.7"}).status_code == 302


def test_the_site_says_that_it_lives(client, db):
    assert client.get("/health").json() == {"status": "ok"}
