"""Benchmark folders: which files are the pictures, and what is refused."""

import json

import numpy as np
import pytest

from srcore import ImageError, MethodUnavailable, downscale, evaluate, find_sources, load_source, upscale, write_image


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_pairs_are_found_by_their_names_and_other_files_passed_over(tmp_path):
    hr = picture(32, 24)
    write_image(tmp_path / "img_001_SRF_4_HR.png", hr)
    write_image(tmp_path / "img_001_SRF_4_LR.png", downscale(hr))
    write_image(tmp_path / "img_001_SRF_4_bicubic.png", hr)
    write_image(tmp_path / "baby_HR.png", hr)
    (tmp_path / "readme.txt").write_text("text")
    baby, first = find_sources(tmp_path)
    assert (baby.name, baby.lr) == ("baby", None)
    assert (first.name, first.hr.name, first.lr.name) == ("img_001", "img_001_SRF_4_HR.png", "img_001_SRF_4_LR.png")
    assert np.array_equal(load_source(first)[1], load_source(baby)[1])


def test_photographs_are_cut_to_multiples_of_four(tmp_path):
    write_image(tmp_path / "holiday.png", picture(35, 26))
    (source,) = find_sources(tmp_path)
    hr, lr = load_source(source)
    assert (source.name, hr.shape, lr.shape) == ("holiday", (32, 24, 3), (8, 6, 3))


def test_a_pair_whose_sizes_do_not_fit_is_refused(tmp_path):
    write_image(tmp_path / "a_HR.png", picture(32, 24))
    write_image(tmp_path / "a_LR.png", picture(8, 7))
    with pytest.raises(ImageError, match=r"a_LR\.png: 7 x 8 RGB does not fit a_HR\.png, 24 x 32 RGB"):
        load_source(find_sources(tmp_path)[0])


def test_folders_that_are_no_benchmark_are_refused(tmp_path):
    with pytest.raises(ImageError, match="holds no picture"):
        find_sources(tmp_path)
    with pytest.raises(ImageError, match="is not a folder"):
        find_sources(tmp_path / "none")
    write_image(tmp_path / "a_LR.png", picture(8, 8))
    write_image(tmp_path / "b_HR.png", picture(8, 8))
    with pytest.raises(ImageError, match=r"a_LR\.png: there is no HR file"):
        find_sources(tmp_path)


def test_two_files_of_one_name_are_refused(tmp_path):
    write_image(tmp_path / "a_HR.png", picture(8, 8))
    write_image(tmp_path / "a_SRF_4_HR.png", picture(8, 8))
    with pytest.raises(ImageError, match=r"a_HR\.png and a_SRF_4_HR\.png are both the picture 'a'"):
        find_sources(tmp_path)


def test_a_picture_too_small_to_have_an_lr_is_refused(tmp_path):
    write_image(tmp_path / "dot.png", picture(3, 40))
    with pytest.raises(ImageError, match=r"dot\.png: 40 x 3 RGB is too small"):
        load_source(find_sources(tmp_path)[0])


def test_the_reference_scores_infinity_and_its_json_is_valid(tmp_path):
    write_image(tmp_path / "a.png", picture(32, 32))
    result = evaluate(tmp_path, "hr")
    assert result.mean == (float("inf"), pytest.approx(1))
    assert json.loads(json.dumps(result.as_dict(), allow_nan=False))["psnr"] is None


def test_result_images_score_as_the_method_that_made_them(tmp_path):
    benchmark, results = tmp_path / "benchmark", tmp_path / "results"
    benchmark.mkdir()
    results.mkdir()
    for name, seed in (("a", 0), ("b", 1)):
        write_image(benchmark / f"{name}_HR.png", picture(32, 32, seed))
        write_image(results / f"{name}_theirs.png", upscale(downscale(picture(32, 32, seed)), "bicubic"))
    theirs, ours = evaluate(benchmark, "theirs", results=results), evaluate(benchmark, "bicubic")
    assert theirs.mean == ours.mean
    (results / "b_theirs.png").unlink()
    with pytest.raises(ImageError, match="b: no file"):
        evaluate(benchmark, "theirs", results=results)


def test_a_method_that_cannot_run_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("SRCORE_WEIGHTS", str(tmp_path))
    write_image(tmp_path / "a.png", picture(32, 32))
    with pytest.raises(MethodUnavailable, match="train espcn"):
        evaluate(tmp_path, "espcn")
    with pytest.raises(MethodUnavailable, match="it is a reference"):
        upscale(picture(8, 8), "hr")


@pytest.mark.parametrize("scale", [2, 3])
def test_an_lr_of_another_scale_is_none_and_the_lr_is_made(shared, scale):
    folder = shared / "benchmarks" / "Set5"
    assert [source.lr for source in find_sources(folder, scale=scale)] == [None] * 5
    scored = evaluate(folder, "bicubic", scale=scale)
    assert len(scored.scores) == 5
    assert scored.mean.psnr > evaluate(folder, "bicubic").mean.psnr  # fewer pixels to guess


def test_of_lr_files_of_several_scales_each_has_its_own(tmp_path):
    hr = picture(24, 24)
    write_image(tmp_path / "a_SRF_4_HR.png", hr)
    for scale in (2, 4):
        write_image(tmp_path / f"a_SRF_{scale}_LR.png", downscale(hr, scale))
    found = {scale: find_sources(tmp_path, scale=scale)[0].lr for scale in (2, 3, 4)}
    assert {scale: lr and lr.name for scale, lr in found.items()} == {
        2: "a_SRF_2_LR.png", 3: None, 4: "a_SRF_4_LR.png",
    }  # fmt: skip
