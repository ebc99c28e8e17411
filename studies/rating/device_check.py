"""The study's rules for devices: which are asked, what a browser sends of itself, and whether it is fit.

Each browser of a rater is looked at once, before its first image. Nothing that is drawn for it says what is right: the
seed of a look stays here, and what was seen is compared here.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from studies.access import RaterWithdrawn, Refusal
from studies.models import DeviceCheck, Outcome, Rater, Session, Study
from studies.models.device import new_seed
from studies.models.session import new_token
from studies.rating import outcomes, plates
from studies.rating.forms import LARGEST_RATIO, LARGEST_SIZE, SMALLEST_RATIO, NumberField
from studies.rating.sessions import largest_images

CARD_MM = (85.60, 53.98)
"""A bank card's width and height (ISO/IEC 7810, ID-1)."""
# CSS pixels of its width: from one pixel a millimetre, a large television, to more than any screen has.
LEAST_CARD, MOST_CARD = 85, 2000
# Of a browser that rounds the sizes that it tells.
_ROUNDED = 1.0
MOST_CHARACTERS = 8
WHY: dict[str, Promise] = {
    "screen": gettext_lazy("The screen is smaller than the study needs."),
    "phone": gettext_lazy("The study cannot be done on a phone or a small tablet."),
    "full_screen": gettext_lazy("The browser did not fill the screen."),
    "window": gettext_lazy("The window is too small for the largest image."),
    "card": gettext_lazy("The size of the screen was not measured with a card."),
    "greys": gettext_lazy("Some of the grey squares could not be told from what is around them on this screen."),
    "colour": gettext_lazy("Some of the digits made of dots were not read on this screen."),
}


class DeviceNotFit(Refusal):
    code = "device-not-fit"
    message = gettext_lazy(
        "This device does not have what the study needs. Please go on with the one on which you began; what you have "
        "rated there is kept."
    )


class LookAgain(Exception):
    """What was sent is of an earlier drawing."""


@dataclass(frozen=True)
class Asked:
    """The rules that a study has switched on, by their names in WHY."""

    rules: tuple[str, ...]

    @property
    def draws(self) -> bool:
        return bool({"greys", "colour"} & set(self.rules))


def asked(study: Study) -> Asked:
    """What the study asks of a device; nothing where no rule is on."""
    on = {
        "screen": study.least_screen_width or study.least_screen_height,
        "phone": not study.phones,
        "full_screen": study.full_screen,
        "window": study.window_fits,
        "card": study.card,
        "greys": study.greys,
        "colour": study.colour_vision,
    }
    return Asked(tuple(name for name, is_on in on.items() if is_on))


def begin(session: Session, *, now: datetime) -> DeviceCheck:
    """A look that is not taken yet, with drawings of its own; those of before hold no longer."""
    values = {"token": new_token(), "seed": new_seed(), "begun_at": now}
    open_ones = DeviceCheck.objects.filter(session=session, checked_at=None)
    check = open_ones.first()
    if check is None:
        return DeviceCheck.objects.create(session=session, **values)
    open_ones.filter(pk=check.pk).update(**values)
    check.refresh_from_db()
    return check


def drawing(session: Session, *, token: str, what: str) -> bytes | None:
    """The PNG of a look's drawing: `greys`, or `plate-0` and on; None where there is none such."""
    check = DeviceCheck.objects.filter(session=session, token=token, checked_at=None).first()
    if check is None:
        return None
    if what == "greys":
        return plates.greys(check.seed)
    numbers = {f"plate-{number}": number for number in range(len(plates.PLATES))}
    return plates.plate(check.seed, numbers[what]) if what in numbers else None


def take(*, rater: Rater, form: "DeviceForm", now: datetime) -> DeviceCheck:
    """Store what was measured and seen, and judge it; the part ends where the study says so and nothing is rated yet.

    Raises LookAgain for a drawing of before, RaterWithdrawn, and DeviceNotFit where another device was fit.
    """
    facts, study = form.cleaned_data, rater.study
    with transaction.atomic():
        # Against a withdrawal at this moment, which would leave what is written here.
        if Rater.objects.select_for_update().get(pk=rater.pk).withdrawn_at:
            raise RaterWithdrawn
        session = Session.objects.get(rater=rater)
        check = DeviceCheck.objects.filter(session=session, token=facts["token"], checked_at=None).first()
        if check is None:
            raise LookAgain
        for name in _ALWAYS:
            setattr(check, name, facts[name])
        if study.card:
            check.card_css_width = facts["card_css_width"]
        if study.greys:
            check.grey_step = plates.least_step(check.seed, {int(cell) for cell in facts["seen"]})
        if study.colour_vision:
            check.colour = _colour(check.seed, facts)
        check.failed = failures(study, check)
        check.checked_at = now
        check.save()
    if check.failed and study.device_rule == Study.DeviceRule.END:
        others = DeviceCheck.objects.filter(session=session).exclude(pk=check.pk).exclude(checked_at=None)
        if session.rated or any(not other.failed for other in others):
            raise DeviceNotFit
        outcomes.end(rater=rater, outcome=Outcome.DEVICE, now=now, reason=", ".join(check.failed))
    return check


def failures(study: Study, check: DeviceCheck) -> list[str]:
    """The study's rules that this device does not meet."""
    ratio = check.device_pixel_ratio or 1.0
    long, short = sorted((ratio * (check.screen_width or 0), ratio * (check.screen_height or 0)), reverse=True)
    room = [ratio * (size or 0) for size in (check.window_width, check.image_height)]
    slack = _ROUNDED * max(ratio, 1.0)
    met = {
        "screen": long + slack >= study.least_screen_width and short + slack >= study.least_screen_height,
        "phone": not check.is_phone,
        "full_screen": bool(check.fills_screen),
        "window": all(w <= room[0] + slack and h <= room[1] + slack for w, h in largest_images(study)),
        "card": check.card_css_width is not None,
        "greys": check.grey_step is not None and check.grey_step <= plates.GREY_FIT,
        "colour": check.colour != DeviceCheck.Colour.FAILED,
    }
    return [rule for rule in asked(study).rules if not met[rule]]


def reasons(rater: Rater) -> list[str]:
    """In plain words, in the language that is active, why the rater's part ended for the device; else nothing."""
    if rater.outcome != Outcome.DEVICE:
        return []
    last = DeviceCheck.objects.filter(session__rater=rater).exclude(checked_at=None).last()
    return [str(WHY[rule]) for rule in last.failed if rule in WHY] if last else []


def consent(study: Study) -> list[tuple[str, str]]:
    """What a rater reads of it before agreeing: pairs of a heading and what it says."""
    rules = asked(study).rules
    found = []
    if rules:
        said = gettext(
            "Before the first image a page measures your screen and window, and may ask what you see on it. What comes "
            "out is stored."
        )
        if study.device_rule == Study.DeviceRule.END:
            said += " " + gettext("Who has a device that is not fit cannot take part.")
        found.append((gettext("Your device"), said))
    if study.colour_vision:
        said = gettext(
            "You are shown digits made of coloured dots. Stored is only whether you read them, did not, or skipped "
            "them. It is no medical test, and you can skip it."
        )
        found.append((gettext("Colours"), said))
    return found


def pixel_mm(check: DeviceCheck) -> float | None:
    """The side of one of the screen's pixels in millimetres; None where no card was held to it."""
    if not check.card_css_width or not check.device_pixel_ratio:
        return None
    return CARD_MM[0] / (check.card_css_width * check.device_pixel_ratio)


def _colour(seed: int, facts: dict[str, Any]) -> str:
    if facts["skip_colour"]:
        return DeviceCheck.Colour.SKIPPED
    # A keyboard for Chinese writes wide digits.
    right = sum(
        unicodedata.normalize("NFKC", facts[f"plate_{number}"]) == digit
        for number, digit in enumerate(plates.digits(seed))
    )
    return DeviceCheck.Colour.PASSED if right >= plates.RIGHT_PLATES else DeviceCheck.Colour.FAILED


_SIZES = ("screen_width", "screen_height", "window_width", "window_height", "image_height")
_ALWAYS = ("device_pixel_ratio", *_SIZES, "is_phone", "fills_screen")
MEASURED = (*_ALWAYS, "card_css_width")
"""The form's fields that the page's script fills in."""


class DeviceForm(forms.Form):
    """What the page's script measured and what the rater saw; units as in the model."""

    token = forms.CharField(max_length=40)
    device_pixel_ratio = NumberField(min_value=SMALLEST_RATIO, max_value=LARGEST_RATIO)
    is_phone = forms.TypedChoiceField(choices=[("0", "0"), ("1", "1")], coerce=lambda value: value == "1")
    fills_screen = forms.TypedChoiceField(choices=[("0", "0"), ("1", "1")], coerce=lambda value: value == "1")
    card_css_width = NumberField(min_value=LEAST_CARD, max_value=MOST_CARD, required=False)
    seen = forms.MultipleChoiceField(
        choices=[(str(cell), str(cell)) for cell in range(plates.CELLS * len(plates.BACKGROUNDS))], required=False
    )
    skip_colour = forms.BooleanField(required=False)


for _name in _SIZES:
    DeviceForm.base_fields[_name] = NumberField(min_value=0, max_value=LARGEST_SIZE)
for _number in range(len(plates.PLATES)):
    DeviceForm.base_fields[f"plate_{_number}"] = forms.CharField(max_length=MOST_CHARACTERS, required=False)
