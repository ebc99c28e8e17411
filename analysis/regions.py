"""The regions of images that raters saw in place of the whole, as a ratings table states them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

REGION = ["region_left", "region_top", "region_width", "region_height"]
SOURCE = ["benchmark", "source"]


def shown_regions(ratings: pd.DataFrame) -> pd.DataFrame:
    """benchmark, source and REGION (whole pixels), a row a source of which a region was shown; of others there is none.

    >>> import pandas as pd
    >>> rows = {"benchmark": "b", "source": ["s", "s", "t"], "region_left": [8, 8, None], "region_top": [4, 4, None]}
    >>> shown_regions(pd.DataFrame(rows).assign(region_width=64, region_height=48))["source"].to_list()
    ['s']
    """
    if not set(REGION) <= set(ratings):
        return pd.DataFrame(columns=[*SOURCE, *REGION])
    found = ratings[[*SOURCE, *REGION]].dropna(subset=REGION).drop_duplicates()
    return found.astype(dict.fromkeys(REGION, "int64")).sort_values(SOURCE).reset_index(drop=True)


def region_notes(ratings: pd.DataFrame, *, has_metrics: bool) -> list[str]:
    """What a report says where regions were shown."""
    regions, sources = shown_regions(ratings), ratings[SOURCE].drop_duplicates()
    if regions.empty:
        return []
    said = f"Of {len(regions)} of {len(sources)} source images raters saw one region, the same of every method: scores "
    said += "are of these regions."
    if has_metrics:
        said += " Objective metrics are as the table has them: those of the site and of srcore are of whole images."
    return [said]


def regions_told(ratings: pd.DataFrame, told: Mapping[str, Any], *, has_metrics: bool) -> str:
    """The sentences of a methods paragraph; empty where all images were shown whole."""
    regions = shown_regions(ratings)
    if not told.get("region_width") and regions.empty:
        return ""
    if told.get("region_width"):
        size = f"{told['region_width']} x {told['region_height']}"
    else:
        size = " x ".join(str(int(regions[column].max())) for column in REGION[2:])
    said = f"Of images larger than {size} pixels raters saw one region of at most this size, the same of every method"
    drawn = sum(region["seed"] is not None for region in told.get("regions", ()))
    by_hand = len(told.get("regions", ())) - drawn
    how = [f"{by_hand} set by hand"] if by_hand else []
    how += [f"{drawn} drawn by seed among the places at which the methods differ most"] if drawn else []
    said += f" ({', '.join(how)})." if how else "."
    if drawn:
        said += " Where methods differ most they are told apart more easily than elsewhere in the images."
    on = told.get("metrics_measured_on")
    if has_metrics and on:
        said += f" Objective metrics are of {on}."
    return said
