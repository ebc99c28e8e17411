"""Networks that perceptual metrics look through: their weights are files that the user names, or torchvision's own."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from srcore.images import ImageError, Pixels, as_rgb
from srcore.metrics.metric import Settings

if TYPE_CHECKING:
    from torch import Tensor

FILES = {"alexnet": "alexnet-owt-7be5be79.pth", "vgg16": "vgg16-397923af.pth"}
"""What torchvision calls its files of them, where it has fetched them."""


def package_missing(*names: str) -> str:
    """What to install, or "" if all these packages are there."""
    missing = [name for name in names if find_spec(name.split("=")[0]) is None]
    return f"pip install {' '.join(name.split('=')[-1] for name in missing)}" if missing else ""


def weights_of(name: str, settings: Settings) -> Path | None:
    """The file with a backbone's weights: the one named, that of SRCORE_ALEXNET and its like, or torchvision's own."""
    named = settings.weights.get(name) or os.environ.get(f"SRCORE_{name.upper()}")
    if named:
        return Path(named)
    import torch

    kept = Path(torch.hub.get_dir()) / "checkpoints" / FILES[name]
    return kept if kept.is_file() else None


def weights_missing(name: str, settings: Settings) -> str:
    """What to fetch; "" if the backbone's weights are there."""
    path = weights_of(name, settings)
    if path is None:
        return (
            f"fetch torchvision's {FILES[name]} and name it with --weights {name}=FILE or SRCORE_{name.upper()}; "
            f"where there is a network, torchvision.models.{name}(weights='DEFAULT') fetches it to where it is found"
        )
    return "" if path.is_file() else f"{path}: there is no such file with the weights of {name}"


def backbone(name: str, settings: Settings) -> Any:
    """torchvision's network with the weights of `weights_of`; only its features are filled. Raises WeightsError."""
    import torch

    from srcore.networks.foreign import read_weights
    from srcore.networks.vgg import torchvision
    from srcore.weights import WeightsError

    path = weights_of(name, settings)
    if path is None:
        raise WeightsError(weights_missing(name, settings))
    with torch.device("meta"):  # the classifier's half gigabyte is never made
        network = getattr(torchvision().models, name)(weights=None)
    stored = read_weights(path)
    wanted = network.features.state_dict()
    missing = [key for key in wanted if f"features.{key}" not in stored]
    if missing:
        raise WeightsError(f"{path} is not torchvision's {name}: features.{missing[0]} is not in it")
    network.features.load_state_dict({key: stored[f"features.{key}"].float() for key in wanted}, assign=True)
    return network.eval()


def as_tensor(pixels: Pixels, crop: int, device: Any) -> "Tensor":
    """uint8 (H, W, 3) or (H, W) -> float32 (1, 3, H, W) in [0, 1] without `crop` pixels on each side."""
    import torch

    inner = slice(crop, -crop or None)
    rgb = as_rgb(pixels)[inner, inner]
    if 0 in rgb.shape:
        raise ImageError(f"nothing is left of {pixels.shape[1]} x {pixels.shape[0]} after cutting {crop} off each side")
    return torch.from_numpy(rgb.transpose(2, 0, 1).copy())[None].to(device).float() / 255


@contextmanager
def quietly() -> Iterator[None]:
    """Old packages warn of what newer ones of others call what they use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
