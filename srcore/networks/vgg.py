"""Features of VGG-19 (Simonyan and Zisserman, ICLR 2015), in which SRGAN's content loss is measured."""

import os
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import torch
from torch import Tensor, nn

from srcore.weights import WeightsError, read_state

Layer = Literal["vgg22", "vgg54"]
LAST_INDEX: dict[Layer, int] = {"vgg22": 8, "vgg54": 35}
"""phi_2,2 and phi_5,4 of the paper, after their ReLU, as indices of torchvision's vgg19().features."""

_ORIGINAL_MEAN = (123.68, 116.779, 103.939)  # of RGB in 0..255, for the authors' own weights
_TORCHVISION_MEAN, _TORCHVISION_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of RGB in 0..1
_kept: list[object] = []


class VGGFeatures(nn.Module):
    """RGB (N, 3, H, W) in [-1, 1] -> features of one layer; the weights are frozen.

    `weights` is a safetensors file with the authors' original weights under torchvision's keys (features.N.weight);
    by default the file that SRCORE_VGG19 names, else torchvision's download, whose input is normalised differently.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, layer: Layer, weights: Path | str | None = None) -> None:
        super().__init__()
        named = os.environ.get("SRCORE_VGG19")
        chosen = weights or named
        weights = Path(chosen) if chosen else None
        models = torchvision().models
        if weights is None:
            self.layers = _downloaded(models).features[: LAST_INDEX[layer] + 1]
            mean, std = torch.tensor(_TORCHVISION_MEAN), torch.tensor(_TORCHVISION_STD)
        else:
            with torch.device("meta"):  # the classifier's half gigabyte is never made
                self.layers = models.vgg19().features[: LAST_INDEX[layer] + 1]
            self._load(weights)
            mean, std = torch.tensor(_ORIGINAL_MEAN) / 255, torch.full((3,), 1 / 255)
        self.register_buffer("mean", mean.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", std.view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, picture: Tensor) -> Tensor:
        seen = ((picture + 1) / 2 - self.mean) / self.std
        features: Tensor = self.layers(seen.to(self.layers[0].weight.dtype))
        return features

    def _load(self, path: Path) -> None:
        if not path.is_file():
            raise WeightsError(f"{path}: there is no such file of VGG-19 weights; --vgg or SRCORE_VGG19 names one")
        stored = read_state(path)
        wanted = self.layers.state_dict()
        missing = [f"features.{key}" for key in wanted if f"features.{key}" not in stored]
        if missing:
            raise WeightsError(f"{path} is not a VGG-19 under torchvision's keys: {missing[0]} is not in it")
        state = {key: stored[f"features.{key}"].float() for key in wanted}
        self.layers.load_state_dict(state, assign=True)


def _downloaded(models: ModuleType) -> Any:
    try:
        return models.vgg19(weights=models.VGG19_Weights.IMAGENET1K_V1)
    except (OSError, RuntimeError) as error:  # no network, a full disk, a download that is cut off
        raise WeightsError(
            f"torchvision's VGG-19 cannot be fetched ({error}); fetch it elsewhere, and name a safetensors file of it "
            "with --vgg or SRCORE_VGG19"
        ) from error


def torchvision() -> ModuleType:
    """The torchvision package, also where its CUDA build meets a CPU build of torch.

    There its import fails because the operators nms and qnms are not compiled in; it only wants their schemas.
    """
    try:
        import torchvision as package
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
        _kept.append(library)  # the schemas live as long as the library object
        import torchvision as package
    loaded: ModuleType = package
    return loaded
