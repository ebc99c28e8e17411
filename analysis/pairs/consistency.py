"""Do raters choose alike when asked again, without contradicting themselves, and like each other?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from analysis.opinion import group_codes
from analysis.pairs.schema import TIE, unordered
from analysis.pairs.shares import wilson

_Z = 1.959964
CHUNK = 4_000_000  # cells of the blocks' matrices at a time: 32 MB


def repeats(pairs: pd.DataFrame) -> pd.DataFrame:
    """Choices of one rater between the same two images on several occasions: alike or not.

    Every two showings of one rater, source and pair of methods are compared, whatever session, repeat and sides.
    Columns: rater ("all" first), items (pairs shown more than once), showings, compared (couples of showings),
    same (share of couples with the same answer, each item weighing alike), low, high (Wilson's with items for n),
    same_sides and swapped (that share where the sides were the same, or changed), first_last_p (McNemar's exact test
    that the alphabetically first method gained or lost between the first and the last showing). A rater
    without repeats has no row.
    """
    table = _items(pairs)
    item, _ = group_codes(table, ["rater", "source", "low", "high"])
    table = table.assign(item=item)
    table = table[np.bincount(item)[item] > 1]
    if table.empty:
        return pd.DataFrame(columns=_REPEAT_COLUMNS)
    couples = _couples(table)
    each = couples.groupby("item").agg(rater=("rater", "first"), same=("same", "mean"), n=("same", "size"))
    rows = [_repeat_row("all", each, couples, table)]
    of_rater, shown = dict(tuple(couples.groupby("rater"))), dict(tuple(table.groupby("rater")))
    rows += [_repeat_row(str(rater), own, of_rater[rater], shown[rater]) for rater, own in each.groupby("rater")]
    return pd.DataFrame(rows, columns=_REPEAT_COLUMNS)


_REPEAT_COLUMNS = [
    *("rater", "items", "showings", "compared", "same", "low", "high", "same_sides", "swapped", "first_last_p"),
]


def _items(pairs: pd.DataFrame) -> pd.DataFrame:
    """rater, source, session, the two methods in alphabetical order, answer (1 low, -1 high, 0 tie), side of low."""
    low, high = unordered(pairs)
    answer = np.where(pairs["chosen"] == TIE, 0, np.where(pairs["chosen"] == low, 1, -1))
    table = pairs[["rater", "source", "session", "repeat"]]
    return table.assign(low=low, high=high, answer=answer, side=(pairs["left"] == low).to_numpy())


def _couples(table: pd.DataFrame) -> pd.DataFrame:
    """Every two showings of an item: item, rater, same, swapped; more than 20 showings give those that follow."""
    table = table.sort_values("item", kind="stable")
    code, answer, side = (table[name].to_numpy() for name in ("item", "answer", "side"))
    rater = table["rater"].to_numpy()
    parts = []
    for gap in range(1, min(int(np.bincount(code).max()), 20)):
        here = code[gap:] == code[:-gap]
        same = (answer[gap:] == answer[:-gap])[here]
        swapped = (side[gap:] != side[:-gap])[here]
        parts.append(
            pd.DataFrame({"item": code[gap:][here], "rater": rater[gap:][here], "same": same, "swapped": swapped})
        )
    return pd.concat(parts, ignore_index=True)


def _repeat_row(rater: str, each: pd.DataFrame, couples: pd.DataFrame, table: pd.DataFrame) -> tuple[object, ...]:
    same = float(each["same"].mean())
    swapped = couples["swapped"].to_numpy(bool)
    kept, changed = (couples["same"].to_numpy()[rows] for rows in (~swapped, swapped))
    by_item = table.groupby("item")["answer"].agg(["first", "last"])
    up, down = int((by_item["last"] > by_item["first"]).sum()), int((by_item["last"] < by_item["first"]).sum())
    p = float(stats.binomtest(up, up + down).pvalue) if up + down else 1.0
    shares = (kept.mean() if len(kept) else np.nan, changed.mean() if len(changed) else np.nan)
    return (rater, len(each), len(table), len(couples), same, *wilson(same, len(each), _Z), *shares, p)


def triads(pairs: pd.DataFrame) -> pd.DataFrame:
    """Circular triads: a over b, b over c, and yet c over a, within one rater, source and session.

    Columns: rater ("all" first), triads (three methods, each two decided; a tie leaves its triads out), circular,
    share, coin (a quarter, what coins give), zeta (Kendall and Babington Smith 1940: 1 - circular / most possible,
    over blocks with all pairs decided; 1 consistent; NaN without such a block), p (one-sided, that a coin would give
    so few; Moran 1947: variance 3/16 a triad). Of a pair shown twice in a block the first counts.
    """
    table = _items(pairs).sort_values("repeat", kind="stable")
    table = table.drop_duplicates(["rater", "source", "session", "low", "high"])
    blocks = _blocks(table[table["answer"] != 0])
    rows = []
    if not blocks.empty:
        rows.append(_triad_row("all", blocks))
        rows += [_triad_row(str(rater), own) for rater, own in blocks.groupby("rater")]
    columns = ["rater", "triads", "circular", "share", "coin", "zeta", "p"]
    return pd.DataFrame(rows, columns=columns)


def _blocks(table: pd.DataFrame) -> pd.DataFrame:
    """Of each block with triads: rater, triads, circular, most (possible ones of a complete block, else NaN)."""
    if table.empty:
        return pd.DataFrame(columns=["rater", "triads", "circular", "most"])
    block, keys = group_codes(table, ["rater", "source", "session"])
    names = sorted(set(table["low"]) | set(table["high"]))
    low, high = (pd.Categorical(table[column], categories=names).codes.astype(int) for column in ("low", "high"))
    first = (table["answer"] == 1).to_numpy()
    winner, loser = np.where(first, low, high), np.where(first, high, low)
    order = np.argsort(block, kind="stable")
    ends = np.cumsum(np.bincount(block))
    step = max(1, CHUNK // len(names) ** 2)
    found = []
    for start in range(0, len(keys), step):
        last = min(start + step, len(keys))
        rows = order[(ends[start - 1] if start else 0) : ends[last - 1]]
        beats = np.zeros((last - start, len(names), len(names)))
        beats[block[rows] - start, winner[rows], loser[rows]] = 1
        met = beats + np.swapaxes(beats, 1, 2)
        circular = np.einsum("bij,bji->b", beats @ beats, beats) / 3
        triples = np.einsum("bij,bji->b", met @ met, met) / 6
        shown = (met.sum(axis=2) > 0).sum(axis=1)
        complete = met.sum(axis=(1, 2)) == shown * (shown - 1)
        most = np.where(shown % 2, shown**3 - shown, shown**3 - 4 * shown) / 24
        found.append(np.stack([triples, circular, np.where(complete, most, np.nan)], axis=1))
    table = pd.DataFrame(np.concatenate(found), columns=["triads", "circular", "most"])
    table.insert(0, "rater", keys["rater"].to_numpy())
    return table[table["triads"] > 0]


def _triad_row(rater: str, blocks: pd.DataFrame) -> tuple[object, ...]:
    n, circular = float(blocks["triads"].sum()), float(blocks["circular"].sum())
    whole = blocks[blocks["most"].notna()]
    zeta = 1 - whole["circular"].sum() / whole["most"].sum() if len(whole) else np.nan
    p = float(stats.norm.cdf((circular + 0.5 - n / 4) / np.sqrt(3 * n / 16)))
    return rater, round(n), round(circular), circular / n, 0.25, zeta, p


def agreement(pairs: pd.DataFrame) -> pd.DataFrame:
    """How alike different raters choose on the same source and pair of methods; a rater's first answer to each counts.

    Rows (measure): "agreement", the share of couples of raters with the same answer, over all items that two raters
    answered; "kendall_u", 2 x that share among decided answers - 1 (Kendall and Babington Smith 1940: 1 all alike, 0
    as coins, below 0 for disagreement); "krippendorff_alpha", nominal, ties a third answer. Columns: measure, value,
    items, raters.
    """
    counts, table = _answers(pairs)
    shared = counts[counts.sum(axis=1) >= 2]
    n, items = table["rater"].nunique(), len(shared)
    decided = shared[:, [0, 2]]
    rows = [
        ("agreement", _alike(shared), items, n),
        ("kendall_u", 2 * _alike(decided) - 1, int((decided.sum(axis=1) >= 2).sum()), n),
        ("krippendorff_alpha", _alpha(shared), items, n),
    ]
    return pd.DataFrame(rows, columns=["measure", "value", "items", "raters"])


def _answers(pairs: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Counts of the answers (low, tie, high) by item, (items, 3), and the first answer of each rater to each item."""
    table = _items(pairs).drop_duplicates(["rater", "source", "low", "high"])
    item, keys = group_codes(table, ["source", "low", "high"])
    table = table.assign(item=item)
    flat = item * 3 + (1 - table["answer"].to_numpy())
    return np.bincount(flat, minlength=3 * len(keys)).reshape(-1, 3), table


def _alike(counts: np.ndarray) -> float:
    n = counts.sum(axis=1)
    couples = (n * (n - 1)).sum()
    return float((counts * (counts - 1)).sum() / couples) if couples else float("nan")


def _alpha(counts: np.ndarray) -> float:
    """Krippendorff's alpha for names (2011): 1 - disagreement within items / disagreement that chance would give."""
    n, by_answer = counts.sum(axis=1), counts.sum(axis=0)
    by_chance = n.sum() ** 2 - (by_answer**2).sum()
    if by_chance == 0:
        return float("nan")  # one answer to everything: alpha is not defined
    within = ((n**2 - (counts**2).sum(axis=1)) / (n - 1)).sum()
    return float(1 - within * (n.sum() - 1) / by_chance)


def with_others(pairs: pd.DataFrame) -> pd.DataFrame:
    """Each rater beside the others: rater, n (answers with an answer of somebody else), agreement (mean share of the
    others that answered alike), expected (that of the other raters among themselves on the same items), p (one-sided,
    exact binomial, that a coin agrees with the others' majority so often), majority (share of
    answers with it), decided. No row for a table without rows.
    """
    if pairs.empty:
        return pd.DataFrame(columns=_OTHERS_COLUMNS)
    counts, table = _answers(pairs)
    answer = 1 - table["answer"].to_numpy()
    item = table["item"].to_numpy()
    others = counts[item].astype(float)
    others[np.arange(len(item)), answer] -= 1
    n = others.sum(axis=1)
    alike = np.divide(others[np.arange(len(item)), answer], n, out=np.full(len(n), np.nan), where=n > 0)
    couples = n * (n - 1)
    among = np.divide((others * (others - 1)).sum(axis=1), couples, out=np.full(len(n), np.nan), where=couples > 0)
    lead = others[:, 0] - others[:, 2]
    judged = (lead != 0) & (answer != 1)
    with_majority = judged & ((lead > 0) == (answer == 0))
    rater, raters = group_codes(table, ["rater"])
    rows = []
    order = np.argsort(rater, kind="stable")
    for name, own in zip(raters["rater"], np.split(order, np.cumsum(np.bincount(rater))[:-1]), strict=True):
        hits, trials = int(with_majority[own].sum()), int(judged[own].sum())
        p = float(stats.binomtest(hits, trials, alternative="greater").pvalue) if trials else np.nan
        rows.append(
            (name, int((n[own] > 0).sum()), _mean(alike[own]), _mean(among[own]), _ratio(hits, trials), trials, p)
        )
    return pd.DataFrame(rows, columns=_OTHERS_COLUMNS)


_OTHERS_COLUMNS = ["rater", "n", "agreement", "expected", "majority", "decided", "p"]


def _mean(values: np.ndarray) -> float:
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else float("nan")


def _ratio(hits: int, trials: int) -> float:
    return hits / trials if trials else float("nan")
