import numpy as np
import pandas as pd
import pytest

from analysis.__main__ import main
from analysis.columns import RatingsError
from analysis.pairs import PairsError, read_pairs, validate_pairs
from analysis.pairs.schema import counted


def table(**changes):
    base = {"rater": ["a", "b"], "source": ["s", "s"], "left": ["x", "y"], "right": ["y", "x"], "chosen": ["x", "x"]}
    return pd.DataFrame(base | changes)


def test_the_real_file_is_read_as_it_is(sr_pairs):
    assert len(sr_pairs) == 900
    assert sr_pairs["source"].iloc[0] == "0809"
    assert sr_pairs["session"].nunique() == 15
    assert sr_pairs["response_ms"].iloc[0] == 4000
    assert (sr_pairs["chosen"] == "ResShift").sum() == 309


def test_a_tie_a_side_and_a_name_are_all_answers():
    checked = validate_pairs(table(chosen=["No preference", "right"]))
    assert checked["chosen"].tolist() == ["tie", "x"]
    assert validate_pairs(table(chosen=["LEFT", "Tie"]))["chosen"].tolist() == ["x", "tie"]


def test_a_method_may_be_called_like_an_answer():
    named = table(left=["same", "x"], right=["x", "same"], chosen=["same", "x"])
    assert validate_pairs(named)["chosen"].tolist() == ["same", "x"]
    with pytest.raises(RatingsError, match="no method can be called tie"):
        validate_pairs(table(left=["tie", "y"], chosen=["tie", "x"]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chosen": ["x", "z"]}, "row 2: chosen is 'z'; it must be y or x, left, right, or for a tie one of"),
        ({"right": ["y", "y"]}, "row 2: right is 'y'; left and right must be two methods"),
        ({"chosen": ["x", ""]}, "row 2: chosen is ''; it must not be empty"),
        ({"rater": [None, "b"]}, "row 1: rater is 'nan'; it must not be empty"),
        ({"seconds": [3, -1]}, "row 2: seconds is '-1'; it must be a number at least 0"),
        ({"response_ms": ["1200", "fast"]}, "row 2: response_ms is 'fast'; it must be a number"),
        ({"repeat": [0, 0.5]}, "row 2: repeat is '0.5'; it must be a whole number"),
        ({"looks": ["2", "-3"]}, "row 2: looks is '-3'"),
        ({"source": [1.5, 2]}, "row 1: source is '1.5'; a name must be text or a whole number"),
    ],
)
def test_it_names_the_row_what_was_seen_and_the_rule(changes, message):
    with pytest.raises(RatingsError) as error:
        validate_pairs(table(**changes))
    assert message in str(error.value)


def test_the_same_choice_twice_is_refused_but_not_with_the_sides_changed():
    with pytest.raises(RatingsError, match=r"row 2 repeats row 1 \(rater a, session , source s, left x, right y"):
        validate_pairs(table(rater=["a", "a"], left=["x", "x"], right=["y", "y"]))
    assert len(validate_pairs(table(rater=["a", "a"]))) == 2
    assert len(validate_pairs(table(rater=["a", "a"], left=["x", "x"], right=["y", "y"], session=[1, 2]))) == 2


def test_a_table_of_scores_is_told_apart():
    scores = pd.DataFrame({"rater": ["a"], "source": ["s"], "method": ["m"], "score": [1]})
    with pytest.raises(PairsError, match="this is a table of scores, not of pairs"):
        validate_pairs(scores)


def test_of_a_repeated_pair_the_first_showing_counts_whatever_the_sides():
    again = validate_pairs(table(rater=["a", "a"], repeat=[1, 0], chosen=["x", "y"]))
    assert counted(again)["repeat"].tolist() == [0]
    assert counted(again)["chosen"].tolist() == ["y"]


def test_csv_and_parquet_give_the_same_table(tmp_path, sr_pairs):
    sr_pairs.to_parquet(tmp_path / "pairs.parquet")
    again = read_pairs(tmp_path / "pairs.parquet")
    pd.testing.assert_frame_equal(again, sr_pairs, check_dtype=False)


def test_a_method_called_na_and_a_rater_007_stay_as_they_are(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("rater,source,left,right,chosen,looks\n007,0809,NA,x,NA,\n")
    read = read_pairs(path)
    assert read[["rater", "source", "chosen"]].iloc[0].tolist() == ["007", "0809", "NA"]
    assert np.isnan(read["looks"].iloc[0])


def written(tmp_path, text, **given):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    said = []
    return read_pairs(path, tell=said.append, **given), said


ROWS = ("r1,s1,x,y,x\n", "r1,s2,y,x,tie\n", "r2,s1,x,y,y\n")


@pytest.mark.parametrize(
    "head",
    [
        "RATER,SOURCE,LEFT,RIGHT,CHOSEN", " rater , Source,left,Right, chosen ", "Subject,image,A,B,Choice",
        "worker_id,scene,method_a,method_b,preference", "participant,trial_id,Left image,Right image,winner",
    ],
)  # fmt: skip
def test_names_are_found_without_regard_to_case_and_blanks_and_by_the_usual_synonyms(tmp_path, head):
    read, said = written(tmp_path, f"{head}\n{''.join(ROWS)}")
    assert read[["rater", "source", "left", "right", "chosen"]].to_numpy().tolist() == [
        ["r1", "s1", "x", "y", "x"], ["r1", "s2", "y", "x", "tie"], ["r2", "s1", "x", "y", "y"],
    ]  # fmt: skip
    assert ("is taken for rater" in " ".join(said)) == (plain_head(head) not in ("rater",))


def plain_head(head):
    return head.split(",")[0].strip().lower()


def test_an_answer_a_is_that_of_the_column_called_a_unless_a_method_is_called_so(tmp_path):
    read, _ = written(tmp_path, "rater,source,A,B,choice\nr,s1,x,y,A\nr,s2,x,y,b\nr,s3,b,A,A\n")
    assert read["chosen"].tolist() == ["x", "y", "A"]


def test_columns_are_named_by_the_caller_or_left_out(tmp_path):
    text = f"Wer,source,left,right,chosen,score\n{''.join(row.strip() + ',3' + chr(10) for row in ROWS)}"
    with pytest.raises(PairsError, match="lacks the column rater; it has: Wer.*--column rater=..."):
        written(tmp_path, text)
    read, said = written(tmp_path, text, columns={"rater": "wer", "ignore": "score"})
    assert (read["rater"].tolist(), said, "score" in read) == (["r1", "r1", "r2"], [], False)
    with pytest.raises(RatingsError, match="names 'Nope' for rater; the table has 'Wer'"):
        written(tmp_path, text, columns={"rater": "Nope"})
    with pytest.raises(PairsError, match="only a wide table of scores"):
        written(tmp_path, text, columns={"rater": "*"})


def test_a_mark_for_no_choice_is_left_out_and_rows_are_named_as_in_the_file(tmp_path):
    text = f"rater,source,left,right,chosen\nr0,s1,x,y,-1\n{''.join(ROWS)}r3,s1,x,y,\n"
    with pytest.raises(RatingsError, match="row 5: chosen is empty; to leave such rows out: missing='', --missing ''"):
        written(tmp_path, text, missing=-1)
    read, said = written(tmp_path, text, missing=[-1, ""])
    assert (len(read), said) == (3, ["2 of 5 cells hold no choice ('-1', '')"])
    with pytest.raises(RatingsError, match="row 5: chosen is 'z'"):
        written(tmp_path, text.replace("r3,s1,x,y,", "r3,s1,x,y,z"), missing=-1)


def test_the_command_line_reads_both_tables_with_the_same_options(tmp_path, capsys):
    lines = [f"p{r};s{s};{a};{b};{(a, b, '-')[(r * 7 + s * 3 + len(a)) % 3]}" for r in range(4) for s in range(6)
             for a, b in (("m", "nn"), ("nn", "ooo"), ("ooo", "m"))]  # fmt: skip
    (tmp_path / "pairs.csv").write_text("\n".join(["Nr;Bild;A;B;Wahl", *lines]))
    scores = [f"q{r},s{s},{m},{(r * 31 + s * 17 + 40 * k) % 101}" for r in range(4) for s in range(6)
              for k, m in enumerate(("m", "nn", "ooo"))]  # fmt: skip
    (tmp_path / "scores.csv").write_text("\n".join(["Wer,source,method,score", *scores, "q9,s1,m,-1"]))
    given = ["pairs", str(tmp_path / "pairs.csv"), "--column", "rater=Nr", "--column", "source=Bild"]
    given += ["--column", "chosen=Wahl", "--missing=-", "--out", str(tmp_path / "out")]
    scored = ["--ratings", str(tmp_path / "scores.csv"), "--ratings-column", "rater=Wer", "--ratings-missing=-1"]
    assert main([*given, *scored]) == 2
    assert "--scale" in capsys.readouterr().err
    assert main([*given, *scored, "--scale", "0", "100"]) == 0
    assert (tmp_path / "out" / "tables" / "score_correlation.csv").exists()
    assert main([*given, "--scale", "0", "100"]) == 2
    assert "speak of scores: give --ratings" in capsys.readouterr().err
