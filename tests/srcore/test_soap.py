"""The optimiser of the small networks, against torch's Adam and the properties that its paper gives it."""

import pytest
import torch

from srcore.training.soap import Soap


def neighbours(count, generator):
    """(count, 25): pixels of 5x5 patches, nearly alike, as in photographs."""
    smooth = torch.randn(count, 1, generator=generator, dtype=torch.float64)
    return smooth + 0.05 * torch.randn(count, 25, generator=generator, dtype=torch.float64)


def loss_after(optimiser, weight, updates=400):
    """Mean squared error of a linear layer that learns a detail of patches, after this many updates."""
    generator = torch.Generator().manual_seed(3)
    wanted = torch.randn(4, 25, generator=generator, dtype=torch.float64)
    wanted -= wanted.mean(1, keepdim=True)
    for update in range(updates):
        for group in optimiser.param_groups:
            group["lr"] = 0.1 * 1e-3 ** (update / updates)
        patches = neighbours(64, generator)
        loss = ((patches @ (weight - wanted).T) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return float(loss.detach())


def test_patches_of_like_pixels_are_learnt_far_better_than_by_adam():
    weights = [torch.zeros(4, 25, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    soap = loss_after(Soap([weights[0]], lr=0.1), weights[0])
    adam = loss_after(torch.optim.Adam([weights[1]], lr=0.1, betas=(0.95, 0.95)), weights[1])
    assert soap < 0.1 * adam


def test_a_vector_is_moved_as_adam_moves_it():
    generator = torch.Generator().manual_seed(1)
    own, other = (torch.zeros(7, requires_grad=True) for _ in range(2))
    soap = Soap([own], lr=0.01)
    adam = torch.optim.Adam([other], lr=0.01, betas=(0.95, 0.95))
    for update in range(25):
        own.grad = torch.randn(7, generator=generator)
        other.grad = own.grad.clone()
        soap.step()
        if update:  # the first update only looks
            adam.step()
        assert torch.allclose(own, other, atol=1e-6)
    assert own.abs().min() > 0


@pytest.mark.parametrize("shape", [(6, 6), (18, 2, 3, 3), (3, 1030)])
def test_turned_axes_change_nothing(shape):
    """Shampoo's eigenbasis turns with the problem: what Adam by itself has not. A side over 1024 keeps its axes."""
    generator = torch.Generator().manual_seed(2)
    turn = torch.linalg.qr(torch.randn(shape[0], shape[0], generator=generator, dtype=torch.float64))[0]
    plain, turned = (torch.zeros(shape, dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimisers = [Soap([weight], lr=0.01) for weight in (plain, turned)]
    scale = torch.arange(1, shape[0] + 1, dtype=torch.float64).view(-1, *[1] * (len(shape) - 1))
    for _ in range(33):
        plain.grad = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
        turned.grad = torch.tensordot(turn, plain.grad, 1)
        for optimiser in optimisers:
            optimiser.step()
    assert torch.allclose(torch.tensordot(turn, plain, 1), turned, atol=1e-7)
    assert plain.abs().mean() > 0.01


def test_a_gradient_that_is_no_number_is_left_to_the_run_to_report():
    weight = torch.zeros(3, 3, requires_grad=True)
    optimiser = Soap([weight], lr=0.1)
    for _ in range(12):
        weight.grad = torch.full((3, 3), float("nan"))
        optimiser.step()
    assert weight.isnan().all()
