"""Does a metric predict MOS at all? A permutation test whose units are sources and methods, not stimuli.

A metric's values and the MOS both have something in common within a source (its content) and within a method. Stimuli
are therefore not exchangeable, and a test that counts them as independent calls noise a prediction. Whole sources and
whole methods are: if the metric says nothing of quality, its table of values may as well have its rows (sources) and
columns (methods) in any other order.
"""

from __future__ import annotations

from math import factorial

import numpy as np
from scipy import stats

DRAWS = 999
_MANY = 20  # factorial of more than this is past any need


def permutation_p(
    value: np.ndarray,
    mos: np.ndarray,
    source: np.ndarray,
    method: np.ndarray,
    *,
    sign: int,
    draws: int = DRAWS,
    seed: int = 0,
) -> float:
    """p of Spearman's correlation between value and mos, both (n,), under permuted sources and methods.

    source and method are integer codes (n,). sign 1 or -1 tests that direction alone, 0 both. The metric's table is
    permuted as a whole; stimuli without a partner then drop out. p = (1 + draws at least as large) / (draws + 1).
    """
    shape = (int(source.max()) + 1, int(method.max()) + 1)
    table, wanted = np.full(shape, np.nan), np.full(shape, np.nan)
    table[source, method], wanted[source, method] = stats.rankdata(value), stats.rankdata(mos)
    table, wanted = table - np.nanmean(table), wanted - np.nanmean(wanted)
    found = _strength(table, wanted, sign)
    if np.isnan(found):
        return float("nan")
    rng = np.random.default_rng(seed)
    as_large = 1
    for _ in range(draws):
        turned = table[rng.permutation(shape[0])][:, rng.permutation(shape[1])]
        as_large += not _strength(turned, wanted, sign) < found - 1e-12
    return as_large / (draws + 1)


def fewest_arrangements(source: np.ndarray, method: np.ndarray) -> int:
    """How many arrangements there are to tell apart, at most 20! of each kind."""
    sources, methods = (int(codes.max()) + 1 for codes in (source, method))
    return factorial(min(sources, _MANY)) * factorial(min(methods, _MANY))


def _strength(a: np.ndarray, b: np.ndarray, sign: int) -> float:
    """Pearson's correlation of the ranks in the cells that both tables have, in the direction `sign` or in either."""
    product = a * b
    both = ~np.isnan(product)
    if both.all():
        r = product.sum() / np.sqrt((a**2).sum() * (b**2).sum()) if a.any() and b.any() else np.nan
    elif both.sum() < 3 or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        r = np.nan
    else:
        r = np.corrcoef(a[both], b[both])[0, 1]
    return float(sign * r if sign else abs(r))
