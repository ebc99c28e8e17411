"""DRCN: Kim, Lee, Lee, Deeply-Recursive Convolutional Network for Image Super-Resolution, CVPR 2016."""

import torch
from torch import Tensor, nn

from srcore.networks.generator import Generator


class DRCN(Generator):
    """Luma of the bicubic enlargement in, refined luma out, both float32 (N, 1, H, W) in [0, 1], not clamped.

    One 3x3 kernel is applied `recursions` times; each state is reconstructed by the same two layers, which also see
    the input (skip), and the output is the weighted mean of the reconstructions. The paper has 256 filters.
    """

    enlarges = False

    def __init__(self, filters: int = 256, recursions: int = 16) -> None:
        super().__init__()
        self.recursions = recursions
        self.radius = 2 + recursions + 2  # embedding, recursions, reconstruction
        self.floats_per_lr_pixel = 16 * filters * 4
        kernel = 9 * filters * filters
        self.macs_per_lr_pixel = 16 * (9 * filters + kernel * (1 + 2 * recursions) + recursions * 9 * (filters + 1))
        self.embed_first = nn.Conv2d(1, filters, 3, padding=1)
        self.embed_second = nn.Conv2d(filters, filters, 3, padding=1)
        self.recursive = nn.Conv2d(filters, filters, 3, padding=1)
        self.reconstruct_first = nn.Conv2d(filters, filters, 3, padding=1)
        self.reconstruct_second = nn.Conv2d(filters + 1, 1, 3, padding=1)  # the features and the input itself
        self.mixing = nn.Parameter(torch.full((recursions,), 1 / recursions))
        self._initialise()

    def _initialise(self) -> None:
        """He's method; the recursive kernel starts as the identity (section 5.2 of the paper)."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        nn.init.dirac_(self.recursive.weight)

    def forward(self, luma: Tensor) -> Tensor:
        weights = self.mixing / self.mixing.sum()
        mixed = torch.zeros_like(luma)
        state = self.embed(luma)
        for step in range(self.recursions):
            state = self.recursive(state).relu()  # (N, 256, H, W)
            mixed = mixed + weights[step] * self.reconstruct(state, luma)
        return mixed

    def predictions(self, luma: Tensor) -> tuple[Tensor, Tensor]:
        """Every recursion's own prediction, (recursions, N, 1, H, W), for its supervision; and their weighted mean."""
        state, each = self.embed(luma), []
        for _ in range(self.recursions):
            state = self.recursive(state).relu()
            each.append(self.reconstruct(state, luma))
        stacked = torch.stack(each)
        weights = (self.mixing / self.mixing.sum()).view(-1, 1, 1, 1, 1)
        return stacked, (weights * stacked).sum(0)

    def embed(self, luma: Tensor) -> Tensor:
        embedded: Tensor = self.embed_second(self.embed_first(luma).relu()).relu()  # (N, 256, H, W)
        return embedded

    def reconstruct(self, state: Tensor, luma: Tensor) -> Tensor:
        features = self.reconstruct_first(state).relu()
        refined: Tensor = self.reconstruct_second(torch.cat([features, luma], dim=1))  # (N, 257, H, W) -> (N, 1, H, W)
        return refined
