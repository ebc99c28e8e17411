"""What is strange about a result image, told from its pixels: swapped pictures, exchanged channels, another scale.

None of it is an error: a method may do any of this. A person should look before the image is taken for the method's.
The bounds hold on Set5 and Set14: no result of nearest, bicubic, SRCNN, ESPCN, SRResNet or SRGAN is doubted, and the
mistakes named here are found (tests/srcore/test_doubts.py says on how many pictures).
"""

import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import permutations
from math import isinf
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from srcore.images import Pixels, as_rgb
from srcore.metrics.fidelity import Plane, comparable, luma
from srcore.metrics.fidelity import psnr as psnr_of_planes
from srcore.resize import downscale, imresize, upscale_bicubic
from srcore.scale import SCALES

Floats = npt.NDArray[np.float64]

# Of the best networks the gain over bicubic is up to 7 dB on a picture (butterfly); of a copy it is more.
_TOO_GOOD_DB = 10.0
# Squared error to LR that an exchange of channels takes away: 1.5 on the greyest colour picture of Set14 (coastguard).
_TIMES_NEARER = 2.0
_LEVELS_OF_A_CONSTANT = 2
# Half of LR is made from LR; made from HR in one step it gives up to 0.2 dB more.
_STEPS_DB = 0.3


class Doubt(NamedTuple):
    """`kind` is one word for programs, `text` a sentence for a person that begins in the middle."""

    kind: str
    text: str


class Looked(NamedTuple):
    """PSNR in dB (recipe "paper") of a result and of bicubic from LR, from half of LR (`coarser`) and from LR twice as
    large (`finer`, None at a scale that is not 4 or 8); what is strange about the result by itself."""

    psnr: float
    bicubic: float
    coarser: float
    finer: float | None
    doubts: list[Doubt]


def look_at(result: Pixels, hr: Pixels, lr: Pixels, *, scale: int, others: Mapping[str, Pixels]) -> Looked:
    """Compare a result with its source, all uint8 (H, W, 3) or (H, W), HR and result of one size.

    `others` are LR pictures by name; the result may have been swapped with one of the same size. Raises ImageError for
    sizes that differ or pictures too small to measure.
    """
    comparable(hr, result, scale)  # raises
    reference = _luma(hr, scale)
    psnr = _psnr(reference, result, scale)
    bicubic, coarser, finer = _of_bicubic(hr, lr, reference, scale)
    again = as_rgb(downscale(result, scale)).astype(np.float64)
    found = [*_about_channels(again, lr), *_about_others(again, lr, others)]
    if int(np.ptp(result)) <= _LEVELS_OF_A_CONSTANT < int(np.ptp(hr)):
        found = [Doubt("constant", "one colour all over")]
    elif isinf(psnr) or psnr > bicubic + _TOO_GOOD_DB:
        found.append(Doubt("original", "the original itself, or a copy of it, and no result of a method"))
    elif psnr < coarser and not found:
        found.append(
            Doubt("far", f"{bicubic - psnr:.1f} dB under bicubic, worse than bicubic from a picture half as large")
        )
    return Looked(psnr, bicubic, coarser, finer, found)


def of_another_scale(looked: Sequence[Looked], *, scale: int) -> Doubt | None:
    """Whether the results of a benchmark, most of them, are as near to HR as only those of a smaller scale can be, or
    as far as those of a larger one."""
    if 2 * sum(one.finer is not None and one.psnr >= one.finer for one in looked) > len(looked):
        return Doubt("scale", f"as near to the originals as results of {scale // 2}x are, or nearer: not of {scale}x?")
    if len(looked) > 1 and 2 * sum(one.psnr < one.coarser + _STEPS_DB for one in looked) > len(looked):
        return Doubt("scale", f"as far from the originals as results of {2 * scale}x are, or farther: not of {scale}x?")
    return None


def is_lossy(file: Path) -> bool:
    """Whether the file is a JPEG or a lossy WebP by its first bytes, whatever its name says. Raises OSError."""
    with file.open("rb") as opened:
        head = opened.read(16)
    return head[:3] == b"\xff\xd8\xff" or (head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8 ")


def _luma(pixels: Pixels, scale: int) -> Plane:
    """What recipe "paper" measures on, without `scale` pixels at each side."""
    inner = slice(scale, -scale)
    return luma(pixels[inner, inner], recipe="paper")


def _psnr(reference: Plane, other: Pixels, scale: int) -> float:
    return psnr_of_planes(reference, _luma(other, scale))


# By the hashes of HR and LR: the same for every method, and more work than all that is of the method's own.
_known: dict[str, tuple[float, float, float | None]] = {}
_MOST_KNOWN = 10_000


def _of_bicubic(hr: Pixels, lr: Pixels, reference: Plane, scale: int) -> tuple[float, float, float | None]:
    """PSNR of bicubic from LR, from half of LR and, where there is such a scale, from LR twice as large."""
    hashes = [hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in (hr, lr)]
    key = f"{hr.shape} {hashes} {scale}"
    if key not in _known:
        height, width = hr.shape[:2]
        coarser = upscale_bicubic(imresize(lr, Fraction(1, 2)), 2 * scale)[:height, :width]
        found = _psnr(reference, upscale_bicubic(lr, scale), scale), _psnr(reference, coarser, scale)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = (*found, _psnr_from_finer(hr, reference, scale))
    return _known[key]


def _psnr_from_finer(hr: Pixels, reference: Plane, scale: int) -> float | None:
    """Of bicubic at half the scale. At 3x there is no such number, and of 2x no lossless LR."""
    if scale % 2 or scale // 2 not in SCALES:
        return None
    return _psnr(reference, upscale_bicubic(downscale(hr, scale // 2), scale // 2), scale)


def _about_channels(again: Floats, lr: Pixels) -> list[Doubt]:
    """The order of channels in which the result, made small again, is by far nearest to LR, if it is not red first."""
    errors = {order: _error(again[:, :, order], lr) for order in permutations(range(3))}
    best = min(errors, key=errors.__getitem__)
    if errors[best] * _TIMES_NEARER >= errors[0, 1, 2]:
        return []
    place = {channel: "RGB"[at] for at, channel in enumerate(best)}  # what the file calls each channel -> what it is
    return [Doubt("channels", f"channels exchanged: they are {''.join(place[c] for c in range(3))} and not RGB")]


def _about_others(again: Floats, lr: Pixels, others: Mapping[str, Pixels]) -> list[Doubt]:
    errors = {name: _error(again, other) for name, other in others.items() if other.shape[:2] == lr.shape[:2]}
    best = min(errors, key=errors.__getitem__, default="")
    return [Doubt("swapped", f"nearer to {best} than to its own")] if best and errors[best] < _error(again, lr) else []


def _error(again: Floats, lr: Pixels) -> float:
    """The mean of the squared differences."""
    return float(np.mean((again - as_rgb(lr)) ** 2))
