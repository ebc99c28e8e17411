"""Any table gets in: every file here holds the ratings of NFLX public, or a few of them, in another form."""

import importlib
import inspect
import io
import json
import pkgutil

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.__main__ import main
from analysis.columns import RatingsError
from analysis.objective import objective_of, read_objective
from analysis.opinion import mos
from analysis.pairs import read_pairs
from analysis.report import analyse
from analysis.scale import Scale
from analysis.schema import read_ratings, scale_of, validate_ratings
from analysis.significance import pairwise_tests

LONG = [("s1", "img1", "a", 5), ("s1", "img1", "b", 3), ("s2", "img1", "a", 4), ("s2", "img1", "b", 2)]
LONG += [("s1", "img2", "a", 4), ("s1", "img2", "b", 3), ("s2", "img2", "a", 5), ("s2", "img2", "b", 1)]


def expected():
    table = pd.DataFrame(LONG, columns=["rater", "source", "method", "score"])
    return table.sort_values(["rater", "source", "method"], ignore_index=True)


def got(path, **given):
    """The ratings in one order, and what was said of guesses."""
    said = []
    table = read_ratings(path, tell=said.append, **given)
    names = ["rater", "source", "method", "score"]
    return table[names].sort_values(names[:3], ignore_index=True), said


def write(tmp_path, text, name="table.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def long_text(delimiter=",", head=("rater", "source", "method", "score"), rows=LONG):
    return "\n".join(delimiter.join(map(str, row)) for row in [head, *rows]) + "\n"


def wide_text(delimiter=",", index="source,method"):
    table = expected().pivot(index=["source", "method"], columns="rater", values="score").reset_index()
    out = io.StringIO()
    table.to_csv(out, index=False, sep=delimiter, lineterminator="\n")
    return out.getvalue().replace("source,method", index)


@pytest.mark.parametrize(
    ("name", "encoding", "delimiter"),
    [
        ("t.csv", "utf-8", ","), ("t.csv", "utf-8-sig", ","), ("t.csv", "utf-16", ","), ("t.csv", "utf-16-le", ";"),
        ("t.csv", "latin-1", ";"), ("t.tsv", "utf-8", "\t"), ("t.txt", "utf-8", "|"), ("t.csv", "utf-16-be", "\t"),
    ],
)  # fmt: skip
def test_any_delimiter_and_encoding_give_the_same_ratings(tmp_path, name, encoding, delimiter):
    rows = [("ä" + rater, *rest) for rater, *rest in LONG]
    table, said = got(write(tmp_path, long_text(delimiter, rows=rows), name, encoding))
    assert table["rater"].unique().tolist() == ["äs1", "äs2"]
    assert table["score"].tolist() == expected()["score"].tolist()
    assert any("divided by" in line for line in said) == (delimiter != ",")
    assert any("Latin-1" in line for line in said) == (encoding == "latin-1")
    if (encoding, delimiter) == ("utf-8", ","):
        assert said == []  # nothing was guessed


@pytest.mark.parametrize("name", ["deccomma.csv", "semicomma.csv"])
def test_decimal_commas_are_read_and_said(shared, nflx, name):
    said = []
    table = read_ratings(shared / "cases" / name, tell=said.append)
    assert table["score"].mean() == pytest.approx(nflx["score"].mean())
    assert table["rater"].iloc[0] == "001"
    assert "scores have a decimal comma" in said


def test_the_wide_case_is_the_long_table_without_its_empty_cells(shared):
    said = []
    table = read_ratings(shared / "cases" / "wide.csv", tell=said.append)
    raw = pd.read_csv(shared / "cases" / "wide.csv", dtype=str, keep_default_na=False)
    filled = (raw.iloc[:, 2:] != "").sum().sum()
    assert len(table) == filled == 1992
    assert table["score"].sum() == raw.iloc[:, 2:].replace("", "0").astype(int).sum().sum()
    assert table["rater"].nunique() == 26
    assert said == ["a wide table: the 26 columns '001' to '026' are raters", "62 of 2054 cells hold no rating"]


def test_a_source_called_1_and_a_rater_called_0_stay_names(shared):
    table, said = got(shared / "cases" / "numeric_sources.csv")
    assert (table["rater"].unique().tolist(), said) == (["0", "1", "2", "3", "4"], [])
    assert table["source"].unique().tolist() == ["1", "2", "3"]


def test_a_table_without_raters_is_refused_with_what_helps(shared):
    with pytest.raises(RatingsError, match=r"lacks the column rater; it has: source, method, expected. Say which"):
        read_ratings(shared / "cases" / "gold_numeric_sources.csv")
    with pytest.raises(RatingsError, match="this is a table of pairs"):
        read_ratings(shared / "ratings" / "sr_pairs.csv")


@pytest.mark.parametrize(
    "head",
    [
        ("Subject", "SRC", "HRC", "Vote"), ("user", "content", "condition", "Rating"),
        ("observer_id", "Source", " METHOD ", "opinion score"), ("Worker ID", "scene", "algorithm", "MOS"),
    ],
)  # fmt: skip
def test_the_usual_names_are_recognised_and_said(tmp_path, head):
    table, said = got(write(tmp_path, long_text(head=head)))
    pd.testing.assert_frame_equal(table, expected())
    assert f"column {head[0]!r} is taken for rater" in said


def test_other_names_are_told_by_the_caller(tmp_path):
    path = write(tmp_path, long_text(head=("Proband Nr", "Bild", "Verfahren", "Note")))
    with pytest.raises(RatingsError, match="--column rater="):
        read_ratings(path)
    columns = {"rater": "proband nr", "source": "Bild", "method": "Verfahren", "score": "Note"}
    table, said = got(path, columns=columns)
    pd.testing.assert_frame_equal(table, expected())
    assert said == []
    with pytest.raises(RatingsError, match=r"names 'Noten' for score; the table has 'Proband Nr', 'Bild'"):
        read_ratings(path, columns=columns | {"score": "Noten"})


def test_what_the_caller_names_goes_before_what_is_guessed(tmp_path):
    rows = [(*row, 9) for row in LONG]
    path = write(tmp_path, long_text(head=("user", "source", "method", "vote", "rating"), rows=rows))
    table, said = got(path, columns={"score": "vote"})
    pd.testing.assert_frame_equal(table, expected())
    assert said == ["column 'user' is taken for rater"]


def test_wide_with_a_row_a_stimulus_and_its_reverse(tmp_path):
    table, _ = got(write(tmp_path, wide_text()))
    pd.testing.assert_frame_equal(table, expected())
    reverse = "rater,x1,x2\ns1,5,3\ns2,4,2\n"
    table, said = got(write(tmp_path, reverse))
    assert table["score"].tolist() == [5, 3, 4, 2]
    assert table["source"].tolist() == table["method"].tolist() == ["x1", "x2", "x1", "x2"]
    assert "a wide table: the 2 columns 'x1' to 'x2' are stimuli" in said
    assert "comparisons of methods on one source are not to be had" in said[-1]


def test_an_index_without_a_name_is_the_stimuli_or_the_raters(tmp_path):
    table, said = got(write(tmp_path, ",s1,s2\nclip_a,5,4\nclip_b,3,2\n"))
    assert table[["rater", "source", "score"]].to_numpy().tolist() == [
        ["s1", "clip_a", 5], ["s1", "clip_b", 3], ["s2", "clip_a", 4], ["s2", "clip_b", 2],
    ]  # fmt: skip
    assert said[0] == "the column without a name is taken for stimulus"
    table, said = got(write(tmp_path, ",clip_a,clip_b\nsubject 1,5,3\nsubject 2,4,2\n"))
    assert table["rater"].tolist() == ["subject 1", "subject 1", "subject 2", "subject 2"]
    assert said[0] == "the column without a name is taken for rater"
    table, _ = got(write(tmp_path, ",anna,bert\nx,5,3\ny,4,2\n"), columns={"stimulus": "*"})
    assert table["rater"].unique().tolist() == ["x", "y"]


def test_the_language_is_found_by_the_name_that_others_give_it(tmp_path):
    said = []
    rows = [("a", "x", "m", "de", 4), ("b", "x", "m", "zh-hans", 2)]
    text = long_text(head=("rater", "source", "method", "Sprache", "score"), rows=rows)
    assert read_ratings(write(tmp_path, text), tell=said.append)["language"].tolist() == ["de", "zh-hans"]
    assert any("Sprache" in sentence for sentence in said)


def test_row_names_as_r_writes_them_and_an_index_that_counts_are_left_out(tmp_path):
    rows = [(number, *row) for number, row in enumerate(LONG, start=1)]
    table, said = got(write(tmp_path, long_text(rows=rows)))
    pd.testing.assert_frame_equal(table, expected())
    assert "the first is taken for the rows' names" in said[0]
    table, _ = got(write(tmp_path, long_text(head=("", "rater", "source", "method", "score"), rows=rows)))
    pd.testing.assert_frame_equal(table, expected())


def test_averages_beside_the_raters_are_no_raters(tmp_path):
    text = "pvs,bitrate,s01,s02,MOS,SD\na,100,5,4,4.5,.7\nb,200,3,2,2.5,.7\n"
    table, said = got(write(tmp_path, text))
    assert table["rater"].unique().tolist() == ["s01", "s02"]
    assert any("'bitrate', 'MOS', 'SD'" in line for line in said)


def test_excel_and_parquet_are_read(tmp_path):
    expected().to_excel(tmp_path / "t.xlsx", index=False)
    table, said = got(tmp_path / "t.xlsx")
    pd.testing.assert_frame_equal(table, expected())
    assert said == []
    expected().to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(got(tmp_path / "t.parquet")[0], expected(), check_dtype=False)
    with pd.ExcelWriter(tmp_path / "two.xlsx") as book:
        expected().to_excel(book, sheet_name="votes", index=False)
        expected().to_excel(book, sheet_name="other", index=False)
    assert got(tmp_path / "two.xlsx")[1] == ["two.xlsx has 2 sheets; the first is read, 'votes'"]


def test_a_mark_for_no_rating_is_left_out_and_the_scale_is_stated(tmp_path):
    rows = [("s1", "i", "a", 80), ("s1", "i", "b", -1), ("s2", "i", "a", 100), ("s2", "i", "b", 0)]
    path = write(tmp_path, long_text(rows=rows))
    said = []
    table = read_ratings(path, scale=(0, 100), missing=-1, tell=said.append)
    assert table["score"].tolist() == [80, 100, 0]
    assert scale_of(table) == Scale(0, 100)
    assert said[0] == "1 of 4 cells hold no rating ('-1')"
    assert said[1] == "the scale from 0 to 100 is taken for one of steps of 1"
    table = read_ratings(write(tmp_path, long_text(rows=[("a", "s", "m", 33.4)])), scale=(0, 100), tell=said.append)
    assert scale_of(table).step is None


def test_a_refusal_names_the_files_row_what_was_seen_and_the_option(tmp_path):
    cases = {
        long_text(rows=[*LONG, ("s3", "img1", "a", "NA")]): (
            {},
            "row 9: score is 'NA'; it must be a number; if it stands for no rating: missing='NA', --missing NA",
        ),
        long_text(rows=[*LONG, ("s3", "img1", "a", 50)]): ({}, "row 9: score is '50'; .*scale=, --scale"),
        long_text(rows=[*LONG, ("s3", "img1", "a", "")]): ({}, "row 9: score is empty; .*missing='', --missing ''"),
        long_text(rows=[("s0", "i", "a", -1), *LONG, ("s3", "i", "a", 7)]): ({"missing": -1}, "row 10: score is '7'"),
        "source,method,s1,s2\nx,a,5,4\nx,b,,x\n": ({}, "row 2, column 's2': score is 'x'; it must be a number"),
        "source,method,s1,s2\nx,a,5,4\nx,a,3,3\n": ({}, "row 2, column 's1' repeats row 1, column 's1'"),
        "rater,source,method,score\n1,a,b,4,0\n1,c,b,4,0\n": ({}, "row 1: 5 cells under 4 heads; a decimal comma"),
        "rater,source,method,score,score\n1,a,b,4,0\n": ({}, "has the column 'score' twice"),
        "": ({}, "it is empty"),
    }
    for text, (given, message) in cases.items():
        with pytest.raises(RatingsError, match=message):
            read_ratings(write(tmp_path, text), tell=lambda line: None, **given)


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(RatingsError, match="the ending must be"):
        read_ratings(write(tmp_path, "x", "t.pdf"))
    with pytest.raises(RatingsError, match="not a readable Excel file"):
        read_ratings(write(tmp_path, "x", "t.xlsx"))
    with pytest.raises(FileNotFoundError):
        read_ratings(tmp_path / "none.xlsx")


def test_webmushras_table_is_read_as_its_program_writes_it(tmp_path):
    # The heads of service/write.php: the study, what the participant was asked, then trial and rating.
    head = "session_test_id,email,age,trial_id,rating_stimulus,rating_score,rating_time,rating_comment"
    rows = ["t,a@x,30,song1,reference,100,2100,", "t,a@x,30,song1,c1,43,3000,", 't,b@x,41,song1,c1,55,2000,"loud, no"']
    said = []
    table = read_ratings(write(tmp_path, "\n".join([head, *rows])), scale=(0, 100), tell=said.append)
    assert table[["rater", "source", "method", "score"]].to_numpy().tolist() == [
        ["a@x", "song1", "reference", 100], ["a@x", "song1", "c1", 43], ["b@x", "song1", "c1", 55],
    ]  # fmt: skip
    assert "column 'trial_id' is taken for source" in said


def test_the_p910_toolkits_votes_per_worker_are_read(tmp_path):
    # docs/results.md: "Long format of rating per clip, includes: HITId, workerid, file, vote and condition."
    rows = ["HITId,workerid,file,vote,condition", "h1,w1,http://x/src1_c1.mp4,4,c1", "h1,w2,http://x/src1_c1.mp4,5,c1"]
    said = []
    table = read_ratings(write(tmp_path, "\n".join(rows)), tell=said.append)
    assert table["rater"].tolist() == ["w1", "w2"]
    assert table["method"].tolist() == ["c1", "c1"]
    assert table["source"].tolist() == ["http://x/src1_c1.mp4"] * 2
    assert any("no column for source: 'stimulus' stands for it" in line for line in said)


def test_the_command_line_has_the_same_options_and_prints_its_guesses(tmp_path, capsys):
    rows = [(f"s{r}", f"i{i}", m, (r * 17 + i * 29 + 40 * k) % 101) for r in range(4) for i in range(3) for k, m in
            enumerate("ab")]  # fmt: skip
    rows[0] = (*rows[0][:3], -1)
    path = write(tmp_path, long_text(";", head=("Proband", "source", "method", "Note"), rows=rows))
    given = ["report", str(path), "--column", "rater=Proband", "--column", "score=Note", "--missing", "-1"]
    assert main([*given, "--scale", "0", "100", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert "cells are divided by semicolons" in printed.err
    assert "1 of 24 cells hold no rating ('-1')" in printed.err
    assert printed.out.strip().endswith("report.html")
    assert main(["report", str(path), "--column", "rater", "--out", str(tmp_path / "out")]) == 2
    assert "write OURS=THEIRS" in capsys.readouterr().err


def test_objective_scores_and_pairs_are_read_from_any_file_too(tmp_path):
    path = write(tmp_path, "source;method;psnr\nimg1;a;28,43\nimg1;b;30,1\n")
    assert read_objective(path).values["psnr"].tolist() == [28.43, 30.1]
    path = write(tmp_path, "rater\tsource\tleft\tright\tchosen\n007\t0809\ta\tb\ta\n", encoding="utf-16")
    assert read_pairs(path)["source"].tolist() == ["0809"]


def four_columns():
    """A table as a notebook makes it: nothing but the four columns, names that are numbers."""
    rows = [
        (rater, source, method, 1 + (rater * 5 + source * 3 + 2 * k + rater * source) % 5)
        for rater in range(8)
        for source in range(6)
        for k, method in enumerate(("hr", "a", "b"))
    ]
    return pd.DataFrame(rows, columns=["rater", "source", "method", "score"])


GIVEN = {  # what a function asks for beside the ratings
    "objective": lambda: four_columns()[["source", "method"]].drop_duplicates().assign(psnr=range(18)),
    "items": lambda: pd.DataFrame({"source": [0], "method": ["hr"], "expected": [5]}),
    "raters": lambda: [0],
    "images": lambda: 10,
    "comparisons": lambda: 3,
}
NEEDS_MORE_COLUMNS = {"straight_lining": "position", "too_fast": "response_ms"}


def functions_of_ratings():
    for module in pkgutil.iter_modules(analysis.__path__):
        if module.ispkg or module.name in ("__main__", "page", "intake", "files"):
            continue
        for name, function in vars(importlib.import_module(f"analysis.{module.name}")).items():
            own = inspect.isfunction(function) and function.__module__ == f"analysis.{module.name}"
            if own and not name.startswith("_") and next(iter(inspect.signature(function).parameters), "") in (
                "ratings", "pilot",
            ):  # fmt: skip
                yield pytest.param(function, id=f"{module.name}.{name}")


@pytest.mark.parametrize("function", list(functions_of_ratings()))
def test_the_four_columns_alone_are_enough_for_every_function(function):
    parameters = list(inspect.signature(function).parameters.values())[1:]
    needed = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
    if not set(needed) <= set(GIVEN):
        pytest.skip(f"its arguments are made inside the library: {needed}")
    given = {name: GIVEN[name]() for name in needed}
    if "objective" in given:
        given["objective"] = objective_of(given["objective"].astype({"source": str}))
    table = four_columns() if "objective" not in given else four_columns().astype({"source": str})
    if function.__name__ in NEEDS_MORE_COLUMNS:
        with pytest.raises(RatingsError, match=NEEDS_MORE_COLUMNS[function.__name__]):
            function(table, **given)
        return
    found = function(table, **given)
    assert len(list(found)) > 0 if inspect.isgenerator(found) else found is not None


def test_the_four_columns_give_what_the_validated_table_gives():
    table = four_columns()
    pd.testing.assert_frame_equal(mos(table), mos(validate_ratings(table)))
    assert analyse(table).tables["significance"]["p"].tolist() == pairwise_tests(table)["p"].tolist()


def test_a_report_of_stimuli_without_methods_says_what_it_cannot_compare(tmp_path):
    path = write(tmp_path, ",s1,s2,s3\n" + "\n".join(f"clip_{i},{1 + i % 5},{1 + i % 4},{2 + i % 3}" for i in range(8)))
    assert main(["report", str(path), "--out", str(tmp_path / "out")]) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert any("no methods beside its stimuli" in note for note in summary["notes"])
    assert len(summary["mos"]) == 8
    assert all(row["p"] is None for row in summary["significance"])


def wide_of(tmp_path, text, **given):
    """Raters of a table and what was said."""
    said = []
    return sorted(set(read_ratings(write(tmp_path, text), tell=said.append, **given)["rater"])), said


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("file,vote,condition,workload\na_c1,4,c1,2\na_c2,3,c2,5\n", "vote"),
        ("file,vote,condition,workload,effort\na_c1,4,c1,2,1\na_c2,3,c2,5,1\n", "vote"),
        # service/write.php of a study that asks for no participant
        (
            "session_test_id,trial_id,rating_stimulus,rating_score,rating_time,rating_comment\n"
            "t,s1,reference,100,1,\nt,s1,C1,50,1,\n",
            "rating_score",
        ),
    ],
)
def test_a_long_table_without_raters_is_not_taken_for_a_wide_one(tmp_path, text, scores):
    with pytest.raises(RatingsError, match="lacks the column rater.*--column rater=") as refused:
        read_ratings(write(tmp_path, text), scale=(0, 100), tell=lambda line: None)
    assert f"{scores!r} is a usual name of scores and no rater" in str(refused.value)


def test_times_comments_and_scores_stand_beside_raters_and_are_none(tmp_path):
    text = "source,method,Anna,Bert,rating_time,WorkTimeInSeconds,comment\nx,a,5,4,3,2,\nx,b,3,2,4,1,\n"
    raters, said = wide_of(tmp_path, text)
    assert raters == ["Anna", "Bert"]
    assert any("'rating_time', 'WorkTimeInSeconds', 'comment' are taken for no raters" in line for line in said)
    text = "source,method,Anna,Bert,vote\nx,a,5,4,3\nx,b,3,2,4\n"
    assert wide_of(tmp_path, text, columns={"rater": "*"})[0] == ["Anna", "Bert"]


def test_the_p910_toolkits_table_of_clips_has_its_votes_for_raters_and_says_what_they_may_be(tmp_path):
    # docs/results.md: "Aggregated rating per clip": file_url, n, MOS, std, 95%CI, votes as vote_1, vote_2, ...
    text = "file_url,n,MOS,std,95%CI,condition_name,vote_1,vote_2,vote_3\n"
    text += "http://a/s1_c1.mp4,3,4.0,.5,.3,c1,4,4,4\nhttp://a/s2_c1.mp4,2,3.0,.5,.3,c1,3,3,\n"
    raters, said = wide_of(tmp_path, text)
    assert raters == ["vote_1", "vote_2", "vote_3"]
    assert any("may only count the votes of a stimulus" in line for line in said)


@pytest.mark.parametrize("head", ["95%CI", "ci_low", "CI 95 upper", "percent", "std dev", "mean score", "n_votes", "%"])
def test_a_statistic_beside_raters_by_name_is_no_rater(tmp_path, head):
    assert wide_of(tmp_path, f"pvs,Anna,Bert,{head}\na,5,4,4\nb,3,2,3\n")[0] == ["Anna", "Bert"]


def test_max_is_a_rater_alone_and_a_statistic_beside_others(tmp_path):
    assert wide_of(tmp_path, "pvs,Anna,Max\na,5,4\nb,3,2\n")[0] == ["Anna", "Max"]
    assert wide_of(tmp_path, "pvs,Anna,Bert,min,max,n,sem\na,5,4,4,5,2,1\nb,3,2,2,3,2,1\n")[0] == ["Anna", "Bert"]


def test_an_index_that_pandas_wrote_to_parquet_is_read_as_one_of_csv(tmp_path):
    wide = pd.DataFrame({"s1": [5, 4], "s2": [3.0, None]}, index=["clip_a", "clip_b"])
    for name, table in {"plain": wide, "named": wide.rename_axis("pvs"), "reset": wide.reset_index()}.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
        assert got(tmp_path / f"{name}.parquet")[0].values.tolist() == [
            ["s1", "clip_a", "clip_a", 5], ["s1", "clip_b", "clip_b", 4], ["s2", "clip_a", "clip_a", 3],
        ]  # fmt: skip
    expected().iloc[::-1].to_parquet(tmp_path / "rows.parquet")  # an index that only says which row it was
    pd.testing.assert_frame_equal(got(tmp_path / "rows.parquet")[0], expected(), check_dtype=False)
    psnr = expected()[["source", "method"]].drop_duplicates().assign(psnr=[28.0, 30.0, 29.0, 31.0])
    psnr.to_parquet(tmp_path / "psnr.parquet")
    assert read_objective(tmp_path / "psnr.parquet").names == ["psnr"]


def test_a_column_is_ignored_by_name_and_the_refusal_says_how(tmp_path):
    path = write(tmp_path, "subject,age,height_cm,clip1,clip2\nA,30,180,5,4\nB,25,170,3,2\n")
    with pytest.raises(RatingsError, match="row 1, column 'height_cm': score is '180'.*ignore=height_cm"):
        read_ratings(path, tell=lambda line: None)
    table, said = got(path, columns={"ignore": "height_cm"})
    assert table["score"].tolist() == [5, 4, 3, 2]
    assert any("'age' are taken for no stimuli" in line for line in said)
    given = ["--column", "ignore=height_cm", "--column", "ignore=clip2", "--column", "source=clip1"]
    with pytest.raises(RatingsError, match="names 'weight' for ignore"):
        read_ratings(path, columns={"ignore": ["height_cm", "weight"]})
    assert main(["report", str(path), *given, "--out", str(tmp_path / "out")]) == 2


BROKEN = {
    "a missing score": (
        lambda table: table.assign(score=table["score"].where(table.index != 7)),
        "row 8: score is 'nan'",
    ),
    "an endless score": (
        lambda table: table.assign(score=table["score"].astype(float).where(table.index != 7, np.inf)),
        "row 8: score is 'inf'; it must be a finite number",
    ),
    "a row entered twice": (lambda table: pd.concat([table, table.iloc[[3]]]), r"row 145 repeats row 4 \(rater 0"),
    "a rater without a name": (
        lambda table: table.assign(rater=table["rater"].astype("str").where(table.index != 7)),
        "row 8: rater is 'nan'; it must not be empty",
    ),
}
AT_THE_TOP = (
    "mos", "method_scores", "icc", "alpha", "recover", "remove_bias", "rater_bias", "sos", "average_ranks", "friedman",
    "pairwise_tests", "score_distribution", "screens", "rater_quality", "validate_ratings", "analyse",
)  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("name", AT_THE_TOP)
def test_every_function_refuses_what_would_be_a_wrong_number_without_a_word(name, broken):
    change, message = BROKEN[broken]
    if (name, broken) == ("validate_ratings", "an endless score"):
        message = "row 8: score is 'inf'; it must be a whole number from 1 to 5"
    if (name, broken) == ("analyse", "an endless score"):
        message = "row 8: score is 'inf'"
    with pytest.raises(RatingsError, match=message):
        getattr(analysis, name)(change(four_columns()))


@pytest.mark.parametrize(
    "shape",
    [
        lambda table: table.astype(dict.fromkeys(("rater", "source", "method"), "category")),
        lambda table: table.astype(object),
        lambda table: table.set_index("rater", drop=False),
        lambda table: table.assign(score=table["score"].astype("str")),
    ],
)
def test_whatever_the_columns_types_the_numbers_are_the_same(shape):
    table, shaped = four_columns(), shape(four_columns())
    for name in ("mos", "average_ranks", "pairwise_tests", "icc", "alpha", "rater_quality"):
        function = getattr(analysis, name)
        pd.testing.assert_frame_equal(function(shaped), function(table), check_dtype=False)
    pd.testing.assert_frame_equal(
        analysis.exclusion_effect(shaped, [0]), analysis.exclusion_effect(table, [0]), check_dtype=False
    )


@pytest.mark.parametrize(
    "before",
    [
        "# made by x\n",
        "Results of study,,,\n",
        "Results\nof 2026\n\n",
        '# exported 2026-03-01, by "x"\n',
        "A title;;;\n",
    ],
)
def test_a_title_or_a_comment_before_the_heads_is_left_out_and_said(tmp_path, before):
    text = long_text(";" if ";" in before else ",")
    table, said = got(write(tmp_path, before + text))
    pd.testing.assert_frame_equal(table, expected())
    assert any("before the heads" in line and before.split(",")[0].strip(";\n")[:7] in line for line in said)
    with pytest.raises(RatingsError, match="row 9: score is '9'"):
        read_ratings(write(tmp_path, before + text + text.splitlines()[1].replace("5", "9").replace("s1", "s7")))


def test_a_title_above_the_heads_of_a_sheet_is_left_out_and_said(tmp_path):
    rows = [["Results of the study", None, None, None], list(expected().columns), *expected().to_numpy().tolist()]
    pd.DataFrame(rows).to_excel(tmp_path / "t.xlsx", index=False, header=False)
    table, said = got(tmp_path / "t.xlsx")
    pd.testing.assert_frame_equal(table, expected())
    assert said == ["t.xlsx: before the heads 1 lines are left out"]


def test_what_is_no_scale_is_refused(tmp_path):
    path = write(tmp_path, long_text())
    for scale in (("a", "b"), (None, 5), (1, 5, "x")):
        with pytest.raises(RatingsError, match="low and high are numbers, and step a number or None"):
            read_ratings(path, scale=scale)


def test_a_report_is_not_written_onto_a_file_and_pictures_of_one_name_both_stay(tmp_path, capsys):
    path = write(tmp_path, long_text())
    for out in (path, path / "below"):
        assert main(["report", str(path), "--out", str(out)]) == 2
        assert f"{path} is a file; a report is a folder of files" in capsys.readouterr().err
    pictures = []
    for name in "ab":
        (tmp_path / name).mkdir()
        pictures.append(tmp_path / name / "rating.png")
        pictures[-1].write_bytes(name.encode())
    given = [part for picture in pictures for part in ("--picture", str(picture))]
    assert main(["report", str(path), *given, "--out", str(tmp_path / "out")]) == 0
    assert [(tmp_path / "out" / "raters" / name).read_text() for name in ("rating.png", "rating-2.png")] == ["a", "b"]
