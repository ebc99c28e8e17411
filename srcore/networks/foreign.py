"""Network files of other projects (ESRGAN, SwinIR and their like), as far as the library spandrel opens them."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from srcore.networks.generator import Generator
from srcore.networks.vgg import torchvision
from srcore.weights import WeightsError, read_state

_OVERLAP = 32  # LR pixels: enough for the convolutional ones; what attention sees has no end


class ForeignNetwork(Generator):
    """RGB (N, 3, H, W) in [0, 1] -> (N, 3, 4H, 4W) in [-1, 1], by a network that spandrel recognised in a file.

    Tiles of a network with attention can differ at their seams. Raises WeightsError for a file that spandrel does
    not know, and for a network that is not RGB 4x.
    """

    colour = "rgb"
    radius = _OVERLAP
    floats_per_lr_pixel = 64 * 16 * 4

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.descriptor: Any = _opened(path)
        self.model: nn.Module = self.descriptor.model
        self.architecture = str(self.descriptor.architecture.name)
        self.supports_half = bool(self.descriptor.supports_half)
        # What progress is reckoned with; exact for layers at the LR image's resolution.
        self.macs_per_lr_pixel = sum(m.weight.numel() for m in self.modules() if isinstance(m, nn.Conv2d)) or 1
        found = (self.descriptor.scale, self.descriptor.input_channels, self.descriptor.output_channels)
        if found != (4, 3, 3):
            raise WeightsError(
                f"{path}: {self.architecture} with (scale, channels in, out) {found}, where (4, 3, 3) is needed"
            )

    def forward(self, lr: Tensor) -> Tensor:
        pictures: list[Tensor] = [self.descriptor(picture[None]) for picture in lr]  # takes one at a time
        return torch.cat(pictures) * 2 - 1


def _opened(path: Path) -> Any:
    torchvision()  # spandrel imports it, also where that needs help
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except ImportError as error:
        raise WeightsError(f"{path}: foreign networks need the package spandrel: pip install spandrel") from error
    try:
        model = ModelLoader(device="cpu").load_from_state_dict(_state(path))
    except UnsupportedModelError as error:
        raise WeightsError(f"{path}: spandrel does not know this network") from error
    if not isinstance(model, ImageModelDescriptor):
        raise WeightsError(f"{path}: {type(model).__name__} makes no picture from one picture alone")
    return model


def _state(path: Path) -> dict[str, Any]:
    """Tensors of a safetensors file, or of a torch file read without running what it holds."""
    if path.suffix == ".safetensors":
        return dict(read_state(path))
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpicklers raise nearly every type
        raise WeightsError(f"{path} cannot be read as weights: {error}") from error
    if not isinstance(state, dict):
        raise WeightsError(f"{path} holds {type(state).__name__}, not the weights of a network")
    return state
