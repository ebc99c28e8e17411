"""The paragraphs "Methods" of a paper on pairs, as `analysis.methodology` writes them for scores.

What neither the table nor the protocol states is not claimed.
"""

from __future__ import annotations

import itertools
from math import comb
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis import paper
from analysis.methodology import (
    MOST_NAMED,
    as_stated,
    between,
    days,
    devices,
    display,
    languages,
    listed,
    many,
    pace,
    questions,
    sittings,
)
from analysis.pairs.schema import TIE, counted, unordered, without_checks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from analysis.pairs.report import PairsResults

    Protocol = Mapping[str, Any]

_STOPS = {
    "targets": "each pair had {ratings_each} choices",
    "width": "the widest 95 % interval of a strength was within ±{stop_half_width:g}, with 15 raters or more",
    "share": "the widest 95 % interval of a share was within ±{stop_half_width:g}, with 15 raters or more",
}
_ORDERS = {"apart": "The order was random, with no source twice in a row.", "random": "The order was random."}
_TEXT = ("language", "device_failed", "colour_vision")
DESCRIBED = (  # columns that the paragraphs read beside those of the contract
    *_TEXT, "rated_at", "device_pixel_ratio", "visual_viewport_scale", "viewport_width", "viewport_height",
    "screen_width", "screen_height", "canvas_width", "canvas_css_width", "pixel_mm", "original_looks", "original_ms",
)  # fmt: skip


def pairs_methodology(results: PairsResults, pairs: pd.DataFrame, protocol: Protocol | None = None) -> dict[str, str]:
    """Heading -> paragraph: Design, Procedure, Raters, Display, Statistics; those of which something is known.

    `pairs` is the validated table, trap pairs and excluded raters included.
    """
    told = protocol or {}
    table = _typed(pairs)
    parts = {
        "Design": _design(results, table, told),
        "Procedure": _procedure(table, told),
        "Raters": _raters(results, table, told),
        "Display": itertools.chain(devices(table, told), display(table, of="choice")),
        "Statistics": _statistics(results),
    }
    found = {head: " ".join(sentences) for head, sentences in parts.items()}
    return {head: text for head, text in found.items() if text}


def _typed(pairs: pd.DataFrame) -> pd.DataFrame:
    """The described columns as numbers, times and text; what is none of these is not described."""
    found = {}
    for name in DESCRIBED:
        if name not in pairs:
            continue
        if name == "rated_at":
            found[name] = pd.to_datetime(pairs[name], errors="coerce", utc=True, format="ISO8601")
        elif name in _TEXT:
            found[name] = pairs[name].where(pairs[name].notna() & (pairs[name] != ""))
        else:
            found[name] = pd.to_numeric(pairs[name], errors="coerce")
    return pairs.assign(**found)


def _design(results: PairsResults, pairs: pd.DataFrame, told: Protocol) -> Iterator[str]:
    kept = without_checks(pairs)
    first = counted(kept[~kept["rater"].isin(list(results.options.exclude))])
    methods = sorted(set(first["left"]) | set(first["right"]))
    sources = many(first["source"].nunique(), "source image")
    yield (
        f"In all, {many(first['rater'].nunique(), 'rater')} made {many(len(first), 'choice')} between two images of "
        f"one source, by {_methods(methods, results)} on {sources}."
    )
    if told.get("task") == "comparison":
        yield _compared(told)
    elif "task" in told:
        yield (
            "Raters chose the one that looked better, or said that there was no difference."
            if told.get("scale", {}).get("step") == 1
            else "Raters had to choose the one that looked better."
        )
    if told.get("against"):
        yield f"Each method was shown against {paper.title(str(told['against']), results.titles)}."
    elif "against" in told:
        yield "Every two methods were paired."
    ties = int((first["chosen"] == TIE).sum())
    if ties:
        yield f"In {ties:,} of the choices ({100 * ties / len(first):.1f} %) neither was preferred."
    low, high = unordered(first)
    met = first.groupby([low.rename("low"), high.rename("high")]).size()
    possible = comb(len(methods), 2)
    if len(met) == possible:
        yield f"Every two methods met in {between(met.to_numpy(), 'choice')}."
    else:
        yield f"Of {possible:,} pairs of methods {len(met):,} met, each in {between(met.to_numpy(), 'choice')}."
    yield f"Each rater made {between(first.groupby('rater').size().to_numpy(), 'choice')}."
    repeated = results.counts["choices"] - results.counts["counted"]
    if repeated:
        yield f"Of a pair shown again to the same rater the first choice counts ({many(repeated, 'choice')} left out)."


def _compared(told: Protocol) -> str:
    labels = [(float(at), str(word)) for at, word in told.get("scale", {}).get("labels", ())]
    words = f", labelled {listed([f'{at:+g} {word}' if at else f'0 {word}' for at, word in labels])}" if labels else ""
    return (
        "Raters said how much better or worse the right image was than the left one (comparison category rating, ITU-T "
        f"P.800), in seven steps from -3 to 3{words}; positive scores count as a choice of the right image, negative "
        "ones of the left, 0 as none."
    )


def _methods(methods: list[str], results: PairsResults) -> str:
    if len(methods) > MOST_NAMED:
        return many(len(methods), "method")
    original = results.reference
    names = [paper.title(name, results.titles) for name in paper.ordered(methods, str(original))]
    hidden = f", of which {paper.title(original, results.titles)} is the original" if original in methods else ""
    return f"{many(len(methods), 'method')} ({listed(names)}{hidden})"


def _procedure(pairs: pd.DataFrame, told: Protocol) -> Iterator[str]:
    if "task" in told:
        yield (
            "Both images stood side by side, pixel by pixel, where the window held them, else in one place, between "
            "which the rater changed; sides were balanced for each two methods within raters."
        )
    if told.get("original_on_key"):
        yield "By a key or a button the original came in their place, while the question was about the two."
        yield from _looked_at_original(pairs)
    if told.get("allocation") == "all":
        yield "Each rater saw every pair."
    elif told.get("trials"):
        wanted = f", {told['ratings_each']} of each pair were wanted" if told.get("ratings_each") else ""
        yield f"Each rater saw {many(int(told['trials']), 'pair')}, so that all got as many choices{wanted}."
    if told.get("repeats"):
        yield f"{many(int(told['repeats']), 'pair')} came a second time with the sides changed."
    if order := str(told.get("order", "")):
        yield _ORDERS.get(order, f"The order was {order}.")
    if practice := [line for line in str(told.get("practice", "")).splitlines() if line.strip()]:
        yield f"Raters first practised on {many(len(practice), 'pair')}; practice is not stored."
    if told.get("traps_a_run"):
        yield "Trap pairs, the original beside nearest-neighbour enlargement, came among them and were not counted."
    if told.get("announce_start"):
        yield "A page told them when choices began to count."
    yield from pace({"task": "pair", **told})
    if "undo" in told:
        yield (
            "The last choice could be taken back until the next was made."
            if told["undo"]
            else "A choice stood once it was made."
        )
    yield from sittings(told, of="pair", doing="choosing")
    yield from questions(told)


def _looked_at_original(pairs: pd.DataFrame) -> Iterator[str]:
    known = without_checks(pairs)
    known = known[known["original_looks"].notna()] if "original_looks" in known else known[:0]
    if known.empty:
        return
    looked = known["original_looks"] > 0
    said = f"It was looked at before {int(looked.sum()):,} of {many(len(known), 'choice')}"
    if looked.any() and "original_ms" in known:
        said += f", for {known.loc[looked, 'original_ms'].median() / 1000:.1f} s in the median"
    yield f"{said}."


def _raters(results: PairsResults, pairs: pd.DataFrame, told: Protocol) -> Iterator[str]:
    if spoken := languages(pairs):
        yield spoken
    yield from days(pairs, "Choices were made")
    yield from as_stated(told)
    if told.get("pay_each"):
        yield f"Each rater was paid {told['pay_each']:g}."
    if rule := _STOPS.get(str(told.get("stop_rule", ""))):
        yield f"Stated beforehand, nobody new was let in once {rule.format(**told)}; no p value was looked at."
    if told.get("ended_by"):
        yield f"A rule stated beforehand ended the study: {told['ended_by']}."
    if "response_ms" in pairs and pairs["response_ms"].notna().any():
        yield f"The median time to a choice was {pairs['response_ms'].median() / 1000:.1f} s."
    rejected = {rater for table in results.screens.values() for rater in table.loc[table["rejected"], "rater"]}
    if results.screens:
        judged = listed([name.replace("_", " ") for name in results.screens])
        said = many(len(rejected), "rater") if rejected else "nobody"
        yield f"Screening ({judged}) would reject {said}; no screen leaves anybody out by itself."
    left = results.options.exclude
    yield f"Left out: {many(len(left), 'rater')}." if left else "Nobody was left out."


def _statistics(results: PairsResults) -> Iterator[str]:
    if results.unfitted:
        yield f"No strengths were estimated: {results.unfitted}."
    else:
        ties = ", with Davidson's parameter for ties (1970)" if results.counts["ties"] else ""
        yield f"Strengths are those of the Bradley-Terry model (1952){ties}, by maximum likelihood, their mean 0."
        speak = "these raters and sources alone"
        if results.random.raters or results.random.sources:
            speak = f"other {results.random.text} too"
        yield f"Intervals are at 95 % and speak of {speak}; p values of differences are Holm's, at a level of 5 %."
        if results.has("thurstone"):
            yield "Beside them stand the strengths of Thurstone's case V."
    if results.has("comparison_scores"):
        yield (
            "Comparison mean opinion scores (CMOS) of every two methods have 95 % intervals that take raters and "
            "sources both as samples (crossed random effects, t with Satterthwaite's degrees of freedom); their p "
            "values are Holm's."
        )
    if results.has("against"):
        yield (
            f"Shares of choices against {paper.title(str(results.reference), results.titles)} count a tie as a half "
            "and have Wilson's interval on the effective number of choices."
        )
    if results.has("sides"):
        share = results.tables["sides"]["share"].iloc[0]
        yield f"The left image was chosen in {100 * share:.1f} % of the choices that were no tie."
    if results.has("score_correlation"):
        yield "Strengths are held against mean opinion scores of the same stimuli."
    if results.simulated:
        yield "The choices are simulated."
    yield f"Computed with the library analysis {results.provenance['version']} of mosweb."
