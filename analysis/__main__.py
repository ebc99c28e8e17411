"""python -m analysis: report, pairs, plan, plan-pairs, simulate, simulate-paper."""

from __future__ import annotations

import argparse
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from analysis import arguments
from analysis.columns import checked_copy, text
from analysis.files import read
from analysis.objective import read_objective
from analysis.opinion import STANDARD, IntervalName
from analysis.pairs import command as pairs
from analysis.schema import STIMULUS, RatingsError, scale_of
from analysis.signedrank import ZeroMethod
from analysis.significance import Unit

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 for success, 2 with a message for what the user can mend."""
    options = _parser().parse_args(argv)
    try:
        options.run(options)
    except (RatingsError, FileNotFoundError, ValueError) as error:
        print(f"analysis: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_report(commands.add_parser("report", help="analyse a ratings table and write report.html, tables, figures"))
    pairs.add_pairs(commands.add_parser("pairs", help="analyse choices between two, as report does scores"))
    pairs.add_plan(commands.add_parser("plan-pairs", help="raters, sources and choices to tell 60 %% from 50 %%"))
    _add_plan(commands.add_parser("plan", help="how many raters a study needs, from a pilot's ratings"))
    _add_simulate(commands.add_parser("simulate", help="write a simulated panel of the paper's study"))
    _add_paper(
        commands.add_parser("simulate-paper", help="how often the paper's findings come out in simulated panels")
    )
    return parser


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ratings", type=Path, help="CSV, Excel or Parquet: rater, source, method, score, and more")
    parser.add_argument(
        "--objective",
        type=Path,
        help="CSV or Parquet: benchmark, source, method and a column a metric, or the long table of analysis.objective",
    )
    parser.add_argument("--lower-is-better", action="append", default=[], metavar="METRIC", help="may be repeated")
    parser.add_argument("--higher-is-better", action="append", default=[], metavar="METRIC", help="may be repeated")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    arguments.add_scale(parser)
    arguments.add_reading(parser)
    parser.add_argument("--reference", help="the hidden reference's method name (default: hr, where there is one)")
    parser.add_argument("--interval", choices=get_args(IntervalName), default=STANDARD)
    parser.add_argument("--unit", choices=get_args(Unit), default="two_way", help="what the tests sample")
    parser.add_argument("--zero-method", choices=get_args(ZeroMethod), default="pratt")
    parser.add_argument("--margin", type=float, help="in scores: also test that methods differ by no more than this")
    parser.add_argument("--gold", type=Path, help="CSV of items with a known answer: source, method, expected")
    arguments.add_study(parser)
    parser.add_argument("--exclude", action="append", default=[], metavar="RATER", help="leave a rater out, and say so")
    parser.add_argument("--exclude-table", type=Path, help="CSV with a column rater: leave them all out, and say so")
    parser.add_argument("--mixed", action="store_true", help="also fit the ordinal mixed model (may take minutes)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    parser.set_defaults(run=_report)


def _report(given: argparse.Namespace) -> None:
    from analysis.page import write_report
    from analysis.report import Options

    arguments.folder(given.out)
    ratings = arguments.ratings(given.ratings, given, arguments.scale(given.scale))
    directions = {"lower_is_better": given.lower_is_better, "higher_is_better": given.higher_is_better}
    objective = read_objective(given.objective, **directions) if given.objective else None
    if objective is None and any(directions.values()):
        raise RatingsError("--lower-is-better and --higher-is-better speak of a table: give --objective")
    if given.reference is not None and given.reference not in set(ratings["method"]):
        known = ", ".join(sorted(set(ratings["method"])))
        raise RatingsError(f"no method is called {given.reference!r}; the table has {known}")
    gold = read(given.gold, text=STIMULUS, numeric=["expected"]) if given.gold else None
    files = {
        "ratings": given.ratings,
        "objective": given.objective,
        "gold": given.gold,
        "excluded": given.exclude_table,
        "protocol": given.protocol,
    }
    options = Options(
        reference=given.reference or "hr",
        interval=given.interval,
        unit=given.unit,
        zero_method=given.zero_method,
        margin=given.margin,
        exclude=tuple(dict.fromkeys([*given.exclude, *_left_out(given.exclude_table)])),
        scale=scale_of(ratings) if given.scale else None,
        mixed=given.mixed,
        seed=given.seed,
    )
    digests = {name: sha256(path.read_bytes()).hexdigest() for name, path in files.items() if path is not None}
    write_report(
        ratings,
        objective,
        out=given.out,
        options=options,
        gold_items=gold,
        protocol=arguments.protocol(given.protocol),
        pictures=arguments.pictures(given.picture),
        digests=digests,
    )
    print(f"{given.out / 'report.html'}")


def _left_out(path: Path | None) -> list[str]:
    """The raters that a table names."""
    if path is None:
        return []
    table = checked_copy(read(path, text=["rater"], numeric=[]), ["rater"], what="table of raters to leave out")
    return list(text(table["rater"], required=True))


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pilot", type=Path, nargs="?", help="CSV or Parquet of a pilot's ratings; else --components")
    parser.add_argument(
        "--components",
        nargs=3,
        type=float,
        metavar=("RATER", "IMAGE", "RESIDUAL"),
        help="without a pilot: standard deviations of a method by rater, by image, and of the residual (.25 .3 .7)",
    )
    parser.add_argument("--images", type=int, required=True, help="source images of the planned study")
    parser.add_argument("--comparisons", type=int, required=True, help="pairs of methods to be tested")
    parser.add_argument("--difference", type=float, action="append", help="of MOS; may be repeated (0.1, 0.2, 0.3)")
    parser.add_argument("--power", type=float, default=0.8)
    parser.add_argument("--raters", type=int, help="if already known: which units can reach the level with them")
    parser.add_argument("--methods", type=int, default=2, help="of the study; with --trials")
    parser.add_argument("--trials", type=int, help="of a rater, where none rates everything: spread and together")
    arguments.add_reading(parser)
    parser.set_defaults(run=_plan)


def _plan(given: argparse.Namespace) -> None:
    from analysis.power import DIFFERENCES, MOST_IMAGES, DifferenceVariance, difference_variance, plan, unit_reach

    if (given.pilot is None) == (given.components is None):
        raise ValueError("give either a pilot's ratings or --components RATER IMAGE RESIDUAL")
    if given.components is not None:
        rater, image, residual = given.components
        variance = DifferenceVariance.given(method_x_rater=rater, method_x_image=image, residual=residual)
    else:
        variance = difference_variance(arguments.ratings(given.pilot, given))
    table = plan(
        variance,
        images=given.images,
        comparisons=given.comparisons,
        differences=given.difference or DIFFERENCES,
        methods=given.methods,
        trials=given.trials,
        allocations=("spread", "together"),
        power=given.power,
    )
    endless = np.isinf(table["cheapest_images"]) & np.isfinite(table["images_least"])
    reach = unit_reach(raters=given.raters, images=given.images, comparisons=given.comparisons)
    print(f"{variance}\n\nraters and images; inf: more images are needed, not raters")
    print(table.T.to_string(header=False, float_format=lambda value: f"{value:.6g}"))
    if endless.any():
        print(f"inf in cheapest_...: the best of up to {MOST_IMAGES:,} images is the one with the most")
    if given.trials is not None:
        print("spread: few versions of many images for each rater; together: all versions of few")
    print(f"\nwhat a unit can reach at all\n{reach.to_string(index=False)}")


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="CSV file to write")
    parser.add_argument("--deviation", type=float, default=0.2, help="of a method on one image, score steps")
    parser.add_argument("--raters", type=int, default=26)
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_simulate)


def _simulate(given: argparse.Namespace) -> None:
    from analysis.replication import paper_panel

    panel = paper_panel(deviation=given.deviation, seed=given.seed, n_raters=given.raters)
    panel.to_csv(given.out, index=False)
    print(f"{len(panel)} simulated ratings in {given.out}")


def _add_paper(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--panels", type=int, default=200, help="for each deviation")
    parser.add_argument("--deviation", type=float, action="append", help="may be repeated (0, 0.2, 0.4)")
    parser.add_argument("--seed", type=int, default=0, help="of the first panel")
    parser.add_argument("--out", type=Path, help="folder for the tables as CSV")
    parser.set_defaults(run=_simulate_paper)


def _simulate_paper(given: argparse.Namespace) -> None:
    from analysis import replication
    from analysis.expectation import expected_shares

    deviations = tuple(given.deviation or replication.DEVIATIONS)
    found = replication.replicate(panels=given.panels, deviations=deviations, first_seed=given.seed)
    tables = {
        "findings": replication.event_shares(found.events, expected_shares(deviations=deviations)),
        "coverage": replication.coverage_shares(found.coverage),
        "coverage_by_benchmark": replication.coverage_shares(found.coverage, by=("deviation", "benchmark", "interval")),
    }
    print("Simulated: 26 raters as on NFLX public, the published MOS as the truth.")
    print("The paper's own test, as published; it counts ratings as independent.")
    for name, table in tables.items():
        print(f"\n{name}\n{table.round(3).to_string(index=False)}")
        if given.out:
            given.out.mkdir(parents=True, exist_ok=True)
            table.assign(simulated=True).to_csv(given.out / f"{name}.csv", index=False)


if __name__ == "__main__":
    sys.exit(main())
