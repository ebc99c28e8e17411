"""The architectures, and which one a method's name means. Importing this package loads torch."""

from torch import nn

from srcore.networks.drcn import DRCN
from srcore.networks.espcn import ESPCN
from srcore.networks.generator import Generator
from srcore.networks.srcnn import SRCNN
from srcore.networks.srresnet import SRResNet
from srcore.registry import get_method

_FAMILIES: dict[str, type[Generator]] = {
    "SRCNN": SRCNN,
    "ESPCN": ESPCN,
    "DRCN": DRCN,
    "SRResNet": SRResNet,
    "SRGAN": SRResNet,
}


def build(name: str) -> Generator:
    """The untrained generator of a method. Raises UnknownMethod, or ValueError for a method without a network."""
    family = get_method(name).family
    if family not in _FAMILIES:
        raise ValueError(f"{name} is no network")
    return _FAMILIES[family]()


def parameter_count(network: nn.Module) -> int:
    """The number of trained numbers."""
    return sum(parameter.numel() for parameter in network.parameters())
