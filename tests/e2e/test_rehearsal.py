"""Simulated people of every kind on a real server, through the command as staff give it."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

RATED = 12
KINDS = {"random": 1, "straight": 1, "gold": 1, "leaving": 1, "reloading": 2, "tabs": 2, "offline": 2}


@pytest.fixture
def rehearse(site):
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", "simulate_raters", *arguments, "--url", site.url],
            cwd=ROOT, env=site._env(), capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def test_people_of_every_kind_come_through_the_real_pages_and_nothing_is_lost(site, rehearse):
    name = site.backstage("study_to_rehearse", images=4)
    others = [word for kind, number in KINDS.items() for word in (f"--{kind}", str(number))]
    done = rehearse(name, "--raters", "12", *others, "--speed", "40")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {line.split()[0]: [int(word) for word in line.split()[1:4]] for line in done.stdout.splitlines()[2:-1]}
    assert rows["honest"] == [2, 2, 2 * RATED]
    for kind in ("random", "straight", "gold"):
        assert rows[kind] == [1, 1, RATED]
    for kind in ("reloading", "tabs", "offline"):
        assert rows[kind][:2] == [2, 2]
    assert rows["leaving"][1] == 0
    assert 0 < rows["leaving"][2] < RATED
    found = site.backstage("rehearsed", f"{name}-simulated")
    assert found["counts"] == {**dict.fromkeys(found["counts"], RATED), found["left"]: rows["leaving"][2]}
    assert len(found["counts"]) == 12
    assert found["simulated"] == {True}
    assert len(found["straight"]) == 1
    assert site.backstage("rehearsed", name)["counts"] == {}

    again = rehearse(f"{name}-simulated", "--raters", "1", "--speed", "40")
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(site.backstage("rehearsed", f"{name}-simulated")["counts"]) == 13


def test_it_says_where_the_site_is_not(site, rehearse):
    name = site.backstage("study_to_rehearse", images=2)
    site.stop()
    done = rehearse(name, "--raters", "1", "--patience", "1")
    assert done.returncode == 1
    assert "ConnectionRefusedError" in done.stderr


ON_KEY = {"task": "pair", "original_on_key": True, "methods": ("nearest", "bicubic")}


@pytest.mark.parametrize(
    ("design", "pairs"), [({"task": "pair"}, 12), ({"task": "comparison"}, 12), (ON_KEY, 4)], ids=str
)
def test_people_who_choose_between_two_come_too_and_agree_which_method_is_better(site, rehearse, design, pairs):
    name = site.backstage("pairs_to_rehearse", images=4, **design)
    others = [word for kind in ("random", "straight", "tabs", "offline", "reloading") for word in (f"--{kind}", "1")]
    done = rehearse(name, "--raters", "8", *others, "--speed", "40")
    assert done.returncode == 0, done.stdout + done.stderr
    found = site.backstage("rehearsed_pairs", f"{name}-simulated")
    assert set(found["counts"].values()) == {pairs + 2}
    assert len(found["counts"]) == 8
    assert found["looks"] == {2}
    assert found["simulated"] == {True}
    shares = sorted(found["shares"].values())
    assert shares[0] < 0.3
    assert shares[-1] > 0.7
