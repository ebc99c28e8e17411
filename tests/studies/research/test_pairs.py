"""Pairs for the researcher: the design's form, the table, the results page, the quality page and the report."""

import io
import json
import zipfile
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from analysis.pairs import power, read_pairs
from analysis.pairs.report import analyse_pairs
from studies.models import (
    LEFT,
    NEITHER,
    RIGHT,
    Benchmark,
    Method,
    PublicLink,
    Rating,
    Report,
    Stimulus,
    Study,
    Task,
    Trial,
)
from studies.models.study import instructions_for
from studies.models.task import CHOICE, CHOICE_OR_NONE
from studies.protocol import readiness
from studies.rating import sessions
from studies.research import drafts, screenshots, stopping
from studies.research.monitoring import protocol_rows
from studies.research.pair_export import PAIRS_COLUMNS, pairs_frame
from studies.research.pair_results import half_widths, pair_quality, pair_results
from studies.research.planning import before_launch, coverage, ways_of_pairs
from studies.research.reporting import make
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_pairs import LOOKS, pair_study
from tests.studies.rating.test_sessions import DISPLAY

pytestmark = [pytest.mark.services, pytest.mark.django_db]
NOW = timezone.now()
NAME = {"name": "study"}
TRUTH = {"nearest": -1.1, "bicubic": 0.3, "hr": 0.8}  # log odds, their mean 0


def answer_all(study, label, choose):
    """One rater answers every pair; choose(left, right, source) with names of methods and the source's key."""
    rater = make_rater(study, label)
    session = sessions.agree(rater=rater, now=NOW)
    trials = session.trials.select_related("stimulus__method", "right__method").order_by("position")
    Rating.objects.bulk_create(
        Rating(
            trial=trial,
            score=choose(trial.stimulus.method.name, trial.right.method.name, trial.stimulus.source_id),
            **vars(DISPLAY) | vars(LOOKS),
        )
        for trial in trials
    )
    session.next_position, session.finished_at = session.trials_total + 1, NOW
    session.save()
    return rater


def by_truth(rng, *, deviation=0.3, tie=0.3, sources):
    """One person's answers by Bradley, Terry and Davidson."""
    taste = {name: value + deviation * rng.standard_normal() for name, value in TRUTH.items()}

    def choose(left, right, source):
        gap = taste[left] - taste[right] + sources[source, left] - sources[source, right]
        worth = np.array([np.exp(gap / 2), tie, np.exp(-gap / 2)])
        return (LEFT, NEITHER, RIGHT)[rng.choice(3, p=worth / worth.sum())]

    return choose


def best_first(left, right, source):
    order = ["hr", "bicubic", "nearest"]
    return LEFT if order.index(left) < order.index(right) else RIGHT


@pytest.fixture
def study():
    found = launch(pair_study(repeats=3))
    answer_all(found, "anna", best_first)
    answer_all(found, "berta", lambda left, right, source: NEITHER if "hr" in (left, right) else LEFT)
    return found


def test_the_table_is_what_the_analysis_reads_and_says_who_saw_what_and_chose_what(study, tmp_path):
    frame = pairs_frame(study)
    assert list(frame) == list(PAIRS_COLUMNS)
    assert len(frame) == 30
    anna = frame[frame["rater"] == "anna"]
    assert set(anna["chosen"]) == {"hr", "bicubic"}
    assert (anna["looks"] == 3).all()
    assert sorted(anna["position"]) == list(range(1, 16))
    assert (anna["repeat"] == 1).sum() == 3
    assert set(frame["source"]) == {f"tiny/tiny_{number:03d}" for number in range(4)}
    trial = study.raters.get(label="anna").session.trials.first()
    row = anna.sort_values("position").iloc[0]
    assert (row["left"], row["right"]) == (trial.stimulus.method.name, trial.right.method.name)
    for ending in ("csv", "parquet"):
        path = tmp_path / f"pairs.{ending}"
        call_command("export_ratings", study.name, out=path)
        read = read_pairs(path)
        columns = ["rater", "source", "left", "right", "chosen", "repeat", "looks", "response_ms"]
        pd.testing.assert_frame_equal(read[columns], frame[columns], check_dtype=False)


def test_staff_tries_are_in_no_table_and_who_is_excluded_is_marked(study):
    preview = make_rater(study, is_preview=True)
    sessions.agree(rater=preview, now=NOW)
    Rating.objects.create(trial=preview.session.trials.first(), score=LEFT, **vars(DISPLAY) | vars(LOOKS))
    study.raters.filter(label="berta").update(excluded="one answer")
    frame = pairs_frame(study)
    assert len(frame) == 30
    assert set(frame.loc[frame["rater"] == "berta", "excluded"]) == {"one answer"}
    assert pair_results(study).ties == 0


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_page_hands_out_the_table_also_with_pseudonyms_and_each_kind_of_study_its_own(study, staff, kind):
    address = reverse("download", kwargs=NAME | {"table": "pairs", "kind": kind})
    assert staff.get(address).status_code == 200
    told = staff.get(f"{address}?pseudonyms")
    assert told.status_code == 200
    assert b"anna" not in told.content
    assert staff.get(reverse("download", kwargs=NAME | {"table": "ratings", "kind": kind})).status_code == 404
    make_study(name="scores", benchmarks=[study.cells.first().benchmark])
    other = {"name": "scores", "kind": kind}
    assert staff.get(reverse("download", kwargs=other | {"table": "pairs"})).status_code == 404
    assert staff.get(reverse("download", kwargs=other | {"table": "ratings"})).status_code == 200


def test_the_results_page_shows_ranking_share_against_the_original_sides_and_consistency(study, staff):
    found = pair_results(study)
    assert found.choices == 24
    assert found.ties == 8
    assert [row["n"] for row in found.methods] == [16] * 3
    assert found.repeats["items"] == 6
    page = staff.get(reverse("results", kwargs=NAME)).content.decode()
    for said in ("Choices between two", "Against the original", "The left image was chosen in", "answered alike in"):
        assert said in page
    assert "MOS" not in page


def test_before_anybody_has_chosen_every_page_says_so(staff):
    study = launch(pair_study())
    assert pair_results(study) is None
    for name in ("results", "quality", "live", "study"):
        assert staff.get(reverse(name, kwargs=NAME)).status_code == 200
    assert "Nobody has chosen yet" in staff.get(reverse("results", kwargs=NAME)).content.decode()
    assert pairs_frame(study).empty
    report = Report.objects.create(study=study)
    make(report.pk)
    report.refresh_from_db()
    assert (report.state, report.error) == ("failed", "nobody has chosen yet")


def test_the_quality_page_flags_who_always_chooses_one_side(staff):
    study = launch(pair_study(images=8))
    for number in range(3):
        answer_all(study, f"honest{number}", best_first)
    answer_all(study, "lefty", lambda *_: LEFT)
    page = staff.get(reverse("quality", kwargs=NAME)).content.decode()
    assert "chose the left in 100%" in page
    assert "With the majority" in page
    assert page.count('class="flag"') >= 1
    assert "Correlation" not in page


def test_while_there_are_only_choices_of_traps_the_pages_are_there_and_no_report_is_made(staff, monkeypatch):
    study = launch(pair_study(images=8, traps_a_run=2))
    for label in ("anna", "berta"):
        answer_all(study, label, best_first)
    Rating.objects.exclude(trial__phase=Trial.Phase.TRAP).delete()
    found = pair_quality(study)
    assert found["traps"].tolist() == [6, 6]
    assert found["majority_percent"].isna().all()
    for name in ("quality", "results", "live"):
        assert staff.get(reverse(name, kwargs=NAME)).status_code == 200
    monkeypatch.setattr(screenshots, "pictures", lambda study: pytest.fail("there is nothing to show yet"))
    assert failure(study, supplement="1") == "nobody has chosen yet"


def test_a_report_leaves_out_who_has_chosen_nothing_that_counts():
    study = launch(pair_study(images=8, traps_a_run=2))
    for label in ("anna", "berta", "clara", "dora"):
        answer_all(study, label, best_first)
    Rating.objects.filter(trial__session__rater__label="clara").exclude(trial__phase=Trial.Phase.TRAP).delete()
    study.raters.filter(label="clara").update(excluded="missed traps")
    make_rater(study, "never came")
    assert failure(study, leave_out=["clara", "dora", "never came"]) == ""
    assert Report.objects.get().ratings == 2 * 24


def failure(study, **options):
    report = Report.objects.create(study=study, options=options)
    make(report.pk)
    report.refresh_from_db()
    return report.error


def test_the_live_page_counts_choices_of_each_pair(study, staff):
    found = coverage(study)
    assert (found.images, found.lowest, found.highest) == (12, 2, 2)
    page = staff.get(reverse("live", kwargs=NAME)).content.decode()
    assert "Choices of a pair" in page
    assert "Too few choices for an interval of every method" in page
    assert "MOS" not in page


@pytest.mark.parametrize(
    ("rule", "against", "of"),
    [("width", "", "a strength"), ("share", "hr", "a share against HR"), ("share", "", "a share against HR")],
)
def test_a_study_ends_once_its_strengths_or_shares_are_precise_enough_and_the_report_says_by_which_rule(
    staff, monkeypatch, rule, against, of
):
    monkeypatch.setattr(stopping, "LEAST_RATERS", 4)
    study = launch(pair_study(images=8, stop_rule=rule, stop_half_width=0.35, against=against))
    PublicLink.objects.create(study=study, quota=50, is_open=True)
    rng = np.random.default_rng(5)
    sources = {(s, name): 0.0 for s in Stimulus.objects.values_list("source", flat=True) for name in TRUTH}
    widths = []
    for number in range(12):
        answer_all(study, f"r{number:02d}", by_truth(rng, sources=sources))
        now = NOW + timedelta(minutes=number)
        ended = stopping.stop_if_met(study, now=now)
        widths.append(stopping.note_precision(study, now=now).widest)
        if ended:
            break
    assert ended
    assert number >= 3
    assert widths[:2] == [None, None]  # of one or two raters it says nothing
    assert widths[-1] <= 0.35 < min([w for w in widths[3:-1] if w], default=1)
    half = half_widths(study)[0]
    assert widths[-1] == pytest.approx(half.max())
    because = stopping.ended_by(study)
    assert f"the widest 95 % interval of {of} is ±" in because
    assert not PublicLink.objects.get().is_open
    page = staff.get(reverse("live", kwargs=NAME)).content.decode()
    assert f"95 % intervals, each of {of}, after" in page
    assert because in page
    methods = pairs_methodology_of(study)
    assert "Stated beforehand, nobody new was let in once the widest 95 % interval of a" in methods
    assert because in methods


def pairs_methodology_of(study):
    report = Report.objects.create(study=study)
    make(report.pk)
    report.refresh_from_db()
    with report.file.open() as file:
        return zipfile.ZipFile(file).read("study-report/methods.txt").decode()


def test_the_report_prints_the_titles_of_the_methods_and_has_the_original_last(study):
    Method.objects.filter(name="bicubic").update(display_name="Ours & more")
    frame = pairs_frame(study)
    assert set(frame.loc[frame["left"] == "bicubic", "left_title"]) == {"Ours & more"}
    report = Report.objects.create(study=study)
    make(report.pk)
    report.refresh_from_db()
    with report.file.open() as file:
        archive = zipfile.ZipFile(file)
        page, methods, tex = (
            archive.read(f"study-report/{name}").decode()
            for name in ("report.html", "methods.txt", "tables/pair_shares.tex")
        )
    assert "Ours &amp; more" in page
    assert "Ours & more" in methods
    assert r"Ours \& more" in tex
    assert "Ours & more" in {row["title"] for row in pair_results(study).methods}
    assert analyse_pairs(frame).order()[-1] == "hr"
    assert tex.index("HR") > tex.index("nearest")


def test_a_report_is_made_from_the_page_by_a_worker_with_the_excluded_left_out(study, staff):
    study.raters.filter(label="berta").update(excluded="one answer")
    report = Report.objects.create(study=study)
    make(report.pk)
    report.refresh_from_db()
    assert (report.state, report.error) == ("done", "")
    assert report.ratings == 12
    response = staff.get(reverse("report", kwargs=NAME | {"pk": report.pk}))
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    assert {"study-report/report.html", "study-report/summary.json", "study-report/data/protocol.json"} <= {
        *archive.namelist()
    }
    methods = archive.read("study-report/methods.txt").decode()
    for said in (
        "1 rater made 12 choices between two images of one source, by 3 methods (nearest, bicubic and HR, "
        "of which HR is the original) on",
        "Every two methods were paired.",
        "or said that there was no difference.",
        "Each rater saw every pair.",
        "3 pairs came a second time with the sides changed.",
        "no source twice in a row",
    ):
        assert said in methods
    protocol = json.loads(archive.read("study-report/data/protocol.json"))
    assert (protocol["task"], protocol["against"]) == ("pair", "")
    assert json.loads(archive.read("study-report/summary.json"))["counts"]["raters"] == 1


def test_a_supplement_of_pairs_names_nobody_and_says_why_there_are_no_pictures(study, staff, monkeypatch):
    monkeypatch.setenv("MOSWEB_CHROMIUM", "no-such-browser")
    staff.post(reverse("report-order", kwargs=NAME), {"supplement": "1"})
    make(Report.objects.get().pk)
    with Report.objects.get().file.open() as file:
        archive = zipfile.ZipFile(file)
        files = {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}
    told = b"\n".join(content for name, content in files.items() if not name.startswith("figures/"))
    assert not [label for label in (b"anna", b"berta") if label in told]
    assert b"no-such-browser" in files["raters/no-pictures.txt"]
    assert files["raters/instructions-en.txt"].decode().strip() == study.instructions.strip()


def test_the_report_recovers_the_strengths_that_a_study_was_made_from():
    study = launch(pair_study(images=14))
    rng = np.random.default_rng(3)
    sources = {
        (source, name): 0.3 * rng.standard_normal()
        for source in set(Stimulus.objects.values_list("source", flat=True))
        for name in TRUTH
    }
    for number in range(24):
        answer_all(study, f"simulated{number:02d}", by_truth(rng, sources=sources))
    results = analyse_pairs(pairs_frame(study))
    found = results.tables["strengths"].set_index("method")
    assert list(found.index) == ["hr", "bicubic", "nearest"]
    for name, true in TRUTH.items():
        assert found.loc[name, "low"] <= true <= found.loc[name, "high"], found
        assert found.loc[name, "high"] - found.loc[name, "low"] < 1
    assert results.tie == pytest.approx(0.3, abs=0.1)
    assert results.reference == "hr"
    left = results.tables["sides"].iloc[0]
    assert left["low"] <= 0.5 <= left["high"]


def test_traps_are_in_the_table_count_for_nothing_and_flag_who_misses_them(staff, tmp_path):
    study = launch(pair_study(images=8, traps_a_run=2))
    for number in range(3):
        answer_all(study, f"good{number}", best_first)
    worst_first = {LEFT: RIGHT, RIGHT: LEFT}
    answer_all(study, "bad", lambda *shown: worst_first[best_first(*shown)] if "bicubic" not in shown else LEFT)
    frame = pairs_frame(study)
    traps = frame[frame["check"] == "trap"]
    assert len(traps) == 4 * 6
    assert set(traps["expected"]) == {"hr"}
    assert set(frame.loc[frame["check"] == "", "expected"]) == {""}
    assert pair_results(study).choices == 4 * 24
    results = analyse_pairs(frame)
    assert results.counts["choices"] == 4 * 24
    screen = results.screens["traps"].set_index("rater")
    assert screen["rejected"].to_dict() == {"bad": True, "good0": False, "good1": False, "good2": False}
    page = staff.get(reverse("quality", kwargs=NAME)).content.decode()
    assert "missed 6 of 6 traps" in page
    assert "0 of 6" in page
    path = tmp_path / "pairs.csv"
    call_command("export_ratings", study.name, out=path)
    assert (read_pairs(path)["check"] == "trap").sum() == 24


def form_of(**values):
    benchmark = Benchmark.objects.first() or make_benchmark(images=4)
    methods = Method.objects.filter(name__in=["nearest", "bicubic", "hr"])
    fields = {
        field.name: getattr(Study(), field.name)
        for field in Study.protocol_fields()
        if field.editable and not isinstance(getattr(Study(), field.name), bool)
    }
    asked = {"name": "chosen", "title": "Pairs", "cells": [f"{benchmark.pk}:{m.pk}" for m in methods], "undo": "on"}
    return fields | asked | {"languages": "en", "scale_kind": "five", **values}


@pytest.mark.parametrize(("ties", "scale"), [("on", CHOICE_OR_NONE), ("", CHOICE)])
def test_the_form_makes_a_study_of_pairs_with_instructions_that_say_so(staff, ties, scale):
    response = staff.post(reverse("study-new"), form_of(task="pair", ties=ties, against="hr"))
    assert response.status_code == 302, response.context["form"].errors
    study = Study.objects.get()
    assert (study.task, study.scale, study.against) == (Task.PAIR, scale, "hr")
    assert study.instructions.split() == instructions_for(scale, task=Task.PAIR).split()
    assert readiness.check(study) == []
    rows = dict(protocol_rows(study))
    assert rows["Task"] == "two images of one source, of which the better is chosen"
    assert rows["Each method against"] == "hr"
    assert rows["Answers"] == ("Left, No difference, Right" if ties else "Left, Right")
    assert rows["What each rater rates"] == "every pair"
    plan = before_launch(study)
    assert (plan["trials"], plan["finds"]) == (8, [])
    page = staff.get(reverse("study", kwargs={"name": "chosen"})).content.decode()
    assert "8 pairs" in page
    assert f"with {plan['raters']} raters" in page
    assert "two of 3 methods on 4 sources" in page


def test_the_plan_of_pairs_says_which_share_so_many_raters_find_and_how_many_60_per_cent_needs(staff):
    page = staff.get(
        reverse("study-new"), {"images": 40, "methods": 4, "raters": 30, "minutes": 10}
    ).content.decode()
    assert "Or pairs, of which the better is chosen" in page
    ways = {way.title: way for way in ways_of_pairs(images=40, methods=4, raters=30, minutes=10)}
    kinds = ("each against one", "every two methods")
    assert list(ways) == [title for kind in kinds for title in (kind, f"{kind}, a part")]
    whole, part = ways["every two methods"], ways["every two methods, a part"]
    assert (whole.trials, whole.minutes, part.trials, part.minutes) == (240, 30, 80, 10)
    assert 0.5 < whole.finds.least < part.finds.least < 0.7
    # The same numbers as the command's, which the simulated power of its tests holds to.
    plan = power.plan(methods=4, sources=[40], pairs_per_rater=[80], comparisons=6, tie=0.4)
    assert part.finds.raters == plan["raters"].iloc[0]
    assert f"{100 * part.finds.least:.1f} %" in page
    few = ways_of_pairs(images=2, methods=2, raters=2, minutes=1)
    assert few[0].finds.least == float("inf")


def test_the_instructions_say_how_many_pairs_there_are_and_how_long_they_take(client):
    study = launch(pair_study(images=8))
    client.get(reverse("invitation", args=[make_rater(study).token]))
    page = " ".join(client.get(reverse("rater-home")).content.decode().split())
    assert "You will compare 24 pairs of images." in page
    assert "It takes about 3 minutes." in page  # 7 s each


def test_a_study_of_pairs_becomes_one_of_ratings_again_and_back(staff):
    staff.post(reverse("study-new"), form_of(task="pair", ties="on"))
    study = Study.objects.get()
    page = staff.get(reverse("study-edit", kwargs={"name": "chosen"}))
    assert page.context["form"].initial["task"] == "pair"
    fields = form_of(task="rating", instructions=study.instructions)
    assert staff.post(reverse("study-edit", kwargs={"name": "chosen"}), fields).status_code == 302
    study.refresh_from_db()
    assert (study.task, study.scale.text, study.against) == ("rating", "1 to 5 in steps of 1", "")
    assert "one image after another" in study.instructions


def test_what_pairs_have_not_is_said_at_its_field(staff):
    response = staff.post(reverse("study-new"), form_of(task="pair", ties="on", gold="Set5/baby hr 1", stabilising=2))
    assert response.status_code == 200
    assert {"gold", "stabilising"} <= set(response.context["form"].errors)


def test_a_study_of_ratings_shows_nothing_of_pairs(staff):
    study = launch(make_study())
    rows = dict(protocol_rows(study))
    assert "Each method against" not in rows
    assert rows["Task"] == "one image at a time, rated on the scale"
    for page in ("results", "quality", "live"):
        assert "choice" not in staff.get(reverse(page, kwargs=NAME)).content.decode().lower()
    clone = drafts.clone(study=study, name="copy", title="Copy")
    assert clone.task == Task.RATING
