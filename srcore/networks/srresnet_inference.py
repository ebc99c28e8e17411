"""SRResNet as it runs fastest where it is not trained: the same picture with less work and less memory."""

import copy
from collections.abc import Callable
from itertools import cycle

import torch
from torch import Tensor, nn

from srcore.networks.generator import Generator
from srcore.networks.srresnet import SRResNet
from srcore.tiles import tiles


class SRResNetForInference(Generator):
    """RGB (N, 3, H, W) in [0, 1] -> (N, 3, 4H, 4W) in about [-1, 1], not clamped, as the network it is made from.

    Batch normalisations are merged into the convolutions before them, the output layer stands in front of the last
    pixel shuffle, and the widest features, 16 times the trunk's, are made and used up in `groups` of channels.
    What is larger than `largest_tensor` bytes is worked on in patches: memory that was just freed, still in the cache
    and still mapped, is used again at once.
    """

    colour = "rgb"
    enlarges = True

    @torch.no_grad()
    def __init__(self, network: SRResNet, *, groups: int, largest_tensor: int) -> None:
        super().__init__()
        trained = copy.deepcopy(network).eval()
        for module in list(trained.modules()):
            if isinstance(module, nn.Sequential):
                _fold_batch_norm(module)
        self.largest_tensor = largest_tensor
        self.entry, self.blocks, self.exit = trained.entry, trained.blocks, trained.exit
        self.first_doubling = trained.enlarge[:3]
        self.second_doubling = _in_groups(trained, groups)
        self.radius = trained.radius
        channels: int = len(trained.state_dict()["enlarge.4.weight"])
        self.floats_per_lr_pixel = 4 * channels  # of the trunk; the rest goes by in patches
        self._widest = max(1, 4 // groups) * 4 * channels  # floats for each LR pixel in the largest tensor of the tail
        kernel = 9 * channels * channels
        self.macs_per_lr_pixel = 243 * channels + kernel * (2 * len(self.blocks) + 1 + 4 + 16) + 4 * 1200 * channels

    def forward(self, lr: Tensor) -> Tensor:
        features = self.trunk(lr)
        size = features.shape[0] * features.element_size()
        size_of_sr = (len(lr), 3, self.scale * lr.shape[2], self.scale * lr.shape[3])
        sr = features.new_empty(size_of_sr).to(memory_format=torch.channels_last)
        return _in_patches(self.tail, features, sr, self.largest_tensor // (size * self._widest), reach=3)

    def trunk(self, lr: Tensor) -> Tensor:
        """(N, 3, H, W) -> features (N, 64, H, W)."""
        entered: Tensor = self.entry(lr)
        buffers = cycle((torch.empty_like(entered), torch.empty_like(entered)))
        pixels = self.largest_tensor // (entered[:, :, 0, 0].numel() * entered.element_size())
        features = entered
        for block in self.blocks:
            features = _in_patches(block, features, next(buffers), pixels, reach=2)
        left: Tensor = self.exit(features).add_(entered)
        return left

    def tail(self, features: Tensor) -> Tensor:
        """(N, 64, H, W) -> (N, 3, 4H, 4W)."""
        features = self.first_doubling(features)  # (N, 64, 2H, 2W)
        sr: Tensor = self.second_doubling[0](features)  # (N, 12, 2H, 2W)
        for group in self.second_doubling[1:]:
            sr.add_(group(features))
        return nn.functional.pixel_shuffle(sr, 2)


def _in_patches(layers: Callable[[Tensor], Tensor], x: Tensor, result: Tensor, pixels: int, reach: int) -> Tensor:
    """layers(x), in `result` where x has more than so many pixels; `reach` is that of the layers in pixels of x."""
    height, width = x.shape[2:]
    if height * width <= pixels:
        return layers(x)
    scale = result.shape[2] // height
    for tile, seen in tiles(height, width, pixels, reach):
        patch = layers(x[:, :, *seen.scaled(1)])
        result[:, :, *tile.scaled(scale)] = patch[:, :, *tile.within(seen).scaled(scale)]
    return result


def _in_groups(trained: SRResNet, groups: int) -> nn.ModuleList:
    """The last doubling and the output layer as a sum over groups of the 256 channels between them."""
    state = trained.state_dict()
    weight, wide_bias = state["enlarge.3.weight"], state["enlarge.3.bias"]  # (256, 64, 3, 3), (256)
    slopes = state["enlarge.4.weight"].repeat_interleave(4)
    kernel, bias = trained.output.before_shuffle()  # (12, 256, 5, 5), (12)
    made = nn.ModuleList()
    for part in torch.arange(len(weight), device=weight.device).chunk(groups):
        wide = nn.Conv2d(weight.shape[1], len(part), 3, padding=1)
        activation = nn.PReLU(len(part))
        output = nn.Conv2d(len(part), len(kernel), kernel.shape[2], padding=kernel.shape[2] // 2, bias=not len(made))
        wide.weight, wide.bias = nn.Parameter(weight[part]), nn.Parameter(wide_bias[part])
        activation.weight = nn.Parameter(slopes[part])
        output.weight = nn.Parameter(kernel[:, part].contiguous())
        if bias is not None and not len(made):
            output.bias = nn.Parameter(bias)
        made.append(nn.Sequential(wide, activation, output))
    return made


def _fold_batch_norm(layers: nn.Sequential) -> None:
    kept: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d) and kept and isinstance(kept[-1], nn.Conv2d):
            kept[-1] = nn.utils.fuse_conv_bn_eval(kept[-1], layer)
        else:
            kept.append(layer)
    layers._modules.clear()
    for index, layer in enumerate(kept):
        layers.add_module(str(index), layer)
