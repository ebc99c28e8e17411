"""The content loss of SRGAN-VGG54 as a metric: the distance in VGG-19's phi_5,4."""

from srcore.metrics.metric import Comparison, Metric, Settings


def _prepare(settings: Settings) -> Comparison:
    from srcore.perceptual import FeatureDistance  # loads torch

    return FeatureDistance(settings.vgg, device=settings.device)


METRICS = (
    Metric(
        name="vgg54",
        title="VGG54 distance",
        better="lower",
        decimals=4,
        prepare=_prepare,
        note="Ledig et al. 2017, equation 5, on whole pictures without a crop; other VGG-19 weights give other figures",
    ),
)
