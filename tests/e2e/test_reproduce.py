"""The archive of a report in an environment that has nothing but its requirements.txt."""

import os
import subprocess
import sys
import venv

import pytest

from analysis import example
from analysis.page import write_report
from analysis.report import Options

pytestmark = pytest.mark.e2e  # by itself: pip installs for half a minute


def test_a_fresh_environment_gives_every_number_again_and_needs_no_torch(tmp_path):
    report = tmp_path / "report"
    write_report(example.ratings(), example.objective(), out=report, options=Options(draws=20))
    venv.create(tmp_path / "again", with_pip=True)
    python = tmp_path / "again" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run = {"cwd": report, "capture_output": True, "text": True, "check": False}
    run["env"] = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"]
    installed = subprocess.run(pip, **run)
    if installed.returncode and not os.environ.get("CI"):
        pytest.skip(f"pip cannot install here: {installed.stderr[-300:]}")
    assert installed.returncode == 0, installed.stderr
    again = subprocess.run([python, "reproduce.py"], **run)
    assert (again.stdout, again.returncode) == ("equal: summary.json and every table came out again\n", 0), again.stderr
    assert subprocess.run([python, "-c", "import torch"], **run).returncode == 1
    where = subprocess.run([python, "-c", "import analysis; print(analysis.__file__)"], **run)
    assert str(tmp_path / "again") in where.stdout
    (report / "data" / "ratings.csv").write_text("rater,source,method,score\na,b,c,1\na,b,d,2\n")
    assert subprocess.run([python, "reproduce.py"], **run).returncode != 0
    assert sys.prefix not in where.stdout
