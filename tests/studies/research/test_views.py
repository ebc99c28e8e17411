"""The staff's pages as staff, as a rater and as a stranger."""

import io
import re
from datetime import timedelta

import pandas as pd
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.forms.models import model_to_dict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analysis.scale import ACR
from studies.generation import metrics
from studies.generation.measuring import measure
from studies.models import Backup, MetricValue, Rater, Stimulus, Study, StudyMetric
from studies.models.study import instructions_for
from studies.protocol import answers, languages
from studies.research.forms import DesignForm
from studies.research.sections import APART
from tests.studies.factories import launch, make_benchmark, make_methods, make_rater, make_study
from tests.studies.research.test_export import rate_all

pytestmark = [pytest.mark.services, pytest.mark.django_db]

PACE = {"pause_minutes": 20, "reminder_minutes": 60, "least_view_ms": 300, "gap_ms": 500,
        "allocation": "all", "trials": 0, "ratings_each": 30, "away_minutes": 10,
        "least_correlation": 0.75, "least_spread": 0.15, "least_median_ms": 600, "longest_run": 0, "failed_checks": 2,
        "gold": "", "gold_a_run": 1, "traps_a_run": 0, "stop_rule": "none", "stop_half_width": 0.2, "pay_each": 0,
        "region_width": 0, "region_height": 0, "orientation_ms": 0, "phones": "on", "device_rule": "mark",
        "least_screen_width": 0, "least_screen_height": 0, "viewing_heights": 0, "end_after_failed": 0,
        "stabilising": 0, "sitting_trials": 0, "sitting_minutes": 0, "rest_minutes": 0}  # fmt: skip
NAME = {"name": "study"}
PROMISED = "you will see examples of the two ends of the scale"
PAGES = [
    ("study-list", {}), ("study-new", {}), ("study", NAME), ("study-edit", NAME), ("study-images", NAME),
    ("raters", NAME), ("results", NAME), ("download", NAME | {"table": "ratings", "kind": "csv"}),
    ("download", NAME | {"table": "objective", "kind": "parquet"}),
    ("download", NAME | {"table": "answers", "kind": "csv"}), ("study-protocol", NAME),
    ("study-metrics", NAME), ("study-languages", NAME), ("study-regions", NAME), ("quality", NAME), ("live", NAME),
    ("live-now", NAME), ("reports", NAME), ("study-ask", NAME | {"action": "close"}),
    ("panel-csv", NAME | {"table": "approve"}),
]  # fmt: skip
ACTIONS = [
    ("study-new", {}), ("study-new-paper", {}), ("study-edit", NAME), ("study-clone", NAME), ("study-preview", NAME),
    ("raters", NAME), ("rater-revoke", NAME | {"pk": 1}), ("rater-decide", NAME | {"pk": 1}), ("panel-forget", NAME),
    *(("study-act", NAME | {"action": a}) for a in ("launch", "take-back", "close", "reopen", "archive",
                                                      "unarchive", "generate", "retry", "newest")),
    ("regions-draw", NAME),
    ("metrics-add", NAME), *(("metric-act", NAME | {"metric": "ms-ssim", "action": a}) for a in ("again", "remove")),
]  # fmt: skip


@pytest.fixture
def study():
    return make_study()


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
    metrics.add(study, ["ms-ssim"])
    before = [list(model.objects.values()) for model in (Study, Rater, StudyMetric)]
    response = client.post(reverse(name, kwargs=kwargs), {"count": 1, "metrics": ["psnr-rgb"]})
    assert response["Location"].startswith(reverse("login"))
    assert [list(model.objects.values()) for model in (Study, Rater, StudyMetric)] == before


def test_an_account_that_is_not_staff_is_a_stranger(study, client):
    client.force_login(User.objects.create_user("someone"))
    assert client.get(reverse("results", kwargs=NAME)).status_code == 403


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
    assert study.instructions == instructions_for(expected, undo=False, examples=False), "boxes that are not ticked"
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


@pytest.mark.parametrize(
    ("asked", "field", "advice"),
    [
        ({"repeats": 7}, "repeats", "7 repeats are asked for, but there are only 6 images; ask for fewer."),
        ({"allocation": "spread", "trials": 7}, "trials", "Each rater is to rate 7 images and there are 6"),
        ({"allocation": "spread"}, "trials", "A part needs its number of images"),
        ({"repeats": 6, "benchmarks": 1}, "order", "add images of other sources, ask for fewer repeats, or choose"),
        ({"allocation": "together", "trials": 4, "repeats": 3}, "repeats", "2 at most can come a second time"),
    ],
)
def test_what_cannot_be_ordered_is_refused_where_it_is_typed_and_says_what_to_change(
    study, staff, asked, field, advice
):
    if asked.get("benchmarks"):
        study.cells.first().benchmark.sources.first().stimuli.all().delete()
        study.cells.first().benchmark.sources.first().delete()
        asked = {"repeats": 1}
    cells = [f"{cell.benchmark_id}:{cell.method_id}" for cell in study.cells.all()]
    form = model_to_dict(study, exclude=["calibration"]) | {"cells": cells, **asked}
    response = post(staff, "study-edit", form, **NAME)
    assert advice in " ".join(response.context["form"].errors[field])
    assert Study.objects.get().repeats == 0


def test_staff_add_metrics_to_a_launched_study_and_see_their_means_beside_the_mos(study, staff):
    launch(study)
    rate_all(study, "anna")
    page = text(staff.get(reverse("results", kwargs=NAME)))
    assert 'value="ms-ssim"' in page
    assert 'value="psnr"' not in page.partition("<h2>Report</h2>")[0], "every image has it"
    page = text(post(staff, "metrics-add", {"metrics": ["psnr-rgb", "ms-ssim"]}, **NAME))
    assert page.count("waits for a worker") == 2
    assert "No worker is running, so nothing is measured" in page
    for row in StudyMetric.objects.all():
        measure(row.pk)
    page = text(staff.get(reverse("results", kwargs=NAME)))
    # The factory's images are too small for MS-SSIM; PSNR of equal pictures is infinite.
    assert "6 cannot be measured. tiny/tiny_000 by" in page
    assert "MS-SSIM needs at least 176 pixels a side" in page
    heads = re.findall(r'<th class="number">(.*?)</th>', page)
    assert heads[3:8] == ["PSNR (dB)", "SSIM", "PSNR-RGB (dB)", "MS-SSIM", "Images measured"]
    bicubic = [value.value for value in MetricValue.objects.filter(metric="psnr-rgb", stimulus__method__name="bicubic")]
    assert f'<td class="number">{sum(bicubic) / 2:.2f}</td><td class="number">–</td>' in page
    assert '<td class="number">inf</td><td class="number">–</td>' in page
    post(staff, "metric-act", **NAME, metric="ms-ssim", action="again")
    assert list(study.metrics.values_list("metric", "state")) == [("psnr-rgb", "done"), ("ms-ssim", "wanted")]
    page = text(post(staff, "metric-act", **NAME, metric="ms-ssim", action="remove"))
    assert "MS-SSIM</th>" not in page


def test_a_mean_of_fewer_images_says_of_how_many(study, staff):
    launch(study)
    rate_all(study, "anna")
    StudyMetric.objects.create(study=study, metric="gmsd")
    MetricValue.objects.create(stimulus=Stimulus.objects.filter(method__name="hr").first(), metric="gmsd", value=0.5)
    assert "0.5000 (1 of 2)" in text(staff.get(reverse("results", kwargs=NAME)))


def test_no_metric_and_one_that_is_not_are_refused_beside_the_form(study, staff):
    for chosen, said in ({}, "Choose at least one metric"), ({"metrics": ["nonsense"]}, "nonsense is not one of"):
        response = post(staff, "metrics-add", chosen, **NAME)
        assert (response.status_code, said in text(response)) == (422, True)
    assert not StudyMetric.objects.exists()


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
    assert "SRGAN-VGG22 on tiny" not in page


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
    asked = {"paper-name": "paper", "paper-title": "Image quality", "paper-methods": [make_methods()["hr"].pk]}
    page = text(post(staff, "study-new-paper", asked))
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


def test_staff_read_when_the_last_backup_was_made_and_that_it_is_long_ago(staff, study):
    page = reverse("study-list")
    assert "There is no backup yet" in staff.get(page).text
    made = timezone.now() - timedelta(days=3)
    Backup.objects.create(made_at=made, file_name="x.mosweb", size=5_000_000, encrypted=True)
    old = staff.get(page).text
    assert f"Last backup: {made:%Y-%m-%d %H:%M} UTC, 3\N{NO-BREAK SPACE}days ago" in old
    assert "encrypted" in old
    assert "is the schedule running?" in old
    Backup.objects.create(file_name="y.mosweb", size=5_000_000, encrypted=False)
    assert "is the schedule running?" not in staff.get(page).text
    Backup.objects.all().delete()


def test_staff_read_on_the_studys_page_that_a_link_was_used_on_a_second_device(staff, study):
    launch(study)
    rater = make_rater(study)
    first, second = Client(), Client()
    first.get(f"/i/{rater.token}/")
    first.post(reverse("agree"))
    second.get(f"/i/{rater.token}/")
    page = staff.get(reverse("study", kwargs=NAME)).text
    assert re.search(rf"second device \({re.escape(rater.label)}\), seconds since the first was used \d+", page)


def test_raters_are_promised_examples_only_where_there_are_some(staff):
    anchors = make_benchmark("anchors", images=1)
    study = make_study()
    assert PROMISED not in languages.instructions(study, "en")
    form = {
        "name": study.name, "title": "x", "order": "apart", "repeats": 0, **PACE, "scale_kind": "five",
        "cells": [f"{cell.benchmark_id}:{cell.method_id}" for cell in study.cells.all()],
        "instructions": study.instructions, "calibration_benchmark": anchors.pk, "calibration_images": 1,
    }  # fmt: skip
    assert PROMISED not in text(staff.get(reverse("study-new")))
    post(staff, "study-edit", form, **NAME)
    study = Study.objects.get()
    assert PROMISED in study.instructions
    assert PROMISED in languages.instructions(study, "en")
    post(staff, "study-edit", form | {"instructions": study.instructions, "calibration_benchmark": ""}, **NAME)
    study = Study.objects.get()
    assert PROMISED not in study.instructions
    assert PROMISED not in languages.instructions(study, "en")


def test_the_design_shows_every_field_of_the_protocol_once_by_topic_and_opens_what_is_not_usual(staff):
    study = make_study(gap_ms=700)
    form = DesignForm(instance=study)
    shown = [field.name for section in form.sections() for field in section.fields]
    wanted = {field.name for field in Study.protocol_fields() if field.name in form.fields}
    assert sorted(shown) == sorted(wanted - APART | {"scale_kind", "scale_labels", "seed"})
    is_open = {section.title: section.is_open for section in form.sections()}
    assert is_open["Pace and undo"]
    assert not is_open["Gold images and traps"]
    assert [field.name for field in form.sections()[-1].fields] == ["seed"], "a new field belongs to a topic"
    wrong = DesignForm({"gold_a_run": "-1"}, instance=study)
    assert {section.title: section.is_open for section in wrong.sections()}["Gold images and traps"]
