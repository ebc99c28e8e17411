"""The contract of srcore.matching, on names as they are in the wild."""

from pathlib import Path

import pytest

from srcore import ImageError
from srcore.matching import match_names, read_mapping

SET5 = ["baby", "bird", "butterfly", "head", "woman"]


def matched(names, files, **options):
    match = match_names(names, [Path(file) for file in files], **options)
    return {name: file.name for name, file in match.files.items()}, match.problems, match.pattern


@pytest.mark.parametrize(
    ("ending", "pattern"),
    [
        ("{}.png", ""),
        ("{}x4.png", "<name>x4"),
        ("{}_x4.png", "<name>_x4"),
        ("{}x4_SRGAN.png", "<name>x4_SRGAN"),
        ("{}_out.png", "<name>_out"),
        ("{}_SRF_4_HR.png", "<name>_SRF_4_HR"),
        ("{}_LR.png", "<name>_LR"),
        ("SRGAN_{}.png", "SRGAN_<name>"),
        ("Set5-{}-x4-ours.webp", "Set5-<name>-x4-ours"),
        ("{} (1).tif", "<name> (1)"),
    ],
)
def test_a_whole_folder_named_in_one_way_is_found_and_the_way_is_stated(ending, pattern):
    files = [ending.format(name) for name in SET5]
    found, problems, stated = matched(SET5, [*files, "notes.png"])
    assert problems == {}
    assert found == dict(zip(SET5, files, strict=True))
    assert stated == pattern


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("img_001", "img_0012.png"),  # another number
        ("0801", "10801.png"),
        ("head", "forehead.png"),
        ("baby", "babyface.png"),
        ("baby", "babyxx.png"),
        ("baby", "babyx4face.png"),
        ("a", "b.png"),
    ],
)
def test_what_only_looks_like_the_name_is_not_it_and_is_listed_beside_it(name, file):
    found, problems, _ = matched([name], [file])
    assert found == {}
    assert problems == {name: f"no file has this name; not used: {file}"}


def test_case_does_not_matter_and_the_longest_name_owns_a_file():
    found, problems, _ = matched(["baby", "baby_face"], ["BABY_X4.PNG", "Baby_Face_out.png"])
    assert (found, problems) == ({"baby": "BABY_X4.PNG", "baby_face": "Baby_Face_out.png"}, {})


def test_the_ends_that_every_picture_has_decide_where_one_picture_has_more_files():
    files = [f"{name}_SRGAN.png" for name in SET5]
    found, problems, pattern = matched(SET5, [*files, "baby_SRGAN_old.png", "bird_test.png"])
    assert (problems, pattern) == ({}, "<name>_SRGAN")
    assert found["baby"] == "baby_SRGAN.png"


def test_two_methods_in_one_folder_need_the_suffix():
    files = [f"{name}_{method}.png" for name in SET5 for method in ("SRCNN", "DRCN")]
    _, problems, _ = matched(SET5, files)
    assert problems["baby"] == "several files fit (baby_SRCNN.png, baby_DRCN.png); keep one, or give the suffix to take"
    assert len(problems) == 5
    assert matched(SET5, files, suffix="_DRCN")[0]["head"] == "head_DRCN.png"


def test_the_scale_decides_between_files_of_several_scales():
    files = ["babyx2.png", "babyx4.png", "babyx8.png"]
    assert matched(["baby"], files, scale=4, skip_own=False)[0] == {"baby": "babyx4.png"}
    assert matched(["baby"], files, scale=8, skip_own=False)[0] == {"baby": "babyx8.png"}
    assert "several files fit" in matched(["baby"], files)[1]["baby"]


def test_the_benchmarks_own_files_among_results_are_passed_over():
    files = ["img_001_SRF_4_HR.png", "img_001_SRF_4_LR.png", "img_001_SRF_4_SRGAN.png"]
    assert matched(["img_001"], files)[0] == {"img_001": "img_001_SRF_4_SRGAN.png"}
    assert matched(["img_001"], files[:2])[0] == {}  # an HR picture is nobody's result


def test_a_mapping_decides_alone(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text("\ufeffname,file\nbaby,00017.png\nbird,00018\nhead,gone.png\n", encoding="utf-8")
    found, problems, _ = matched(
        ["baby", "bird", "head", "woman"], ["00017.png", "00018.png", "woman.png"], mapping=read_mapping(path)
    )
    assert found == {"baby": "00017.png", "bird": "00018.png"}
    assert problems == {
        "head": "the mapping says gone.png, which is not there; not used: woman.png",
        "woman": "the mapping does not have this name; not used: woman.png",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [("baby,1.png\nbaby,2.png", "row 2: baby stands there twice"), ("baby;1.png", "row 1: 1 columns")],
)
def test_a_mapping_that_cannot_be_one_is_refused_with_its_row(tmp_path, text, message):
    path = tmp_path / "map.csv"
    path.write_text(text)
    with pytest.raises(ImageError, match=message):
        read_mapping(path)
