"""MATLAB's luma and chroma on tensors. Importing this module loads torch."""

import torch
from torch import Tensor

from srcore.color import BT601

_OFFSET = (16.0, 128.0, 128.0)


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """(N, 3, H, W) RGB in [0, 1] -> Y, Cb, Cr in units of 1/255 of 8-bit: Y in 16/255..235/255 (MATLAB's rgb2ycbcr)."""
    matrix = torch.tensor(BT601 / 255, dtype=rgb.dtype, device=rgb.device)
    offset = torch.tensor(_OFFSET, dtype=rgb.dtype, device=rgb.device).view(1, 3, 1, 1) / 255
    return torch.einsum("oc,nchw->nohw", matrix, rgb) + offset


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """The inverse of rgb_to_ycbcr, not clamped."""
    inverse = torch.linalg.inv(torch.tensor(BT601 / 255)).to(ycbcr)
    offset = torch.tensor(_OFFSET, dtype=ycbcr.dtype, device=ycbcr.device).view(1, 3, 1, 1) / 255
    return torch.einsum("oc,nchw->nohw", inverse, ycbcr - offset)


def luma(rgb: Tensor) -> Tensor:
    """(N, 3, H, W) RGB in [0, 1] -> (N, 1, H, W) in 16/255..235/255."""
    weights = torch.tensor(BT601[0] / 255, dtype=rgb.dtype, device=rgb.device).view(1, 3, 1, 1)
    return (rgb * weights).sum(1, keepdim=True) + 16 / 255
