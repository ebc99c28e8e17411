"""python -m analysis pairs: the report of a pairs table; plan-pairs: raters, sources and choices a study needs."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from analysis import arguments
from analysis.columns import RatingsError

if TYPE_CHECKING:
    import argparse

    import pandas as pd


def add_pairs(parser: argparse.ArgumentParser) -> None:
    """The options of `pairs`."""
    parser.add_argument("pairs", type=Path, help="CSV, Excel or Parquet: rater, source, left, right, chosen, and more")
    arguments.add_reading(parser)
    parser.add_argument("--ratings", type=Path, help="scores of the same stimuli, to be set beside")
    arguments.add_reading(parser, prefix="ratings-", of="of the table --ratings: ")
    arguments.add_scale(parser, of="of the scores of --ratings")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--reference", help="the original's method name (default: hr or original, where there is one)")
    parser.add_argument("--exclude", action="append", default=[], metavar="RATER", help="leave a rater out, and say so")
    arguments.add_study(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.set_defaults(run=_pairs)


def _pairs(given: argparse.Namespace) -> None:
    from analysis.pairs.page import write_pairs_report
    from analysis.pairs.report import PairsOptions
    from analysis.schema import read_ratings

    if given.ratings is None and (given.scale or given.ratings_column or given.ratings_missing):
        raise RatingsError("--scale, --ratings-column and --ratings-missing speak of scores: give --ratings")
    arguments.folder(given.out)
    pairs = _read(given.pairs, given)
    ratings = None
    if given.ratings is not None:
        ratings = read_ratings(
            given.ratings,
            columns=arguments.columns(given.ratings_column, option="--ratings-column"),
            missing=given.ratings_missing,
            scale=arguments.scale(given.scale),
        )
    files = {"pairs": given.pairs, "ratings": given.ratings, "protocol": given.protocol}
    digests = {name: sha256(path.read_bytes()).hexdigest() for name, path in files.items() if path is not None}
    options = PairsOptions(reference=given.reference, exclude=tuple(given.exclude), seed=given.seed)
    results = write_pairs_report(
        pairs,
        ratings,
        out=given.out,
        options=options,
        protocol=arguments.protocol(given.protocol),
        pictures=arguments.pictures(given.picture),
        digests=digests,
    )
    if results.unfitted:
        print(f"no strengths: {results.unfitted}")
    print(f"{given.out / 'report.html'}")


def _read(path: Path, given: argparse.Namespace) -> pd.DataFrame:
    from analysis.pairs.schema import read_pairs

    return read_pairs(path, columns=arguments.columns(given.column), missing=given.missing)


def add_plan(parser: argparse.ArgumentParser) -> None:
    """The options of `plan-pairs`."""
    parser.add_argument("--share", type=float, default=0.6, help="of choices, to be told from a half (0.6)")
    parser.add_argument("--methods", type=int, default=2)
    parser.add_argument("--sources", type=int, action="append", help="may be repeated (10, 20, 40, 80)")
    parser.add_argument("--pairs", type=int, action="append", help="that a rater judges; may be repeated (20, 60, 120)")
    parser.add_argument("--comparisons", type=int, default=1, help="pairs of methods to be tested")
    parser.add_argument("--deviation", type=float, default=0.3, help="of a log strength by rater, and by source")
    parser.add_argument("--power", type=float, default=0.8)
    parser.add_argument("--pilot", type=Path, help="a pairs table whose own deviations and ties are used instead")
    arguments.add_reading(parser, of="of the pilot: ")
    parser.set_defaults(run=_plan)


def _plan(given: argparse.Namespace) -> None:
    from analysis.pairs import power

    sds = {"rater_sd": given.deviation, "source_sd": given.deviation}
    if given.pilot:
        row = power.deviations(_read(given.pilot, given)).iloc[0]
        sds = {name: float(row[name]) for name in (*sds, "tie")}
    table = power.plan(
        share=given.share,
        methods=given.methods,
        sources=given.sources or power.SOURCES,
        pairs_per_rater=given.pairs or power.PAIRS,
        comparisons=given.comparisons,
        power=given.power,
        **sds,
    )
    print(table.to_string(index=False))
