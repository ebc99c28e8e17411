"""The paragraphs "Methods" of a paper, from the ratings, the options and, where there is one, the study's protocol.

What neither the table nor the protocol states is not claimed. The protocol is the JSON that the site exports
(`export_ratings --protocol`): each field of a study by its name.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis import paper
from analysis.quality import COMMON
from analysis.regions import regions_told
from analysis.schema import DEVICE_FIT, STIMULUS, counted, first_showings, method_titles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analysis.report import Results

    Protocol = Mapping[str, Any]

MOST_NAMED = 12  # methods or benchmarks in a sentence
SAME_PIXEL = 1.0  # the browser rounds the size of the area to whole pixels of the screen
_ORDERS = {
    "random": "in an order drawn completely at random for each rater",
    "apart": "in an order drawn at random for each rater in which no source came twice in a row "
    "(ITU-R BT.500, ITU-T P.910)",
}


_SCREENS = {
    "bt500": "ITU-R BT.500",
    "correlation": "correlation with the MOS",
    "gold": "items with a known answer",
    "checks": "gold images and traps",
}


def methodology(results: Results, ratings: pd.DataFrame, protocol: Protocol | None = None) -> dict[str, str]:
    """Heading -> paragraph: Design, Procedure, Raters, Display, Statistics; those of which something is known.

    `ratings` is the validated table, stabilising trials and excluded raters included.
    """
    told = protocol or {}
    parts = {
        "Design": _design(results, ratings, told),
        "Procedure": _procedure(told),
        "Raters": _raters(results, ratings, told),
        "Display": itertools.chain(devices(ratings, told), display(ratings)),
        "Statistics": _statistics(results),
    }
    found = {head: " ".join(sentences) for head, sentences in parts.items()}
    return {head: text for head, text in found.items() if text}


_PLURALS = {"stimulus": "stimuli"}


def many(n: int, noun: str) -> str:
    """A number with its noun in the right number: 1 rater, 2 raters, 2 benchmarks.

    >>> many(1, "rater"), many(1200, "rating")
    ('1 rater', '1,200 ratings')
    """
    return f"{n:,} {noun if n == 1 else _PLURALS.get(noun, f'{noun}s')}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def between(values: Sequence[float] | np.ndarray, noun: str) -> str:
    """The one number that all have, or from the least to the most."""
    low, high = int(np.min(values)), int(np.max(values))
    return many(low, noun) if low == high else f"{low:,} to {many(high, noun)}"


def _design(results: Results, ratings: pd.DataFrame, told: Protocol) -> Iterator[str]:
    first = first_showings(counted(ratings))
    methods = sorted(set(first["method"]))
    stimuli = first[STIMULUS].drop_duplicates()
    sources = stimuli[["benchmark", "source"]].drop_duplicates()
    of = f" of {_benchmarks(sources)}" if set(sources["benchmark"]) != {"all"} else ""
    alone = {"rating": " one at a time", "degradation": ", each beside its original"}.get(str(told.get("task", "")), "")
    raters = first["rater"].nunique()
    yield (
        f"In all, {many(raters, 'rater')} scored {many(len(stimuli), 'stimulus')}"
        f"{alone}: {many(len(sources), 'source image')}{of} by {_methods(methods, ratings, results)}."
    )
    by_stimulus, by_rater = first.groupby(STIMULUS).size(), first.groupby("rater").size()
    if len(first) == raters * len(stimuli):
        yield "Every rater scored every stimulus." if raters > 1 else ""
    else:
        yield (
            f"Each rater scored {between(by_rater.to_numpy(), 'stimulus')}, "
            f"and each stimulus has {between(by_stimulus.to_numpy(), 'score')}."
        )
    if of_regions := regions_told(ratings, told, has_metrics=results.objective is not None):
        yield of_regions
    yield _scale(results, told)
    repeated = len(counted(ratings)) - len(first)
    if repeated:
        out = many(repeated, "score")
        yield f"Of a stimulus shown again to the same rater the first score counts ({out} left out)."


def _benchmarks(sources: pd.DataFrame) -> str:
    counts = sources["benchmark"].value_counts()
    names = paper.benchmarks_in_order(sources)
    if len(names) > MOST_NAMED:
        return many(len(names), "benchmark")
    return names[0] if len(names) == 1 else listed([f"{name} ({counts[name]})" for name in names])


def _methods(methods: Sequence[str], ratings: pd.DataFrame, results: Results) -> str:
    if len(methods) > MOST_NAMED:
        return many(len(methods), "method")
    titles, reference = method_titles(ratings), results.options.reference
    names = [paper.title(name, titles) for name in paper.ordered(list(methods), reference)]
    hidden = f", of which {paper.title(reference, titles)} is the hidden reference" if reference in methods else ""
    return f"{many(len(methods), 'method')} ({listed(names)}{hidden})"


def _scale(results: Results, told: Protocol) -> str:
    scale = results.scale
    labels = [(float(at), str(word)) for at, word in told.get("scale", {}).get("labels", ())]
    words = f", labelled {listed([f'{scale.score_text(at)} {word}' for at, word in labels])}" if labels else ""
    anchors = told.get("scale", {}).get("anchors")
    ends = f", with the words {listed([f'“{word}”' for word in anchors])} at its ends" if anchors else ""
    low, high = scale.score_text(scale.low), scale.score_text(scale.high)
    if scale.step is None:
        return f"Scores lie on a continuous scale from {low} to {high}{words}{ends}."
    return f"Scores lie on a scale of {len(scale.levels)} categories from {low} to {high}{words}{ends}."


_PARTS = {"spread": "few versions of many sources", "together": "all versions of few sources"}
_LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "zh-hans": "simplified Chinese"}


def _checks(told: Protocol) -> Iterator[str]:
    gold = [line for line in str(told.get("gold", "")).splitlines() if line.strip()]
    kinds = []
    if gold and told.get("gold_a_run"):
        kinds.append(f"{many(int(told['gold_a_run']), 'image')} whose score is known (of {len(gold)})")
    if told.get("traps_a_run"):
        kinds.append(f"{many(int(told['traps_a_run']), 'picture')} that said which score to give")
    if kinds:
        yield f"Each run of ten images held {listed(kinds)}, at random places; these checks are in no result."
    if told.get("end_after_failed"):
        failed = many(int(told["end_after_failed"]), "failed check")
        yield f"The part of a rater ended at {failed}, if these were more than a fifth of those shown."


def _procedure(told: Protocol) -> Iterator[str]:
    if str(told.get("allocation", "all")) in _PARTS:
        part = _PARTS[str(told["allocation"])]
        yield (
            f"Each rater's part was {many(int(told['trials']), 'image')}, {part}, drawn in short runs so that every "
            "image gets as many scores as the others"
            + (f", {told['ratings_each']} were wanted of each" if told.get("ratings_each") else "")
            + "."
        )
        if told.get("away_minutes"):
            away = many(int(told["away_minutes"]), "minute")
            yield f"Who was away for {away} left the images not yet scored to others."
    if told.get("task") == "degradation":
        yield (
            "The original and the image made from it stood side by side, pixel by pixel, where the window held them, "
            "the original left, else in one place, the original first, between which the rater changed; raters knew "
            "which was the original, and said how annoying the differences were (degradation category rating, ITU-T "
            "P.910)."
        )
    if told.get("repeats"):
        yield f"To each rater {many(int(told['repeats']), 'image')} came a second time."
    if "order" in told:
        yield f"The stimuli came {_ORDERS.get(str(told['order']), str(told['order']))}."
    if told.get("calibration"):
        yield "Before the first of them, raters saw examples of the two ends of the scale."
    if practice := [line for line in str(told.get("practice", "")).splitlines() if line.strip()]:
        yield f"They then practised on {many(len(practice), 'image')}, with feedback; practice scores are not stored."
    if told.get("stabilising"):
        yield (
            f"The first {many(int(told['stabilising']), 'trial')} of each rater, which raters could not tell from the "
            "others, let opinions settle (ITU-R BT.500) and are in no result."
        )
    if told.get("announce_start"):
        yield "A page told them when scores began to count."
    yield from _checks(told)
    yield from pace(told)
    if "undo" in told:
        yield (
            "The last score could be taken back until the next was given."
            if told["undo"]
            else "A score stood once it was given."
        )
    yield from sittings(told)
    yield from questions(told)


_QUESTION = re.compile(r"\s*([a-z]\w*)\s*:.*\]\s*", re.ASCII)


def questions(told: Protocol) -> Iterator[str]:
    for field, when in (("questions_before", "Before the first image"), ("questions_after", "After the last image")):
        lines = (_QUESTION.fullmatch(line) for line in str(told.get(field, "")).splitlines())
        names = [match[1] for match in lines if match]
        if names:
            yield f"{when} raters answered {many(len(names), 'question')} ({listed(names)})."


def pace(told: Protocol) -> Iterator[str]:
    if told.get("orientation_ms"):
        yield (
            f"Before each region the low-resolution image was shown whole for {int(told['orientation_ms']):,} ms, with "
            "a frame around the region."
        )
    if told.get("gap_ms"):
        yield f"Between two images the screen was mid-grey for {int(told['gap_ms']):,} ms."
    if told.get("least_view_ms"):
        if told.get("task") in ("pair", "comparison", "degradation"):
            yield f"An answer counted once each image had been seen for {int(told['least_view_ms']):,} ms."
            return
        yield f"What was pressed within {int(told['least_view_ms']):,} ms of an image's appearance did not count."


def sittings(told: Protocol, *, of: str = "image", doing: str = "rating") -> Iterator[str]:
    limits = [
        *([many(int(told["sitting_trials"]), of)] if told.get("sitting_trials") else []),
        *([many(int(told["sitting_minutes"]), "minute")] if told.get("sitting_minutes") else []),
    ]
    if limits and told.get("rest_minutes"):
        rest = many(int(told["rest_minutes"]), "minute")
        yield f"After at most {' or '.join(limits)} a rest of at least {rest} followed."
    if told.get("pause_minutes"):
        yield f"A pause was offered after {many(int(told['pause_minutes']), 'minute')} of {doing}."
    if told.get("reminder_minutes"):
        again = "the instructions and the examples" if told.get("examples_again") else "the instructions"
        yield f"Who came back after more than {many(int(told['reminder_minutes']), 'minute')} saw {again} again."


def languages(ratings: pd.DataFrame) -> str:
    """In which languages raters read the pages; a rater counts once, by the first score."""
    if "language" not in ratings or not ratings["language"].notna().any():
        return ""
    first = ratings.dropna(subset="language").drop_duplicates("rater")["language"].value_counts()
    names = {_LANGUAGES.get(str(code), str(code)): int(count) for code, count in first.items()}
    if len(names) == 1:
        return f"The pages were in {listed(list(names))}."
    shares = [f"{name} ({many(count, 'rater')})" for name, count in names.items()]
    return f"The pages were in {listed(shares)}."


def days(table: pd.DataFrame, what: str) -> Iterator[str]:
    """On which days `what` was, by the column rated_at; nothing without it."""
    moments = table["rated_at"].dropna() if "rated_at" in table else pd.Series(dtype="datetime64[ns, UTC]")
    if len(moments):
        first, last = (f"{moment:%Y-%m-%d}" for moment in (moments.min(), moments.max()))
        yield f"{what} on {first}." if first == last else f"{what} from {first} to {last}."


def as_stated(told: Protocol) -> Iterator[str]:
    """What the researcher wrote of payment and approval."""
    for head, field in (("Payment", "payment"), ("Approval and risks", "ethics")):
        if told.get(field):
            yield f"{head}: {str(told[field]).strip().rstrip('.')}."


def _raters(results: Results, ratings: pd.DataFrame, told: Protocol) -> Iterator[str]:
    if spoken := languages(ratings):
        yield spoken
    yield from days(ratings, "Scores were given")
    yield from as_stated(told)
    if "response_ms" in ratings and ratings["response_ms"].notna().any():
        yield f"The median time to a score was {ratings['response_ms'].median() / 1000:.1f} s."
    yield from _ending(told)
    if "least_correlation" in told:
        yield _flagged(told)
    left, screened = results.options.exclude, results.screens
    judged = [_SCREENS.get(name, name.replace("_", " ")) for name in screened]
    rejected = {rater for table in screened.values() for rater in table.loc[table["rejected"], "rater"]}
    if judged:
        said = many(len(rejected), "rater") if rejected else "nobody"
        yield f"Screening ({listed(judged)}) would reject {said}; no screen leaves anybody out by itself."
    because = [
        reason.rstrip(".") for reason in dict.fromkeys(results.because.get(rater, "") for rater in left) if reason
    ]
    why = f" ({'; '.join(because)})" if because else ""
    yield f"Left out: {many(len(left), 'rater')}{why}." if left else "Nobody was left out."


_STOPS = {
    "targets": "each image had {ratings_each} scores",
    "width": "the widest 95 % interval of a MOS was within ±{stop_half_width:g}, with 15 raters or more",
}


def _ending(told: Protocol) -> Iterator[str]:
    rule = str(told.get("stop_rule", ""))
    if rule in _STOPS:
        yield f"Stated beforehand, nobody new was let in once {_STOPS[rule].format(**told)}; no p value was looked at."
    elif rule:
        yield "No rule stated beforehand ended the study."
    if told.get("ended_by"):
        yield f"This rule ended it: {told['ended_by']}."
    if told.get("pay_each"):
        yield f"Each rater was paid {told['pay_each']:g}."


def _flagged(told: Protocol) -> str:
    longest = int(told["longest_run"])
    run = f"{longest} equal scores in a row" if longest else "more equal scores in a row than by chance"
    correlation, spread = told["least_correlation"], told["least_spread"]
    return (
        "For a decision of the researchers a rater was flagged by any of these: correlation with "
        f"the mean of the others under {correlation:g} (on {COMMON} common images or more), scores spread by under "
        f"{spread:g} categories, a median time under {told['least_median_ms']:g} ms, {run}, "
        f"{many(int(told['failed_checks']), 'failed check')}."
    )


def devices(ratings: pd.DataFrame, told: Protocol) -> Iterator[str]:
    """What was asked of devices, and how many raters' met it; a rater counts once, by the first score."""
    asked = [
        *([f"a screen of {told['least_screen_width']} x {told['least_screen_height']} pixels or more"]
          if told.get("least_screen_width") or told.get("least_screen_height") else []),
        *(["no phone"] if told.get("phones") is False else []),
        *(["a browser that fills the screen"] if told.get("full_screen") else []),
        *(["a window that holds the largest image"] if told.get("window_fits") else []),
        *(["a pixel's size told by a card held to the screen"] if told.get("card") else []),
        *(["grey squares told apart on dark and on bright"] if told.get("greys") else []),
        *(["digits of dots on confusion lines read, or skipped"] if told.get("colour_vision") else []),
    ]  # fmt: skip
    if asked:
        then = "whose device was not fit could not take part" if told.get("device_rule") == "end" else (
            "a device that was not fit is marked"
        )  # fmt: skip
        yield f"Before the first image these were asked of each device: {listed(asked)}; {then}."
    if told.get("viewing_heights"):
        yield f"Raters were asked to sit {told['viewing_heights']:g} heights of the largest image from the screen."
    first = ratings.drop_duplicates("rater")
    if "device_failed" in first and (looked := first["device_failed"].dropna()).size:
        fit = int((looked == DEVICE_FIT).sum())
        yield f"Of {many(looked.size, 'rater')} whose device was looked at, {fit:,} met all of it."
    if "pixel_mm" in first and (size := first["pixel_mm"].dropna()).size:
        low, high = f"{size.min():.3f}", f"{size.max():.3f}"
        yield f"A pixel measured {low if low == high else f'{low} to {high}'} mm ({many(size.size, 'rater')})."
    if "colour_vision" in first and (seen := first["colour_vision"].dropna()).size:
        counts = seen.value_counts()
        shares = [f"{word} {counts[key]:,}" for key, word in _COLOURS.items() if key in counts]
        yield f"Digits of dots: {listed(shares)}."


_COLOURS = {"pass": "read by", "fail": "not read by", "skip": "skipped by"}


def display(table: pd.DataFrame, *, of: str = "score") -> Iterator[str]:
    def known(*columns: str) -> pd.DataFrame:
        return table[list(columns)].dropna() if set(columns) <= set(table) else pd.DataFrame(columns=columns)

    area = known("canvas_width", "canvas_css_width", "device_pixel_ratio")
    if len(area):
        exact = (area["canvas_css_width"] * area["device_pixel_ratio"] - area["canvas_width"]).abs() < SAME_PIXEL
        yield (
            f"In {_share(exact)} of the {many(len(area), of)} that state it, one pixel of the image area was one "
            "pixel of the screen."
        )
    zoom = known("visual_viewport_scale")
    if len(zoom) and (zoomed := int((zoom["visual_viewport_scale"] != 1).sum())):
        yield f"In {many(zoomed, of)} the page was magnified by a gesture."
    for noun, measured in (("Screens", "screen"), ("Windows", "viewport")):
        sizes = known(f"{measured}_width", f"{measured}_height")
        if len(sizes):
            low, high = (f"{row.iloc[0]:.0f} x {row.iloc[1]:.0f}" for row in (sizes.min(), sizes.max()))
            yield f"{noun} measured {low if low == high else f'{low} to {high}'} CSS pixels."
    ratio = known("device_pixel_ratio")
    if len(ratio):
        values = ratio["device_pixel_ratio"]
        yield (
            f"The device pixel ratio was {values.min():g}."
            if values.nunique() == 1
            else f"Device pixel ratios were {values.min():g} to {values.max():g}."
        )


def _share(mask: pd.Series) -> str:
    return "all" if mask.all() else f"{100 * float(mask.mean()):.1f} %"


_INTERVALS = {
    "two_way": "take raters and sources both as samples (crossed random effects, t with Satterthwaite's degrees of "
    "freedom)",
    "two_way_bootstrap": "take raters and sources both as samples (bootstrap of both)",
    "rater_bootstrap": "take raters as a sample and the sources as given (bootstrap of raters)",
    "student": "are Student's, which count scores as independent",
    "normal": "are normal ones, which count scores as independent",
}
_TESTS = {
    "two_way": "by their difference with raters and sources both random (t, Satterthwaite's degrees of freedom), so "
    "that a result speaks of other raters and other images",
    "rater": "by Wilcoxon's signed-rank test over raters, so that a result speaks of other raters on these images",
    "image": "by Wilcoxon's signed-rank test over images, so that a result speaks of other images before these raters",
    "rater_x_image": "by Wilcoxon's signed-rank test over all scores, which counts scores as independent",
}


def _statistics(results: Results) -> Iterator[str]:
    options = results.options
    yield f"Mean opinion scores (MOS) are given with 95 % intervals that {_INTERVALS[options.interval]}."
    if results.has("significance"):
        yield (
            f"Every two methods of a benchmark are compared {_TESTS[options.unit]}; p values are Holm's within a "
            "benchmark, at a level of 5 %."
        )
        if options.margin is not None:
            yield f"Two one-sided tests ask whether a difference lies within ±{options.margin:g}."
    yield (
        "The agreement of raters is given as intraclass correlation from variance components and as Krippendorff's "
        "alpha (ordinal)."
    )
    yield "Quality is also recovered with a bias and an inconsistency of each rater (ITU-T P.910 Annex E)."
    if results.objective is not None:
        names = [metric.name.upper() for metric in results.objective.metrics]
        shown = listed(names) if len(names) <= MOST_NAMED else many(len(names), "objective metric")
        yield (
            f"{shown} {'is' if len(names) == 1 else 'are'} held against the MOS of a stimulus by Pearson's correlation "
            "after a four-parameter logistic, Spearman's and Kendall's."
        )
    if results.has("mixed_effects"):
        yield "Beside them stands a cumulative logit mixed model: raters, sources, and either by method, random."
    if results.simulated:
        yield "The ratings are simulated."
    yield f"Computed with the library analysis {results.provenance['version']} of mosweb."
