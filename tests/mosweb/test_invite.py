import io

import pytest
from django.core.management import CommandError, call_command

from mosweb import paths
from studies.models import Rater, StudyEvent
from tests.studies.factories import make_study

pytestmark = [pytest.mark.services, pytest.mark.django_db]


def invite(*words):
    said = io.StringIO()
    call_command("invite", *words, stdout=said)
    return said.getvalue().splitlines()


def test_each_rater_gets_a_line_with_label_and_link():
    make_study()
    lines = invite("study", "--count", "2", "--base", "https://study.example.org/")
    tokens = Rater.objects.values_list("token", flat=True)
    assert StudyEvent.objects.get(kind="invited").detail == {"raters": 2}
    assert lines == [f"r00{n}\thttps://study.example.org/i/{token}/" for n, token in enumerate(tokens, start=1)]


def test_a_label_that_is_taken_or_for_several_is_refused():
    make_study()
    invite("study", "--label", "anna")
    with pytest.raises(CommandError, match="already exists"):
        invite("study", "--label", "anna")
    with pytest.raises(CommandError, match="names one rater"):
        invite("study", "--label", "berta", "--count", "2")
    assert Rater.objects.count() == 1


def test_an_unknown_study_is_answered_with_the_known_ones():
    make_study()
    with pytest.raises(CommandError, match="no study called 'x'. Studies: study"):
        invite("x")


def test_links_begin_with_the_address_at_which_the_site_runs(tmp_path, monkeypatch):
    monkeypatch.delenv("MOSWEB_URL", raising=False)
    assert paths.site_url(tmp_path) == "http://127.0.0.1:8000"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").write_text("process 12, http://127.0.0.1:8123".ljust(200))
    assert paths.site_url(tmp_path) == "http://127.0.0.1:8123"
    monkeypatch.setenv("MOSWEB_URL", "https://study.example.org")
    assert paths.site_url(tmp_path) == "https://study.example.org"
