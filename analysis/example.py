"""The example study that ships with the library: simulated, small, and with one careless rater to find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from analysis import paper
from analysis.objective import LONG_COLUMNS, Objective, read_objective
from analysis.replication import paper_qualities
from analysis.schema import read_ratings
from analysis.simulate import NFLX_RATERS, RaterPopulation, image_qualities, simulate_panel

FOLDER = Path(__file__).parent / "examples"
RATINGS = FOLDER / "simulated_ratings.csv"
OBJECTIVE = FOLDER / "simulated_objective.csv"
IMAGES = {"Set5": 5, "Set14": 4}
RATERS = 10  # the last one answers at random, and fast
SHOWN_TWICE = "srresnet-mse"
DEVIATION = 0.2
SEED = 5


def ratings() -> pd.DataFrame:
    """The example's ratings: 10 simulated raters, 12 methods on 9 images, one method shown twice."""
    return read_ratings(RATINGS)


def objective() -> Objective:
    """The example's PSNR and SSIM, scattered around the published means."""
    return read_objective(OBJECTIVE)


def make() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables anew, as they were written: `make()[0].to_csv(RATINGS, index=False)`."""
    rng = np.random.default_rng(SEED)
    stimuli = image_qualities(paper_qualities(DEVIATION), IMAGES, deviation=DEVIATION, rng=rng).assign(repeat=0)
    again = stimuli[stimuli["method"] == SHOWN_TWICE].assign(repeat=1)
    shown = pd.concat([stimuli, again], ignore_index=True)
    careful = simulate_panel(shown, NFLX_RATERS, n_raters=RATERS - 1, rng=rng)
    careful["rater"] = careful["rater"].str.replace("_", "_0")
    random = RaterPopulation(bias_sd=0.0, inconsistency_mean=0.5, inconsistency_sd=0.1, lapse=1.0)
    careless = simulate_panel(shown, random, n_raters=1, rng=rng).assign(rater=f"simulated_{RATERS}")
    table = pd.concat([_timed(careful, 3500.0, rng), _timed(careless, 350.0, rng)], ignore_index=True)
    return table.sort_values(["rater", "position"], ignore_index=True), _metrics(stimuli, rng)


def _timed(panel: pd.DataFrame, median_ms: float, rng: np.random.Generator) -> pd.DataFrame:
    return panel.assign(response_ms=np.round(median_ms * np.exp(0.4 * rng.standard_normal(len(panel)))))


def _metrics(stimuli: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    keys = ["benchmark", "source", "method"]
    table = stimuli[keys].merge(paper.published()[["benchmark", "method", "psnr", "ssim"]], on=["benchmark", "method"])
    sources = table["source"].unique()
    content = table["source"].map(dict(zip(sources, rng.standard_normal(len(sources)), strict=True)))
    table["psnr"] = (table["psnr"] + 2.0 * content).round(3)
    table["ssim"] = np.where(table["method"] == "hr", 1.0, (table["ssim"] + 0.03 * content).clip(0, 0.99).round(4))
    said = pd.DataFrame({"metric": ["psnr", "ssim"], "better": "higher", "unit": ["dB", ""], "decimals": [2, 4]})
    long = table.melt(keys, ["psnr", "ssim"], var_name="metric", value_name="value").merge(said, on="metric")
    return long[list(LONG_COLUMNS)].assign(simulated=True)
