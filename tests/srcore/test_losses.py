"""Known values of each loss, and the gradient that each sends to the generator's first layer."""

from math import log

import pytest
import torch

from srcore.networks import DRCN, SRResNet
from srcore.networks.discriminator import Discriminator
from srcore.networks.vgg import VGGFeatures
from srcore.training import losses
from srcore.training.recipes import RECIPES, UnknownRecipe, get_recipe, short


def test_the_pixel_loss_is_the_mean_squared_error():
    assert losses.mean_squared_error(torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)).item() == 0.25


def test_feature_losses_are_scaled_by_0_006():
    plain, scaled = torch.tensor([[3.0]]), losses.content_of_features(torch.tensor([[3.0]]), torch.tensor([[0.0]]))
    assert scaled.item() == pytest.approx(plain.item() ** 2 * 0.006, rel=0.03)
    assert scaled.item() == pytest.approx(9 / 12.75**2)


def test_the_low_frequencies_are_the_means_of_4x4_blocks():
    sr, hr = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    sr[:, :, :4, :4] = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(2, 2)  # a block whose mean is 0
    assert losses.low_frequencies(sr, hr).item() == 0
    sr[:, :, :4, :4] += 0.5
    assert losses.low_frequencies(sr, hr).item() == 0.25 / 4  # one block of four


@pytest.mark.parametrize("period", [2, 4])
def test_the_grid_energy_is_a_grids_whole_energy(period):
    wave = torch.cos(2 * torch.pi * torch.arange(32) / period).expand(1, 3, 32, 32)
    hr = torch.rand(1, 3, 32, 32)
    assert losses.grid_energy(hr + 0.1 * wave, hr).item() == pytest.approx(0.01 * wave.square().mean().item(), rel=1e-4)


def test_the_grid_energy_is_blind_to_a_cast_and_nearly_to_noise():
    hr, noise = torch.rand(1, 3, 64, 64), torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert losses.grid_energy(hr + 0.1, hr).item() == pytest.approx(0, abs=1e-12)
    assert losses.grid_energy(hr + noise, hr).item() == pytest.approx(15 / 16 / 16, rel=0.1)


def test_adversarial_losses_of_an_undecided_discriminator():
    undecided = torch.zeros(4, 1)
    assert losses.adversarial(undecided).item() == pytest.approx(log(2))
    assert losses.discriminator(undecided, undecided).item() == pytest.approx(2 * log(2))


def test_adversarial_losses_of_a_sure_discriminator():
    real, fake = torch.full((2, 1), 3.0), torch.full((2, 1), -3.0)
    sure = torch.sigmoid(torch.tensor(3.0)).item()
    assert losses.discriminator(real, fake).item() == pytest.approx(-2 * log(sure), rel=1e-5)
    assert losses.adversarial(fake).item() == pytest.approx(-log(1 - sure), rel=1e-5)


def test_total_variation_of_a_step():
    step = torch.zeros(2, 1, 4, 6)
    step[:, :, :, 3:] = 2.0
    assert losses.total_variation(step).item() == 4 * 2  # one edge of 2 in each of four rows
    assert losses.total_variation(step.transpose(2, 3)).item() == 4 * 2


def test_drcns_loss_mixes_the_recursions_and_the_output():
    each, final, hr = torch.stack([torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)]), torch.full((1, 1, 2, 2), 3.0), 0.0
    hr = torch.full((1, 1, 2, 2), hr)
    assert losses.recursive_supervision(each, final, hr, 1.0).item() == 0.5
    assert losses.recursive_supervision(each, final, hr, 0.0).item() == 9
    assert losses.recursive_supervision(each, final, hr, 0.25).item() == pytest.approx(0.25 * 0.5 + 0.75 * 9)


@pytest.mark.parametrize("name", ["mse", "vgg22", "vgg54", "adversarial", "variation", "low", "grid"])
def test_every_loss_sends_a_gradient_to_the_generators_first_layer(shared, name):
    torch.manual_seed(0)
    generator = SRResNet(blocks=1, channels=8)
    sr, hr = generator(torch.rand(2, 3, 8, 8)), torch.rand(2, 3, 32, 32) * 2 - 1
    if name.startswith("vgg"):
        vgg = VGGFeatures(name, shared / "weights" / "vgg19_features_fp16.safetensors")
        loss = losses.content_of_features(vgg(sr), vgg(hr))
    elif name == "adversarial":
        loss = losses.adversarial(Discriminator(32)(sr))
    elif name == "variation":
        loss = losses.total_variation(sr)
    else:
        of_two = {"mse": losses.mean_squared_error, "low": losses.low_frequencies, "grid": losses.grid_energy}
        loss = of_two[name](sr, hr)
    loss.backward()
    gradient = generator.entry[0].weight.grad
    assert gradient is not None
    assert (gradient.flatten(1).norm(dim=1) > 0).all()  # every filter of the first layer


def test_drcns_loss_reaches_its_first_layer():
    network = DRCN(filters=8, recursions=3)
    torch.nn.init.normal_(network.recursive.weight, std=0.1)  # as the identity, all recursions would say the same
    losses.recursive_supervision(*network.predictions(torch.rand(1, 1, 8, 8)), torch.rand(1, 1, 8, 8), 0.5).backward()
    assert network.embed_first.weight.grad.norm() > 0
    assert network.mixing.grad.norm() > 0


def test_schedules_follow_the_fraction_of_the_plan():
    srgan = get_recipe("srgan-vgg54")
    assert (srgan.rate(0), srgan.rate(0.499), srgan.rate(0.5), srgan.rate(1)) == (1e-4, 1e-4, 1e-5, 1e-5)
    espcn = get_recipe("espcn")
    assert espcn.rate(0) == 3e-3
    assert espcn.rate(0.5) == pytest.approx((3e-3 * 1e-5) ** 0.5)
    assert espcn.rate(1) == pytest.approx(1e-5)


@pytest.mark.parametrize("name", ["srresnet-vgg22", "srgan-mse", "srgan-vgg22", "srgan-vgg54"])
def test_the_short_form_names_every_change(name):
    paper, brief = get_recipe(name), short(get_recipe(name))
    assert (brief.name, brief.content, brief.start) == (paper.name, paper.content, paper.start)
    named = " ".join(brief.deviations[len(paper.deviations) :])
    numbers = [f"{brief.updates:,} updates of {brief.batch} crops", f"{brief.low_frequency:,g} times the mean"]
    numbers += [f"{brief.grid:,g} times the energy", str(brief.average)]
    if paper.adversarial:
        numbers.append(f"first {brief.warm_up} updates")
    if paper.adversarial != brief.adversarial:
        numbers.append(f"weight is {brief.adversarial:g}, not {paper.adversarial:g}")
    assert [number for number in numbers if number not in named] == []
    assert bool(brief.warm_up) == bool(brief.adversarial) == bool(paper.adversarial)
    side = 4 * brief.lr_size
    assert f"{side - brief.shift}x{side - brief.shift} of the {side}x{side} pixels" in named


def test_a_loss_of_pixels_alone_has_no_short_form():
    with pytest.raises(UnknownRecipe, match=r"espcn has no short form.*srresnet-vgg22, srgan-mse, srgan-vgg22"):
        short(get_recipe("espcn"))


def test_the_recipes_are_those_of_the_paper():
    assert list(RECIPES) == [
        "srcnn", "espcn", "drcn", "srresnet-mse", "srresnet-vgg22", "srgan-mse", "srgan-vgg22", "srgan-vgg54",
    ]  # fmt: skip
    assert RECIPES["srresnet-mse"].updates == 1_000_000
    assert [RECIPES[name].start for name in ("srresnet-mse", "srresnet-vgg22", "srgan-vgg54")] == [
        None, "srresnet-mse", "srresnet-mse",
    ]  # fmt: skip
    with pytest.raises(UnknownRecipe, match="known: srcnn, espcn"):
        get_recipe("esrgan")
