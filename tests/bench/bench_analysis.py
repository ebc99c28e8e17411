"""Speed of the analysis, printed and never asserted.

python -m tests.bench.bench_analysis [report|methods|methods_missing|cube|million|crowd|crowd_metrics|recovery]

Ratios are of runs side by side in one process; the whole times are those of this machine, in this hour.
"""

import contextlib
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import paper
from analysis.opinion import mos
from analysis.recovery import recover, solve
from analysis.replication import paper_panel
from analysis.schema import STIMULUS, validate_ratings
from analysis.significance import pairwise_tests

ROOT = Path(__file__).resolve().parents[2]


def report() -> None:
    """The whole command on the paper's 29,328 ratings, figures included, start of Python included."""
    panel = paper_panel(deviation=0.2, seed=1)
    keys = panel[STIMULUS].drop_duplicates()
    rng = np.random.default_rng(0)
    metrics = keys.merge(paper.published()[["benchmark", "method", "psnr", "ssim"]], on=["benchmark", "method"])
    metrics["psnr"] += rng.normal(0, 2, len(metrics))
    metrics["ssim"] = (metrics["ssim"] - rng.uniform(0, 0.1, len(metrics))).clip(0, 1)
    _whole_report(panel, metrics, aim="under 10 s")


def methods() -> None:
    """The whole command on 320 methods, 51,040 pairs: 24 raters x 10 sources, every one rated."""
    _whole_report(panel_of_methods(24, 10, 320), None, aim="a page under 2 MB")


def methods_missing() -> None:
    """The same with every second rating missing: each pair is an incomplete design of its own."""
    _whole_report(panel_of_methods(24, 10, 320, missing=0.5), None, aim="a page under 2 MB")


def cube() -> None:
    """The whole command on 100 raters x 100 sources x 100 methods: a million ratings, 4,950 pairs."""
    _whole_report(panel_of_methods(100, 100, 100), None, aim="a page under 2 MB")


def panel_of_methods(raters: int, sources: int, methods: int, *, missing: float = 0.0) -> pd.DataFrame:
    """Simulated; the methods rise from 1.5 to 4, raters and sources differ in level and in taste."""
    rng = np.random.default_rng(0)
    rater, source, method = np.indices((raters, sources, methods))
    level = 1.5 + 2.5 * method / methods + rng.normal(0, 0.35, (raters, 1, 1)) + rng.normal(0, 0.5, (1, sources, 1))
    level = level + rng.normal(0, 0.2, (raters, 1, methods)) + rng.normal(0, 0.2, (1, sources, methods))
    score = np.clip(np.rint(level + rng.normal(0, 0.7, level.shape)), 1, 5).astype(int)
    kept = rng.random(level.shape) >= missing
    columns = {"rater": rater, "source": source, "method": method}
    names = {name: np.char.mod(f"{name[0]}%03d", codes[kept]) for name, codes in columns.items()}
    return pd.DataFrame(names | {"score": score[kept]})


def crowd() -> None:
    """The whole command on 500,000 ratings by 20,000 raters of 1,000 sources x 10 methods: 25 of 10,000 each."""
    _whole_report(crowd_panel(), None, aim="under 90 s and 2 GB")


def crowd_metrics() -> None:
    """The same with two objective metrics."""
    panel = crowd_panel()
    keys = panel[["source", "method"]].drop_duplicates()
    rng, method = np.random.default_rng(1), keys["method"].astype(int)
    metrics = keys.assign(psnr=25 + method + rng.normal(0, 2, len(keys)), ssim=0.7 + method / 50)
    metrics["ssim"] = (metrics["ssim"] + rng.normal(0, 0.1, len(keys))).clip(0, 1)
    _whole_report(panel, metrics, aim="under 90 s and 2 GB")


def crowd_panel() -> pd.DataFrame:
    """Simulated; raters differ in bias, methods and stimuli in quality."""
    rng = np.random.default_rng(0)
    rater = np.repeat(np.arange(20_000), 25)
    stimulus = (rng.integers(0, 10_000, 20_000)[:, None] + rng.permutation(10_000)[:25]).ravel() % 10_000
    source, method = np.divmod(stimulus, 10)
    level = 1.5 + method / 4 + rng.normal(0, 0.3, 10_000)[stimulus] + rng.normal(0, 0.3, 20_000)[rater]
    score = np.clip(np.rint(level + rng.normal(0, 0.7, rater.size)), 1, 5).astype(int)
    columns = {"rater": rater, "source": source, "method": method}
    return pd.DataFrame({name: codes.astype(str) for name, codes in columns.items()} | {"score": score})


def _whole_report(panel: pd.DataFrame, metrics: pd.DataFrame | None, *, aim: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ratings, objective, out = (Path(folder, name) for name in ("ratings.csv", "objective.csv", "out"))
        panel.to_csv(ratings, index=False)
        command = [sys.executable, "-m", "analysis", "report", str(ratings), "--out", str(out)]
        if metrics is not None:
            metrics.to_csv(objective, index=False)
            command += ["--objective", str(objective)]
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        if process.returncode:
            raise SystemExit(f"the report ended with {process.returncode}")
        sizes = {name: (out / name).stat().st_size / 2**20 for name in ("report.html", "summary.json")}
    written = ", ".join(f"{name} {size:.1f} MiB" for name, size in sizes.items())
    print(
        f"report on {len(panel)} ratings: {wall:.1f} s, {used.ru_utime:.1f} + {used.ru_stime:.1f} s of processor time "
        f"(user + system), peak {used.ru_maxrss / 2**20:.2f} GiB (aim: {aim}); {written}",
        flush=True,
    )


def million() -> None:
    """MOS, two-way bootstrap (1,000 draws) and all pairwise tests on 100 raters x 1,000 sources x 10 methods."""
    rater, source, method = (index.ravel() for index in np.indices((100, 1000, 10)))
    rng = np.random.default_rng(0)
    score = np.clip(np.rint(1.5 + method / 4 + rng.normal(0, 1, rater.size)), 1, 5).astype(int)
    names = [np.array([f"{letter}{i:04d}" for i in range(1000)]) for letter in "rsm"]
    columns = dict(
        zip(
            ("rater", "source", "method"),
            (n[i] for n, i in zip(names, (rater, source, method), strict=True)),
            strict=True,
        )
    )
    table = pd.DataFrame(columns | {"score": score})
    start, cpu = time.perf_counter(), time.process_time()
    ratings = validate_ratings(table)
    scores = mos(ratings, interval="two_way_bootstrap", draws=1000)
    tests = pairwise_tests(ratings)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{len(ratings)} ratings, {len(scores)} intervals, {len(tests)} tests: {wall:.1f} s, "
        f"{cpu:.1f} s of processor time, peak {peak:.2f} GiB (aim: under 15 s and 1 GB)"
    )


def recovery() -> None:
    """Our P.910 model beside sureal's projection solver on the same scores, best of fifteen each."""
    from sureal.dataset_reader import RawDatasetReader
    from sureal.subjective_model import SubjectMLEModelProjectionSolver

    class ArrayReader(RawDatasetReader):
        opinion_score_3darray = None

        def __init__(self, array: np.ndarray) -> None:
            self.opinion_score_3darray = array

    def best(run, times: int = 15) -> float:
        spans = []
        for _ in range(times):
            start = time.perf_counter()
            run()
            spans.append(time.perf_counter() - start)
        return min(spans)

    def theirs() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            SubjectMLEModelProjectionSolver(ArrayReader(array)).run_modeling()

    for name, ratings in (("the paper's size", paper_panel(deviation=0.2, seed=1)), *_nflx()):
        rows = ratings.pivot(index="rater", columns=STIMULUS, values="score").to_numpy(float)  # raters x stimuli
        array = rows.T[:, :, None]  # sureal's stimuli x raters x showings
        ours, table, other = best(lambda a=rows: solve(a)), best(lambda t=ratings: recover(t)), best(theirs)
        print(
            f"recovery on {name}, {array.size} scores: ours {ours * 1e3:.2f} ms, sureal {other * 1e3:.2f} ms on the "
            f"same array: {other / ours:.0f} times (aim: at least 10); table to tables {table * 1e3:.1f} ms"
        )


def _nflx() -> list[tuple[str, pd.DataFrame]]:
    path = Path(os.environ.get("MOSWEB_SHARED", ROOT.parent / "shared")) / "ratings" / "nflx_public.csv"
    return [("NFLX public", validate_ratings(pd.read_csv(path)))] if path.exists() else []


if __name__ == "__main__":
    runs = (report, methods, methods_missing, cube, million, crowd, crowd_metrics, recovery)
    for name in sys.argv[1:] or [run.__name__ for run in runs]:
        {run.__name__: run for run in runs}[name]()
