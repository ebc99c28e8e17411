"""SSIMULACRA 2, by the package of that name: 100 for equal pictures, below 0 for very bad ones."""

import io

from srcore.images import Pixels, encode_png
from srcore.metrics.backbones import package_missing
from srcore.metrics.fidelity import comparable
from srcore.metrics.metric import Comparison, Metric, Settings


def _needs(settings: Settings) -> str:
    return package_missing("ssimulacra2")


def _prepare(settings: Settings) -> Comparison:
    from ssimulacra2 import compute_ssimulacra2

    def compare(hr: Pixels, sr: Pixels) -> float:
        reference, test = (io.BytesIO(encode_png(picture)) for picture in comparable(hr, sr, settings.crop))
        return float(compute_ssimulacra2(reference, test))  # it opens pictures itself

    return compare


METRICS = (
    Metric(
        name="ssimulacra2",
        title="SSIMULACRA 2",
        better="higher",
        decimals=2,
        prepare=_prepare,
        needs=_needs,
        note="the Python package's, which follows version 2.1 of the C++ tool",
    ),
)
