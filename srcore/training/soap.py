"""SOAP: Vyas et al., SOAP: Improving and Stabilizing Shampoo using Adam, ICLR 2025, algorithm 3."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_LARGEST = 1024  # a side of a weight matrix beyond this keeps its own axes


class Soap(torch.optim.Optimizer):
    """Adam in the eigenbasis of Shampoo's preconditioner.

    A weight counts as a matrix, (outputs, all the rest); vectors, such as biases, get plain Adam. Neighbouring pixels
    are so alike that a luma network's loss is hundreds of times steeper in some directions than in others; Adam, which
    scales each weight by itself, needs far more updates there. `factors` decay the running covariances of the
    gradient; their eigenvectors are followed by one QR step every `every` updates.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        *,
        lr: float,
        betas: tuple[float, float] = (0.95, 0.95),
        factors: float = 0.95,
        eps: float = 1e-8,
        every: int = 10,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "factors": factors, "eps": eps, "every": every})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update; the very first only looks at the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    gradient = parameter.grad.reshape(len(parameter), -1) if parameter.ndim > 1 else parameter.grad
                    change = self._change(self.state[parameter], gradient, group)
                    parameter.add_(change.reshape(parameter.shape), alpha=-group["lr"])

    def _change(self, state: dict[str, Any], gradient: Tensor, group: dict[str, Any]) -> Tensor:
        sides = [side for side in range(gradient.ndim) if gradient.ndim > 1 and gradient.shape[side] <= _LARGEST]
        if not state:
            state |= {"step": 0, "mean": torch.zeros_like(gradient), "square": torch.zeros_like(gradient)}
            for side in sides:
                state[f"covariance{side}"] = _covariance(gradient, side)
                state[f"basis{side}"] = torch.linalg.eigh(state[f"covariance{side}"].nan_to_num())[1]
            return torch.zeros_like(gradient)
        state["step"] += 1
        bases = {side: state[f"basis{side}"] for side in sides}
        first, second = group["betas"]
        turned = _turn(gradient, bases)
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].mul_(second).addcmul_(turned, turned, value=1 - second)
        mean = _turn(state["mean"], bases) / (1 - first ** state["step"])
        root = (state["square"] / (1 - second ** state["step"])).sqrt()
        change = _turn(mean / (root + group["eps"]), {side: basis.T for side, basis in bases.items()})
        for side in sides:
            state[f"covariance{side}"].lerp_(_covariance(gradient, side), 1 - group["factors"])
            if state["step"] % group["every"] == 0:
                self._follow(state, side)
        return change

    @staticmethod
    def _follow(state: dict[str, Any], side: int) -> None:
        """Move the eigenvectors after their covariance: a step of the power iteration, the largest first."""
        covariance, basis = state[f"covariance{side}"], state[f"basis{side}"]
        order = (basis * (covariance @ basis)).sum(0).argsort(descending=True)
        state["square"] = state["square"].index_select(side, order)
        state[f"basis{side}"] = torch.linalg.qr(covariance @ basis[:, order])[0]


def _covariance(gradient: Tensor, side: int) -> Tensor:
    return gradient @ gradient.T if side == 0 else gradient.T @ gradient


def _turn(matrix: Tensor, bases: dict[int, Tensor]) -> Tensor:
    """A matrix seen in these bases of its sides."""
    if 0 in bases:
        matrix = bases[0].T @ matrix
    return matrix @ bases[1] if 1 in bases else matrix
