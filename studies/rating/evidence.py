"""What shows that images were looked at: a signed receipt with each image, and no more viewing than time has passed."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from studies.models import site_key

Which = Literal["left", "right", "original"]
"""An image of a pair, and the original that comes with some; "left" is also the one of a trial that shows one."""

# By so much the clocks of two web hosts may differ before it is held against a rater; NTP keeps them much closer.
CLOCKS_DIFFER_MS = 250
_RECEIPT = re.compile(r"([0-9]{1,16})\.([0-9a-f]{32})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What is stored with a rating, and with its session; units as in the models. Without a receipt all is None."""

    served_at: datetime | None = None
    possible_ms: float | None = None
    first_served_ms: int | None = None


def receipt(*, token: str, now: datetime, which: Which = "left") -> str:
    """Says that this image of the trial with this token was sent now; only this site's hosts can write it."""
    served_ms = milliseconds(now)
    return f"{served_ms}.{_signature(_signed(token, which), served_ms)}"


def served_ms(receipt: str, *, token: str, which: Which = "left") -> int | None:
    """When that image of a trial was sent, in ms of Unix time; None for what is not this site's receipt of it."""
    match = _RECEIPT.fullmatch(receipt)
    if match is None:
        return None
    served, signed = int(match[1]), _signed(token, which)
    if not hmac.compare_digest(match[2], _signature(signed, served)):
        _key.cache_clear()  # perhaps a backup was restored since this process read the key
        if not hmac.compare_digest(match[2], _signature(signed, served)):
            return None
    return served


def _signed(token: str, which: Which) -> str:
    return token if which == "left" else f"{token}/{which}"


def all_served_ms(receipts: str, *, token: str, images: Sequence[Which]) -> tuple[int, int] | tuple[None, None]:
    """When the latest and the earliest of these images of a trial was sent; None unless all receipts are this site's.

    `receipts`: one of each image, in the order of `images`, with blanks between.
    """
    given = receipts.split(" ")
    if len(given) != len(images):
        return None, None
    found = [served_ms(one, token=token, which=which) for one, which in zip(given, images, strict=True)]
    served = [moment for moment in found if moment is not None]
    return (max(served), min(served)) if len(served) == len(images) else (None, None)


def proof(
    *, claimed_ms: float, served_ms: int | None, first_served_ms: int | None, viewed_ms: float, now: datetime
) -> Proof:
    """Of the viewing time that a browser claims for an image, as much as the server's clock allows; never under 0.

    All viewing of a session (`viewed_ms` so far) lies after its first image was sent, and that of an image after it was
    sent. When ratings arrive says nothing: after being offline many come at once.
    """
    if served_ms is None:
        return Proof(first_served_ms=first_served_ms)
    first = served_ms if first_served_ms is None else min(first_served_ms, served_ms)
    since_first = milliseconds(now) - first + CLOCKS_DIFFER_MS
    since_this = milliseconds(now) - served_ms + CLOCKS_DIFFER_MS
    return Proof(
        served_at=datetime.fromtimestamp(served_ms / 1000, UTC),
        possible_ms=max(min(claimed_ms, since_first - viewed_ms, since_this), 0.0),
        first_served_ms=first,
    )


def milliseconds(moment: datetime) -> int:
    """The moment in whole milliseconds of Unix time."""
    return int(moment.timestamp() * 1000)


def _signature(token: str, served_ms: int) -> str:
    return hmac.new(_key(), f"{token}.{served_ms}".encode(), hashlib.sha256).hexdigest()[:32]


@lru_cache(maxsize=1)
def _key() -> bytes:
    """Read once, not with every image."""
    return site_key("receipts")
