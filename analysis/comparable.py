"""The stimuli on which a benchmark's metrics can be compared, and its MOS without each source and each rater."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis import jackknife
from analysis.crosstable import crosstable
from analysis.opinion import group_codes
from analysis.panel import panel_of, rounding_of, settle
from analysis.schema import STIMULUS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from analysis.objective import Metric, Objective

MIN_STIMULI = 6  # four parameters of a fit and something left over


@dataclass(frozen=True)
class Common:
    """The common stimuli of a benchmark: values (n, metrics), integer codes (n,), and their ratings, row by row.

    rater, stimulus: codes (ratings,), each of 0..max in use; score: float64 (ratings,).
    """

    benchmark: str
    metrics: tuple[Metric, ...]
    left_out: dict[str, str]  # metrics not compared, and why
    said: str
    n_all: int
    values: np.ndarray
    source: np.ndarray
    method: np.ndarray
    rater: np.ndarray
    stimulus: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class Sample:
    """MOS of the whole panel and without each source and each rater: average and weight (1 + S + R, n)."""

    average: np.ndarray
    weight: np.ndarray
    sources: int

    def split(self, values: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """A statistic of every row as (whole, without each source, without each rater)."""
        return float(values[0]), values[1 : 1 + self.sources], values[1 + self.sources :]


def comparable(ratings: pd.DataFrame, objective: Objective) -> Iterator[Common]:
    """Every benchmark's common stimuli; a metric that cannot be compared is named in `left_out`."""
    panel = panel_of(ratings)
    joined = panel.stimuli.merge(objective.values, on=STIMULUS, how="left")
    source, _ = group_codes(joined, ["source"])
    method, _ = group_codes(joined, ["method"])
    values = joined[objective.names].to_numpy(np.float64)
    for benchmark in joined["benchmark"].unique():
        here = (joined["benchmark"] == benchmark).to_numpy()
        usable, left_out, used, said = _same_stimuli(objective, values, here)
        rows = used[panel.stimulus]
        yield Common(
            benchmark=str(benchmark),
            metrics=tuple(objective.metrics[index] for index in usable),
            left_out=left_out,
            said=said,
            n_all=int(here.sum()),
            values=values[used][:, usable],
            source=np.unique(source[used], return_inverse=True)[1],
            method=np.unique(method[used], return_inverse=True)[1],
            rater=np.unique(panel.rater[rows], return_inverse=True)[1],
            stimulus=(np.cumsum(used) - 1)[panel.stimulus[rows]],
            score=panel.score[rows],
        )


def _same_stimuli(
    objective: Objective, values: np.ndarray, here: np.ndarray
) -> tuple[list[int], dict[str, str], np.ndarray, str]:
    """Indices of the metrics that are compared, why others are not, the common stimuli, and who keeps stimuli out."""
    finite = np.isfinite(values) & here[:, None]
    total, counts = int(here.sum()), finite.sum(axis=0)
    left_out, usable = {}, []
    for index, name in enumerate(objective.names):
        inside = values[finite[:, index], index]
        if counts[index] < MIN_STIMULI:
            left_out[name] = f"a value for {counts[index]} of {total} stimuli: at least {MIN_STIMULI} are needed"
        elif 2 * counts[index] < total:
            left_out[name] = f"a value for {counts[index]} of {total} stimuli: fewer than half, not compared"
        elif np.ptp(inside) == 0:
            left_out[name] = "one value for every stimulus: it predicts nothing"
        else:
            usable.append(index)
    used = here & finite[:, usable].all(axis=1)
    constant = [index for index in usable if used.sum() < MIN_STIMULI or np.ptp(values[used, index]) == 0]
    for index in constant:
        left_out[objective.names[index]] = f"{used.sum()} stimuli, or one value, where every metric has a finite value"
    culprits = [objective.names[index] for index in usable if counts[index] < total]
    said = f"{total - used.sum()} stimuli left out of every metric, for {', '.join(culprits)} has no finite value there"
    usable = [index for index in usable if index not in constant]
    return usable, left_out, used, said if culprits else ""


def sample_of(common: Common) -> Sample:
    """MOS with everybody, without each source, without each rater; a stimulus that loses its only rater drops out."""
    count = int(common.rater.max()) + 1
    rated, total = crosstable(common.rater, common.stimulus, (count, len(common.source)), None, common.score)
    by_source = jackknife.leave_out(int(common.source.max()) + 1)
    by_rater = jackknife.leave_out(count) if count > 1 else np.empty((0, count))
    raters = np.vstack([np.ones((1, count)), by_rater])
    n = raters @ rated
    mean = np.divide(raters @ total, n, out=np.zeros(n.shape), where=n > 0)
    mean = settle(mean, rounding_of(common.score))  # equal MOS must tie, however they were divided
    whole = np.repeat(mean[:1], len(by_source), axis=0)
    average = np.vstack([mean[:1], whole, mean[1:]])
    weight = np.vstack([np.ones((1, len(common.source))), by_source[:, common.source], (n[1:] > 0).astype(np.float64)])
    return Sample(average, weight, len(by_source))
