"""Whole folders through the commands: what is bad is named, the rest is done, and others' files are left alone."""

import csv
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from srcore import (
    downscale,
    evaluate,
    find_sources,
    load_source,
    metrics,
    read_image,
    upscale,
    was_written_here,
    write_image,
)
from srcore.__main__ import main
from srcore.images import ImageError
from srcore.metrics.metric import Metric, MetricFailed


def picture(height=32, width=24, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def photos(tmp_path):
    """Three good pictures and three that are none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, name in enumerate(("a", "b", "c")):
        write_image(folder / f"{name}.png", picture(seed=seed))
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:200])
    (folder / "text.jpg").write_text("text")
    (folder / "loop.tif").symlink_to(folder / "loop.tif")
    return folder


def upscaling(tmp_path, *files, method="nearest"):
    return main(["upscale", "--method", method, "--out", str(tmp_path / "out"), *map(str, files)])


def test_bad_files_are_listed_at_the_end_and_the_rest_is_done(photos, tmp_path, capsys):
    assert upscaling(tmp_path, photos) == 1
    captured = capsys.readouterr()
    assert [file.name for file in sorted((tmp_path / "out").iterdir())] == ["a.png", "b.png", "c.png"]
    listed = captured.err[captured.err.index("error: ") :].splitlines()
    assert listed[0] == "error: 3 of 6 files failed:"
    assert [line.split(":")[0].rsplit("/")[-1] for line in listed[1:]] == ["broken.png", "loop.tif", "text.jpg"]
    assert "[1 of 6, " in captured.out
    assert " a second]" in captured.out


def test_files_folders_and_patterns_may_be_named(photos, tmp_path):
    assert upscaling(tmp_path, photos / "a.png", f"{photos}/[bc].png") == 0
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_what_names_nothing_is_an_error_before_the_work(photos, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    for name, message in ((f"{photos}/*.webp", "matches no file"), (empty, "holds no picture")):
        assert upscaling(tmp_path, photos / "a.png", name) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_that_srcore_did_not_write_is_not_written_over(photos, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    Image.fromarray(picture(seed=9)).save(out / "b.png")
    before = (out / "b.png").read_bytes()
    assert upscaling(tmp_path, photos / "a.png", photos / "b.png") == 1
    assert "has b.png already, which srcore did not write" in capsys.readouterr().err
    assert (out / "b.png").read_bytes() == before
    assert not (out / "a.png").exists()  # looked at before the work
    assert upscaling(tmp_path, "--force", photos / "b.png") == 0
    assert was_written_here(out / "b.png")
    assert upscaling(tmp_path, photos / "b.png") == 0  # its own it may replace


def test_results_that_are_there_are_left_out_when_asked(photos, tmp_path, capsys):
    assert upscaling(tmp_path, photos / "a.png") == 0
    stamp = (tmp_path / "out" / "a.png").stat().st_mtime_ns
    capsys.readouterr()
    assert upscaling(tmp_path, "--skip-existing", photos / "a.png", photos / "b.png") == 0
    assert "1 left out" in capsys.readouterr().out
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == stamp
    assert (tmp_path / "out" / "b.png").exists()


def test_out_that_is_a_file_is_told(photos, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert upscaling(tmp_path, photos / "a.png") == 1
    assert "out is a file, where a folder is needed" in capsys.readouterr().err


def test_the_ensemble_is_the_mean_over_the_eight_symmetries(tmp_path):
    lr = picture(9, 7)
    assert np.array_equal(upscale(lr[:, :, 0], "nearest", ensemble=True), upscale(lr[:, :, 0], "nearest"))
    turned = [np.rot90(lr[:, ::-1] if mirrored else lr, turns) for mirrored in (0, 1) for turns in range(4)]
    results = [upscale(np.ascontiguousarray(each), "espcn", device="cpu") for each in turned]
    made = [np.rot90(result, -(number % 4)) for number, result in enumerate(results)]
    expected = np.mean([each[:, ::-1] if i > 3 else each for i, each in enumerate(made)], axis=0)
    assert np.abs(upscale(lr, "espcn", device="cpu", ensemble=True) - expected).max() <= 0.5
    assert not np.array_equal(upscale(lr, "espcn", device="cpu", ensemble=True), upscale(lr, "espcn", device="cpu"))


def layout(tmp_path, hr_name, lr_name):
    for seed, name in enumerate(("baby", "bird")):
        hr = picture(seed=seed)
        for path, pixels in ((hr_name, hr), (lr_name, downscale(hr))):
            file = tmp_path / path.format(name)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_image(file, pixels)


@pytest.mark.parametrize(
    ("hr", "lr"),
    [
        ("HR/{}.png", "LR_bicubic/X4/{}x4.png"),
        ("GT/{}.png", "LRbicx4/{}.png"),
        ("HR/{}.png", "LR/X4/{}_x4.png"),
        ("{}_SRF_4_HR.png", "{}_SRF_4_LR.png"),
        ("{}.png", "X4/{}.png"),
    ],
)
def test_the_usual_layouts_of_benchmarks_are_found(tmp_path, hr, lr):
    layout(tmp_path, hr, lr)
    sources = find_sources(tmp_path)
    assert [(source.name, source.lr is not None) for source in sources] == [("baby", True), ("bird", True)]
    assert np.array_equal(load_source(sources[1])[1], downscale(picture(seed=1)))


def test_a_folder_of_lr_pictures_is_named_and_one_that_lacks_some_is_told(tmp_path, capsys):
    layout(tmp_path, "hr/{}.png", "small/{}x4.png")
    command = ["evaluate", "--method", "nearest", "--benchmark", str(tmp_path / "hr"), "--lr", str(tmp_path / "small")]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 2
    (tmp_path / "small" / "babyx4.png").rename(tmp_path / "small" / "infant.png")
    with pytest.raises(ImageError, match=r"baby: no file has this name; not used: infant\.png"):
        find_sources(tmp_path / "hr", lr=tmp_path / "small")


def test_evaluate_keeps_what_it_has_and_lists_what_it_lacks(tmp_path, capsys):
    layout(tmp_path, "hr/{}.png", "lr/{}.png")
    results = tmp_path / "results"
    results.mkdir()
    write_image(results / "babyx4_ours.png", picture(seed=0))
    write_image(results / "birdx4_ours.png", picture(32, 20))
    command = ["evaluate", "--method", "ours", "--benchmark", str(tmp_path / "hr"), "--results", str(results)]
    assert main([*command, "--csv", str(tmp_path / "o.csv"), "--times", str(tmp_path / "t.csv")]) == 1
    captured = capsys.readouterr()
    assert "result files are named <name>x4_ours" in captured.out
    assert "1 of 2 pictures failed:" in captured.err
    assert "20 x 32 pixels where bird needs 24 x 32" in captured.err
    rows = list(csv.DictReader((tmp_path / "o.csv").read_text().splitlines()))
    assert [(row["benchmark"], row["source"], row["method"], row["metric"]) for row in rows] == [
        ("hr", "baby", "ours", "psnr"),
        ("hr", "baby", "ours", "ssim"),
    ]
    times = (tmp_path / "t.csv").read_text().splitlines()
    assert times == ["benchmark,source,method,seconds,device", "hr,baby,ours,0.0000,"]


def test_a_benchmark_is_not_its_own_result(tmp_path, capsys):
    layout(tmp_path, "hr/{}.png", "lr/{}.png")
    command = ["evaluate", "--method", "ours", "--benchmark", str(tmp_path / "hr"), "--results", str(tmp_path / "hr")]
    assert main(command) == 1
    assert "is the benchmark itself" in capsys.readouterr().err


@pytest.mark.parametrize("scale", [2, 3, 8])
def test_other_scales_go_through_downscale_upscale_and_evaluate(tmp_path, capsys, scale):
    write_image(tmp_path / "a.png", picture(8 * 9 + 1, 8 * 6))
    out = tmp_path / "lr"
    assert main(["downscale", "--scale", str(scale), "--out", str(out), str(tmp_path / "a.png")]) == 0
    lr = read_image(out / "a.png")
    assert lr.shape[:2] == ((8 * 9 + 1) // scale, 8 * 6 // scale)
    sr = tmp_path / "sr"
    assert main(["upscale", "--scale", str(scale), "--method", "bicubic", "--out", str(sr), str(out / "a.png")]) == 0
    assert read_image(sr / "a.png").shape[0] == scale * lr.shape[0]
    capsys.readouterr()
    evaluating = ["evaluate", "--scale", str(scale), "--benchmark", str(tmp_path), "--json"]
    assert main([*evaluating, "--method", "bicubic"]) == 0
    computed = json.loads(capsys.readouterr().out)
    assert main([*evaluating, "--method", "theirs", "--results", str(sr)]) == 0
    assert json.loads(capsys.readouterr().out)["psnr"] == computed["psnr"]
    assert main([*evaluating, "--method", "espcn"]) == 1
    assert f"espcn enlarges 4 times, not {scale}" in capsys.readouterr().err


def test_a_sheet_is_made_from_methods_and_finished_files(tmp_path, capsys):
    write_image(tmp_path / "a_HR.png", picture(64, 64))
    write_image(tmp_path / "theirs.png", picture(64, 64, seed=1))
    results = ["--results", f"theirs={tmp_path / 'theirs.png'}"]
    command = ["sheet", str(tmp_path / "a_HR.png"), "--methods", "nearest", *results]
    assert main([*command, "--out", str(tmp_path / "sheet.png"), "--region", "0", "0", "32", "16", "--zoom", "3"]) == 0
    made = read_image(tmp_path / "sheet.png")
    assert (made[8 : 8 + 48 : 3] == 255).mean() < 1  # panels, not a white page
    assert made.shape[1] >= 4 * 96
    assert main([*command, "--out", str(tmp_path / "theirs2.png"), "--columns", "2"]) == 0


def test_transparency_is_enlarged_when_asked(tmp_path):
    alpha = picture()[:, :, 0]
    write_image(tmp_path / "a.png", picture(), alpha=alpha)
    command = ["upscale", "--keep-alpha", "--method", "nearest", "--out", str(tmp_path / "out")]
    assert main([*command, str(tmp_path / "a.png")]) == 0
    made = Image.open(tmp_path / "out" / "a.png")
    assert (made.mode, made.size) == ("RGBA", (96, 128))
    assert np.array_equal(np.asarray(made)[::4, ::4, :3], picture())


LONG = f"{'x' * 300}.png"


@pytest.mark.parametrize("command", [["upscale", "--method", "nearest"], ["downscale"]])
def test_a_name_too_long_is_one_of_the_bad_files(photos, tmp_path, capsys, command):
    assert main([*command, "--out", str(tmp_path / "out"), str(photos / "a.png"), str(tmp_path / LONG)]) == 1
    assert (tmp_path / "out" / "a.png").exists()
    assert f"{LONG}: the name is too long for a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["upscale", "--method", "nearest", "--out", "LONG", "A"],
        ["evaluate", "--method", "nearest", "--benchmark", "LONG"],
        ["evaluate", "--method", "nearest", "--benchmark", "PHOTOS", "--csv", "LONG"],
        ["evaluate", "--method", "ours", "--benchmark", "PHOTOS", "--results", "LONG"],
        ["evaluate", "--method", "nearest", "--benchmark", "PHOTOS", "--lr", "LONG"],
        ["sheet", "A", "--methods", "nearest", "--out", "LONG"],
        ["sheet", "LONG", "--methods", "nearest", "--out", "OUT.png"],
        ["sheet", "A", "--results", "ours=LONG", "--out", "OUT.png"],
        ["add", "mine", "LONG"],
        ["train", "espcn", "--data", "PHOTOS", "--out", "LONG"],
        ["train", "espcn", "--data", "LONG", "--out", "OUT"],
    ],
)
def test_no_command_answers_a_name_too_long_in_the_systems_words(photos, tmp_path, capsys, monkeypatch, arguments):
    monkeypatch.setenv("SRCORE_DATA", str(tmp_path / "data"))
    places = {"LONG": tmp_path / LONG, "A": photos / "a.png", "PHOTOS": photos, "OUT": tmp_path / "out"}
    for short, place in places.items():
        arguments = [text.replace(short, str(place)) if short in text else text for text in arguments]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert "Errno" not in said
    assert LONG in said
    assert "too long" in said


@pytest.mark.parametrize("option", ["--csv", "--times"])
def test_where_evaluate_is_to_write_is_looked_at_before_the_work(tmp_path, capsys, monkeypatch, option):
    monkeypatch.setattr("srcore.benchmark.run", None)
    write_image(tmp_path / "a.png", picture())
    (tmp_path / "folder").mkdir()
    command = ["evaluate", "--method", "nearest", "--benchmark", str(tmp_path), option]
    for place, said in (("folder", "is a folder, where a file is to be written"), ("no/o.csv", "no such folder")):
        assert main([*command, str(tmp_path / place)]) == 1
        assert said in capsys.readouterr().err


def test_scores_are_shown_also_where_their_table_cannot_be_written(tmp_path, capsys, monkeypatch):
    def full(path, **_):
        raise OSError(28, "No space left on device", str(path))

    write_image(tmp_path / "a.png", picture())
    monkeypatch.setattr("srcore.commands.measuring.whole_file", full)
    command = ["evaluate", "--method", "nearest", "--benchmark", str(tmp_path), "--csv", str(tmp_path / "o.csv")]
    assert main(command) == 1
    captured = capsys.readouterr()
    assert "mean of 1" in captured.out
    assert captured.err == f"error: {tmp_path / 'o.csv'}: the disk is full\n"


def test_evaluate_says_once_where_its_figures_may_differ(tmp_path, capsys):
    write_image(tmp_path / "a.png", picture())
    assert main(["evaluate", "--method", "nearest", "--benchmark", str(tmp_path), "--metrics", "psnr-rgb"]) == 0
    notes = capsys.readouterr().out.split(" " * 24)[0].splitlines()
    assert len(notes) == 2
    assert notes[0].startswith("PSNR, SSIM: by the recipe paper")
    assert notes[1].startswith("PSNR (rgb): ")


def test_what_a_mapping_lacks_is_listed_beside_what_was_found(tmp_path, capsys):
    layout(tmp_path, "hr/{}.png", "results/{}_out.png")
    (tmp_path / "map.csv").write_text("name,file\nbaby,babi.png\n")
    results = ["--results", str(tmp_path / "results"), "--mapping", str(tmp_path / "map.csv")]
    assert main(["evaluate", "--method", "ours", "--benchmark", str(tmp_path / "hr"), *results]) == 1
    said = capsys.readouterr().err
    assert "baby: the mapping says babi.png, which is not there; not used: baby_out.png" in said
    assert "bird: the mapping does not have this name; not used: bird_out.png" in said


def test_a_metric_that_cannot_measure_a_picture_costs_that_value_alone(tmp_path, capsys, monkeypatch):
    write_image(tmp_path / "large.png", picture(200, 200))
    write_image(tmp_path / "small.png", picture(40, 40, seed=1))

    def prepare(settings):
        def compare(hr, sr):
            if hr.shape[0] < 100:
                raise AssertionError("kernel  too\nlarge")  # as packages say it
            return 2.0

        return compare

    theirs = Metric(name="theirs", title="Theirs", better="lower", decimals=1, prepare=prepare)
    monkeypatch.setattr(metrics, "METRICS", {**metrics.METRICS, "theirs": theirs})
    command = ["evaluate", "--method", "nearest", "--benchmark", str(tmp_path), "--metrics", "ms-ssim", "theirs"]
    assert main([*command, "--csv", str(tmp_path / "o.csv")]) == 1
    captured = capsys.readouterr()
    lines = captured.err[captured.err.index("error: ") :].splitlines()
    assert lines[0] == "error: 2 of 4 values failed:"
    assert lines[1].startswith("  small: MS-SSIM needs at least 176 pixels a side")
    assert lines[2] == "  small: theirs cannot measure this picture: kernel too large"
    rows = list(csv.DictReader((tmp_path / "o.csv").read_text().splitlines()))
    assert [(row["source"], row["metric"]) for row in rows] == [
        ("large", "psnr"), ("large", "ssim"), ("large", "ms-ssim"), ("large", "theirs"), ("small", "psnr"),
        ("small", "ssim"),
    ]  # fmt: skip
    lines = [line.split() for line in captured.out.splitlines() if line.startswith(("large", "small"))]
    shown = {line[0]: line[-1] for line in lines}
    assert shown == {"large": "2.000", "small": "-"}
    assert main([*command, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["theirs"] == 2.0
    assert "theirs" not in found["per_image"][1]
    assert len(found["gaps"]) == 2
    with pytest.raises(MetricFailed, match="theirs cannot measure this picture: kernel too large"):
        evaluate(tmp_path, "nearest", metrics=[theirs])


def large_png(*, side, signed):
    """The beginning of a grey PNG of so many pixels a side, without its pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))]
    chunks += [(b"tEXt", b"Software\0srcore")] if signed else []
    chunks += [(b"IDAT", b""), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data


@pytest.mark.parametrize("side", [9_600, 14_000])  # above Pillow's limit, and above twice that, where it refuses
def test_whatever_its_size_what_was_written_here_is_known_again(tmp_path, capsys, side):
    for name, signed in (("ours", True), ("theirs", False)):
        (tmp_path / f"{name}.png").write_bytes(large_png(side=side, signed=signed))
    assert was_written_here(tmp_path / "ours.png")
    assert not was_written_here(str(tmp_path / "theirs.png"))
    ours = str(tmp_path / "ours.png")
    for command in (  # it is not its size that keeps them from reading it
        ["upscale", "--method", "nearest", "--out", str(tmp_path / "out"), ours],
        ["downscale", "--out", str(tmp_path / "out"), ours],
        ["sheet", ours, "--out", str(tmp_path / "sheet.png")],
        ["evaluate", "--method", "nearest", "--benchmark", str(tmp_path)],
    ):
        assert main(command) == 1
        said = capsys.readouterr().err
        assert "ours.png: broken or cut off" in said
        assert "the limit" not in said
