"""MATLAB's luma and chroma on tensors. Importing this module loads torch."""

from functools import lru_cache

import torch
from torch import Tensor

from srcore.color import BT601

_OFFSET = (16 / 255, 128 / 255, 128 / 255)


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """(N, 3, H, W) RGB in [0, 1] -> Y, Cb, Cr in units of 1/255 of 8-bit: Y in 16/255..235/255 (MATLAB's rgb2ycbcr)."""
    matrix, _, offset = _constants(rgb.device, rgb.dtype)
    return torch.einsum("oc,nchw->nohw", matrix, rgb) + offset


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """The inverse of rgb_to_ycbcr, not clamped."""
    _, inverse, offset = _constants(ycbcr.device, ycbcr.dtype)
    return torch.einsum("oc,nchw->nohw", inverse, ycbcr - offset)


def luma(rgb: Tensor) -> Tensor:
    """(N, 3, H, W) RGB in [0, 1] -> (N, 1, H, W) in 16/255..235/255."""
    matrix, _, _ = _constants(rgb.device, rgb.dtype)
    return (rgb * matrix[0].view(1, 3, 1, 1)).sum(1, keepdim=True) + _OFFSET[0]


@lru_cache(maxsize=16)
def _constants(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """The matrix, its inverse and the offsets; kept, since a CUDA graph cannot record a copy from the host."""
    with torch.inference_mode(False):  # else they could not be used in training later
        matrix = torch.tensor(BT601 / 255, dtype=torch.float64)
        offset = torch.tensor(_OFFSET, dtype=torch.float64).view(1, 3, 1, 1)
        return matrix.to(device, dtype), torch.linalg.inv(matrix).to(device, dtype), offset.to(device, dtype)
