import pytest

from analysis.pairs import read_pairs


@pytest.fixture(scope="session")
def sr_pairs(shared):
    return read_pairs(shared / "ratings" / "sr_pairs.csv")
