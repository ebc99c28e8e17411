"""LPIPS (Zhang et al., CVPR 2018) with AlexNet, by the package lpips, which brings the weights of its last layers."""

from srcore.images import ImageError, Pixels
from srcore.metrics.backbones import as_tensor, backbone, package_missing, quietly, weights_missing
from srcore.metrics.metric import Comparison, Metric, Settings

_SMALLEST = 31  # pixels a side, of which AlexNet's second pooling leaves one


def _needs(settings: Settings) -> str:
    return package_missing("lpips", "torchvision") or weights_missing("alexnet", settings)


def _prepare(settings: Settings) -> Comparison:
    import torch

    from srcore.inference import choose_device

    device, features = choose_device(settings.device), backbone("alexnet", settings).features
    with quietly():
        import lpips

        network = lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    for part in network.net.children():
        for index, layer in part.named_children():
            layer.load_state_dict(features[int(index)].state_dict())
    network.eval().to(device)

    def compare(hr: Pixels, sr: Pixels) -> float:
        pair = [as_tensor(picture, settings.crop, device) * 2 - 1 for picture in (hr, sr)]
        if min(pair[0].shape[2:]) < _SMALLEST:
            size = min(pair[0].shape[2:])
            raise ImageError(f"LPIPS needs at least {_SMALLEST} pixels a side after the crop, not {size}")
        with torch.inference_mode():
            return float(network(*pair))

    return compare


METRICS = (
    Metric(
        name="lpips",
        title="LPIPS",
        better="lower",
        decimals=4,
        prepare=_prepare,
        needs=_needs,
        note="AlexNet, version 0.1, on cropped RGB; other tools take VGG, or do not crop",
    ),
)
