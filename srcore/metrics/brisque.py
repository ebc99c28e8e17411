"""BRISQUE (Mittal et al., TIP 2012), without a reference, by the package of that name, which brings its model."""

from typing import Any

import numpy as np

from srcore.images import Pixels, as_rgb
from srcore.metrics.backbones import package_missing, quietly
from srcore.metrics.metric import Comparison, Metric, Settings


def _needs(settings: Settings) -> str:
    return package_missing("brisque", "libsvm=libsvm-official", "cv2=opencv-python-headless")


def _prepare(settings: Settings) -> Comparison:
    with quietly():
        from brisque import BRISQUE

    class Scorer(BRISQUE):  # type: ignore[misc]
        def scale_features(self, features: Any) -> Any:
            """Its features are arrays of one number each, which numpy 2.4 no longer takes for numbers."""
            return super().scale_features([np.asarray(value).item() for value in features])

    scorer, inner = Scorer(url=False), slice(settings.crop, -settings.crop or None)

    def score(hr: Pixels, sr: Pixels) -> float:
        return float(scorer.score(as_rgb(sr)[inner, inner]))

    return score


METRICS = (
    Metric(
        name="brisque",
        title="BRISQUE",
        better="lower",
        decimals=2,
        prepare=_prepare,
        needs=_needs,
        no_reference=True,
        note="the package's model on cropped RGB; MATLAB's and pyiqa's models give other figures",
    ),
)
