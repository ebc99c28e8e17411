"""Statistics of rating studies: from a ratings table to MOS, tests, reliability, recovery and a report.

    from analysis import mos, pairwise_tests, read_ratings

Each function is loaded when it is first asked for; `import analysis` alone loads nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from analysis.objective import match_ratings, read_objective
    from analysis.opinion import (
        average_ranks,
        differential_scores,
        dmos,
        method_scores,
        mos,
        score_distribution,
        sos,
        sos_parameter,
    )
    from analysis.page import write_report
    from analysis.prediction import agreement, compare_metrics
    from analysis.quality import Limits, rater_quality
    from analysis.ranktests import friedman, friedman_posthoc
    from analysis.recovery import rater_bias, recover, remove_bias
    from analysis.reliability import alpha, icc, krippendorff_alpha, retest
    from analysis.report import Options, analyse
    from analysis.scale import Scale
    from analysis.schema import RatingsError, read_ratings, validate_ratings
    from analysis.screening import exclusion_effect, screens
    from analysis.significance import holm, pairwise_tests

__all__ = [
    "Limits",
    "Options",
    "RatingsError",
    "Scale",
    "agreement",
    "alpha",
    "analyse",
    "average_ranks",
    "compare_metrics",
    "differential_scores",
    "dmos",
    "exclusion_effect",
    "friedman",
    "friedman_posthoc",
    "holm",
    "icc",
    "krippendorff_alpha",
    "match_ratings",
    "method_scores",
    "mos",
    "pairwise_tests",
    "rater_bias",
    "rater_quality",
    "read_objective",
    "read_ratings",
    "recover",
    "remove_bias",
    "retest",
    "score_distribution",
    "screens",
    "sos",
    "sos_parameter",
    "validate_ratings",
    "write_report",
]

_HOMES = {
    "objective": ("match_ratings", "read_objective"),
    "opinion": (
        *("average_ranks", "differential_scores", "dmos", "method_scores", "mos", "score_distribution", "sos"),
        "sos_parameter",
    ),
    "page": ("write_report",),
    "prediction": ("agreement", "compare_metrics"),
    "quality": ("Limits", "rater_quality"),
    "ranktests": ("friedman", "friedman_posthoc"),
    "recovery": ("rater_bias", "recover", "remove_bias"),
    "reliability": ("alpha", "icc", "krippendorff_alpha", "retest"),
    "report": ("Options", "analyse"),
    "scale": ("Scale",),
    "schema": ("RatingsError", "read_ratings", "validate_ratings"),
    "screening": ("exclusion_effect", "screens"),
    "significance": ("holm", "pairwise_tests"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(import_module(f"analysis.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
