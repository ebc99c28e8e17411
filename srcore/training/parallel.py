"""More than one process: batch normalisation over all of them, and who they are."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed, nn


class Processes(NamedTuple):
    """This process among those that torchrun started."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    exchange: Callable[[Any], list[Any]] | None = None
    """Gives what every process brings, by rank, to all of them; of its own group, so that a thread may wait in it."""

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files and talks."""
        return self.rank == 0


def join_processes(device: torch.device) -> Processes:
    """Join the others if torchrun started this process (it sets RANK and WORLD_SIZE); else be alone."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Processes()
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    group = distributed.new_group(backend="gloo")

    def exchange(mine: Any) -> list[Any]:
        found: list[Any] = [None] * world
        distributed.all_gather_object(found, mine, group=group)
        return found

    return Processes(distributed.get_rank(), world, int(os.environ.get("LOCAL_RANK", "0")), exchange)


def leave_processes() -> None:
    """Wait for the others and part from them: one that ends early would break their connections."""
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def agree(flag: bool, device: torch.device) -> bool:
    """Whether any process says yes."""
    if not distributed.is_initialized():
        return flag
    votes = torch.tensor([float(flag)], device=device)
    distributed.all_reduce(votes, op=distributed.ReduceOp.MAX)
    return bool(votes.item())


def smallest(value: int, device: torch.device) -> int:
    """The least that any process has: what all of them are to do alike, such as the photographs they hold."""
    if not distributed.is_initialized():
        return value
    values = torch.tensor([value], dtype=torch.int64, device=device)
    distributed.all_reduce(values, op=distributed.ReduceOp.MIN)
    return int(values.item())


class _Sum(torch.autograd.Function):
    """The sum over all processes, and of its gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(ctx, *gradients)


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation with the statistics of all processes' batches, which are of one size.

    torch.nn.SyncBatchNorm does this on GPUs only; this one also runs with gloo on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        values = x.float()
        moments = torch.stack([values.mean(dim=(0, 2, 3)), (values * values).mean(dim=(0, 2, 3))])
        mean, square = _Sum.apply(moments) / distributed.get_world_size()  # type: ignore[no-untyped-call]
        variance = square - mean * mean
        if self.track_running_stats:
            self._remember(mean.detach(), variance.detach(), x.numel() // x.shape[1] * distributed.get_world_size())
        scale = (variance + self.eps).rsqrt() * self.weight
        shift = self.bias - mean * scale
        return values.mul(scale.view(1, -1, 1, 1)).add(shift.view(1, -1, 1, 1)).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        momentum = self.momentum or 0.1
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * count / (count - 1), momentum)
            self.num_batches_tracked += 1


def synchronise(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with batch normalisation over all processes."""
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return converted
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.BatchNorm2d:
                synced = SyncedBatchNorm2d(child.num_features, track_running_stats=child.track_running_stats)
                synced.load_state_dict(child.state_dict())
                setattr(module, name, synced)
    return network
