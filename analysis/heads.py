"""What a table's heads mean: names without regard to case and blanks, the usual synonyms, what is never a rater's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analysis.columns import RatingsError, some

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import pandas as pd

    from analysis.files import Tell

# What others call our columns, the likeliest first; blanks, case, hyphens, dots and underscores do not count.
RATER = (
    *("rater", "subject", "user", "observer", "participant", "worker", "viewer", "assessor", "annotator"),
    *("respondent", "judge", "listener", "person", "prolific pid", "session uuid", "proband", "email"),
)
SOURCE = ("source", "src", "content", "scene", "sequence", "image", "img", "reference image", "trial id")
BENCHMARK = ("benchmark", "dataset", "database", "data set")
RESPONSE_MS = ("response ms", "response time ms", "reaction time ms", "rt ms")
SYNONYMS: dict[str, tuple[str, ...]] = {
    "rater": RATER,
    "source": SOURCE,
    "method": (
        *("method", "hrc", "condition", "algorithm", "system", "model", "codec", "treatment", "processing"),
        *("rating stimulus", "version"),
    ),
    "stimulus": ("stimulus", "stimuli", "pvs", "clip", "file", "file name", "file url", "video", "item", "test image"),
    "score": (
        *("score", "rating", "vote", "opinion score", "opinion", "acr", "grade", "rating score", "stimuli rating"),
        *("quality", "answer", "response", "mos", "value"),
    ),
    "benchmark": BENCHMARK,
    "repeat": ("repeat", "repetition", "replication"),
    "session": ("session",),
    "language": ("language", "lang", "locale", "sprache", "langue", "idioma"),
    "position": ("position", "order", "presentation order", "trial number"),
    "response_ms": RESPONSE_MS,
}
OTHERS = "*"  # in columns=: the heads of all other columns, of a wide table
IGNORE = "ignore"  # in columns=: theirs is left out
_RATERLIKE = re.compile(
    r"(rater|subject|subj|user|observer|obs|participant|worker|viewer|annotator|vote|rating|score|[spruo])?[ _-]*\d+",
    re.I,
)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_STATISTICS = _set(
    "mos dmos mean average avg median sd std stdev stddev se stderr var variance ci percent percentage pct percentile "
    "count counts quantile skew skewness kurtosis"
)
_PERHAPS_STATISTICS = _set("min max minimum maximum n num number sem mode sum total")  # Max is a person's name too
_OF_STATISTICS = _set(
    "votes vote ratings rating scores score opinion of the low high lower upper bound limit dev deviation err error "
    "standard interval confidence raters subjects"
)
_LEVELS = _set("95 99 90")
_ATTRIBUTES = _set(
    "time duration ms msec sec second seconds minute minutes timestamp date comment comments remark remarks feedback "
    "age gender sex years"
)
_OF_ATTRIBUTES = _set(
    "rating ratings score vote choice response reaction answer work working task trial page stimulus stimuli total "
    "elapsed start started end ended submit submitted in of the per mean rater subject user participant worker"
)


def plain(name: str) -> str:
    """The name without case, blanks, underscores, dots and hyphens."""
    return re.sub(r"[\s_.\-]+", "", name).casefold()


def raterlike(name: str) -> bool:
    """Whether a head (or a cell) looks like a rater's number: 7, s01, Subject 3, vote_1."""
    return bool(_RATERLIKE.fullmatch(name.strip()))


def numbers_votes(names: Iterable[str]) -> bool:
    """Whether the heads count votes (vote_1, vote_2) and not persons."""
    return all(re.match(r"\s*(vote|rating|score)", name, re.I) for name in names)


def summaries(names: Sequence[str]) -> set[str]:
    """The heads of means, deviations, limits and counts: MOS, std, 95%CI, ci_low, n.

    A head that may be a person's name as well (Max) is one only beside another.
    """
    certain = {name for name in names if _all_of(name, _STATISTICS, _OF_STATISTICS | _PERHAPS_STATISTICS | _LEVELS)}
    maybe = {name for name in names if _all_of(name, _PERHAPS_STATISTICS, _OF_STATISTICS)} - certain
    certain |= {name for name in maybe if len(_words(name)) > 1}
    perhaps = maybe - certain
    return certain | perhaps if len(certain | perhaps) > 1 else certain


def is_attribute(name: str) -> bool:
    """Whether a head is that of a time, a comment or a rater's age: never of scores."""
    return _all_of(name, _ATTRIBUTES, _OF_ATTRIBUTES)


def is_score(name: str) -> bool:
    """Whether a head is a usual name of a column of scores."""
    return plain(name) in {plain(word) for word in SYNONYMS["score"]}


def _all_of(name: str, core: Collection[str], beside: Collection[str]) -> bool:
    words = _words(name)
    return any(word in core for word in words) and all(word in core or word in beside for word in words)


def _words(name: str) -> list[str]:
    """The words of a head, in small letters: of WorkTimeInSeconds four, of 95%CI three."""
    split = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+|%", name)
    return ["percent" if word == "%" else word.casefold() for word in split]


def checked(table: pd.DataFrame, columns: Mapping[str, str | Sequence[str]]) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table without the columns that IGNORE names, and the rest of `columns` as {our name: theirs}, checked.

    Theirs may be written without regard to case and blanks. Raises RatingsError on one that the table lacks.
    """
    heads = {plain(str(name)): str(name) for name in table.columns}

    def head_of(ours: str, theirs: str) -> str:
        name = theirs if theirs in table.columns else heads.get(plain(theirs))
        if name is None:
            have = ", ".join(repr(str(head)) for head in table.columns[:20])
            raise RatingsError(f"columns= (--column) names {theirs!r} for {ours}; the table has {have}")
        return name

    ignored = columns.get(IGNORE, ())
    left_out = [head_of(IGNORE, name) for name in ([ignored] if isinstance(ignored, str) else ignored)]
    found = {}
    for ours, theirs in columns.items():
        if ours == IGNORE:
            continue
        if not isinstance(theirs, str):
            raise RatingsError(f"columns= names several columns for {ours}: only {IGNORE} may have several")
        found[ours] = OTHERS if theirs == OTHERS else head_of(ours, theirs)
    return table.drop(columns=left_out), found


def renamed(
    table: pd.DataFrame,
    given: Mapping[str, str],
    known: Collection[str],
    tell: Tell,
    synonyms: Mapping[str, Sequence[str]] = SYNONYMS,
) -> pd.DataFrame:
    """Heads that the caller named, then those that are ours but for case and blanks, then the usual synonyms."""
    names = {theirs: ours for ours, theirs in given.items() if theirs != OTHERS}
    taken = set(given)
    free = [str(head) for head in table.columns if head not in names]
    ours_plain = {plain(name): name for name in known}
    for head in free:
        ours = ours_plain.get(plain(head))
        if ours and ours not in taken:
            names[head] = ours
            taken.add(ours)
    for ours, words in synonyms.items():
        usual = [plain(word) for word in words]
        usual += [word + "id" for word in usual] + [word + "name" for word in usual]
        heads = sorted((usual.index(plain(head)), head) for head in free if head not in names and plain(head) in usual)
        if ours == "score" and "rater" not in taken:
            continue  # beside raters' columns a MOS is their mean
        if heads and ours not in taken:
            names[heads[0][1]] = ours
            taken.add(ours)
            also = f" (not {some(head for _, head in heads[1:])})" if len(heads) > 1 else ""
            tell(f"column {heads[0][1]!r} is taken for {ours}{also}")
    return table.rename(columns=names)
