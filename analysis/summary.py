"""A report's results as plain numbers for a machine: summary.json."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from analysis.recovery import Recovery
    from analysis.report import Results


MOST_ROWS = 100_000  # a longer table, the four post-hoc tests of 51,040 pairs, is in its CSV file alone


def summary(results: Results) -> dict[str, object]:
    """The results as plain numbers for a machine: NaN is None, infinity the text inf."""
    tables, recovered = results.tables, results.recovered
    screens = {
        name: {
            "rejected": list(table.loc[table["rejected"], "rater"]),
            "raters": records(table),
            "effect": records(results.effects[name]) if table["rejected"].any() else [],
        }
        for name, table in results.screens.items()
    }
    found: dict[str, object] = {
        "simulated": results.simulated,
        **({"task": results.task} if results.task else {}),
        "scale": results.scale.to_dict(),
        "mos": records(tables["mos"]),
        "sos": {"a": plain(results.sos_a), "n_stimuli": len(tables["stimuli"]), **_limit_of(results, "sos")},
        "significance": records(tables["significance"]),
        "significance_as_published": records(tables["significance_as_published"]),
        "asterisks": records(tables["asterisks"]),
        "screening": screens,
        "recovery": {
            "p910": {
                "iterations": recovered.iterations,
                "converged": recovered.converged,
                "interval": recovered.interval,
                "stimuli": records(recovered.stimuli),
                "raters": records(recovered.raters),
                **_without(recovered),
            },
            "p913_bias": {"raters": records(tables["bias"]), "mos": records(tables["bias_removed"])},
        },
        "reliability": {
            "icc": records(tables["icc"]),
            "krippendorff_alpha": records(tables["alpha"]),
            "retest": records(tables["retest"]),
            **_limit_of(results, "retest"),
        },
        "limits": results.limits,
    }
    optional = ("which_differ", "dmos", "ranks", "friedman", "posthoc", "agreement", "metric_comparison", "comparison")
    short = [name for name in (*optional, *_MIXED) if results.has(name) and len(tables[name]) <= MOST_ROWS]
    found |= {name: records(tables[name]) for name in short}
    return found | {"notes": results.notes, "provenance": results.provenance}


def _limit_of(results: Results, section: str) -> dict[str, object]:
    return {"limits": results.limits[section]} if section in results.limits else {}


def _without(recovered: Recovery) -> dict[str, object]:
    """Beside a degenerate maximum: why it is no result, and the recovery without the cause."""
    if not recovered.limit:
        return {}
    found: dict[str, object] = {"limit": recovered.limit, "left_out": list(recovered.left_out)}
    if recovered.without is not None:
        other = recovered.without
        found["without"] = {"stimuli": records(other.stimuli), "raters": records(other.raters)}
    return found


_MIXED = ("mixed_effects", "mixed_random", "mixed_contrasts")


def records(table: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of a table, each by the columns' names."""
    names = [str(name) for name in table.columns]
    columns = [_plain_column(table.iloc[:, place]) for place in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain_column(column: pd.Series) -> list[object]:
    """`plain` of every value; a column of numbers, of which the tables of many methods have millions, at once."""
    if column.dtype.kind in "biu":
        return list(column.tolist())
    if column.dtype.kind == "f" and np.isfinite(column).all():
        return list(column.tolist())
    return [plain(value) for value in column.tolist()]


def json_text(value: object, indent: int = 0) -> str:
    """JSON with each name on a line of its own and each row of a table on one."""
    pad, encode = "\n" + " " * (indent + 1), partial(json.dumps, ensure_ascii=False, allow_nan=False)
    if isinstance(value, dict) and value:
        inside = [f"{encode(name)}: {json_text(one, indent + 1)}" for name, one in value.items()]
        return f"{{{pad}{f',{pad}'.join(inside)}\n{' ' * indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"[{pad}{f',{pad}'.join(map(encode, value))}\n{' ' * indent}]"
    return encode(value)


def plain(value: object) -> object:
    """A number, truth or text that JSON has: NaN is None, infinity the text inf."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        if np.isnan(value):
            return None
        return float(value) if np.isfinite(value) else str(float(value))
    return str(value)
