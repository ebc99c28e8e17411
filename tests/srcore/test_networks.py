"""The architectures: sizes, shapes, costs and receptive fields, against the papers and against brute force."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from srcore.networks import DRCN, ESPCN, SRCNN, SRResNet, build, parameter_count
from srcore.networks.discriminator import Discriminator
from srcore.networks.prelu import PReLU, PReLUBeforeShuffle, prelu
from srcore.networks.srresnet import ConvBeforeShuffle
from srcore.networks.srresnet_inference import SRResNetForInference
from srcore.networks.vgg import LAST_INDEX, VGGFeatures
from srcore.weights import WeightsError

NETWORKS = {
    "srcnn": SRCNN,
    "srcnn 9-5-5": lambda: SRCNN(middle=5),
    "espcn": ESPCN,
    "drcn": DRCN,
    "srresnet": SRResNet,
}


@pytest.fixture(scope="module")
def vgg_file(shared):
    return shared / "weights" / "vgg19_features_fp16.safetensors"


def shuffled_statistics(network: nn.Module) -> nn.Module:
    """As after training: batch normalisation that does something."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias, std=0.1)
    return network.eval()


def input_of(network, size, batch=1):
    side = size if network.enlarges else 4 * size
    return torch.rand(batch, 3 if network.colour == "rgb" else 1, side, side)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("srcnn", 8_129),  # 9*9*64 + 64 + 64*32 + 32 + 5*5*32 + 1
        ("srcnn 9-5-5", 57_281),  # TPAMI 2016, table 2, counts the 57,184 weights
        ("espcn", 24_752),
        ("drcn", 1_775_130),  # CVPR 2016 gives 1.77 M
        ("srresnet", 1_548_547),  # 1.55 M
    ],
)
def test_the_number_of_parameters(name, count):
    assert parameter_count(NETWORKS[name]()) == count


@pytest.mark.parametrize("name", NETWORKS)
def test_the_stated_multiply_accumulates_are_those_of_the_convolutions(name):
    network, macs = NETWORKS[name]().eval(), []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda m, _, y: macs.append(y.shape[2] * y.shape[3] * m.weight.numel()))
    with torch.no_grad():
        assert network(input_of(network, 5)).shape[-2:] == (20, 20)
    assert sum(macs) == 25 * network.macs_per_lr_pixel


def test_srresnet_costs_what_the_project_measured():
    assert SRResNet().macs_per_lr_pixel == pytest.approx(2.218e6, rel=1e-3)
    assert DRCN().macs_per_lr_pixel / 16 == pytest.approx(19.5e6, rel=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_radius_is_the_reach_of_the_receptive_field(name):
    narrow = {"drcn": lambda: DRCN(filters=4), "srresnet": lambda: SRResNet(channels=4)}
    network = (narrow.get(name) or NETWORKS[name])().double()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):  # all paths open: positive weights, no cancelling
            nn.init.uniform_(module.weight, 0.001, 0.01)
    network.eval()
    side = 2 * network.radius + 9
    channels = 3 if network.colour == "rgb" else 1
    x = torch.full((1, channels, side, side), 0.5, dtype=torch.float64, requires_grad=True)
    scale = 4 if network.enlarges else 1
    middle = side // 2
    block = slice(scale * middle, scale * (middle + 1))
    network(x)[0, 0, block, block].sum().backward()
    reached = x.grad[0].abs().sum(0).nonzero()
    assert (middle - reached).abs().max() == network.radius


def test_drcn_is_the_weighted_mean_of_its_predictions():
    network = DRCN().eval()
    network.mixing.data = torch.rand(16)
    x = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        each, final = network.predictions(x)
        assert each.shape == (16, 2, 1, 8, 8)
        assert torch.allclose(network(x), final, atol=1e-5)
        weights = network.mixing / network.mixing.sum()
        assert torch.allclose(final, sum(w * p for w, p in zip(weights, each, strict=True)), atol=1e-6)


def test_drcns_recursive_kernel_starts_as_the_identity():
    x = torch.rand(1, 256, 6, 6)
    assert torch.allclose(DRCN().recursive(x), x, atol=1e-6)


@pytest.mark.parametrize("groups", [1, 4])
def test_srresnets_form_for_inference_gives_the_same_picture(groups):
    network = shuffled_statistics(SRResNet(blocks=2, channels=16))
    fast = SRResNetForInference(network, groups=groups, largest_tensor=1 << 20).eval()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    x = torch.rand(2, 3, 13, 13)
    with torch.no_grad():
        expected = network(x)
        assert torch.allclose(fast(x), expected, atol=2e-5 * expected.abs().max().item())


def test_srresnets_form_for_inference_costs_what_it_says():
    fast, macs = SRResNetForInference(SRResNet(), groups=4, largest_tensor=1 << 20).eval(), []
    for layer in fast.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda m, _, y: macs.append(y.shape[2] * y.shape[3] * m.weight.numel()))
    with torch.no_grad():
        fast(torch.rand(1, 3, 5, 5))
    assert sum(macs) == 25 * fast.macs_per_lr_pixel


@pytest.mark.parametrize(("size", "out"), [(9, 3), (5, 2), (7, 1)])
def test_a_convolution_before_the_shuffle_equals_one_after_it(size, out):
    before = ConvBeforeShuffle(4, out, size).double()
    after = nn.Sequential(nn.PixelShuffle(2), nn.Conv2d(4, out, size, padding=size // 2)).double()
    after[1].load_state_dict(before.state_dict())
    x = torch.randn(2, 16, 7, 6, dtype=torch.float64)
    assert torch.allclose(before(x), after(x), atol=1e-12)
    for network in (before, after):
        network(x).square().sum().backward()
    assert torch.allclose(before.weight.grad, after[1].weight.grad, atol=1e-9)
    assert torch.allclose(before.bias.grad, after[1].bias.grad, atol=1e-9)


def test_prelu_and_its_gradient():
    torch.manual_seed(0)
    layer = PReLU(3).double()
    layer.weight.data = torch.tensor([0.25, -0.5, 1.5], dtype=torch.float64)
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.equal(layer(x), functional.prelu(x, layer.weight))
    assert torch.autograd.gradcheck(prelu, (x, layer.weight))
    before = PReLUBeforeShuffle(3).double()
    before.load_state_dict(layer.state_dict())
    wide = torch.randn(2, 12, 4, 5, dtype=torch.float64)
    assert torch.equal(functional.pixel_shuffle(before(wide), 2), layer(functional.pixel_shuffle(wide, 2)))


def test_srcnn_pads_nothing_in_training():
    network = SRCNN(middle=5)
    nn.init.normal_(network.patches.weight)
    x = torch.rand(1, 1, 36, 36)
    trained = network.train()(x)
    inner = slice(network.radius, 36 - network.radius)
    assert trained.shape == (1, 1, 20, 20)
    assert torch.allclose(network.eval()(x)[:, :, inner, inner], trained, atol=1e-6)


def test_srresnet_in_patches_gives_the_same_picture():
    network = shuffled_statistics(SRResNet(blocks=2, channels=16))
    fast = SRResNetForInference(network, groups=4, largest_tensor=1 << 30).eval()
    x, seen = torch.rand(2, 3, 57, 61), []
    with torch.no_grad():
        whole = fast(x)
        fast.blocks[0].register_forward_pre_hook(lambda _, x: seen.append(x[0].shape[2:]))
        fast.largest_tensor = 1 << 17
        assert torch.allclose(fast(x), whole, atol=1e-6)
    assert len(seen) > 4
    assert max(height * width for height, width in seen) * 2 * 16 * 4 <= 1 << 17


def test_the_discriminator_gives_a_logit_a_picture():
    network = Discriminator()
    assert network(torch.rand(2, 3, 96, 96)).shape == (2, 1)
    widths = [layer.out_channels for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    strides = [layer.stride[0] for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [64, 64, 128, 128, 256, 256, 512, 512]
    assert strides == [1, 2, 1, 2, 1, 2, 1, 2]
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules()) == 7


def test_every_method_with_weights_has_its_network():
    assert isinstance(build("srgan-vgg54"), SRResNet)
    with pytest.raises(ValueError, match="bicubic has no network that is trained here"):
        build("bicubic")


@pytest.mark.parametrize(("layer", "channels", "side"), [("vgg22", 128, 16), ("vgg54", 512, 2)])
def test_vgg_features_have_the_papers_shape(vgg_file, layer, channels, side):
    network = VGGFeatures(layer, vgg_file)
    features = network(torch.rand(1, 3, 32, 32) * 2 - 1)
    assert features.shape == (1, channels, side, side)
    assert features.min() == 0  # after the ReLU
    assert isinstance(network.layers[LAST_INDEX[layer]], nn.ReLU)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_vgg_sees_rgb_0_to_255_minus_the_means_of_its_authors(vgg_file):
    network = VGGFeatures("vgg22", vgg_file)
    picture = torch.rand(1, 3, 8, 8) * 2 - 1
    expected = (picture + 1) * 127.5 - torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1)
    seen = []
    network.layers[0].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    network(picture)
    assert torch.allclose(seen[0], expected, atol=1e-3)


def test_a_file_that_is_no_vgg_is_refused(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(WeightsError, match="SRCORE_VGG19"):
        VGGFeatures("vgg22", tmp_path / "none.safetensors")
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match=r"features\.0\.bias is not in it"):
        VGGFeatures("vgg22", tmp_path / "x.safetensors")
