"""Matching somebody's result images to a benchmark."""

import numpy as np
import pytest

from srcore import ImageError, match_folder, write_image

WANTED = [("baby", 8, 4), ("baby_face", 8, 4), ("img_001", 12, 16)]


@pytest.fixture
def put(tmp_path):
    def write(name, width=8, height=4):
        write_image(tmp_path / name, np.zeros((height, width, 3), np.uint8))

    return write


def test_files_are_found_by_their_name_with_or_without_a_suffix(put, tmp_path):
    put("baby.png")
    put("baby_face_SRResNet.png")
    put("IMG_001_SRF_4_SRGAN-VGG54.png", 12, 16)
    match = match_folder(tmp_path, WANTED)
    assert match.problems == []
    assert {name: file.name for name, file in match.files.items()} == {
        "baby": "baby.png",
        "baby_face": "baby_face_SRResNet.png",
        "img_001": "IMG_001_SRF_4_SRGAN-VGG54.png",
    }


def test_the_benchmarks_own_files_are_passed_over(put, tmp_path):
    for end in ("_HR", "_LR", "_SRF_4_HR", "_SRF_4_LR", "_SRF_4_SRGAN"):
        put(f"img_001{end}.png", 12, 16)
    assert match_folder(tmp_path, WANTED[2:]).files["img_001"].name == "img_001_SRF_4_SRGAN.png"


def test_a_longer_number_is_another_picture(put, tmp_path):
    put("img_0012.png", 12, 16)
    match = match_folder(tmp_path, WANTED[2:])
    assert match.files == {}
    assert match.problems == [f"img_001: no file has this name; not used: img_0012.png (in {tmp_path})"]


def test_each_mismatch_has_its_message(put, tmp_path):
    put("baby.png", 9)
    (tmp_path / "img_001.png").write_bytes(b"no picture")
    match = match_folder(tmp_path, WANTED)
    assert match.files == {}
    assert [problem.split(":")[0].rsplit("/")[-1] for problem in match.problems] == [
        "baby.png",
        "baby_face",
        "img_001.png",
    ]
    assert "9 x 4 pixels where baby needs 8 x 4" in match.problems[0]
    assert "no file" in match.problems[1]
    assert "not a picture" in match.problems[2]


def test_two_files_for_one_picture_are_a_problem_until_the_suffix_is_given(put, tmp_path):
    put("baby_SRCNN.png")
    put("baby_DRCN.png")
    assert match_folder(tmp_path, WANTED[:1]).problems == [
        "baby: several files fit (baby_DRCN.png, baby_SRCNN.png); keep one, or give the suffix to take "
        f"(in {tmp_path})"
    ]
    assert match_folder(tmp_path, WANTED[:1], suffix="_SRCNN").files["baby"].name == "baby_SRCNN.png"


def test_the_exact_name_wins(put, tmp_path):
    put("baby.png")
    put("baby_old.png")
    assert match_folder(tmp_path, WANTED[:1]).files["baby"].name == "baby.png"


def test_no_folder_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="is not a folder"):
        match_folder(tmp_path / "none", WANTED)
