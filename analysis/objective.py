"""The table of objective scores, long or wide, and what it says of its metrics: direction, unit, decimals.

Long, a table that describes itself, one row a stimulus and metric:

    benchmark, source, method, metric, value, better (higher | lower), unit, decimals

Wide, one row a stimulus: benchmark, source, method and a numeric column a metric. A wide table cannot say which
direction is better; the caller can (`lower_is_better`, `higher_is_better`). This library knows nothing of particular
metrics: one without a direction is reported without a best value, and a note says how to state it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import pandas as pd

from analysis.columns import RatingsError, Rule, checked_copy, fail, no_duplicate, numbers, some, text
from analysis.files import read
from analysis.matching import unmatched
from analysis.schema import NO_BENCHMARK, STIMULUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Better = Literal["higher", "lower", ""]
LONG_COLUMNS = (*STIMULUS, "metric", "value", "better", "unit", "decimals")
MISSING_WORDS = {"", "n/a", "na", "nan", "none", "null", "-", "–"}
# Numbers of a picture that say nothing of its quality; a table may hold them and they stay out of every result.
NOT_METRICS = {"seconds": "a run time"}
_VALUE = Rule(-np.inf, np.inf, whole=False, empty=True)
_DECIMALS = Rule(0, 12, whole=True, empty=True)


@dataclass(frozen=True)
class Metric:
    """What a table says of a metric. `better` is "" where it does not say; `decimals` are those of a printed mean."""

    name: str
    better: Better
    unit: str
    decimals: int

    @property
    def title(self) -> str:
        """The name as a table's head or an axis prints it."""
        return self.name.upper() + (f" ({self.unit})" if self.unit else "")


@dataclass(frozen=True)
class Objective:
    """`values`: benchmark, source, method and a float64 column a metric, NaN where there is none; `notes` on them."""

    values: pd.DataFrame
    metrics: tuple[Metric, ...]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The metrics' names, in the table's order."""
        return [metric.name for metric in self.metrics]


def objective_of(
    table: pd.DataFrame | Objective, *, lower_is_better: Sequence[str] = (), higher_is_better: Sequence[str] = ()
) -> Objective:
    """The objective scores of a wide or long table, or RatingsError naming the row that breaks a rule.

    Values are numbers; inf is a value (the PSNR of the reference). An empty cell or a word such as n/a is a missing
    value, counted in a note; any other word in a column of numbers raises. Two rows of one stimulus (and metric) raise,
    and so does a direction, unit or number of decimals that the table states twice in different ways.
    """
    if isinstance(table, Objective):
        return table
    found = _from_long(table) if {"metric", "value"} <= set(table) else _from_wide(table)
    return _directed(found, lower_is_better, higher_is_better)


def read_objective(
    path: str | Path, *, lower_is_better: Sequence[str] = (), higher_is_better: Sequence[str] = ()
) -> Objective:
    """`objective_of` a CSV or Parquet file (by the name's ending).

    >>> from analysis import example, read_objective
    >>> read_objective(example.OBJECTIVE).names
    ['psnr', 'ssim']
    """
    names = (*STIMULUS, "metric", "better", "unit")
    table = read(Path(path), text=names, numeric=("value", "decimals"))
    return objective_of(table, lower_is_better=lower_is_better, higher_is_better=higher_is_better)


def match_ratings(objective: Objective, ratings: pd.DataFrame) -> Objective:
    """The scores of rated stimuli only, with notes on what is left over. Raises RatingsError where nothing matches.

    >>> from analysis import example, match_ratings, read_objective
    >>> len(match_ratings(read_objective(example.OBJECTIVE), example.ratings()).values)
    108
    """
    kept, notes = unmatched(ratings, objective.values, STIMULUS, what="objective table", whole=True)
    return Objective(kept, objective.metrics, (*objective.notes, *notes))


def long_table(objective: Objective) -> pd.DataFrame:
    """The scores as the long table that describes itself, LONG_COLUMNS; a missing value has no row."""
    said = pd.DataFrame([vars(metric) for metric in objective.metrics]).rename(columns={"name": "metric"})
    table = objective.values.melt(STIMULUS, objective.names, var_name="metric", value_name="value")
    return table.dropna(subset="value").merge(said, on="metric")[list(LONG_COLUMNS)]


def _named(table: pd.DataFrame) -> pd.DataFrame:
    if "benchmark" not in table:
        table["benchmark"] = NO_BENCHMARK
    for column in STIMULUS:
        table[column] = text(table[column], required=True)
    return table


def _from_wide(given: pd.DataFrame) -> Objective:
    table = _named(checked_copy(given, ("source", "method"), what="objective table"))
    no_duplicate(table, STIMULUS, hint="a wide objective table has one row a stimulus")
    notes: list[str] = []
    columns: dict[str, pd.Series] = {}
    for name in [str(column) for column in table.columns if column not in STIMULUS]:
        if name in NOT_METRICS:
            notes.append(f"The column {name} is {NOT_METRICS[name]}, not a metric of quality: it is left out.")
            continue
        column = _metric_column(table[name], notes)
        if column is not None:
            columns[name] = column
    if not columns:
        raise RatingsError("the objective table has no numeric column beside benchmark, source, method: add one")
    values = table[STIMULUS].assign(**columns)
    metrics = tuple(Metric(name, "", "", _decimals(values[name])) for name in columns)
    return Objective(values, metrics, tuple(notes))


def _metric_column(column: pd.Series, notes: list[str]) -> pd.Series | None:
    """The column as numbers, or None for what holds no metric: text, true and false."""
    if pd.api.types.is_bool_dtype(column):
        return None
    if pd.api.types.is_numeric_dtype(column):
        return _reported(numbers(column, _VALUE), np.zeros(len(column), bool), column, notes)
    words = column.astype("str").str.strip()
    missing = (column.isna() | words.str.lower().isin(MISSING_WORDS)).to_numpy(bool)
    number = pd.to_numeric(words.mask(missing), errors="coerce")
    if number.isna().all():
        if not missing.all() and not words[~missing].str.lower().isin(["true", "false"]).all():
            notes.append(f"The column {column.name} of the objective table holds words, no numbers: it is no metric.")
        return None
    fail(column, number.isna().to_numpy(bool) & ~missing, "it must be a number, or n/a where there is none")
    return _reported(number.astype("float64"), missing & ~column.isna().to_numpy(bool), column, notes)


def _reported(number: pd.Series, worded: np.ndarray, column: pd.Series, notes: list[str]) -> pd.Series:
    """`number`, after a note on how many values are missing."""
    missing = number.isna().to_numpy(bool)
    if missing.any():
        row = int(np.flatnonzero(worded if worded.any() else missing)[0])
        said = f"it is {str(column.iloc[row])!r}" if worded.any() else "it is empty"
        notes.append(f"{column.name} has no value in {missing.sum()} of {len(number)} rows; in row {row + 1} {said}.")
    return number


def _from_long(given: pd.DataFrame) -> Objective:
    table = _named(checked_copy(given, ("source", "method", "metric", "value"), what="objective table"))
    table["metric"] = text(table["metric"], required=True)
    notes: list[str] = []
    value = _metric_column(table["value"], notes)
    if value is None:
        raise RatingsError("the column value of the objective table holds no numbers")
    table["value"] = value
    no_duplicate(table, [*STIMULUS, "metric"], hint="a long objective table has one row a stimulus and metric")
    for name in sorted(NOT_METRICS.keys() & set(table["metric"])):
        notes.append(f"The metric {name} is {NOT_METRICS[name]}, not a metric of quality: it is left out.")
        table = table[table["metric"] != name]
    if table.empty:
        raise RatingsError("the objective table has no metric of quality: add one")
    names = list(dict.fromkeys(table["metric"]))
    wide = table.pivot(index=STIMULUS, columns="metric", values="value")[names]
    wide = wide.reset_index().rename_axis(columns=None)
    order = table[STIMULUS].drop_duplicates()
    values = order.merge(wide, on=STIMULUS).reset_index(drop=True)
    metrics = tuple(_stated_metric(table[table["metric"] == name], name, values[name]) for name in names)
    return Objective(values, metrics, tuple(notes))


def _stated_metric(rows: pd.DataFrame, name: str, values: pd.Series) -> Metric:
    better = _stated(rows, "better", name).lower()
    if better not in ("higher", "lower", ""):
        raise RatingsError(f"better is {better!r} for the metric {name}; it must be higher or lower")
    decimals = _stated(rows, "decimals", name)
    number = _decimals(values) if decimals == "" else int(numbers(pd.Series([decimals], name="decimals"), _DECIMALS)[0])
    return Metric(name, cast("Better", better), _stated(rows, "unit", name), number)


def _stated(rows: pd.DataFrame, column: str, metric: str) -> str:
    """What the rows of a metric say in `column`, "" where nothing. Raises RatingsError where they say two things."""
    if column not in rows:
        return ""
    said = sorted({str(value).strip() for value in rows[column].dropna()} - {""})
    if len(said) > 1:
        raise RatingsError(f"the metric {metric} has the {column} {some(said)}: state one in all its rows")
    return said[0] if said else ""


def _decimals(values: pd.Series) -> int:
    """Decimals that show four digits of a typical value: 28.43, 0.8211."""
    finite = values[np.isfinite(values)].abs()
    typical = float(finite.median()) if len(finite) else 0.0
    return int(np.clip(3 - np.floor(np.log10(typical)), 0, 6)) if typical > 0 else 4


def _directed(found: Objective, lower: Iterable[str], higher: Iterable[str]) -> Objective:
    """`found` with the directions that the caller states, and a note for each metric that still has none."""
    told: dict[str, Better] = {}
    for better, names in (("lower", lower), ("higher", higher)):
        for name in names:
            if name not in found.names:
                raise RatingsError(f"no metric is called {name!r}; the objective table has {', '.join(found.names)}")
            if told.setdefault(name, cast("Better", better)) != better:
                raise RatingsError(f"{name} is said to be better higher and better lower: state one")
    metrics = []
    for metric in found.metrics:
        said = told.get(metric.name, metric.better)
        if metric.better and said != metric.better:
            raise RatingsError(f"{metric.name} is better {metric.better} by the objective table, {said} by the caller")
        metrics.append(Metric(metric.name, said, metric.unit, metric.decimals))
    unsaid = [metric.name for metric in metrics if not metric.better]
    notes = list(found.notes)
    if unsaid:
        notes.append(
            f"Whether a higher or a lower value of {', '.join(unsaid)} is better is not stated, so none is marked as "
            f"best: say --higher-is-better {unsaid[0]} or --lower-is-better {unsaid[0]}, or give the long table."
        )
    return Objective(found.values, tuple(metrics), tuple(notes))
