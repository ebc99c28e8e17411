"""A folder of forty odd files through every command: each is right in the result, or named at the end."""

import csv
import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from srcore import METHODS, crop_to_multiple, downscale, measure, read_image, upscale, write_image
from srcore.__main__ import main
from srcore.matching import PICTURE_SUFFIXES
from tests.odd_files import BAD, bad_names, files_of, picture, write_odd_files


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    write_odd_files(folder)
    return folder


def test_there_are_forty_of_them(odd):
    assert len(files_of(odd)) >= 40


@pytest.mark.parametrize(("command", "scale"), [(["upscale", "--method", "nearest"], 4), (["downscale"], 1 / 4)])
def test_each_file_is_right_or_named_at_the_end(odd, tmp_path, capsys, command, scale):
    bad, total = [], 0
    for file in files_of(odd):  # one by one, because some differ in their ending only
        if file.is_dir():
            continue
        code = main([*command, "--out", str(tmp_path / file.name), str(file)])
        captured, total = capsys.readouterr(), total + 1
        if code:
            assert captured.err.startswith("error: "), file
            assert file.name in captured.err
            assert "Traceback" not in captured.err
            bad.append(file.name)
            assert not list((tmp_path / file.name).glob("*"))
        else:
            given, made = read_image(file), read_image(tmp_path / file.name / f"{file.stem}.png")
            if scale == 4:
                assert np.array_equal(made[::4, ::4], given), file
            else:
                assert made.shape[:2] == (given.shape[0] // 4, given.shape[1] // 4), file
    expected = {*BAD, "loop.png"} | ({"one.png", "thin.png"} if scale < 1 else set())
    assert set(bad) == expected
    assert total >= 38


@pytest.mark.parametrize("command", [["upscale", "--method", "nearest"], ["downscale", "--scale", "2"]])
def test_the_whole_folder_is_done_but_for_those_that_are_named_at_the_end(odd, tmp_path, capsys, command):
    out = tmp_path / "out"
    assert main([*command, "--out", str(out), str(odd)]) == 1
    captured = capsys.readouterr()
    listed = listed_in(captured.err)
    searched = [file for file in files_of(odd) if file.suffix.lower() in PICTURE_SUFFIXES]
    assert f"error: {len(listed)} of {len(searched)} files failed:\n" in captured.err
    stems = Counter(file.stem for file in searched)
    for file in searched:
        made = out / f"{file.stem if stems[file.stem] == 1 else file.name}.png"
        if any(file.name in line for line in listed):
            assert file.name in bad_names() | {"one.png", "thin.png"}
            assert not made.exists()
        else:
            given, pixels = read_image(file), read_image(made)
            scale = 4 if command[0] == "upscale" else 1 / 2
            assert pixels.shape[:2] == tuple(int(side * scale) for side in given.shape[:2]), file
            assert scale < 1 or np.array_equal(pixels[::4, ::4], given), file
    assert len(list(out.iterdir())) == len(searched) - len(listed)
    assert "named alike but for the ending, which their results keep (NAME.jpg.png): cmyk.jpg, cmyk.tif" in captured.out
    assert f"read only where it is named itself: {'palette.gif'}" in captured.out  # the one that is not searched for


def test_two_of_one_name_in_two_folders_are_named_and_the_others_are_done(tmp_path, capsys):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        write_image(tmp_path / place / "same.png", picture())
        write_image(tmp_path / place / f"{place}.png", picture())
    out, folders = tmp_path / "out", [str(tmp_path / place) for place in ("a", "b")]
    assert main(["upscale", "--method", "nearest", "--out", str(out), *folders, *folders]) == 1  # and nothing twice
    listed = listed_in(capsys.readouterr().err)
    assert [line.split(": ")[0].strip() for line in listed] == [f"{folder}/same.png" for folder in folders]
    assert all("run them apart" in line for line in listed)
    assert sorted(file.name for file in out.iterdir()) == ["a.png", "b.png"]


def test_evaluate_scores_the_good_ones_of_the_folder_and_names_the_others(odd, tmp_path, capsys):
    assert main(["evaluate", "--method", "nearest", "--benchmark", str(odd), "--csv", str(tmp_path / "o.csv")]) == 1
    captured = capsys.readouterr()
    listed, searched = listed_in(captured.err), photographs(odd)
    rows = list(csv.DictReader((tmp_path / "o.csv").read_text().splitlines()))
    scored = {row["source"]: float(row["value"]) for row in rows if row["metric"] == "psnr"}
    assert len(listed) + len(scored) == len(searched)
    twins = {file.name for file in searched if Counter(each.stem for each in searched)[file.stem] > 1}
    small = {"one.png", "thin.png"}  # for an LR picture
    assert {name for name in (file.name for file in searched) if any(name in line for line in listed)} == (
        bad_names() | twins | small
    )
    assert "palette.gif" in captured.err
    for file in searched:
        if file.stem in scored:
            hr = crop_to_multiple(read_image(file), 4)
            assert scored[file.stem] == measure(hr, upscale(downscale(hr), "nearest")).psnr, file


@pytest.mark.parametrize("option", ["--results", "--lr"])
def test_evaluate_takes_the_good_ones_as_results_or_lr_and_names_the_others(odd, tmp_path, capsys, option):
    originals = tmp_path / "originals"
    originals.mkdir()
    side = (32, 40) if option == "--results" else (128, 160)
    stems = sorted({file.stem for file in photographs(odd)})
    for stem in stems:
        write_image(originals / f"{stem}.png", picture(*side))
    command = ["evaluate", "--method", "nearest", "--benchmark", str(originals), option, str(odd)]
    assert main([*command, "--json"]) == 1
    captured = capsys.readouterr()
    listed, scored = listed_in(captured.err), json.loads(captured.out)["per_image"]
    assert len(listed) + len(scored) == len(stems)
    assert len(scored) >= 10
    files = {file.stem: file for file in photographs(odd)}
    for row in scored:
        given, hr = read_image(files[row["name"]]), read_image(originals / f"{row['name']}.png")
        made = given if option == "--results" else upscale(given, "nearest")
        assert row["psnr"] == (value if (value := measure(hr, made).psnr) != float("inf") else None), row
    unnamed = {file.stem for file in photographs(odd)} - {row["name"] for row in scored}
    assert all(any(stem in line for line in listed) for stem in unnamed)


def test_each_file_has_its_sheet_or_is_named(odd, tmp_path, capsys):
    bad = []
    for file in files_of(odd):
        out = tmp_path / f"{file.name}.png"
        command = ["sheet", str(file), "--methods", "nearest", "--out", str(out), "--zoom", "1"]
        if main([*command, "--region", "0", "0", "4", "4"]):
            said = capsys.readouterr().err
            assert said.startswith("error: "), file
            assert file.name in said
            assert said.count("\n") == 1
            assert not out.exists()
            bad.append(file.name)
        else:
            whole, made = np.asarray(Image.fromarray(read_image(file)).convert("RGB")), read_image(out)
            places = np.lib.stride_tricks.sliding_window_view(made, (4, 4, 3))
            assert (places == whole[:4, :4]).all((3, 4, 5)).any(), file  # the panel of HR
    assert set(bad) == {*BAD, "loop.png", "folder.png", "one.png", "thin.png"}


def test_training_takes_those_that_serve_and_names_the_others(odd, tmp_path, capsys):
    for seed in range(3):
        write_image(tmp_path / f"large{seed}.png", picture(160, 160, seed=seed))
    out = tmp_path / "run"
    command = ["train", "espcn", "--out", str(out), "--updates", "2", "--batch", "2", "--device", "cpu", "--data"]
    with pytest.warns(UserWarning, match="passed over") as warned:
        assert main([*command, str(odd), str(tmp_path)]) == 0
    named = {str(warning.message).removeprefix("passed over: ").split(": ")[0] for warning in warned}
    assert {str(odd / name) for name in BAD} <= named
    assert f"3 of {len(photographs(odd)) + 3} photographs are used" in capsys.readouterr().err
    assert (out / "generator.safetensors").exists()


@pytest.mark.filterwarnings("ignore:.*passed over")
def test_training_says_where_no_photograph_of_the_folder_serves(odd, tmp_path, capsys):
    assert main(["train", "espcn", "--data", str(odd), "--out", str(tmp_path / "none"), "--device", "cpu"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("error: ")
    assert not (tmp_path / "none" / "state.pt").exists()


def photographs(folder):
    return [file for file in files_of(folder) if file.suffix.lower() in PICTURE_SUFFIXES]


def listed_in(err):
    return err.split("error: ")[1].splitlines()[1:]


@pytest.fixture
def run_of_training(tmp_path, capsys):
    """A finished run, of two updates."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for seed in range(3):
        write_image(folder / f"{seed}.png", picture(160, 160, seed=seed))
    assert main(training(folder, tmp_path / "run")) == 0
    capsys.readouterr()
    return tmp_path / "run"


def training(photographs, out, *more):
    few = ["--updates", "2", "--batch", "2", "--device", "cpu"]
    return ["train", "espcn", "--data", str(photographs), "--out", str(out), *few, *more]


def test_validation_takes_those_that_can_be_measured_and_names_the_others(odd, run_of_training, tmp_path):
    out = tmp_path / "validated"
    with pytest.warns(UserWarning, match="passed over") as warned:
        assert main(training(run_of_training.parent / "photographs", out, "--validate", str(odd))) == 0
    said = [str(warning.message) for warning in warned]
    assert all(any(name in line for line in said) for name in bad_names())
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["update"] for row in rows if "validation_psnr" in row] == [2]
    assert (out / "best.safetensors").exists()


def test_publish_measures_whole_benchmarks_only_and_names_what_cannot_be(
    odd, run_of_training, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("SRCORE_WEIGHTS", str(tmp_path / "weights"))
    command = ["publish", str(run_of_training), "--data", "noise", "--licence", "CC0-1.0", "--benchmarks", str(odd)]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "cannot be measured as a whole" in said
    assert all(name in said for name in bad_names() | {"one.png", "thin.png", "cmyk.jpg", "cmyk.tif"})
    assert not (tmp_path / "weights").exists()


def code_of(arguments):
    try:
        return main(arguments)
    except SystemExit as stopped:  # argparse's own
        return stopped.code


FILES = {
    "add": ["add", "mine", "FILE"],
    "add with weights": ["add", "mine", "NET:build", "--weights", "FILE"],
    "bench": ["bench", "train", "--recipes", "srresnet-vgg22", "--vgg", "FILE"],
    "evaluate --vgg": ["evaluate", "--method", "nearest", "--benchmark", "GOOD", "--vgg", "FILE"],
    "evaluate --weights": ["evaluate", "--method", "nearest", "--benchmark", "GOOD", "--metrics", "lpips", "--weights",
        "alexnet=FILE"],
    "evaluate --mapping": ["evaluate", "--method", "x", "--benchmark", "GOOD", "--results", "ODD", "--mapping", "FILE"],
    "evaluate --benchmark": ["evaluate", "--method", "nearest", "--benchmark", "FILE"],
    "train --start": ["train", "espcn", "--data", "PHOTOGRAPHS", "--out", "OUT", "--device", "cpu", "--start", "FILE"],
    "train --vgg": ["train", "srresnet-vgg22", "--data", "PHOTOGRAPHS", "--out", "OUT", "--device", "cpu", "--vgg",
        "FILE"],
    "train --options": ["train", "espcn", "--options", "FILE"],
    "publish": ["publish", "FILE", "--data", "noise", "--licence", "CC0-1.0", "--benchmarks", "ODD"],
}  # fmt: skip


@pytest.mark.parametrize("command", FILES)
def test_where_something_else_is_meant_each_of_them_is_refused_by_name(odd, tmp_path, capsys, monkeypatch, command):
    monkeypatch.setenv("SRCORE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("srcore.training.bench.write_image", lambda path, pixels: None)  # it refuses before it trains
    (tmp_path / "net.py").write_text("from torch import nn\n\ndef build():\n    return nn.Upsample(scale_factor=4)\n")
    places = {"NET": tmp_path / "net.py", "OUT": tmp_path / "out"}
    for place in ("GOOD", "PHOTOGRAPHS"):
        places[place] = tmp_path / place
        places[place].mkdir()
        write_image(places[place] / "good.png", picture(160, 160))
    places["ODD"] = odd
    for file in files_of(odd):
        arguments = FILES[command]
        for short, place in {**places, "FILE": file}.items():
            arguments = [text.replace(short, str(place)) for text in arguments]
        assert code_of(arguments) in (1, 2), file
        said = capsys.readouterr().err
        if (file.name, command) not in {("empty.png", "evaluate --mapping"), ("folder.png", "evaluate --benchmark")}:
            assert file.name in said, said
        assert "Traceback" not in said
        assert "Errno" not in said
    assert "mine" not in METHODS
    assert not (tmp_path / "out").exists()


def test_a_picture_named_as_a_method_s_file_is_told_what_it_is_and_what_is_left(odd, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SRCORE_DATA", str(tmp_path / "data"))
    for name, kind in (("rgb.png", "a picture (PNG)"), ("text.png", "named as a picture (.png)"),
                       ("rgb.webp", "named as a picture (.webp)"), ("palette.gif", "a picture (GIF)")):  # fmt: skip
        assert main(["add", "mine", str(odd / name)]) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"error: {name} is {kind} and no checkpoint, ")
        for way in ("a network that spandrel knows", "net.py:build --weights FILE", "evaluate --results FOLDER"):
            assert way in said
