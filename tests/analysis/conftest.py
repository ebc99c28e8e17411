import pytest

from analysis.schema import read_ratings


@pytest.fixture(scope="session")
def nflx(shared):
    return read_ratings(shared / "ratings" / "nflx_public.csv")


@pytest.fixture(scope="session")
def vqeg(shared):
    return read_ratings(shared / "ratings" / "vqeg_hd1.csv")
