"""The published tables of Ledig et al. 2017 (arXiv 1609.04802v5) as data, and a study's comparison with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

METHODS = (
    *("nearest", "bicubic", "srcnn", "selfexsr", "drcn", "espcn", "srresnet-mse", "srresnet-vgg22"),
    *("srgan-mse", "srgan-vgg22", "srgan-vgg54", "hr"),
)
TITLES = {
    "nearest": "nearest",
    "bicubic": "bicubic",
    "srcnn": "SRCNN",
    "selfexsr": "SelfExSR",
    "drcn": "DRCN",
    "espcn": "ESPCN",
    "srresnet-mse": "SRResNet-MSE",
    "srresnet-vgg22": "SRResNet-VGG22",
    "hr": "HR",
    "srgan-mse": "SRGAN-MSE",
    "srgan-vgg22": "SRGAN-VGG22",
    "srgan-vgg54": "SRGAN-VGG54",
}
FAMILIES = {
    "SRResNet": ("srresnet-mse", "srresnet-vgg22"),
    "SRGAN": ("srgan-mse", "srgan-vgg22", "srgan-vgg54"),
}
BENCHMARKS = {"Set5": 5, "Set14": 14, "BSD100": 100}  # images in each
RATERS = 26

_COLUMNS = ["benchmark", "method", "psnr", "ssim", "mos", "asterisk"]
_INF = float("inf")
# Table 1: the losses of SRResNet and SRGAN. The asterisk: MOS significantly higher than with the family's others.
_TABLE_1 = [
    ("Set5", "srresnet-mse", 32.05, 0.9019, 3.37, False),
    ("Set5", "srresnet-vgg22", 30.51, 0.8803, 3.46, False),
    ("Set5", "srgan-mse", 30.64, 0.8701, 3.77, False),
    ("Set5", "srgan-vgg22", 29.84, 0.8468, 3.78, False),
    ("Set5", "srgan-vgg54", 29.40, 0.8472, 3.58, False),
    ("Set14", "srresnet-mse", 28.49, 0.8184, 2.98, False),
    ("Set14", "srresnet-vgg22", 27.19, 0.7807, 3.15, True),
    ("Set14", "srgan-mse", 26.92, 0.7611, 3.43, False),
    ("Set14", "srgan-vgg22", 26.44, 0.7518, 3.57, False),
    ("Set14", "srgan-vgg54", 26.02, 0.7397, 3.72, True),
]
# Table 2: all methods; SRResNet is srresnet-mse and SRGAN is srgan-vgg54.
_TABLE_2_METHODS = ("nearest", "bicubic", "srcnn", "selfexsr", "drcn", "espcn", "srresnet-mse", "srgan-vgg54", "hr")
_TABLE_2 = {
    "Set5": (
        (26.26, 28.43, 30.07, 30.33, 31.52, 30.76, 32.05, 29.40, _INF),
        (0.7552, 0.8211, 0.8627, 0.872, 0.8938, 0.8784, 0.9019, 0.8472, 1),
        (1.28, 1.97, 2.57, 2.65, 3.26, 2.89, 3.37, 3.58, 4.32),
    ),
    "Set14": (
        (24.64, 25.99, 27.18, 27.45, 28.02, 27.66, 28.49, 26.02, _INF),
        (0.7100, 0.7486, 0.7861, 0.7972, 0.8074, 0.8004, 0.8184, 0.7397, 1),
        (1.20, 1.80, 2.26, 2.34, 2.84, 2.52, 2.98, 3.72, 4.32),
    ),
    "BSD100": (
        (25.02, 25.94, 26.68, 26.83, 27.21, 27.02, 27.58, 25.16, _INF),
        (0.6606, 0.6935, 0.7291, 0.7387, 0.7493, 0.7442, 0.7620, 0.6688, 1),
        (1.11, 1.47, 1.87, 1.89, 2.12, 2.01, 2.29, 3.56, 4.46),
    ),
}


def table_1() -> pd.DataFrame:
    """Table 1: benchmark, method, psnr (dB), ssim, mos, asterisk; 10 rows."""
    return pd.DataFrame(_TABLE_1, columns=_COLUMNS)


def table_2() -> pd.DataFrame:
    """Table 2: benchmark, method, psnr (dB, inf for hr), ssim, mos; 27 rows."""
    rows = [
        (benchmark, *values)
        for benchmark, (psnr, ssim, mos) in _TABLE_2.items()
        for values in zip(_TABLE_2_METHODS, psnr, ssim, mos, strict=True)
    ]
    return pd.DataFrame(rows, columns=_COLUMNS[:-1])


def published() -> pd.DataFrame:
    """Every version the paper rated, once: benchmark, method, psnr, ssim, mos; 33 rows in the paper's order."""
    losses = table_1()[_COLUMNS[:-1]]
    both = pd.concat([table_2(), losses]).drop_duplicates(["benchmark", "method"])
    order = both.assign(
        a=both["benchmark"].map(list(BENCHMARKS).index), b=both["method"].map(METHODS.index)
    ).sort_values(["a", "b"])
    return order[_COLUMNS[:-1]].reset_index(drop=True)


def compare(ours: pd.DataFrame) -> pd.DataFrame:
    """A study's MOS beside the published: benchmark, method, mos, ci_low, ci_high, published, difference, inside.

    `ours` comes from `opinion.mos`. difference = ours - theirs; inside: the published MOS lies in
    our interval. Methods and benchmarks the paper does not have give no row. Other raters, screens and implementations
    make a difference expected, not an error.
    """
    theirs = published()[["benchmark", "method", "mos"]].rename(columns={"mos": "published"})
    both = theirs.merge(ours[["benchmark", "method", "mos", "ci_low", "ci_high"]], on=["benchmark", "method"])
    both["difference"] = both["mos"] - both["published"]
    both["inside"] = (both["ci_low"] <= both["published"]) & (both["published"] <= both["ci_high"])
    return both[["benchmark", "method", "mos", "ci_low", "ci_high", "published", "difference", "inside"]]


def title(method: str, titles: Mapping[str, str] | None = None) -> str:
    """A method's title as the researcher chose it (`titles`), else as the paper prints it, else its name."""
    return (titles or {}).get(method) or TITLES.get(method, method)


def benchmarks_in_order(table: pd.DataFrame) -> list[str]:
    """The benchmarks of a table: Set5, Set14, BSD100 first, as in the paper, then the others by name."""
    known = list(BENCHMARKS)
    return sorted(set(table["benchmark"]), key=lambda b: (known.index(b) if b in known else len(known), b))


def ordered(methods: list[str], reference: str = "hr") -> list[str]:
    """Methods in the paper's order, the unknown by name before hr, the reference last."""
    known = [method for method in METHODS if method != reference]
    place = {method: index for index, method in enumerate(known)} | {reference: len(METHODS)}
    return sorted(methods, key=lambda m: (place.get(m, len(METHODS) - 1.5), m))
