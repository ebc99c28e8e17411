"""DISTS (Ding et al., PAMI 2020), by its authors' package DISTS_pytorch, which brings alpha and beta."""

from pathlib import Path
from types import SimpleNamespace

from srcore.images import Pixels
from srcore.metrics.backbones import as_tensor, backbone, package_missing, quietly, weights_missing
from srcore.metrics.metric import Comparison, Metric, Settings


def _needs(settings: Settings) -> str:
    missing = package_missing("DISTS_pytorch=DISTS-pytorch", "torchvision")
    return missing or weights_missing("vgg16", settings)


def _prepare(settings: Settings) -> Comparison:
    import torch

    from srcore.inference import choose_device

    device, network16 = choose_device(settings.device), backbone("vgg16", settings)
    with quietly():
        from DISTS_pytorch import DISTS_pt

        # It fetches VGG-16 whenever it is made; here it is given the one that is there.
        theirs, DISTS_pt.models = DISTS_pt.models, SimpleNamespace(vgg16=lambda pretrained: network16)
        try:
            network = DISTS_pt.DISTS(load_weights=False)
        finally:
            DISTS_pt.models = theirs
        learned = torch.load(Path(DISTS_pt.__file__).parent / "weights.pt", map_location="cpu", weights_only=True)
    network.alpha.data, network.beta.data = learned["alpha"], learned["beta"]
    network.eval().to(device)

    def compare(hr: Pixels, sr: Pixels) -> float:
        pair = [as_tensor(picture, settings.crop, device) for picture in (hr, sr)]
        with torch.inference_mode():
            return float(network(*pair))

    return compare


METRICS = (
    Metric(
        name="dists",
        title="DISTS",
        better="lower",
        decimals=4,
        prepare=_prepare,
        needs=_needs,
        note="on cropped RGB of full size; the authors' script first shrinks pictures to 256 pixels",
    ),
)
