"""What a rater reads before agreeing, and that they agreed to it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext, gettext_lazy, ngettext

from studies.access import Refusal
from studies.models import OF_TWO, Agreement, ConsentText, PublicLink, Rater, Study, changes, tell
from studies.rating import device_check


class OtherText(Refusal):
    status, code = 409, "other-text"
    message = gettext_lazy("What you agree to was changed while you read it. Please load the page again and read it.")


@dataclass(frozen=True)
class Statement:
    """`facts` are pairs of a heading and what it says, `text` is the consent itself."""

    version: int
    facts: tuple[tuple[str, str], ...]
    text: str

    @property
    def whole(self) -> str:
        """All of it as one text: what is stored."""
        return "".join(f"{head}: {said}\n" for head, said in self.facts) + f"\n{self.text}\n"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.whole.encode()).hexdigest()


def statement(study: Study, *, language: str, images: int, minutes: int, minutes_after: int = 0) -> Statement:
    """What a rater of so many images and minutes agrees to, and of so many in the parts that follow; in the language
    that is active, which is `language`."""
    latest = ConsentText.objects.filter(study=study).first()
    stored = gettext(
        "We store your ratings, how long each took, the sizes of your screen and window, and the language of these "
        "pages. We do not store your name or address."
    )
    if study.questions_before.strip() or study.questions_after.strip():
        stored += " " + gettext("What you answer to the questions beside the images is stored, too.")
    link = PublicLink.objects.filter(study=study).first()
    if link and link.parameters:
        stored += " " + gettext(
            "The panel's id by which you are paid is kept apart from your ratings and deleted afterwards. Of it stays "
            "a number that says nothing, by which the site sees that you took part; withdrawing erases it too."
        )
    facts = [
        (gettext("What you do"), _amount(study, images, minutes, minutes_after)),
        (gettext("What you are given"), study.payment),
        (gettext("Who does this study"), study.institution),
        (gettext("Whom you can ask"), study.contact),
        (gettext("Approval and risks"), study.ethics),
        (gettext("What is stored"), stored),
        (gettext("For how long"), study.kept),
    ]
    facts[5:5] = device_check.consent(study)
    text = (latest.texts.get(language, "") if latest else "") or default_text()
    said = tuple((head, " ".join(value.split())) for head, value in facts if value.strip())
    return Statement(latest.version if latest else 0, said, text.strip())


def default_text() -> str:
    """The site's own consent, in the language that is active."""
    return gettext(
        "I take part of my own free will. I can stop at any time without giving a reason and without any disadvantage, "
        "and I can withdraw, which erases my ratings. My ratings may be analysed and published in a form in which "
        "nobody can tell who gave them."
    )


def agreed(*, rater: Rater, read: Statement, sha256: str, language: str, now: datetime) -> None:
    """Store what the rater agreed to; once for a version. Raises OtherText unless it is what their page said.

    A page of before, which did not say what it showed, sends no `sha256`.
    """
    if sha256 and sha256 != read.sha256:
        raise OtherText
    values = {"agreed_at": now, "sha256": read.sha256, "text": read.whole}
    Agreement.objects.get_or_create(rater=rater, version=read.version, language=language, defaults=values)


def write(*, study: Study, texts: dict[str, str], now: datetime, by: str = "") -> ConsentText | None:
    """The next version, unless nothing changes. `texts`: of all the study's languages, or empty for the site's own."""
    latest = ConsentText.objects.filter(study=study).first()
    if (latest.texts if latest else {}) == texts:
        return None
    version = latest.version + 1 if latest else 1
    with transaction.atomic():
        changed = changes(latest.texts if latest else {}, texts) or {"text": "-> the site's own"}
        tell(study, "consent text", at=now, by=by, detail={"version": version, **changed})
        return ConsentText.objects.create(study=study, version=version, texts=texts, written_at=now)


def pairs_amount(pairs: int) -> str:
    """What lies before a rater of pairs."""
    said = ngettext("You will compare %(pairs)s pair of images.", "You will compare %(pairs)s pairs of images.", pairs)
    return said % {"pairs": pairs}


def pairs_left(pairs: int) -> str:
    """The same for one who comes back."""
    said = ngettext("%(pairs)s pair of images is left.", "%(pairs)s pairs of images are left.", pairs)
    return said % {"pairs": pairs}


def _amount(study: Study, images: int, minutes: int, minutes_after: int) -> str:
    first = ngettext("You will rate %(images)s image.", "You will rate %(images)s images.", images) % {"images": images}
    if study.task in OF_TWO:
        first = pairs_amount(images)
    then = ngettext("It takes about %(minutes)s minute.", "It takes about %(minutes)s minutes.", minutes)
    said = f"{first} {then % {'minutes': minutes}}"
    if minutes_after:
        more = ngettext(
            "Then the study goes on with another task, for about %(minutes)s minute.",
            "Then the study goes on with another task, for about %(minutes)s minutes.",
            minutes_after,
        )
        said += f" {more % {'minutes': minutes_after}}"
    return said
