"""What stands at the top of analysis, and the commands that an installation brings."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import analysis

SCRIPTS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["scripts"]


def test_every_name_at_the_top_is_the_function_and_no_module_hides_it():
    import_module("analysis.page")
    assert set(analysis.__all__) == set(analysis._HOME)
    for name in analysis.__all__:
        found = getattr(analysis, name)
        assert callable(found)
        assert found.__module__.startswith("analysis.")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        analysis.nothing  # noqa: B018


def test_importing_analysis_loads_nothing_heavy():
    code = "import sys, analysis; print('numpy' in sys.modules, 'pandas' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.split() == ["False", "False"]


@pytest.mark.parametrize("name", ["srcore", "mosweb-report"])
def test_the_console_scripts_lead_to_a_command(name, capsys):
    module, _, function = SCRIPTS[name].partition(":")
    with pytest.raises(SystemExit) as ended:
        getattr(import_module(module), function)(["--help"])
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out
