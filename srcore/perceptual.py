"""How far apart two pictures are in VGG-19's phi_5,4: the content loss of SRGAN-VGG54 as a figure. Loads torch."""

from pathlib import Path

import numpy as np
import torch

from srcore.images import Pixels, as_rgb
from srcore.inference import choose_device
from srcore.networks.vgg import VGGFeatures
from srcore.training.losses import content_of_features


class FeatureDistance:
    """Equation 5 of Ledig et al. 2017 on whole 8-bit pictures: the mean squared difference of phi_5,4 over 12.75^2.

    `vgg` is as for VGGFeatures; other weights give other figures. Raises WeightsError and DeviceError.
    """

    def __init__(self, vgg: Path | str | None = None, *, device: str = "auto") -> None:
        self._device = choose_device(device)
        self._network = VGGFeatures("vgg54", vgg).to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def __call__(self, hr: Pixels, sr: Pixels) -> float:
        """The distance of two uint8 pictures of one size, RGB or grey; 0 for equal ones."""
        if hr.shape[:2] != sr.shape[:2]:
            raise ValueError(f"the pictures are of different sizes: {hr.shape[:2]} and {sr.shape[:2]}")
        return float(content_of_features(self._features(sr), self._features(hr)))

    def _features(self, pixels: Pixels) -> torch.Tensor:
        picture = torch.from_numpy(np.ascontiguousarray(as_rgb(pixels).transpose(2, 0, 1)))[None]
        features: torch.Tensor = self._network(picture.to(self._device).float() / 127.5 - 1)
        return features
