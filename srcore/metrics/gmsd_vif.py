"""GMSD (Xue et al., TIP 2014) and VIF in pixels (Sheikh and Bovik, TIP 2006), by the package piq."""

from functools import partial

from srcore.images import Pixels
from srcore.metrics.backbones import as_tensor, package_missing, quietly
from srcore.metrics.metric import Comparison, Metric, Settings


def _needs(settings: Settings) -> str:
    return package_missing("piq", "torchvision")


def _prepare(name: str, settings: Settings) -> Comparison:
    import torch

    from srcore.inference import choose_device
    from srcore.networks.vgg import torchvision

    torchvision()  # piq imports it, also where that needs help
    device = choose_device(settings.device)
    with quietly():
        import piq
    function = getattr(piq, name)

    def compare(hr: Pixels, sr: Pixels) -> float:
        reference, test = (as_tensor(picture, settings.crop, device) for picture in (hr, sr))
        with torch.inference_mode():
            return float(function(test, reference, data_range=1.0))

    return compare


METRICS = (
    Metric(
        name="gmsd",
        title="GMSD",
        better="lower",
        decimals=4,
        prepare=partial(_prepare, "gmsd"),
        needs=_needs,
        note="piq's, on its own luma; the authors' is on MATLAB's",
    ),
    Metric(
        name="vif",
        title="VIF",
        better="higher",
        decimals=4,
        prepare=partial(_prepare, "vif_p"),
        needs=_needs,
        note="in pixels, piq's; the form in wavelets gives other figures",
    ),
)
