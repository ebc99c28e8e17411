"""The methods of Ledig et al. 2017, in the order of the paper's tables. Loads no torch."""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from srcore import weights
from srcore.images import Pixels
from srcore.methods.method import Method, Work
from srcore.resize import upscale_bicubic, upscale_nearest
from srcore.scale import SCALES

if TYPE_CHECKING:
    from srcore.networks.generator import Generator


@dataclass(frozen=True, kw_only=True)
class Classical(Method):
    """A formula, at any scale."""

    family: str = "classical"
    scales: tuple[int, ...] = SCALES
    takes_grey: bool = True


@dataclass(frozen=True, kw_only=True)
class SelfExSR(Method):
    """Self-exemplars, by the package numba."""

    family: str = "SelfExSR"
    has_iterations: ClassVar[bool] = True

    def why_unavailable(self) -> str:
        return "" if find_spec("numba") else "SelfExSR needs the package numba: pip install numba"

    def upscale(self, lr: Pixels, work: Work) -> tuple[Pixels, str]:
        self.check(work)
        from srcore.methods import selfexsr  # compiles its kernels with numba

        return selfexsr.upscale(lr, iterations=work.iterations, progress=work.progress), "cpu"


@dataclass(frozen=True, kw_only=True)
class Trained(Method):
    """A network of srcore.networks with its weights of the manifest. `network` is "module:class" there."""

    network: str
    needs_weights: bool = True

    @property
    def is_network(self) -> bool:
        return True

    @property
    def sees(self) -> str:
        return ""  # in tiles of any size it gives the pixels of the whole

    def why_unavailable(self) -> str:
        return weights.why_missing(self.name)

    def sha256(self) -> str:
        return weights.sha256_of(self.name)

    def build(self) -> "Generator":
        """The untrained generator. Loads torch."""
        module, _, name = self.network.partition(":")
        built: Generator = getattr(import_module(f"srcore.networks.{module}"), name)()
        return built

    def generator(self) -> "Generator":
        network = self.build()
        network.load_state_dict(weights.load(self.name, self.sha256()))
        return network


def _ledig(name: str, family: str) -> Trained:
    return Trained(name=name.lower(), display_name=name, family=family, network="srresnet:SRResNet", citation=_LEDIG)


_LEDIG = "Ledig et al., Photo-Realistic Single Image Super-Resolution Using a GAN, CVPR 2017, arXiv:1609.04802"

PAPER: tuple[Method, ...] = (
    Classical(name="nearest", run=lambda lr, scale: upscale_nearest(lr, scale), citation="each pixel becomes a square"),
    Classical(
        name="bicubic",
        run=lambda lr, scale: upscale_bicubic(lr, scale),
        citation="Keys, Cubic Convolution Interpolation for Digital Image Processing, 1981; MATLAB's imresize",
    ),
    Trained(
        name="srcnn",
        display_name="SRCNN",
        family="SRCNN",
        network="srcnn:SRCNN",
        citation="Dong et al., Learning a Deep Convolutional Network for Image Super-Resolution, ECCV 2014",
    ),
    SelfExSR(
        name="selfexsr",
        display_name="SelfExSR",
        citation="Huang, Singh, Ahuja, Single Image Super-Resolution from Transformed Self-Exemplars, CVPR 2015",
    ),
    Trained(
        name="drcn",
        display_name="DRCN",
        family="DRCN",
        network="drcn:DRCN",
        citation="Kim, Lee, Lee, Deeply-Recursive Convolutional Network for Image Super-Resolution, CVPR 2016",
    ),
    Trained(
        name="espcn",
        display_name="ESPCN",
        family="ESPCN",
        network="espcn:ESPCN",
        citation="Shi et al., Real-Time Single Image and Video Super-Resolution Using an ESPCN, CVPR 2016",
    ),
    *(_ledig(f"SRResNet-{loss}", "SRResNet") for loss in ("MSE", "VGG22")),
    *(_ledig(f"SRGAN-{loss}", "SRGAN") for loss in ("MSE", "VGG22", "VGG54")),
    Method(name="hr", display_name="HR", kind="reference", family="reference", citation="the original picture"),
)
