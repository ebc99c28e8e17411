"""Published tables of paired comparisons, and small pairs tables made from counts."""

import pandas as pd

from analysis.pairs import validate_pairs

# Baseball, American League 1987, wins of the row over the column (Agresti 2002, table 10.10).
TEAMS = ["Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore"]
WINS = [
    [0, 7, 9, 7, 7, 9, 11],
    [6, 0, 7, 5, 11, 9, 9],
    [4, 6, 0, 7, 7, 8, 12],
    [6, 8, 6, 0, 6, 7, 10],
    [6, 2, 6, 7, 0, 7, 12],
    [4, 4, 5, 6, 6, 0, 6],
    [2, 4, 1, 3, 1, 7, 0],
]

# Six brands of chocolate pudding (Davidson 1970, table 2): brands i and j, times, choices of i, of j; the rest ties.
PUDDING = [
    *[(1, 2, 57, 19, 22), (1, 3, 47, 16, 19), (2, 3, 48, 19, 19), (1, 4, 54, 18, 23), (2, 4, 51, 23, 19)],
    *[(3, 4, 54, 19, 20), (1, 5, 50, 13, 19), (2, 5, 48, 16, 20), (3, 5, 48, 16, 15), (4, 5, 47, 17, 14)],
    *[(1, 6, 51, 18, 21), (2, 6, 54, 22, 20), (3, 6, 41, 13, 18), (4, 6, 51, 14, 19), (5, 6, 44, 11, 21)],
]


def rows(wins):
    """A pairs table from (left, right, chosen, times), one rater and source."""
    found = [(left, right, chosen) for left, right, chosen, times in wins for _ in range(times)]
    table = pd.DataFrame(found, columns=["left", "right", "chosen"])
    return validate_pairs(table.assign(rater="r", source="s", session=range(len(table))))


def baseball():
    return rows([(TEAMS[i], TEAMS[j], TEAMS[i], WINS[i][j]) for i in range(7) for j in range(7) if WINS[i][j]])


def pudding():
    found = []
    for i, j, n, first, second in PUDDING:
        found += [(f"p{i}", f"p{j}", f"p{i}", first), (f"p{i}", f"p{j}", f"p{j}", second)]
        found.append((f"p{i}", f"p{j}", "tie", n - first - second))
    return rows(found)
