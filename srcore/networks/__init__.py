"""The architectures, and which one a method's name means. Importing this package loads torch."""

from torch import nn

from srcore.methods.paper import Trained
from srcore.networks.drcn import DRCN
from srcore.networks.espcn import ESPCN
from srcore.networks.generator import Generator
from srcore.networks.srcnn import SRCNN
from srcore.networks.srresnet import SRResNet
from srcore.registry import get_method

__all__ = ["DRCN", "ESPCN", "SRCNN", "Generator", "SRResNet", "build", "parameter_count"]


def build(name: str) -> Generator:
    """The untrained generator of a method. Raises UnknownMethod, or ValueError for a method without one of its own."""
    method = get_method(name)
    if not isinstance(method, Trained):
        raise ValueError(f"{name} has no network that is trained here")
    return method.build()


def parameter_count(network: nn.Module) -> int:
    """The number of trained numbers."""
    return sum(parameter.numel() for parameter in network.parameters())
