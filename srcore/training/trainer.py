"""One update of a recipe, on whatever device, alone or among other processes."""

import copy
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from srcore.arithmetic import Arithmetic
from srcore.color_torch import luma
from srcore.networks import build
from srcore.networks.discriminator import Discriminator
from srcore.networks.drcn import DRCN
from srcore.networks.generator import Generator
from srcore.networks.vgg import VGGFeatures
from srcore.resize_torch import imresize
from srcore.scale import SCALE
from srcore.training import losses
from srcore.training.compiling import usable
from srcore.training.data import Batch, Crops, random_generator
from srcore.training.parallel import Processes, synchronise
from srcore.training.recipes import Recipe
from srcore.training.soap import Soap

_WARM_UP = 12  # eager updates before a CUDA graph is captured, all of them real ones
_NEVER = 2**62

_DDP_OPTIONS = signature(DistributedDataParallel).parameters
_OWN_BUFFERS: dict[str, Any] = {  # BN's statistics are synchronised; torch 2.13 calls the option otherwise
    "forward_sync_buffers" if "forward_sync_buffers" in _DDP_OPTIONS else "broadcast_buffers": False
}

LR_MARGIN = {True: 0, False: 2}
"""LR pixels that a crop needs around it, by whether the network enlarges: the bicubic enlargement sees two."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What makes an update fast, each of it without changing what is computed but for rounding."""

    channels_last: bool = True
    half: bool = True  # bfloat16 where the recipe allows it and the device has matrix units for it
    tf32: bool = True  # in convolutions that stay in float32, on a GPU only
    fused: bool = True  # the optimiser in one kernel
    compiled: bool = True  # torch.compile, on a GPU only
    graph: bool = True  # the whole update as one CUDA graph

    @classmethod
    def plain(cls) -> "Speed":
        """The eager float32 loop that everything is measured against."""
        return cls(channels_last=False, half=False, tf32=False, fused=False, compiled=False, graph=False)


class Trainer:
    """A recipe's networks and optimisers, moved by one update at a time.

    `arithmetic` is how a GPU computes. After `update(n)`, `losses` holds the update's losses as tensors on the device;
    `first_bad` is the first update whose losses were not finite (or a number beyond all updates).
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        plan: int,
        device: torch.device,
        seed: int = 0,
        vgg: Path | str | None = None,
        generator: Generator | None = None,
        processes: Processes | None = None,
        speed: Speed | None = None,
    ) -> None:
        self.recipe, self.plan, self.device, self._seed = recipe, plan, device, seed
        self.processes = processes or Processes()
        self.on_gpu = device.type == "cuda"
        self.speed = usable(speed or Speed(), on_gpu=self.on_gpu)
        self._layout = torch.channels_last if self.speed.channels_last else torch.contiguous_format
        self._loss_weights = {
            "variation": recipe.total_variation,
            "low_frequency": recipe.low_frequency,
            "grid": recipe.grid,
            "adversarial": recipe.adversarial,
        }
        self._half = recipe.half and self.speed.half and has_bfloat16_units(device)
        self.arithmetic = Arithmetic(tf32=self.speed.tf32)
        self._captures = self.on_gpu and self.speed.graph and self.processes.world == 1 and recipe.optimiser == "adam"
        torch.manual_seed(seed)
        self.generator = self._placed(generator or build(recipe.name))
        if recipe.frozen_norm:
            _freeze_norm(self.generator)
        self.discriminator: nn.Module | None = None
        if recipe.adversarial:
            self.discriminator = self._placed(Discriminator(SCALE * recipe.lr_size - recipe.shift))
        self.vgg: VGGFeatures | None = None
        if recipe.content != "mse":
            self.vgg = self._placed(VGGFeatures(recipe.content, vgg))
        if self.vgg is not None and self._half:
            self.vgg.layers.to(torch.bfloat16)
        self.optimisers = [self._optimiser(self.generator, soap=recipe.optimiser == "soap")]
        if self.discriminator is not None:
            self.optimisers.append(self._optimiser(self.discriminator))
        self.losses: dict[str, Tensor] = {}
        self.first_bad = torch.full((), _NEVER, dtype=torch.int64, device=device)
        self._number = torch.zeros((), dtype=torch.int64, device=device)
        self._alpha = torch.ones((), device=device)
        self._corner = torch.zeros(2, dtype=torch.int64, device=device)  # of what VGG and discriminator see
        self.average = copy.deepcopy(self.generator).requires_grad_(False) if recipe.average else None
        self._generate = self._wrapped(self.generator)
        self._judge = self._wrapped(self.discriminator)
        self._features = self._compiled(self.vgg)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._graph_of, self._eager_updates = 0, 0
        self._places = torch.empty(0)

    @property
    def precision(self) -> str:
        """What the networks compute in, such as "bfloat16, TF32 in convolutions, deterministic cuDNN"."""
        numbers = "bfloat16" if self._half else "float32"
        return f"{numbers}, {self.arithmetic}" if self.on_gpu else numbers

    @property
    def shipped(self) -> Generator:
        """The generator to validate and to ship: the average of the weights, where the recipe keeps one."""
        generator: Generator = self.generator if self.average is None else self.average
        return generator

    def update(self, number: int, crops: Crops) -> None:
        """Make update `number` (from 0) with that update's crops."""
        with self.arithmetic.set():
            self._update(number, crops)

    def _update(self, number: int, crops: Crops) -> None:
        self._set_schedule(number)
        places = crops.places(number)
        if number < self.recipe.warm_up:
            self._warm(crops.cut(places))
            return
        if not self._captures:
            self._step(crops.cut(places))
            return
        if self._graph is not None and self._graph_of == crops.shard.pixels.data_ptr():
            self._places.copy_(places)
            self._graph.replay()
        elif self._eager_updates < _WARM_UP:
            self._eager_updates += 1
            self._on_side_stream(lambda: self._step(crops.cut(places)))
        else:
            self._capture(crops, places)
            self._graph.replay()  # type: ignore[union-attr]

    def state(self) -> dict[str, Any]:
        """Everything that the next updates depend on, besides the crops."""
        return {
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict() if self.average is not None else {},
            "discriminator": self.discriminator.state_dict() if self.discriminator is not None else {},
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over a state. Raises RuntimeError if it is another network's."""
        self.generator.load_state_dict(state["generator"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.discriminator is not None:
            self.discriminator.load_state_dict(state["discriminator"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            own = [{k: v for k, v in group.items() if k != "params"} for group in optimiser.param_groups]
            groups = [group | options for group, options in zip(saved["param_groups"], own, strict=True)]
            optimiser.load_state_dict({"state": saved["state"], "param_groups": groups})  # on this device's terms

    def is_finite(self) -> bool:
        """Whether all parameters and buffers, such as batch normalisation's statistics, are finite numbers."""
        networks = [self.generator, *([self.discriminator] if self.discriminator is not None else [])]
        return all(bool(torch.isfinite(value).all()) for each in networks for value in each.state_dict().values())

    def _step(self, batch: Batch) -> None:
        lr, hr = self._prepared(batch)
        with self._autocast():
            generated: Tensor | tuple[Tensor, Tensor] = self._generate(lr)
        now: dict[str, Tensor] = {}
        if isinstance(generated, tuple):  # DRCN: every recursion's output, and their mean
            now["content"] = losses.recursive_supervision(*generated, hr, self._alpha)
        else:
            hr = _middle(hr, generated.shape[-1])
            now["content"] = self._content(generated, hr)
            if self.recipe.total_variation:
                now["variation"] = losses.total_variation(generated)
            if self.recipe.low_frequency:
                now["low_frequency"] = losses.low_frequencies(generated, hr)
            if self.recipe.grid:
                now["grid"] = losses.grid_energy(generated, hr)
            if self.discriminator is not None:
                now["discriminator"] = self._move_discriminator(self._window(hr), self._window(generated.detach()))
                now["adversarial"] = self._fooling(self._window(generated))
        total = now["content"] + sum(weight * now[name] for name, weight in self._loss_weights.items() if name in now)
        self.optimisers[0].zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        self.optimisers[0].step()
        self._follow()
        self._note(now | {"generator": total})

    def _warm(self, batch: Batch) -> None:
        """An update in which only the discriminator moves: a new one says nothing of use to a trained generator."""
        lr, hr = self._prepared(batch)
        with torch.no_grad(), self._autocast():
            generated = self._generate(lr)
        loss = self._move_discriminator(self._window(hr), self._window(generated))
        self._note({"discriminator": loss, "generator": torch.zeros((), device=self.device)})

    def _window(self, picture: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, 3, S - shift, S - shift), from this update's corner on."""
        if not self.recipe.shift:
            return picture
        along = torch.arange(picture.shape[-1] - self.recipe.shift, device=self.device)
        window = picture.index_select(2, self._corner[0] + along).index_select(3, self._corner[1] + along)
        return window.contiguous(memory_format=self._layout)

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average a step towards the generator, batch normalisation's statistics too."""
        if self.average is None:
            return
        for mean, now in zip(self.average.state_dict().values(), self.generator.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - self.recipe.average)
            else:
                mean.copy_(now)

    def _move_discriminator(self, hr: Tensor, sr: Tensor) -> Tensor:
        """k = 1 step of the discriminator on this update's pictures, before the generator's (section 2.1)."""
        optimiser = self.optimisers[1]
        with self._autocast():
            real, fake = self._judge(hr), self._judge(sr)
        loss = losses.discriminator(real, fake)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return loss.detach()

    def _fooling(self, sr: Tensor) -> Tensor:
        """-log D(G): a gradient for the generator alone."""
        network: Any = self.discriminator
        network.requires_grad_(False)
        judge = network if self.processes.world > 1 else self._judge  # nothing of it is averaged over processes
        with self._autocast():
            logits = judge(sr)
        network.requires_grad_(True)
        return losses.adversarial(logits)

    def _content(self, sr: Tensor, hr: Tensor) -> Tensor:
        if self.vgg is None:
            return losses.mean_squared_error(sr, hr)
        with torch.no_grad():
            wanted = self._features(self._window(hr))
        return losses.content_of_features(self._features(self._window(sr.float())), wanted)

    def _prepared(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the network takes and what it should give."""
        if self.generator.colour == "rgb":
            lr, hr = batch.lr, batch.hr * 2 - 1
        elif self.generator.enlarges:
            lr, hr = luma(batch.lr), luma(batch.hr)
        else:
            edge = SCALE * LR_MARGIN[False]
            lr, hr = imresize(luma(batch.lr), SCALE)[:, :, edge:-edge, edge:-edge], luma(batch.hr)
        return lr.contiguous(memory_format=self._layout), hr.contiguous(memory_format=self._layout)

    def _note(self, now: dict[str, Tensor]) -> None:
        """Keep the losses, in the same tensors each time so that a CUDA graph can write them."""
        bad = torch.zeros((), dtype=torch.bool, device=self.device)
        for name, value in now.items():
            bad = bad | ~torch.isfinite(value.detach())
            self.losses.setdefault(name, torch.zeros((), device=self.device)).copy_(value.detach())
        self.first_bad.copy_(torch.where(bad, torch.minimum(self.first_bad, self._number), self.first_bad))

    def _set_schedule(self, number: int) -> None:
        fraction = number / self.plan
        rate = self.recipe.rate(fraction)
        self._number.fill_(number)
        self._alpha.fill_(1 - fraction)
        if self.recipe.shift:
            random = random_generator(self._seed, 4, number)
            self._corner.copy_(torch.randint(self.recipe.shift, (2,), generator=random))
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(rate)
                else:
                    group["lr"] = rate

    def _optimiser(self, network: nn.Module, *, soap: bool = False) -> torch.optim.Optimizer:
        rate = self.recipe.rates[0].first
        if soap:
            return Soap(network.parameters(), lr=rate)
        return torch.optim.Adam(
            network.parameters(),
            lr=torch.tensor(rate, device=self.device) if self._captures else rate,
            betas=(0.9, 0.999),
            weight_decay=self.recipe.weight_decay,
            fused=self.speed.fused or None,
            capturable=self._captures,
        )

    def _placed(self, network: Any) -> Any:
        if self.processes.world > 1:
            network = synchronise(network, self.device)
        return network.to(self.device, memory_format=self._layout)

    def _wrapped(self, network: nn.Module | None) -> Any:
        """For the forward pass that is trained: compiled, or averaging its gradients over all processes."""
        outer = _Predictions(network) if isinstance(network, DRCN) else network
        if outer is None or self.processes.world == 1:
            return self._compiled(outer)
        devices = [self.device] if self.on_gpu else None
        return DistributedDataParallel(outer, device_ids=devices, **_OWN_BUFFERS)

    def _compiled(self, network: nn.Module | None) -> Any:
        return torch.compile(network) if network is not None and self.on_gpu and self.speed.compiled else network

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if self._half else nullcontext()

    def _on_side_stream(self, work: Any) -> None:
        """What comes before a capture must not run on the default stream (torch's notes on CUDA graphs)."""
        stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            work()
        torch.cuda.current_stream(self.device).wait_stream(stream)

    def _capture(self, crops: Crops, places: Tensor) -> None:
        """Record an update, from the crops' places on; recording executes nothing."""
        self._graph = None  # frees the memory of the one before
        self._places = places.clone()
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        torch.cuda.synchronize(self.device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # photographs may be loading
            self._step(crops.cut(self._places))
        self._graph, self._graph_of = graph, crops.shard.pixels.data_ptr()


def _middle(hr: Tensor, side: int) -> Tensor:
    """(N, C, S, S) -> its central (N, C, side, side): what a network that pads nothing in training can make."""
    edge = (hr.shape[-1] - side) // 2
    return hr[:, :, edge : edge + side, edge : edge + side]


def _freeze_norm(network: nn.Module) -> None:
    """Have batch normalisation use its running statistics, and keep them."""
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.eval()


def has_bfloat16_units(device: torch.device) -> bool:
    """Whether bfloat16 pays on the device: on a GPU, and on a CPU with AMX or AVX-512's bfloat16 products.

    With the latter (an EPYC, one thread) an update of SRGAN-VGG54 with 4 crops takes 1.03 s instead of 1.95 s of
    float32, one with 8 crops 1.83 s instead of 3.5 s. CPUs with neither are many times slower in bfloat16.
    """
    return device.type == "cuda" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


class _Predictions(nn.Module):
    """DRCN's training output through `forward`, which is what wrappers call."""

    def __init__(self, network: DRCN) -> None:
        super().__init__()
        self.network = network

    def forward(self, luma: Tensor) -> tuple[Tensor, Tensor]:
        return self.network.predictions(luma)
