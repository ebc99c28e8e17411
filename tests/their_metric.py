"""A metric as somebody adds it: one file, put where srcore looks for metrics."""

import sys
from pathlib import Path

import pytest

from srcore import metrics
from srcore.metrics import Metric

TEXT = '''
import numpy as np
from srcore.metrics.metric import Metric


def worst(settings):
    return lambda hr, sr: float(np.abs(hr.astype(int) - sr).max())


METRICS = (Metric(name="worst", title="Worst", better="lower", decimals=1, prepare=worst, note="ours alone"),)
'''


def added(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Metric]:
    """The registry as a process finds it that starts with this file in srcore/metrics."""
    (folder / "their_metric.py").write_text(TEXT)
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(folder)])
    monkeypatch.delitem(sys.modules, "srcore.metrics.their_metric", raising=False)
    found = metrics._found()
    monkeypatch.setattr(metrics, "METRICS", found)
    return found
