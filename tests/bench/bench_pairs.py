"""Do the intervals of pairs hold? Simulated studies with known strengths: coverage of differences, and false alarms.

python -m tests.bench.bench_pairs [--studies N] [--seed N]
The first row is the promise: 26 raters x 20 sources, 60 pairs a rater, interactions of .3 on the log scale, ties among
them. The truth is the strength of a typical rater on a typical source (that which the simulation was given).
"""

import argparse
from dataclasses import replace
from time import perf_counter

import numpy as np
import pandas as pd

from analysis.intervals import proportion_interval
from analysis.pairs.estimates import estimate
from analysis.pairs.simulate import Design, simulate_choices

STRENGTHS = np.array([0.6, 0.0, 0.0, -0.6])  # as far apart as those of sr_pairs; the second and third are equal
PROMISED = Design(raters=26, sources=20, pairs=60, rater_sd=0.3, source_sd=0.3, tie=0.4)
VARIANTS = {
    "promised": (STRENGTHS, PROMISED),
    "no ties": (STRENGTHS, replace(PROMISED, tie=0.0)),
    "all equal": (np.zeros(4), PROMISED),
    "far apart": (2.5 * STRENGTHS, PROMISED),
    "no interactions": (STRENGTHS, replace(PROMISED, rater_sd=0.0, source_sd=0.0)),
    "raters differ, sources do not": (STRENGTHS, replace(PROMISED, source_sd=0.0)),
    "sources differ, raters do not": (STRENGTHS, replace(PROMISED, rater_sd=0.0)),
    "interactions of .6": (STRENGTHS, replace(PROMISED, rater_sd=0.6, source_sd=0.6)),
    "6 methods": (np.array([0.6, 0.3, 0.0, 0.0, -0.3, -0.6]), PROMISED),
    "100 raters, 100 sources": (STRENGTHS, replace(PROMISED, raters=100, sources=100)),
    "100 raters, 20 sources": (STRENGTHS, replace(PROMISED, raters=100)),
}


def coverage(strength: np.ndarray, design: Design, *, studies: int, seed: int = 0) -> dict[str, float]:
    """Over studies and pairs: share of intervals that hold the truth, the worst pair's, p < .05 of equals."""
    first, second = np.triu_indices(len(strength), 1)
    truth = strength[first] - strength[second]
    held, p = np.empty((studies, len(truth)), bool), np.empty((studies, len(truth)))
    for study in range(studies):
        found = estimate(simulate_choices(strength, design, rng=np.random.default_rng([seed, study])))
        value = found.fit.strength[first] - found.fit.strength[second]
        spread = found.covariance.differences(first, second)
        low, high = spread.limits(value)
        held[study] = (low <= truth) & (truth <= high)
        p[study] = spread.p(value)
    equal = truth == 0
    alarms = (p[:, equal] < 0.05).mean() if equal.any() else np.nan
    by_pair = held.mean(axis=0)
    return {"coverage": by_pair.mean(), "least": by_pair.min(), "most": by_pair.max(), "equal_differ": alarms}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = []
    for name, (strength, design) in VARIANTS.items():
        start = perf_counter()
        shares = coverage(strength, design, studies=options.studies, seed=options.seed)
        rows.append({"studies of": name} | shares | {"seconds": perf_counter() - start})
    print(pd.DataFrame(rows).round(3).to_string(index=False))
    promised = rows[0]
    margin = proportion_interval(round(promised["equal_differ"] * options.studies), options.studies)
    print(f"promised: coverage .93 to .97, equals differ in at most .07 (here {margin.low:.3f} to {margin.high:.3f})")
    kept = 0.93 <= promised["coverage"] <= 0.97 and promised["equal_differ"] <= 0.07
    print("kept" if kept else "NOT kept")
    raise SystemExit(not kept)


if __name__ == "__main__":
    main()
