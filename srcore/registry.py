"""The methods by name: what each is, whether it can run here and where. Loads no torch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Literal

from srcore import weights
from srcore.errors import SrcoreError

Kind = Literal["upscaler", "reference", "folder"]
Queue = Literal["cpu", "gpu"]


class UnknownMethod(SrcoreError, KeyError):
    """No method of that name; the message lists the known ones."""

    def __str__(self) -> str:
        return str(self.args[0])


class MethodUnavailable(SrcoreError, RuntimeError):
    """The method exists but cannot run here; the message says what to do."""


class MethodNameError(SrcoreError, ValueError):
    """A name that a new method cannot have; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to make the high-resolution picture.

    An `upscaler` computes it from the LR image, the `reference` is the HR picture itself, and a `folder` method's
    pictures come from somebody's result files. `colour` says what a network sees: RGB, or luma only (chroma is then
    bicubic). `version` changes whenever the method's pixels do.
    """

    name: str
    display_name: str
    kind: Kind = "upscaler"
    family: str
    needs_weights: bool = False
    colour: Literal["rgb", "luma"] = "rgb"
    citation: str
    version: str = "1"


class Registry(Mapping[str, Method]):
    """Name -> Method, in the order of registration, which for the built-in ones is that of the paper's tables."""

    def __init__(self) -> None:
        self._methods: dict[str, Method] = {}

    def register(self, method: Method) -> None:
        """Add a method. Raises MethodNameError, and changes nothing, if the name is taken or no plain word."""
        if method.name in self._methods:
            raise MethodNameError(f"there is a method named {method.name!r} already; choose another name")
        if not method.name.replace("-", "").replace("_", "").isalnum() or method.name != method.name.lower():
            raise MethodNameError(f"{method.name!r} is no method name; use lower-case letters, digits, '-' and '_'")
        self._methods[method.name] = method

    def __getitem__(self, name: str) -> Method:
        try:
            return self._methods[name]
        except KeyError:
            close = get_close_matches(name, self._methods, n=1)
            guess = f"; did you mean {close[0]}?" if close else ";"
            raise UnknownMethod(f"unknown method {name!r}{guess} Known: {', '.join(self)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._methods)

    def __len__(self) -> int:
        return len(self._methods)


METHODS = Registry()


def register(method: Method) -> None:
    """Add a method to METHODS; see Registry.register."""
    METHODS.register(method)


def get_method(name: str) -> Method:
    """The method of that name. Raises UnknownMethod, with the known names."""
    return METHODS[name]


def why_unavailable(name: str) -> str:
    """What keeps the method from running here and what to do about it; "" when nothing does. Raises UnknownMethod."""
    method = get_method(name)
    if method.kind == "folder":
        return f"{name} has no code of its own: import its result images from a folder"
    if method.needs_weights:
        return weights.why_missing(name)
    if method.family == "SelfExSR" and find_spec("numba") is None:
        return "SelfExSR needs the package numba: pip install numba"
    return ""


def is_available(name: str) -> bool:
    """Whether the method can run here. Raises UnknownMethod."""
    return not why_unavailable(name)


def weights_sha256(name: str) -> str:
    """The sha256, in hexadecimal, of the method's weights; "" if it has none. Raises UnknownMethod."""
    method = get_method(name)
    return weights.sha256_of(name) if method.needs_weights else ""


def queue(name: str) -> Queue:
    """Where the method belongs: networks on the GPU's queue, all others on the CPU's. Raises UnknownMethod."""
    return "gpu" if get_method(name).needs_weights else "cpu"


_LEDIG = "Ledig et al., Photo-Realistic Single Image Super-Resolution Using a GAN, CVPR 2017, arXiv:1609.04802"

for _method in (
    Method(name="nearest", display_name="nearest", family="classical", citation="each pixel becomes 4x4 equal ones"),
    Method(
        name="bicubic",
        display_name="bicubic",
        family="classical",
        citation="Keys, Cubic Convolution Interpolation for Digital Image Processing, 1981; MATLAB's imresize",
    ),
    Method(
        name="srcnn",
        display_name="SRCNN",
        family="SRCNN",
        needs_weights=True,
        colour="luma",
        citation="Dong et al., Learning a Deep Convolutional Network for Image Super-Resolution, ECCV 2014",
    ),
    Method(
        name="selfexsr",
        display_name="SelfExSR",
        family="SelfExSR",
        citation="Huang, Singh, Ahuja, Single Image Super-Resolution from Transformed Self-Exemplars, CVPR 2015",
    ),
    Method(
        name="drcn",
        display_name="DRCN",
        family="DRCN",
        needs_weights=True,
        colour="luma",
        citation="Kim, Lee, Lee, Deeply-Recursive Convolutional Network for Image Super-Resolution, CVPR 2016",
    ),
    Method(
        name="espcn",
        display_name="ESPCN",
        family="ESPCN",
        needs_weights=True,
        colour="luma",
        citation="Shi et al., Real-Time Single Image and Video Super-Resolution Using an ESPCN, CVPR 2016",
    ),
    *(
        Method(
            name=f"{family.lower()}-{loss.lower()}",
            display_name=f"{family}-{loss}",
            family=family,
            needs_weights=True,
            citation=_LEDIG,
        )
        for family, loss in (
            ("SRResNet", "MSE"),
            ("SRResNet", "VGG22"),
            ("SRGAN", "MSE"),
            ("SRGAN", "VGG22"),
            ("SRGAN", "VGG54"),
        )
    ),
    Method(name="hr", display_name="HR", kind="reference", family="reference", citation="the original picture"),
):
    register(_method)


def register_foreign() -> None:
    """Register the network files that `python -m srcore add` put into the weights folder."""
    try:
        entries = weights.manifest()
    except weights.WeightsError:  # each method that needs weights says so when it is asked for
        return
    for name, entry in entries.items():
        if entry.get("foreign") and name not in METHODS:
            register(
                Method(
                    name=name,
                    display_name=str(entry["display_name"]),
                    family="foreign",
                    needs_weights=True,
                    citation=str(entry["citation"]),
                )
            )


register_foreign()
