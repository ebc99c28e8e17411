"""A report's archive: its data, wheel and pins give every number again."""

import base64
import csv
import io
import json
import zipfile
from hashlib import sha256
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from analysis import archive, example, reproduce
from analysis.page import write_report
from analysis.pairs.page import write_pairs_report
from analysis.pairs.report import PairsOptions
from analysis.report import Options
from analysis.scale import Scale
from tests.analysis.panels import random_panel

NAMES = {"m00": "=1+1", "m01": "'=quoted", "m02": 'a "b", c\nd', "m03": "漢字", "m04": "NA"}


@pytest.fixture
def hostile():
    panel = random_panel(raters=6, sources=4, methods=5, missing=0.2, seed=2)
    return panel.assign(method=panel["method"].map(NAMES), rater="0" + panel["rater"].str[1:])


def metrics_of(panel):
    keys = panel[["benchmark", "source", "method"]].drop_duplicates().reset_index(drop=True)
    return keys.assign(psnr=[20 + index / 3 for index in keys.index], seconds=1.0)


def test_the_example_comes_out_again_with_metrics_and_options(tmp_path, capsys):
    options = Options(draws=20, margin=0.3, exclude=("simulated_03",), interval="two_way_bootstrap", seed=5)
    write_report(example.ratings(), example.objective(), out=tmp_path, options=options)
    assert reproduce.main(tmp_path) == 0
    assert capsys.readouterr().out == "equal: summary.json and every table came out again\n"


def test_hostile_names_a_stated_scale_gold_items_and_a_protocol_come_out_again(tmp_path, hostile):
    gold = hostile[["source", "method"]].drop_duplicates().head(3).assign(expected=3)
    protocol = {"order": "apart", "instructions": "=Look\nand rate."}
    more = {"gold_items": gold, "protocol": protocol, "pictures": {"rating.png": b"PNG"}}
    write_report(hostile, metrics_of(hostile), out=tmp_path, options=Options(scale=Scale(0, 10)), **more)
    cells = pd.read_csv(tmp_path / "data" / "ratings.csv", dtype=str, keep_default_na=False)["method"]
    assert not cells.str.startswith("=").any()
    assert reproduce.different(tmp_path, tmp_path / "again") == []
    for name in ("report.html", "methods.txt", "raters/rating.png", "data/options.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_report_of_pairs_comes_out_again_with_hostile_names_scores_and_an_excluded_rater(tmp_path, hostile):
    rng = np.random.default_rng(3)
    rows = []
    for rater in sorted(set(hostile["rater"])):
        for source in sorted(set(hostile["source"])):
            for left, right in combinations(NAMES.values(), 2):
                chosen = ("tie", left, left, right)[rng.integers(4)]
                rows.append((rater, source, left, right, chosen, rng.integers(200, 9000) / 7, "unknown"))
    pairs = pd.DataFrame(rows, columns=["rater", "source", "left", "right", "chosen", "seconds", "e-mail"])
    options = PairsOptions(exclude=(pairs["rater"][0],), reference=NAMES["m03"], seed=4)
    write_pairs_report(pairs, hostile, out=tmp_path, options=options)
    assert "e-mail" not in (tmp_path / "data" / "pairs.csv").read_text()
    assert reproduce.different(tmp_path, tmp_path / "again") == []
    assert (tmp_path / "again" / "report.html").read_bytes() == (tmp_path / "report.html").read_bytes()
    table = pd.read_csv(tmp_path / "data" / "pairs.csv", dtype=str, keep_default_na=False)
    table["chosen"] = table["left"]
    table.to_csv(tmp_path / "data" / "pairs.csv", index=False)
    assert reproduce.different(tmp_path, tmp_path / "again")  # and no strengths any more: every choice is the left one


def test_a_changed_score_and_a_changed_number_are_named(tmp_path, hostile, capsys):
    write_report(hostile, out=tmp_path)
    path = tmp_path / "summary.json"
    summary = json.loads(path.read_text())
    summary["mos"][0]["mos"] += 0.01
    path.write_text(json.dumps(summary))
    assert reproduce.main(tmp_path) == 1
    said = capsys.readouterr().out
    assert said.startswith("summary.json: mos 1: mos: ")
    assert said.endswith("1 differ\n")
    write_report(hostile, out=tmp_path)
    data = pd.read_csv(tmp_path / "data" / "ratings.csv", dtype=str, keep_default_na=False)
    data.loc[0, "score"] = "5" if data.loc[0, "score"] == "1" else "1"
    data.to_csv(tmp_path / "data" / "ratings.csv", index=False)
    assert reproduce.main(tmp_path) == 1
    assert "tables/mos.csv" in "\n".join(reproduce.different(tmp_path, tmp_path / "again"))


def test_an_earlier_reports_data_and_pages_do_not_stay(tmp_path, hostile):
    write_report(hostile, metrics_of(hostile), out=tmp_path, protocol={"undo": True}, pictures={"old.png": b""})
    write_report(hostile, out=tmp_path)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["options.json", "ratings.csv"]
    assert list((tmp_path / "raters").iterdir()) == []


def test_the_pins_are_what_a_report_imports_and_no_torch():
    pins = dict(line.split("==") for line in archive.requirements().splitlines() if "==" in line)
    assert {"numpy", "scipy", "pandas", "matplotlib", "jinja2", "markupsafe", "python-dateutil"} <= set(pins)
    assert not {"torch", "django", "pyarrow", "pytest"} & set(pins)
    assert archive.requirements().endswith(f"./{archive.WHEEL}\n")


def test_the_wheel_is_the_same_each_time_and_its_record_is_true():
    wheel = archive.wheel()
    assert wheel == archive.wheel()
    files = zipfile.ZipFile(io.BytesIO(wheel))
    names = set(files.namelist())
    assert {"analysis/__init__.py", "analysis/pairs/models.py", "analysis/templates/report.html"} <= names
    (record,) = (name for name in names if name.endswith("RECORD"))
    listed = {row[0]: row[1:] for row in csv.reader(io.StringIO(files.read(record).decode()))}
    assert set(listed) == names
    for name in names - {record}:
        digest = base64.urlsafe_b64encode(sha256(files.read(name)).digest()).rstrip(b"=").decode()
        assert listed[name] == [f"sha256={digest}", str(files.getinfo(name).file_size)]
