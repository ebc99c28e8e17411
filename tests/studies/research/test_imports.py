"""The pages by which images come in: for staff, whole, and in the words of what can be done next."""

import html
import json
import re

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from srcore.resize import upscale_nearest
from studies.content import incoming as worker
from studies.models import Import, ImportPiece, Membership, Stimulus
from studies.models import incoming as rows
from tests.studies import factories
from tests.studies.content.test_uploads import begin, looked, png, results

pytestmark = [pytest.mark.services, pytest.mark.django_db]

ADDRESSES = {
    "imports": [],
    "import": [1],
    "import-now": [1],
    "import-files": [1],
    "import-piece": [1, 1, 0],
    "import-thumbnail": [1, 0],
    "import-act": [1, "take"],
}


@pytest.fixture
def benchmark():
    return factories.make_benchmark("own")


def text(answer) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode())).split())


def act(client, incoming, action, **sent):
    return client.post(reverse("import-act", args=[incoming.pk, action]), sent, follow=True)


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_stranger_a_rater_and_an_account_without_the_right_get_nothing(client, benchmark, name):
    incoming = looked(results(benchmark))
    path = reverse(name, args=[incoming.pk, *ADDRESSES[name][1:]] if ADDRESSES[name] else [])
    rater = factories.make_rater(factories.launch(factories.make_study()))
    client.get(reverse("invitation", args=[rater.token]))
    for account in (None, User.objects.create_user("somebody")):
        if account:
            client.force_login(account)
        for answer in (client.get(path), client.post(path, {"confirmed": ["the very pixels of bicubic"]})):
            assert answer.status_code in (302, 403, 405)
            assert "esrgan" not in answer.content.decode()
            assert answer.status_code != 302 or answer.url.startswith(reverse("login"))
    incoming.refresh_from_db()
    assert (incoming.stage, incoming.state) == ("look", "done")


@pytest.mark.parametrize("name", ADDRESSES)
def test_of_an_import_that_is_not_there_there_is_nothing(staff, name):
    if name != "imports":
        path = reverse(name, args=ADDRESSES[name])
        assert {staff.get(path).status_code, staff.post(path).status_code} <= {404, 405}


def test_from_an_empty_page_to_images_that_count(staff, benchmark, monkeypatch):
    monkeypatch.setattr(rows, "PIECE_BYTES", 9000)
    monkeypatch.setattr("studies.research.import_views.PIECE_BYTES", 9000)
    sent = {"kind": "results", "results-benchmark": "own", "results-method": "esrgan", "results-display_name": "E"}
    answer = staff.post(reverse("imports"), sent, follow=True)
    incoming = Import.objects.get()
    assert answer.redirect_chain == [(reverse("import", args=[incoming.pk]), 302)]
    assert incoming.by == "staff"
    files = results(benchmark, upscale_nearest)
    listed = json.dumps([[path, len(content), "1"] for path, content in files.items()])
    missing = staff.post(reverse("import-files", args=[incoming.pk]), {"files": listed}).json()["files"]
    assert "0 of 2 files came whole" in text(staff.get(answer.redirect_chain[0][0]))
    for key, path, _, numbers in missing:
        for number in numbers:
            piece = SimpleUploadedFile("piece", files[path][number * 9000 : (number + 1) * 9000])
            answer = staff.post(reverse("import-piece", args=[incoming.pk, key, number]), {"piece": piece})
            assert (answer.status_code, answer.json()) == (200, {})
    page = text(act(staff, incoming, "look"))
    assert "A worker looks at the pictures" in page
    assert "No worker is running" in page
    worker.run(incoming.pk)
    page = text(staff.get(reverse("import", args=[incoming.pk])))
    assert "own_000 own_000_x4.png 96 x 64 RGB" in page
    assert "The very pixels of nearest (own_000_x4.png, own_001_x4.png)" in page
    assert "tick each of them" in text(act(staff, incoming, "take"))
    act(staff, incoming, "take", confirmed=["the very pixels of nearest"])
    worker.run(incoming.pk)
    assert "E on own: 0 replaced, 2 new, 0 unchanged." in text(staff.get(reverse("import", args=[incoming.pk])))
    assert Stimulus.objects.filter(method__name="esrgan").count() == 2


def test_what_it_replaces_and_the_studies_that_touches_are_said(staff, benchmark):
    first = looked(results(benchmark), method="srgan-vgg54", display_name="")
    act(staff, first, "take", confirmed=["the very pixels of bicubic"])
    worker.run(first.pk)
    design = {"benchmarks": [benchmark], "methods": ("bicubic", "srgan-vgg54")}
    factories.launch(factories.make_study(name="running", **design))
    factories.make_study(name="draft", title="A draft of mine", **design)
    second = looked(results(benchmark, upscale_nearest), method="srgan-vgg54", display_name="")
    page = text(staff.get(reverse("import", args=[second.pk])))
    old = Stimulus.objects.filter(method__name="srgan-vgg54").first()
    assert f"replaced: the image of {old.finished_at:%Y-%m-%d}, {old.psnr:.2f} dB, counts no more" in page
    assert "A draft of mine : a draft; it will say that newer images exist" in page
    assert "keeps the images that it shows" in page


def test_of_a_study_that_somebody_cannot_see_no_title_is_said(staff, benchmark):
    study = factories.make_study(name="secret", title="A secret title", benchmarks=[benchmark], methods=("bicubic",))
    Membership.objects.create(study=study, user=User.objects.create_user("ada", is_staff=True), role="owner")
    incoming = looked(results(benchmark), method="bicubic", display_name="")
    page = text(staff.get(reverse("import", args=[incoming.pk])))
    assert "another study that you cannot see: a draft" in page
    assert "ecret" not in page
    staff.force_login(User.objects.get(username="ada"))
    assert "A secret title" in text(staff.get(reverse("import", args=[incoming.pk])))


def test_who_began_an_import_or_an_administrator_goes_on_with_it_and_nobody_else(staff, benchmark):
    incoming = looked(results(benchmark))
    page = reverse("import", args=[incoming.pk])
    assert "Discard it" in text(staff.get(page))
    staff.force_login(User.objects.create_user("ben", is_staff=True))
    shown = text(staff.get(page))
    assert "staff goes on with this." in shown
    assert "Discard it" not in shown
    assert "Take 2" not in shown
    for name, of in ADDRESSES.items():
        for action in ("look", "again", "others", "take", "discard") if name == "import-act" else ("",):
            path = reverse(name, args=[incoming.pk, *of[1:-1], *([action] if action else of[1:][-1:])] if of else [])
            if name in ("import-files", "import-piece", "import-act"):
                assert staff.post(path, {"confirmed": ["the very pixels of bicubic"]}).status_code == 403
    incoming.refresh_from_db()
    assert (incoming.stage, incoming.state) == ("look", "done")
    staff.force_login(User.objects.create_superuser("root"))
    act(staff, incoming, "discard")
    assert not Import.objects.exists()


def test_a_thumbnail_is_a_small_picture(staff, benchmark):
    incoming = looked(results(benchmark))
    answer = staff.get(reverse("import-thumbnail", args=[incoming.pk, 0]))
    assert answer["Content-Type"] == "image/jpeg"
    assert answer.content.startswith(b"\xff\xd8")
    assert staff.get(reverse("import-thumbnail", args=[incoming.pk, 2])).status_code == 404


def test_a_problem_keeps_all_from_being_taken_and_other_files_can_be_chosen(staff, benchmark):
    incoming = looked(results(benchmark) | {"own_001_x4.png": png(np.zeros((60, 96, 3), np.uint8))})
    page = text(staff.get(reverse("import", args=[incoming.pk])))
    assert "1 picture cannot be taken, and all are taken or none." in page
    assert "96 x 60 pixels where own_001 needs 96 x 68" in page
    assert "Take 2 pictures" not in page
    assert "2 of 2 files came whole" in text(act(staff, incoming, "others"))
    assert "was discarded" in text(act(staff, incoming, "discard"))
    assert not Import.objects.exists()


@pytest.mark.parametrize(
    "sent",
    [
        {"kind": "results", "results-benchmark": "none", "results-method": "esrgan"},
        {"kind": "results", "results-benchmark": "own", "results-method": "a b"},
        {"kind": "benchmark", "pictures-benchmark": "../x"},
        {"kind": "benchmark", "pictures-benchmark": "x", "pictures-scale": "5"},
    ],
)
def test_what_cannot_be_begun_is_said_beside_its_field(staff, benchmark, sent):
    answer = staff.post(reverse("imports"), sent)
    assert answer.status_code == 422
    assert answer.content.decode().count('class="errorlist"') == 1
    assert not Import.objects.exists()


def test_the_script_is_told_what_stays_wrong_and_what_passes(staff, benchmark, settings):
    incoming = begin()
    files = reverse("import-files", args=[incoming.pk])
    assert staff.post(files, {"files": '[["../a.png", 5, 1]]'}).status_code == 422
    ((key, *_),) = staff.post(files, {"files": '[["a.png", 5, 1]]'}).json()["files"]
    path = reverse("import-piece", args=[incoming.pk, key, 0])
    assert staff.post(path).status_code == 422
    assert "has changed" in staff.post(path, {"piece": SimpleUploadedFile("piece", b"1234")}).json()["error"]
    in_the_way = settings.MEDIA_ROOT / "imports"
    in_the_way.touch()  # a file, where the storage needs a folder
    assert staff.post(path, {"piece": SimpleUploadedFile("piece", b"12345")}).status_code == 503
    in_the_way.unlink()
    assert not ImportPiece.objects.exists()
    assert staff.post(path, {"piece": SimpleUploadedFile("piece", b"12345")}).status_code == 200


def table(text, encoding="utf-8") -> SimpleUploadedFile:
    return SimpleUploadedFile("names.csv", text.encode(encoding))


def test_names_that_do_not_tell_are_told_by_a_file_as_on_the_command_line(staff, benchmark):
    rows_of_table = "name,file\r\nown_000,b.png\r\nown_001,a.png\r\n"
    sent = {"kind": "results", "results-benchmark": "own", "results-method": "esrgan"}
    staff.post(reverse("imports"), sent | {"results-mapping_file": table(rows_of_table, "utf-8-sig")})
    known = Import.objects.get().mapping
    Import.objects.all().delete()
    (of_first, of_second) = results(benchmark, upscale_nearest).values()
    incoming = looked({"a.png": of_second, "b.png": of_first}, mapping=known)
    assert [(line.source, line.file) for line in incoming.lines.all()] == [("own_000", "b.png"), ("own_001", "a.png")]
    assert not incoming.lines.exclude(problem="").exists()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"results-mapping_file": table("name,file\n", "utf-16")}, "no text in UTF-8"),
        ({"results-mapping_file": table("a,\0")}, "no text in UTF-8"),
        ({"results-mapping_file": table("a,b\n" * 250_001)}, "is it a table of names?"),
        ({"results-mapping_file": table("a,b"), "results-mapping": "c,d"}, "not both"),
    ],
)
def test_a_file_of_names_that_is_none_is_refused(staff, benchmark, sent, said):
    usual = {"kind": "results", "results-benchmark": "own", "results-method": "esrgan"}
    answer = staff.post(reverse("imports"), usual | sent)
    assert (answer.status_code, said in text(answer)) == (422, True)
    assert not Import.objects.exists()


def test_the_list_of_imports_says_that_a_worker_is_at_one_for_the_page_to_refresh(staff, benchmark):
    assert "data-pending" not in staff.get(reverse("imports")).text
    incoming = looked(results(benchmark))
    assert "data-pending" not in staff.get(reverse("imports")).text
    act(staff, incoming, "again")
    assert "<tr data-pending>" in staff.get(reverse("imports")).text
