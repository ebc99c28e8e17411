"""python -m srcore, through its main function: what it writes, prints and refuses."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from srcore import METHODS, read_image, write_image
from srcore.__main__ import main


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    write_image(path, np.random.default_rng(0).integers(0, 256, (34, 41, 3), dtype=np.uint8))
    return path


def test_methods_as_json_is_a_list_of_all(capsys):
    assert main(["methods", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(METHODS)
    assert {row["name"]: (row["kind"], row["ready"]) for row in rows}["hr"] == ("reference", True)


def test_downscale_reproduces_the_published_lr_images(shared, tmp_path):
    hr = sorted((shared / "benchmarks" / "Set5").glob("*_HR.png"))
    assert main(["downscale", "--out", str(tmp_path / "lr"), *map(str, hr)]) == 0
    for file in hr:
        expected = read_image(file.with_name(file.name.replace("_HR", "_LR")))
        assert np.array_equal(read_image(tmp_path / "lr" / file.name), expected)


def test_downscale_says_when_it_cuts(photo, tmp_path, capsys):
    assert main(["downscale", "--out", str(tmp_path / "lr"), str(photo)]) == 0
    assert "(cut to 40 x 32 first)" in capsys.readouterr().out
    assert read_image(tmp_path / "lr" / "photo.png").shape == (8, 10, 3)


def test_upscale_writes_a_png_four_times_larger(photo, tmp_path):
    assert main(["upscale", "--method", "nearest", "--out", str(tmp_path / "new" / "sr"), str(photo)]) == 0
    assert np.array_equal(read_image(tmp_path / "new" / "sr" / "photo.png")[::4, 1::4], read_image(photo))


def test_evaluate_as_json_holds_means_and_each_picture(shared, capsys, tmp_path):
    arguments = [
        "--method",
        "bicubic",
        "--benchmark",
        str(shared / "benchmarks" / "Set5"),
        "--csv",
        str(tmp_path / "x.csv"),
    ]
    assert main(["evaluate", *arguments, "--recipe", "matlab", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["method"], result["recipe"], result["images"]) == ("bicubic", "matlab", 5)
    assert (round(result["psnr"], 4), round(result["ssim"], 5)) == (28.4177, 0.81008)
    assert np.mean([row["psnr"] for row in result["per_image"]]) == pytest.approx(result["psnr"])
    rows = list(csv.DictReader((tmp_path / "x.csv").read_text().splitlines()))
    psnr = [row for row in rows if row["metric"] == "psnr-matlab"]
    assert [float(row["value"]) for row in psnr] == [row["psnr"] for row in result["per_image"]]
    assert {(row["benchmark"], row["method"]) for row in rows} == {("Set5", "bicubic")}
    assert [row["source"] for row in psnr] == ["img_001", "img_002", "img_003", "img_004", "img_005"]
    assert {(row["metric"], row["better"], row["unit"], row["decimals"]) for row in rows} == {
        ("psnr-matlab", "higher", "dB", "2"),
        ("ssim-matlab", "higher", "", "4"),
    }  # and no run time, which is not a metric


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["upscale", "--method", "bicubc", "--out", "OUT", "PHOTO"], "did you mean bicubic? Known: nearest, bicubic"),
        (["evaluate", "--method", "bicubc", "--benchmark", "DIR"], "Known: nearest, bicubic"),
        (["upscale", "--method", "hr", "--out", "OUT", "PHOTO"], "it is a reference"),
        (["upscale", "--method", "bicubic", "--out", "OUT", "DIR/gone.png"], "gone.png: there is no such file"),
        (["downscale", "--out", "OUT", "DIR/notes.txt"], "notes.txt: not a picture"),
        (["downscale", "--out", "DIR", "PHOTO"], "photo.png would be written over"),
        (["evaluate", "--method", "bicubic", "--benchmark", "DIR/gone"], "gone is not a folder"),
    ],
)
def test_errors_are_one_line_and_exit_code_one(photo, tmp_path, capsys, arguments, message):
    (tmp_path / "notes.txt").write_text("text")
    places = {"PHOTO": str(photo), "OUT": str(tmp_path / "out"), "DIR": str(tmp_path)}
    for short, place in places.items():
        arguments = [argument.replace(short, place) for argument in arguments]
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_the_module_runs_as_a_program():
    run = subprocess.run([sys.executable, "-m", "srcore", "methods"], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[1].split() == ["bicubic", "upscaler", "x2/3/4/8", "ready"]
