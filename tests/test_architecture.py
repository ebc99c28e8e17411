"""ARCHITECTURE.md names every room there is, and no other."""

import re
from pathlib import Path

from tests.conftest import ROOT

PACKAGES = ("analysis", "srcore", "studies", "mosweb")


def rooms() -> set[str]:
    """Every folder of the four packages that holds a module of code."""
    modules = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.name != "__init__.py")
    return {f"{folder.relative_to(ROOT)}/" for folder in {path.parent for path in modules}}


def test_it_names_every_room_and_no_other():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"^\| `([a-z_/]+/)` \|", text, re.MULTILINE))
    assert named == rooms()


def test_every_file_it_names_exists():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    paths = re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.(?:py|js|toml))`", text)
    assert len(paths) > 8
    missing = [
        path
        for path in paths
        if not any((base / path).exists() for base in (ROOT, ROOT / "studies", *(ROOT / "studies").iterdir()))
    ]
    assert missing == []


def test_the_tests_mirror_the_rooms_of_studies():
    def names(folder: Path) -> set[str]:
        return {path.name for path in folder.iterdir() if (path / "__init__.py").exists()}

    without_tests_of_their_own = {"models", "management", "migrations"}
    assert names(ROOT / "studies") - without_tests_of_their_own == names(ROOT / "tests" / "studies")
