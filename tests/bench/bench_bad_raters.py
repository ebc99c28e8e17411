"""Three bad raters planted among the real raters of two panels: who is flagged, and for what.

    python -m tests.bench.bench_bad_raters [--seeds 20] [--shared FOLDER]

One scores at random, one gives one score to everything, one answers as a real rater does and gives the opposite end on
gold images: stimuli with a panel MOS of at most 1.4 or at least 4.6, as 1 and 5. On all images of a panel, on 60 and on
20 of them, in an order of each rater's own. "20, 6 gold" are 20 of which six are gold, three in a run of ten; in 20
drawn at random there are as many as happen to be.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.quality import COMMON, rater_quality
from analysis.schema import STIMULUS, read_ratings
from tests.conftest import ROOT

PANELS = ("nflx_public", "vqeg_hd1")
LOW, HIGH = 1.4, 4.6
SAMPLES: tuple[tuple[str, int | None, int | None], ...] = (
    ("all", None, None),
    ("60", 60, None),
    ("20", 20, None),
    ("20, 6 gold", 20, 6),
)
REASONS = {"random": {"correlation", "checks"}, "straight": {"straight_lining"}, "gold": {"checks"}}


@dataclass(frozen=True)
class Panel:
    """A real panel's ratings, and its gold images with the score that each asks for."""

    ratings: pd.DataFrame
    gold: pd.DataFrame


def panel(name: str, shared: Path) -> Panel:
    ratings = read_ratings(shared / "ratings" / f"{name}.csv", tell=lambda _: None)
    average = ratings.groupby(STIMULUS)["score"].mean()
    known = average[(average <= LOW) | (average >= HIGH)].reset_index()
    return Panel(ratings, known.assign(expected=np.where(known["score"] < 3, 1, 5)).drop(columns="score"))


def planted(panel: Panel, *, images: int | None, gold: int | None, rng: np.random.Generator) -> pd.DataFrame:
    """What `rater_quality` says of the real raters and the three, on this many images with so many gold ones."""
    stimuli = panel.ratings[STIMULUS].drop_duplicates().merge(panel.gold, how="left", on=STIMULUS)
    is_gold = stimuli["expected"].notna().to_numpy()
    places = np.arange(len(stimuli))
    if images is not None and gold is None:
        places = rng.choice(places, images, replace=False)
    elif images is not None:
        chosen = (rng.choice(places[is_gold], gold, replace=False), rng.choice(places[~is_gold], images - gold, False))
        places = np.concatenate(chosen)
    shown = stimuli.iloc[places]
    real = panel.ratings.merge(shown, on=STIMULUS)
    honest = real[real["rater"] == rng.choice(real["rater"].unique())]
    known = honest["expected"].notna()
    bad = [
        honest.assign(rater="bad: random", score=rng.integers(1, 6, len(honest))),
        honest.assign(rater="bad: straight", score=int(rng.integers(1, 6))),
        honest.assign(rater="bad: gold", score=honest["score"].mask(known, 6 - honest["expected"]).astype(int)),
    ]
    table = pd.concat([real, *bad], ignore_index=True)
    table["position"] = table.groupby("rater")["score"].transform(lambda of: rng.permutation(len(of)) + 1)
    items = panel.gold.merge(shown[STIMULUS], on=STIMULUS)
    return rater_quality(table.drop(columns="expected"), gold_items=items)


def shares(panel: Panel, *, images: int | None, gold: int | None, seeds: int) -> dict[str, float]:
    """Of all seeds: how often each bad rater is flagged with the right reason; of all honest ones the share flagged."""
    hits = dict.fromkeys(REASONS, 0)
    wrong = honest = 0
    for seed in range(seeds):
        found = planted(panel, images=images, gold=gold, rng=np.random.default_rng(seed))
        flags = {row.rater: set(row.flags.split(", ")) - {""} for row in found.itertuples()}
        for kind, reasons in REASONS.items():
            hits[kind] += bool(flags.pop(f"bad: {kind}") & reasons)
        wrong, honest = wrong + sum(bool(of) for of in flags.values()), honest + len(flags)
    return {kind: number / seeds for kind, number in hits.items()} | {"honest": wrong / honest}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("MOSWEB_SHARED", ROOT.parent / "shared")))
    options = parser.parse_args()
    print(
        f"flagged with the right reason, of {options.seeds} seeds; honest: flagged of all; correlation from {COMMON} on"
    )
    print(f"{'panel':12} {'images':10} {'straight':>8} {'gold':>6} {'random':>6} {'honest':>6}")
    for name in PANELS:
        found = panel(name, options.shared)
        for title, images, gold in SAMPLES:
            of = shares(found, images=images, gold=gold, seeds=options.seeds)
            row = " ".join(f"{of[kind]:>{width}.0%}" for kind, width in (("straight", 8), ("gold", 6), ("random", 6)))
            print(f"{name:12} {title:10} {row} {of['honest']:>6.1%}")


if __name__ == "__main__":
    main()
