"""Do the intervals of PLCC, ICC and alpha hold the population's value, and does noise predict? Printed tables.

    python -m tests.bench.bench_coverage plcc        # 95 % limits against the same fit on 100,000 sources
    python -m tests.bench.bench_coverage predicts    # p <= .05 for noise: 3 to 7 % is right
    python -m tests.bench.bench_coverage metrics     # p <= .05 for two metrics that predict equally well
    python -m tests.bench.bench_coverage reliability # 95 % limits against a large panel

Panels: scores 1 to 5, rounded; methods on sources, deviations of source .4, method on source .3, rater .3, method by
rater .2, residual .7. The population of a cell is drawn with as many raters a panel. Seeds are fixed.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.intervals import proportion_interval
from analysis.objective import objective_of
from analysis.permutation import permutation_p
from analysis.prediction import agreement, compare_metrics
from analysis.reliability import alpha, icc

POPULATION = 100_000  # sources


class Cell(NamedTuple):
    """A study: how many, and what its metric is like."""

    sources: int
    methods: int
    raters: int
    kind: str


CELLS = [
    *(Cell(sources, 12, 26, kind) for sources in (5, 14, 100) for kind in ("close", "loose", "weak", "noise")),
    Cell(14, 4, 26, "close"),
    Cell(14, 4, 8, "loose"),
    Cell(30, 6, 15, "loose"),
    Cell(14, 12, 26, "curved"),
]


def draw(cell: Cell, rng: np.random.Generator, *, metrics: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Scores (raters, sources x methods) and values of `metrics` equally good metrics (sources x methods, metrics)."""
    sources, methods, raters, kind = cell
    quality = np.linspace(1.6, 4.2, methods)
    shape = (sources, methods)
    truth = quality + 0.4 * rng.normal(size=(sources, 1)) + 0.3 * rng.normal(size=shape)
    columns = []
    for _ in range(metrics):
        content, noise = rng.normal(size=(sources, 1)), rng.normal(size=shape)
        columns.append(
            {
                "close": truth + 0.3 * content + 0.25 * noise,
                "loose": quality + content + 0.5 * noise,
                "weak": quality + 4 * content + 4 * noise,
                "noise": content + noise,
                "curved": np.exp(truth + 0.3 * content + 0.25 * noise),
            }[kind]
        )
    own = 0.3 * rng.normal(size=(raters, 1, 1)) + 0.2 * rng.normal(size=(raters, 1, methods))
    scores = np.clip(np.rint(truth + own + 0.7 * rng.normal(size=(raters, *shape))), 1, 5)
    return scores.reshape(raters, -1), np.stack(columns, axis=-1).reshape(-1, metrics)


def tables(cell: Cell, scores: np.ndarray, values: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The panel as a ratings and a wide objective table; NaN scores are left out."""
    source, method = (np.char.zfill(i.ravel().astype(str), 6) for i in np.indices((cell.sources, cell.methods)))
    keys = pd.DataFrame({"benchmark": "b", "source": source, "method": method})
    rater = np.repeat(np.char.zfill(np.arange(len(scores)).astype(str), 4), len(keys))
    ratings = pd.concat([keys] * len(scores), ignore_index=True)
    ratings = ratings.assign(rater=rater, repeat=0, score=scores.ravel()).dropna()
    return ratings, keys.assign(**{f"m{index}": values[:, index] for index in range(values.shape[1])})


def judged(cell: Cell, seed: list[int], *, metrics: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Agreement and comparison of one panel, every metric better higher."""
    ratings, objective = tables(cell, *draw(cell, np.random.default_rng(seed), metrics=metrics))
    names = [name for name in objective.columns if name not in ("benchmark", "source", "method")]
    scores = objective_of(objective, higher_is_better=names)
    return agreement(ratings, scores), compare_metrics(ratings, scores) if metrics > 1 else pd.DataFrame()


def population_plcc(cell: Cell) -> float:
    """PLCC over 100,000 sources, a new panel of raters every 1,000; noise has 0."""
    if cell.kind == "noise":
        return 0.0
    from analysis.correlation import pearson
    from analysis.logistic import fit_logistic, logistic

    blocks = [draw(cell._replace(sources=1000), np.random.default_rng([99, b])) for b in range(POPULATION // 1000)]
    mos = np.concatenate([scores.mean(axis=0) for scores, _ in blocks])[None]
    value = np.concatenate([values[:, 0] for _, values in blocks])
    one = np.ones_like(mos)
    return float(pearson(logistic(value, fit_logistic(value, mos, one, sign=1), 1), mos, one)[0])


def share(hits: int, of: int) -> str:
    low, high = proportion_interval(hits, of)
    return f"{hits / of:.3f} ({low:.3f}-{high:.3f})"


def name_of(cell: Cell) -> str:
    """Such as 14x12-weak."""
    return f"{cell.sources}x{cell.methods}-{cell.kind}"


def chosen(cells: list[Cell], names: list[str]) -> list[Cell]:
    """The cells of these names, all without any. Raises SystemExit on a name that is none."""
    known = {name_of(cell): cell for cell in cells}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no cell {unknown[0]}; there are {', '.join(known)}")
    return [known[name] for name in names] or cells


def plcc(panels: int, cells: list[str]) -> None:
    print(f"PLCC, {panels} panels a cell: share of 95 % limits that hold the population's value; want .93 to .97")
    heads = ("sources", "methods", "raters", " metric", " value", f"{'covers':>20}", " over", "under", "width")
    print(" ".join(heads))
    for cell in chosen(CELLS, cells):
        true = population_plcc(cell)
        count = panels if cells or cell.sources < 100 else max(panels // 4, 50)
        rows = pd.concat([judged(cell, [7, seed])[0] for seed in range(count)])
        low, high = rows["plcc_low"].to_numpy(float), rows["plcc_high"].to_numpy(float)
        covers = share(int(((low <= true) & (true <= high)).sum()), count)
        over, under, width = (low > true).mean(), (high < true).mean(), np.nanmedian(high - low)
        print(f"{cell.sources:7} {cell.methods:7} {cell.raters:6} {cell.kind:>7} {true:6.3f} {covers:>20} "
              f"{over:5.3f} {under:5.3f} {width:.3f}", flush=True)  # fmt: skip


def predicts(panels: int, _: list[str]) -> None:
    print(f"p_predicts <= .05 on noise, {panels} panels a cell; want .03 to .07")
    for sources, methods in ((5, 12), (14, 4), (14, 12), (100, 9), (20, 1)):
        source, method = (index.ravel() for index in np.indices((sources, methods)))
        for content in (0.0, 2.0):
            hits = 0
            for seed in range(panels):
                rng = np.random.default_rng([3, seed])
                a, b = (content * rng.normal(size=(sources, 1)) + rng.normal(size=(sources, methods)) for _ in range(2))
                b = b + np.linspace(0, 2, methods)  # methods differ in quality
                hits += permutation_p(a.ravel(), b.ravel(), source, method, sign=1, draws=199, seed=seed) <= 0.05
            print(f"{sources:4} sources x {methods:2} methods, content {content}: {share(hits, panels)}", flush=True)


METRIC_CELLS = [
    Cell(14, 12, 26, "close"),
    Cell(14, 12, 26, "loose"),
    Cell(5, 12, 26, "close"),
    Cell(30, 6, 15, "loose"),
]


def metrics(panels: int, cells: list[str]) -> None:
    print(f"p <= .05 for two metrics equally good, {panels} panels a cell; want at most .07")
    for cell in chosen(METRIC_CELLS, cells):
        rows = pd.concat([judged(cell, [5, seed], metrics=2)[1] for seed in range(panels)])
        for statistic, part in rows.groupby("statistic"):
            held = int(((part["ci_low"] <= 0) & (part["ci_high"] >= 0)).sum())
            hits = share(int((part["p"] <= 0.05).sum()), panels)
            study = f"{cell.sources:4} x {cell.methods:2} {cell.kind:>6} {statistic:>6}"
            print(f"{study}: {hits}; limits hold 0: {held / panels:.3f}", flush=True)


def reliability(panels: int, _: list[str]) -> None:
    print(f"ICC(2,1) and alpha, {panels} panels a cell: share of 95 % limits that hold the value of a large panel")
    for sources, methods, raters in ((5, 12, 26), (14, 6, 15), (14, 6, 6), (30, 3, 26), (5, 4, 6)):
        cell = Cell(sources, methods, raters, "noise")
        large = Cell(100, methods, 100, "noise")
        big = [tables(large, *draw(large, np.random.default_rng([1, b])))[0] for b in range(3)]
        true = {f.__name__: float(np.mean([f(panel)["value"].iloc[0] for panel in big])) for f in (icc, alpha)}
        for missing in ("complete", "30 % missing", "3 stop early"):
            held = dict.fromkeys(true, 0)
            for seed in range(panels):
                rng = np.random.default_rng([2, seed])
                scores, values = draw(cell, rng)
                if missing == "30 % missing":
                    scores[rng.random(scores.shape) < 0.3] = np.nan
                elif missing == "3 stop early":
                    for rater in range(3):
                        scores[rater, rng.permutation(scores.shape[1])[scores.shape[1] // 4 :]] = np.nan
                panel, _ = tables(cell, scores, values)
                for statistic in (icc, alpha):
                    row = statistic(panel).iloc[0]
                    held[statistic.__name__] += row["ci_low"] <= true[statistic.__name__] <= row["ci_high"]
            text = ", ".join(f"{name} {true[name]:.3f} {share(held[name], panels)}" for name in true)
            print(f"{sources:4} x {methods:2}, {raters:2} raters, {missing:>12}: {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["plcc", "predicts", "metrics", "reliability"])
    parser.add_argument("--panels", type=int, default=1000)
    parser.add_argument("--cell", action="append", default=[], help="of plcc or metrics, such as 14x12-weak; repeated")
    options = parser.parse_args()
    {"plcc": plcc, "predicts": predicts, "metrics": metrics, "reliability": reliability}[options.what](
        options.panels, options.cell
    )


if __name__ == "__main__":
    main()
