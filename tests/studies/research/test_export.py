import io
import json
import math
from dataclasses import replace

import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from analysis.objective import LONG_COLUMNS, read_objective
from analysis.report import analyse
from analysis.schema import RATINGS_COLUMNS, SCALE_COLUMNS, TIMES, RatingsError, read_ratings
from studies.access import invited_rater
from studies.models import Method, Stimulus, Study
from studies.rating import sessions
from studies.rating.evidence import receipt
from studies.rating.recording import record_rating
from studies.rating.withdrawal import withdraw
from studies.research.export import KINDS, objective_frame, ratings_frame, serialise
from studies.research.monitoring import invited, progress_of, results_table, studies_with_counts
from tests.studies.factories import launch, make_benchmark, make_rater, make_study
from tests.studies.rating.test_sessions import DISPLAY, rate

pytestmark = [pytest.mark.services, pytest.mark.django_db]
NOW = timezone.now()
ALL_COLUMNS = (*RATINGS_COLUMNS, *SCALE_COLUMNS)
SCORES = {"nearest": 1, "bicubic": 2, "hr": 5}


def rate_all(study, label, *, limit=None, shift=0, scores=SCORES, language="", **values):
    rater = make_rater(study, label, **values)
    sessions.agree(rater=rater, now=NOW, language=language)
    session = sessions.finish_calibration(rater=invited_rater(token=rater.token))
    trials = session.trials.filter(phase="rated").select_related("stimulus__method")[:limit]
    for trial in trials:
        score = max(1, scores[trial.stimulus.method.name] - shift)
        record_rating(
            rater_token=rater.token,
            token=trial.token,
            score=score,
            display=DISPLAY,
            receipt=receipt(token=trial.token, now=NOW),
            now=NOW,
        )
    return rater


@pytest.fixture
def study():
    return launch(make_study(calibration=make_benchmark("anchors", images=1), repeats=1))


def test_every_rating_is_one_row_by_the_contract(study):
    rate_all(study, "anna")
    rate_all(study, "berta", limit=3)
    frame = ratings_frame(study)
    assert tuple(frame.columns) == ALL_COLUMNS
    assert len(frame) == 7 + 3
    anna = frame[frame["rater"] == "anna"]
    assert list(anna["position"]) == [1, 2, 3, 4, 5, 6, 7]
    assert sorted(anna["repeat"]) == [0] * 6 + [1]
    assert set(anna["source"]) == {"tiny_000", "tiny_001"}
    assert set(frame["study"]) == {"study"}
    assert (frame["score"] == frame["method"].map(SCORES)).all()
    assert set(frame["response_ms"]) == {900.5}
    assert set(frame["device_pixel_ratio"]) == {1.25}
    assert frame["rated_at"].iloc[0].to_pydatetime() == NOW


def test_stabilising_trials_are_exported_and_counted_by_no_result():
    study = launch(make_study(benchmarks=[make_benchmark(images=3)], stabilising=4))
    plain = launch(make_study(name="plain", benchmarks=[make_benchmark("again", images=3)]))
    for number, label in enumerate(("anna", "berta")):
        rater = make_rater(study, label)
        sessions.agree(rater=rater, now=NOW)
        for trial in rater.session.trials.select_related("stimulus__method"):
            # What settles is far off.
            score = 3 if trial.phase == "stabilising" else max(1, SCORES[trial.stimulus.method.name] - number)
            rate(rater, trial, score=score)
        rate_all(plain, label, shift=number)
    frame = ratings_frame(study)
    assert list(frame["stabilising"]) == ([1] * 4 + [0] * 9) * 2
    assert list(frame["position"]) == list(range(1, 14)) * 2
    columns = ["method", "n", "mos", "ci_low", "ci_high"]
    pd.testing.assert_frame_equal(results_table(study)[columns], results_table(plain)[columns])
    report = analyse(frame, objective_frame(study))
    assert any(note.startswith("8 ratings of stabilising trials") for note in report.notes)
    assert set(report.tables["mos"]["n"]) == {6}
    assert progress_of(invited(study))[0].total == 13


def test_a_part_is_exported_with_its_runs_and_what_was_planned_and_analysis_reads_it(tmp_path):
    study = launch(make_study(benchmarks=[make_benchmark(images=6)], allocation="spread", trials=12))
    for number in range(4):
        rater = make_rater(study)
        sessions.agree(rater=rater, now=NOW)
        while shown := sessions.standing(invited_rater(token=rater.token).session, now=NOW).upcoming:
            trial = rater.session.trials.select_related("stimulus__method").get(token=shown[0].token)
            rate(rater, trial, score=max(1, SCORES[trial.stimulus.method.name] - number % 2))
    frame = ratings_frame(study)
    assert list(frame["run"]) == ([1] * 10 + [2] * 2) * 4
    assert set(frame["planned_trials"]) == {12}
    assert set(frame.groupby(["source", "method"]).size()) <= {2, 3}
    for kind in KINDS.values():
        file = tmp_path / f"ratings.{kind}"
        file.write_bytes(serialise(frame, kind=kind))
        read = read_ratings(file)
        assert list(read) == list(frame)
        # A CSV file has milliseconds.
        pd.testing.assert_frame_equal(read.drop(columns=list(TIMES)), frame.drop(columns=list(TIMES)))
    report = analyse(frame, objective_frame(study))
    assert report.tables["mos"]["n"].sum() == 48


def test_before_the_first_rating_that_counts_there_is_no_result():
    study = launch(make_study(stabilising=2))
    rater = make_rater(study)
    sessions.agree(rater=rater, now=NOW)
    first = rater.session.trials.first()
    rate(rater, first)
    assert results_table(study).empty
    with pytest.raises(RatingsError, match="stabilising"):
        analyse(ratings_frame(study))


def test_what_the_canvas_had_and_what_the_page_gave_it_are_exported(study):
    rater = make_rater(study)
    sessions.agree(rater=rater, now=NOW)
    session = sessions.finish_calibration(rater=invited_rater(token=rater.token))
    first, second = session.trials.filter(phase="rated")[:2]
    sizes = {"canvas_width": 1601, "canvas_height": 900, "canvas_css_width": 1280.5, "canvas_css_height": 720}
    for trial, display in ((first, replace(DISPLAY, **sizes)), (second, DISPLAY)):
        rate(rater, trial, display=display)
    frame = ratings_frame(study)
    assert frame.loc[0, list(sizes)].to_dict() == sizes
    assert frame.loc[1, list(sizes)].isna().all(), "of a page of before"


def test_staff_previews_and_withdrawn_raters_are_not_exported(study):
    rate_all(study, "staff", is_preview=True)
    gone = rate_all(study, "gone")
    rate_all(study, "anna", limit=1)
    withdraw(rater=gone, now=NOW)
    assert set(ratings_frame(study)["rater"]) == {"anna"}


def test_the_objective_table_has_a_row_a_rated_stimulus_and_metric_and_describes_itself(study):
    frame = objective_frame(study)
    assert tuple(frame.columns) == LONG_COLUMNS
    assert len(frame) == 2 * 6
    assert set(frame["benchmark"]) == {"tiny"}
    said = frame[["metric", "better", "unit", "decimals"]].drop_duplicates().to_numpy().tolist()
    assert said == [["psnr", "higher", "dB", 2], ["ssim", "higher", "", 4]]


def test_the_site_and_the_report_print_the_same_mos_with_the_same_interval(study):
    rate_all(study, "anna")
    rate_all(study, "berta", shift=1)
    columns = ["benchmark", "method", "n", "mos", "ci_low", "ci_high", "limit"]
    site = results_table(study)[columns]
    report = analyse(ratings_frame(study), objective_frame(study)).tables["mos"][columns]
    pd.testing.assert_frame_equal(site.sort_values("method", ignore_index=True), report)


def test_infinite_psnr_of_the_reference_survives_both_formats(tmp_path):
    study = make_study()
    Stimulus.objects.filter(method__name="hr").update(psnr=math.inf, ssim=1.0)
    launch(study)
    for kind in ("csv", "parquet"):
        path = tmp_path / f"objective.{kind}"
        path.write_bytes(serialise(objective_frame(study), kind=kind))
        table = read_objective(path).values.set_index(["source", "method"])
        assert table.loc[("tiny_000", "hr"), "psnr"] == math.inf
        assert table.loc[("tiny_000", "bicubic"), "psnr"] == 30.0


def test_csv_and_parquet_hold_the_same_ratings(study, tmp_path):
    rate_all(study, "anna")
    read = []
    for kind in ("csv", "parquet"):
        path = tmp_path / f"ratings.{kind}"
        path.write_bytes(serialise(ratings_frame(study), kind=kind))
        frame = read_ratings(path)
        frame["rated_at"] = frame["rated_at"].dt.floor("ms").astype("datetime64[ms, UTC]")
        read.append(frame)
    pd.testing.assert_frame_equal(*read)


def test_an_empty_study_exports_its_columns_alone(study):
    assert serialise(ratings_frame(study), kind="csv").decode().strip() == ",".join(ALL_COLUMNS)


def test_the_command_writes_both_tables(study, tmp_path):
    rate_all(study, "anna")
    out, objective, said = tmp_path / "r.csv", tmp_path / "o.parquet", io.StringIO()
    call_command("export_ratings", "study", out=out, objective=objective, stdout=said)
    assert len(read_ratings(out)) == 7
    assert len(read_objective(objective).values) == 6
    assert study.events.get(kind="downloaded").detail == {"what": "ratings", "pseudonyms": False}
    assert said.getvalue().splitlines() == [f"7 ratings -> {out}", f"12 objective scores -> {objective}"]


def test_the_command_names_the_studies_there_are(study, tmp_path):
    with pytest.raises(CommandError, match="no study called 'stduy'. Studies: study"):
        call_command("export_ratings", "stduy", out=tmp_path / "r.csv")


def test_the_command_refuses_other_endings_and_writes_nothing(study, tmp_path):
    with pytest.raises(CommandError, match="must be .csv or .parquet"):
        call_command("export_ratings", "study", out=tmp_path / "r.csv", objective=tmp_path / "o.xls")
    assert list(tmp_path.glob("*.*")) == []


def test_the_command_says_why_a_file_cannot_be_written(study, tmp_path):
    with pytest.raises(CommandError, match="No such file or directory"):
        call_command("export_ratings", "study", out=tmp_path / "nowhere" / "r.csv")


def test_mos_stands_beside_psnr_and_ssim_in_the_papers_order(study):
    rate_all(study, "anna")
    rate_all(study, "berta", shift=1)
    rate_all(study, "clara", shift=1)
    table = results_table(study)
    assert list(table["method"]) == ["nearest", "bicubic", "hr"]
    # nearest: all 1; bicubic: 2, 1 and 1 on both images; hr: 5, 4 and 4.
    assert list(table["mos"]) == pytest.approx([1.0, 4 / 3, 13 / 3])
    assert list(table["n"]) == [6, 6, 6]
    # The raters differ, the images do not: t(0.975, 2) = 4.302653 times 0.577350 / sqrt(3).
    assert 13 / 3 - table["ci_low"].iloc[2] == pytest.approx(4.302653 * 0.577350 / 3**0.5, abs=1e-5)
    assert table["ci_high"].iloc[2] == 5
    assert list(table["psnr"]) == [30.0] * 3


def test_the_title_that_a_researcher_chose_is_in_the_results_and_the_export(study):
    Method.objects.filter(name="bicubic").update(display_name="Bicubic, ours")
    rate_all(study, "anna")
    assert list(results_table(study)["title"]) == ["nearest", "Bicubic, ours", "HR"]
    frame = ratings_frame(study)
    assert set(frame.loc[frame["method"] == "bicubic", "method_title"]) == {"Bicubic, ours"}


def test_the_export_states_the_scale_of_the_study(study):
    rate_all(study, "anna")
    frame = ratings_frame(study)
    assert {column: set(frame[column]) for column in SCALE_COLUMNS} == {
        "scale_low": {1}, "scale_high": {5}, "scale_step": {1}
    }  # fmt: skip


def test_nobody_rated_means_no_results(study):
    assert results_table(study).empty


def test_progress_tells_who_stopped_where(study):
    rate_all(study, "anna")
    rate_all(study, "berta", limit=2)
    make_rater(study, "clara")
    sessions.agree(rater=make_rater(study, "dora"), now=NOW)
    rate_all(study, "staff", is_preview=True)
    found = [(p.rater.label, p.state, p.rated, p.total, p.percent) for p in progress_of(invited(study))]
    assert found == [
        ("anna", "finished", 7, 7, 100),
        ("berta", "rating", 2, 7, 28),
        ("clara", "invited", 0, 0, 0),
        ("dora", "calibrating", 0, 7, 0),
    ]
    listed = studies_with_counts(Study.objects.all()).get()
    assert (listed.raters_invited, listed.raters_finished, listed.ratings_given) == (4, 1, 9)


def test_names_that_a_spreadsheet_would_run_are_defused_in_the_csv_file_alone(tmp_path):
    frame = pd.DataFrame({"rater": ["=cmd|' /C calc'!A0", "-1"], "score": [-2, 3]})
    assert serialise(frame, kind="csv").decode().splitlines()[1:] == ["'=cmd|' /C calc'!A0,-2", "-1,3"]
    assert pd.read_parquet(io.BytesIO(serialise(frame, kind="parquet")))["rater"].to_list() == frame["rater"].to_list()


def test_the_protocol_is_exported_field_by_field(tmp_path):
    anchors = make_benchmark("anchors", images=1)
    line = "anchors/anchors_000 bicubic 2-3"
    study = launch(make_study(calibration=anchors, practice=line, stabilising=3, sitting_trials=4, rest_minutes=5))
    path = tmp_path / "protocol.json"
    call_command("export_ratings", "study", out=tmp_path / "r.csv", protocol=path, stdout=io.StringIO())
    told = json.loads(path.read_text())
    assert set(told) >= {field.name for field in Study.protocol_fields()} - Study.OF_PAIRS
    assert (told["practice"], told["stabilising"], told["sitting_trials"], told["rest_minutes"]) == (line, 3, 4, 5)
    assert (told["seed"], told["calibration"], told["scale"]) == (1, ["anchors/anchors_000"], study.scale.to_dict())
