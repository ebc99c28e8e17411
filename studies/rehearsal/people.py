"""Simulated people on their way through the real pages: they read, look, answer, leave, reload, lose the network."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.urls import reverse

from studies.models import DeviceCheck
from studies.rating import plates
from studies.rehearsal.browser import Answer, Browser, GivenUp, Page
from studies.rehearsal.copies import Guest
from studies.rehearsal.opinions import Person, Seen

KINDS = {
    "honest": "answer as the model of real panels says",
    "random": "give any score",
    "straight": "give one score to everything",
    "gold": "fail gold images and traps, and are honest otherwise",
    "leaving": "are honest, and leave somewhere on the way",
    "reloading": "are honest, and load the page again and again",
    "tabs": "are honest, in two windows at once",
    "offline": "are honest, and lose the network again and again",
}
# Of a real answer: as the paper's raters, 4 s an image with the grey between two (protocol.duration).
MEDIAN_SECONDS, SPREAD = 2.8, 0.4
# The pages' forms on the way to the first image, by their names in rating.urls.
STEPS = ("agree", "device", "questions", "calibrated", "practised")
# Pages of images that may come one after the other without a rating stored.
TRIES = 20
SCREEN = {
    "device_pixel_ratio": 1, "visual_viewport_scale": 1, "viewport_width": 1920, "viewport_height": 970,
    "screen_width": 1920, "screen_height": 1080, "canvas_width": 1920, "canvas_height": 815,
    "canvas_css_width": 1920, "canvas_css_height": 815,
}  # fmt: skip


@dataclass
class Walk:
    """What came of a guest. `sent`: trial -> the score that the site said it had stored, or another window's."""

    guest: Guest
    sent: dict[str, float] = field(default_factory=dict)
    finished: bool = False
    conflicts: int = 0
    problem: str = ""


class Visit:
    """One guest's way. `look` says of a trial's token what it shows; `speed` 10 answers in a tenth of the time."""

    def __init__(
        self, guest: Guest, *, base: str, person: Person, look: Callable[[str], Seen], rng: np.random.Generator,
        speed: float = 1.0, patience: float = 300.0,
    ) -> None:  # fmt: skip
        self.walk = Walk(guest)
        self._browser = Browser(base, patience=patience)
        self._person, self._look, self._rng, self._speed = person, look, rng, speed
        self._kind = guest.kind
        self._held: dict[str, str] = {}  # trial -> the receipt that came with its image
        self._leaves_at: float | None = None

    def go(self) -> Walk:
        """Come, and stay until it is finished or the guest leaves. Problems are told in the walk."""
        try:
            self._browser.get(reverse("invitation", args=[self.walk.guest.token]))
            self._through_the_pages()
        except GivenUp as error:
            self.walk.problem = str(error)
        finally:
            self._browser.close()
        return self.walk

    def _through_the_pages(self) -> None:
        before, without_progress = "", 0
        while True:
            answer = self._browser.get(reverse("rater-home"))
            page = answer.page()
            step = next((reverse(name) for name in STEPS if reverse(name) in page.forms), "")
            if answer.status != 200 or (step and step == before):
                raise GivenUp(f"{step or reverse('rater-home')} leads nowhere ({answer.status})")
            if "standing" in page.data:
                sent = len(self.walk.sent)
                if self._rate(page.data):
                    return
                without_progress = 0 if len(self.walk.sent) > sent else without_progress + 1
                if without_progress == TRIES:
                    raise GivenUp("the page does not go on")
            elif step:
                for trial in page.data.get("examples", []) + page.data.get("practice", []):
                    self._fetch(trial)
                said = _seen_on(page.forms[step]) if step == reverse("device") else self._answers(page)
                self._browser.post(step, page.forms[step] | said)
            else:
                self.walk.finished = reverse("rate", args=["TOKEN"]) == page.data.get("rate")
                self.walk.problem = "" if self.walk.finished else "a page that simulated people do not know"
                return
            before = step

    def _answers(self, page: Page) -> dict[str, str]:
        """Something that can be said to each question of a page."""
        found = {}
        for name, asked in page.questions.items():
            if isinstance(asked, list):
                found[name] = str(self._rng.choice(asked))
            elif "data-low" in asked:
                low, high = float(asked["data-low"]), float(asked["data-high"])
                found[name] = f"{min(max(round(self._rng.uniform(low, high)), low), high):g}"
            else:
                found[name] = "simulated"[: int(asked.get("maxlength", 9))]
        return found

    def _rate(self, data: dict[str, Any]) -> bool:
        """Rate until nothing is left, or the guest leaves (True), or the page must be loaded again."""
        standing = data["standing"]
        while standing and standing["rated"] < standing["total"]:
            if self._leaves_at is None:
                self._leaves_at = standing["total"] * float(self._rng.uniform(0.1, 0.9))
            if self._kind == "leaving" and standing["rated"] >= self._leaves_at:
                return True
            if standing.get("rest"):
                time.sleep(standing["rest"])
                return False
            if not standing["upcoming"] or (self._kind == "reloading" and self._rng.random() < 0.3):
                self._held.clear()
                return False
            standing = self._go_on(standing["upcoming"], data)
        return False

    def _go_on(self, upcoming: list[dict[str, Any]], page: dict[str, Any]) -> Any:
        """Answer what is due; the standing that comes back, None where the page must be asked."""
        for trial in upcoming:
            self._fetch(trial)
        if self._kind == "offline" and self._rng.random() < 0.2:
            return self._offline(upcoming, page)
        if self._kind == "tabs" and self._rng.random() < 0.4:
            return self._in_two_tabs(upcoming[0], page)
        return self._settle(upcoming[0], self._answer(upcoming[0], page))

    def _answer(self, trial: dict[str, Any], page: dict[str, Any]) -> dict[str, Any]:
        """Look at the image and decide: the fields that the page sends. Takes the time that it says it took."""
        wanted = max(
            MEDIAN_SECONDS * float(np.exp(SPREAD * self._rng.standard_normal())) / self._speed,
            page["least_view_ms"] / 1000,
        )
        time.sleep(page["gap_ms"] / 1000 / self._speed)
        began = time.monotonic()
        time.sleep(wanted)
        return {
            "score": self._person.score(self._look(trial["token"])),
            "receipt": self._held[trial["token"]],
            "attempt": trial["attempt"],
            "response_ms": 1000 * (time.monotonic() - began),
            "hidden_ms": 0,
            "waited_ms": 0,
            **SCREEN,
            **(_looks(1000 * wanted) if "right" in trial else {}),
            **({"original_looks": 0, "original_ms": 0} if "original" in trial else {}),
        }

    def _settle(self, trial: dict[str, Any], fields: dict[str, Any]) -> Any:
        """Send an answer as the page's script does, until the site has answered for it."""
        return self._noted(trial, fields, self._browser.post(_to("rate", trial), fields))

    def _noted(self, trial: dict[str, Any], fields: dict[str, Any], answer: Answer) -> Any:
        if answer.status == 200:
            self.walk.sent[trial["token"]] = float(fields["score"])
            return answer.json()
        code = answer.json().get("code", answer.status)
        if code == "conflict":
            self.walk.conflicts += 1
        elif code != "not-due":
            raise GivenUp(f"a rating was refused: {code}")
        return None

    def _offline(self, upcoming: list[dict[str, Any]], page: dict[str, Any]) -> Any:
        """Go on with the images that are there; of the first rating the answer is lost, and then all are sent."""
        given = [(trial, self._answer(trial, page)) for trial in upcoming]
        self._browser.post_and_lose(_to("rate", given[0][0]), given[0][1])
        standing = None
        for trial, fields in given:
            standing = self._settle(trial, fields)
        return standing

    def _in_two_tabs(self, trial: dict[str, Any], page: dict[str, Any]) -> Any:
        """The same image is answered in both windows at one moment, perhaps with two scores: one stands."""
        first = self._answer(trial, page)
        second = {**first, "score": self._person.score(self._look(trial["token"]))}
        tab = self._browser.another_tab()
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(tab.post, _to("rate", trial), second)
            mine = self._browser.post(_to("rate", trial), first)
            theirs = other.result()
        tab.close()
        standings = [self._noted(trial, second, theirs), self._noted(trial, first, mine)]
        return next((standing for standing in reversed(standings) if standing), None)

    def _fetch(self, trial: dict[str, Any]) -> None:
        if trial["token"] in self._held:
            return
        receipts = []
        for url in filter(None, (trial["url"], trial.get("right"), trial.get("original"))):
            answer = self._browser.get(url)
            if answer.status != 200:
                raise GivenUp(f"an image was refused: {answer.json().get('code', answer.status)}")
            receipts.append(answer.headers.get("Receipt", ""))
        self._held[trial["token"]] = " ".join(receipts)


def _looks(milliseconds: float) -> dict[str, Any]:
    """At both images of a pair, side by side."""
    seen = {"left_ms": milliseconds, "right_ms": milliseconds}
    return {"left_looks": 1, "right_looks": 1, **seen, "side_by_side": "true"}


def _seen_on(form: dict[str, str]) -> dict[str, Any]:
    """What good eyes on a good screen say to the page that looks at it. Only simulated people may ask what is drawn."""
    seed = DeviceCheck.objects.values_list("seed", flat=True).get(token=form["token"])
    seen = [cell for cell, step in enumerate(plates.squares(seed)) if step]
    digits = {f"plate_{number}": digit for number, digit in enumerate(plates.digits(seed))}
    measured = {name: SCREEN[name] for name in ("device_pixel_ratio", "screen_width", "screen_height")}
    window = {"window_width": 1920, "window_height": 1080, "image_height": 925, "is_phone": 0, "fills_screen": 1}
    return {**measured, **window, "card_css_width": 324, "seen": seen, **digits}


def _to(name: str, trial: dict[str, Any]) -> str:
    return reverse(name, args=[trial["token"]])
