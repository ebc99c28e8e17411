"""Small tables that the tests of this folder share."""

import numpy as np
import pandas as pd

from analysis.schema import validate_ratings


def random_panel(*, raters=6, sources=5, methods=4, seed=0, missing=0.0, benchmark="b"):
    """A validated panel of even random scores, with a share of its rows left out."""
    rng = np.random.default_rng(seed)
    r, s, m = (index.ravel() for index in np.indices((raters, sources, methods)))
    table = pd.DataFrame(
        {
            "rater": [f"r{i:03d}" for i in r],
            "benchmark": benchmark,
            "source": [f"s{i:03d}" for i in s],
            "method": [f"m{i:02d}" for i in m],
            "score": np.clip(np.rint(1 + m + rng.normal(0, 1.2, r.size)), 1, 5).astype(int),
        }
    )
    return validate_ratings(table[rng.random(len(table)) >= missing])


def complete_vqeg(ratings):
    """The five methods that VQEG-HD1's panel rated on every one of their common sources."""
    wide = ratings.pivot(index=["rater", "source"], columns="method", values="score")
    common = ["hrc00", "hrc04", "hrc07", "hrc10", "hrc11"]
    return wide[common].dropna()
