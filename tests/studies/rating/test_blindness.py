"""Nothing that a rater's browser receives tells which method, source or file an image is, or what comes later."""

import base64
import re
from collections import defaultdict
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studies.access import invited_rater
from studies.models import Trial
from studies.protocol.subsets import WINDOW
from studies.rating import sessions
from studies.research import invitations, lifecycle
from tests.blindness import Received, leaks, png_chunks, secrets_of, study_with_telling_names
from tests.studies.rating.test_views import FACTS

pytestmark = [pytest.mark.services, pytest.mark.django_db]


class RecordingClient(Client):
    """Keeps all that it receives, and follows pages to their scripts and styles."""

    def __init__(self):
        super().__init__()
        self.received = []

    def request(self, **request):
        response = super().request(**request)
        response.body = response.getvalue()
        headers = [*response.headers.items(), *(("Set-Cookie", c.OutputString()) for c in response.cookies.values())]
        self.received.append(Received(request["PATH_INFO"], tuple(headers), response.body))
        if response.headers["Content-Type"].startswith("text/html"):
            for path in re.findall(r'"/static/([^"]+)"', response.text):
                self.receive_static(path)
        return response

    def receive_static(self, path):
        if any(thing.where == path for thing in self.received):
            return
        self.received.append(Received(path, (), Path(finders.find(path)).read_bytes()))
        for name in re.findall(rb'from "\./([\w.-]+)"', self.received[-1].body):
            self.receive_static(f"{path.rpartition('/')[0]}/{name.decode()}")


@pytest.fixture
def rater():
    return study_with_telling_names()


@pytest.fixture
def walk(rater):
    """A browser after a whole session, with refusals, conflict, a closed study and withdrawal on the way."""
    client = RecordingClient()
    home = reverse("rater-home")
    client.get(home)
    client.get("/i/unknown/")
    client.get(f"/i/{rater.token}/", follow=True)
    client.post(reverse("agree"), follow=True)
    for trial in Trial.objects.filter(session__rater=rater, phase="calibration"):
        client.get(reverse("image", args=[trial.token]))
    client.post(reverse("calibrated"), follow=True)
    while upcoming := client.get(reverse("upcoming")).json()["upcoming"]:
        proofs = [client.get(trial["url"]).headers["Receipt"] for trial in upcoming]
        address = reverse("rate", args=[upcoming[0]["token"]])
        client.post(address, {"score": 6})
        client.post(reverse("rate", args=[upcoming[-1]["token"]]), {"score": 1, "receipt": proofs[-1], **FACTS})
        client.post(address, {"score": 3, **FACTS})
        for score in (3, 4):
            client.post(address, {"score": score, "receipt": proofs[0], **FACTS})
    client.get(home)
    client.get(reverse("withdraw"))
    lifecycle.close(study=rater.study, now=timezone.now())
    client.get(home)
    client.secrets = secrets_of(rater)
    client.shown = {t.token: t.stimulus for t in Trial.objects.select_related("stimulus__source")}
    client.post(reverse("withdraw"))
    client.get(f"/i/{rater.token}/")
    return client


def images(client):
    """(source, response) of every image that was received whole."""
    for thing in client.received:
        if thing.body.startswith(b"\x89PNG"):
            yield client.shown[thing.where.rpartition("/")[2]].source, thing


def test_a_whole_session_tells_nothing(walk):
    assert leaks(walk.received, walk.secrets) == []


def test_the_walk_saw_every_kind_of_thing(walk):
    kinds = {dict(thing.headers).get("Content-Type", "static") for thing in walk.received}
    assert kinds == {"text/html; charset=utf-8", "application/json", "image/png", "static"}
    assert {source.name for source, _ in images(walk)} == {"quokka_000", "quokka_001", "numbat_000"}
    assert any(thing.where.endswith("outbox.js") for thing in walk.received)
    assert len({thing.where for _, thing in images(walk)}) == 8


@pytest.mark.parametrize(
    "plant",
    [
        lambda thing: Received(thing.where + "?m=Okapi", thing.headers, thing.body),
        lambda thing: Received(thing.where, (*thing.headers, ("X-Row", "7391001")), thing.body),
        lambda thing: Received(thing.where, thing.headers, thing.body + b" quokka_001"),
        lambda thing: Received(thing.where, thing.headers, thing.body + b"\0\0\1tEXtbicubic"),
        lambda thing: Received(
            thing.where, (("Set-Cookie", "rater=" + base64.b64encode(b'{"rater": 7391002}').decode()),), b""
        ),
    ],
    ids=["address", "header", "page", "image", "cookie"],
)
def test_a_planted_leak_is_found(walk, plant):
    for thing in walk.received:
        assert len(leaks([plant(thing)], walk.secrets)) >= 1


def test_a_files_name_or_hash_in_a_header_is_found(walk):
    stimulus = next(iter(walk.shown.values()))
    header = ("Content-Disposition", f'inline; filename="{stimulus.opaque_name.hex}.png"')
    assert leaks([Received("/image/x", (header,), b"")], walk.secrets) != []
    assert leaks([Received("/image/x", (("ETag", stimulus.pixels_sha256),), b"")], walk.secrets) != []


def test_all_versions_of_a_source_travel_alike(walk):
    """The same headers, name by name and value by value (Content-Length is one), and as many bytes.

    But for the request's number, which is drawn anew for each, and the receipt, signed over the trial's token and the
    time: of these the lengths.
    """
    alike, versions = defaultdict(set), defaultdict(set)
    for source, thing in images(walk):
        headers = tuple(
            (name, len(value) if name in ("X-Request-ID", "Receipt") else value) for name, value in thing.headers
        )
        alike[source.name].add((headers, len(thing.body)))
        versions[source.name].add(thing.body)
    assert {name: len(bodies) for name, bodies in versions.items()} == {
        "quokka_000": 3,
        "quokka_001": 3,
        "numbat_000": 2,
    }
    assert {name: len(forms) for name, forms in alike.items()} == {"quokka_000": 1, "quokka_001": 1, "numbat_000": 1}


def test_an_image_file_holds_its_pixels_and_nothing_else(walk):
    for _, thing in images(walk):
        assert set(png_chunks(thing.body)) == {"IHDR", "IDAT", "IEND"}


def test_nothing_beyond_the_window_is_told(rater):
    client = RecordingClient()
    client.get(f"/i/{rater.token}/", follow=True)
    client.post(reverse("agree"), follow=True)
    client.post(reverse("calibrated"), follow=True)
    rated = list(Trial.objects.filter(session__rater=rater, phase="rated"))
    everything = b"".join(text for thing in client.received for text in thing.texts())
    told = [trial.token.encode() in everything for trial in rated]
    assert told == [True] * WINDOW + [False] * (len(rated) - WINDOW)
    assert len(rated) == 6


def test_two_showings_of_one_image_have_addresses_that_share_nothing(rater):
    other = invitations.invite(study=rater.study)
    for one in (rater, other):
        sessions.agree(rater=invited_rater(token=one.token), now=timezone.now())
    tokens = list(Trial.objects.values_list("token", flat=True))
    assert len(set(tokens)) == 16
    assert {len(token) for token in tokens} == {32}
    assert len({token[:4] for token in tokens}) == 16
