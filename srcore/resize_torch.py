"""The bicubic of srcore.resize on tensors, wherever they are. Importing this module loads torch."""

from fractions import Fraction
from functools import lru_cache

import torch
from torch import Tensor

from srcore.resize import contributions

_recorded: list[tuple[Tensor, Tensor]] = []
"""What CUDA graphs read when they are replayed: it must outlive the cache."""


def imresize(x: Tensor, scale: Fraction | int, *, rounded: bool = False) -> Tensor:
    """Floating-point (N, C, H, W) -> (N, C, ceil(scale H), ceil(scale W)), as srcore.resize.imresize.

    `rounded` takes values 0..255 and rounds and clips them after each pass as MATLAB does for uint8; in float32 that
    is exact for factors of 4 and 1/4, whose weights are multiples of 2^-12. Otherwise nothing is rounded or clipped.
    """
    for axis in (2, 3):
        indices, weights = _contributions(x.shape[axis], Fraction(scale), x.device, x.dtype)
        shape = [-1 if dim == axis else 1 for dim in range(4)]
        total = torch.zeros((), dtype=x.dtype, device=x.device)
        for index, weight in zip(indices, weights, strict=True):
            total = total + weight.view(shape) * x.index_select(axis, index)
        x = (total + 0.5).floor().clamp(0, 255) if rounded else total
    return x


def shrinking_matrix(size: int, factor: int, margin: int, device: torch.device) -> Tensor:
    """float32 (size + 2 margin, size / factor) that shrinks one axis of a crop with `margin` more pixels on each side.

    With a margin of 2 * factor the borders are those of the whole picture's LR image: nothing is replicated.
    """
    indices, weights = contributions(size + 2 * margin, Fraction(1, factor))
    matrix = torch.zeros(size + 2 * margin, indices.shape[0], dtype=torch.float64)
    for column in range(indices.shape[0]):
        matrix[:, column].index_add_(0, torch.from_numpy(indices[column]), torch.from_numpy(weights[column]))
    outer = margin // factor
    return matrix[:, outer : outer + size // factor].float().to(device)


def _contributions(size: int, scale: Fraction, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The same as srcore.resize.contributions, tap first."""
    found = _kept_contributions(size, scale, device, dtype)
    if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        _recorded.append(found)
    return found


@lru_cache(maxsize=64)
def _kept_contributions(
    size: int, scale: Fraction, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    indices, weights = contributions(size, scale)
    with torch.inference_mode(False):  # else they could not be used in training later
        return torch.from_numpy(indices.T.copy()).to(device), torch.from_numpy(weights.T.copy()).to(device, dtype)
