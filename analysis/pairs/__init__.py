"""Pairs: which of two images of one source a rater prefers. From a table of choices to strengths, tests and a report.

The functions mirror those for ratings: DataFrame in (from `read_pairs`), tidy DataFrame out.
"""

from analysis.pairs.estimates import by_source, differences, goodness_of_fit, strengths
from analysis.pairs.schema import PairsError, read_pairs, validate_pairs

__all__ = [
    "PairsError",
    "by_source",
    "differences",
    "goodness_of_fit",
    "read_pairs",
    "strengths",
    "validate_pairs",
]
