"""Objective metrics by name; adding one is a file in this folder that has METRICS. Loads no torch by itself."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from srcore.metrics.fidelity import (
    METRIC_RECIPES,
    Measurement,
    MetricRecipe,
    luma,
    measure,
    psnr,
    ssim_daala,
    ssim_gaussian,
)
from srcore.metrics.metric import Better, Metric, MetricUnavailable, Settings, UnknownMetric

__all__ = [
    "METRICS", "METRIC_RECIPES", "Better", "Measurement", "Metric", "MetricRecipe", "MetricUnavailable", "Settings",
    "UnknownMetric", "get_metric", "luma", "measure", "psnr", "recipe_metrics", "ssim_daala", "ssim_gaussian",
]  # fmt: skip


def _found() -> dict[str, Metric]:
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    return {metric.name: metric for module in modules for metric in getattr(module, "METRICS", ())}


METRICS: Mapping[str, Metric] = _found()
"""Name -> metric."""


def get_metric(name: str) -> Metric:
    """The metric of that name. Raises UnknownMetric, with the known names."""
    if name not in METRICS:
        raise UnknownMetric(f"unknown metric {name!r}; known: {', '.join(METRICS)}")
    return METRICS[name]


def recipe_metrics(recipe: MetricRecipe) -> tuple[Metric, Metric]:
    """PSNR and SSIM by a recipe. Raises ValueError for an unknown one."""
    if recipe not in METRIC_RECIPES:
        raise ValueError(f"unknown recipe {recipe!r}; known: {', '.join(METRIC_RECIPES)}")
    suffix = "" if recipe == "paper" else f"-{recipe}"
    return METRICS[f"psnr{suffix}"], METRICS[f"ssim{suffix}"]
