"""Runs as people have them: interrupted, resumed, extended, with photographs that do not serve, in containers."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from srcore import write_image
from srcore.__main__ import main
from srcore.networks import build
from srcore.training.limits import cpu_cores, memory_bytes
from srcore.training.loop import Options, TrainingError, train
from srcore.training.recipes import RECIPES, get_recipe
from srcore.training.stopping import Runaway
from srcore.weights import read_state


def small():
    return replace(get_recipe("espcn"), lr_size=8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for index in range(3):
        pixels = np.random.default_rng(index).integers(0, 256, (100, 100, 3), dtype=np.uint8)
        write_image(folder / f"{index}.png", pixels)
    return folder


def options_for(photos, out, **changes):
    return Options(**({"data": [str(photos)], "out": out, "updates": 6, "device": "cpu", "batch": 2} | changes))


def logged(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_says_so_and_leaves(photos, tmp_path, number):
    command = ["train", "espcn", "--data", str(photos), "--out", str(tmp_path / "run"), "--updates", "1000000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "srcore", *command, "--device", "cpu", "--batch", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert any("of 1,000,000 updates" in line for line in process.stderr)  # its first line about the work
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert f"{number.name}: stopped and saved" in err
    saved = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert saved["update"] == logged(tmp_path / "run")[-1]["update"] > 0
    assert f"at update {saved['update']:,} of 1,000,000; --resume goes on" in out


def test_the_log_is_cut_back_to_where_a_run_goes_on(photos, tmp_path):
    train(small(), options_for(photos, tmp_path, updates=6, minutes=1e-9))
    with (tmp_path / "log.jsonl").open("a") as file:  # as a leg leaves it that was killed after its last saving
        file.write('{"update": 2, "generator": 9}\n{"update": 3, "generator": 9}\n{"upda')
    train(small(), options_for(photos, tmp_path, resume=True))
    assert [row["update"] for row in logged(tmp_path)] == [1, 2, 3, 4, 5, 6]
    assert all(row["generator"] < 9 for row in logged(tmp_path))


def test_the_learning_rate_is_in_the_log(photos, tmp_path):
    run = train(small(), options_for(photos, tmp_path, rates=(1e-3, 1e-5)))
    assert logged(tmp_path)[-1]["rate"] == pytest.approx(run.recipe.rate(5 / 6))
    assert logged(tmp_path)[0]["rate"] == pytest.approx(1e-3)


def test_the_best_generator_by_validation_is_kept_beside_the_last(photos, tmp_path):
    def spoil(run):
        if run.update == 4:  # later validations see a worse network
            run.trainer.generator.subpixels.bias.data += 5

    train(small(), options_for(photos, tmp_path, validate=photos, save_minutes=0), watch=spoil)
    best, last = (read_state(tmp_path / f"{name}.safetensors") for name in ("best", "generator"))
    assert float(best["subpixels.bias"].abs().max()) < 1 < float(last["subpixels.bias"].abs().max())
    scores = {row["update"]: row["validation_psnr"] for row in logged(tmp_path) if "validation_psnr" in row}
    assert max(scores, key=scores.get) <= 3


@pytest.mark.parametrize("how", ["command line", "options file"])
def test_any_training_can_keep_an_average_of_the_weights(photos, tmp_path, monkeypatch, how):
    """Followed by hand from the run without it, which makes the same updates."""
    states = []

    def follow(run):
        states.append({key: value.clone() for key, value in run.trainer.generator.state_dict().items()})

    first = train(small(), options_for(photos, tmp_path / "plain", updates=4), watch=follow)
    start = build_start(first)
    out, given = tmp_path / "averaged", ["--average", "0.75"]
    if how == "options file":
        (tmp_path / "options.json").write_text('{"average": 0.75}')
        given = ["--options", str(tmp_path / "options.json")]
    monkeypatch.setitem(RECIPES, "espcn", small())
    plan = ["--updates", "4", "--batch", "2", "--device", "cpu", "--validate", str(photos), *given]
    command = ["train", "espcn", "--data", str(photos), "--out", str(out), *plan]
    assert main([*command, "--minutes", "1e-9"]) == 0  # a leg of one update; what was begun goes on
    assert main([*command, "--resume"]) == 0
    expected = {key: value.clone() for key, value in start.items()}
    for state in states:
        for key, value in expected.items():
            value.lerp_(state[key], 0.25)
    torch.testing.assert_close(read_state(out / "generator.safetensors"), expected)
    torch.testing.assert_close(read_state(out / "last.safetensors"), states[-1])
    best = read_state(out / "best.safetensors")
    assert all(not torch.equal(best[key], state[key]) for state in states for key in ("subpixels.weight",))
    assert json.loads((out / "options.json").read_text())["average"] == 0.75
    saved = torch.load(out / "state.pt", weights_only=True)
    assert saved["average_decay"] == 0.75
    assert saved["deviations"][-1] == (
        "what is shipped is a running average of the generator's weights, decay 0.75 an update"
    )
    with pytest.raises(TrainingError, match="with average decay 0.75, not 0.9; a plan stays as it began"):
        train(small(), options_for(photos, out, updates=4, resume=True, average=0.9))
    monkeypatch.setenv("SRCORE_WEIGHTS", str(tmp_path / "weights"))
    facts = ["--data", "noise", "--licence", "CC0-1.0", "--benchmarks", str(photos)]
    assert main(["publish", str(out), *facts]) == 0
    entry = json.loads((tmp_path / "weights" / "manifest.json").read_text())["espcn"]
    assert entry["average"] == 0.75
    torch.testing.assert_close(read_state(tmp_path / "weights" / "espcn.safetensors"), expected)


def build_start(run):
    """The weights that a run of this seed begins with."""
    torch.manual_seed(run.options.seed)
    return {key: value.clone() for key, value in build("espcn").state_dict().items()}


def test_paths_of_a_run_may_be_strings(photos, tmp_path):
    train(small(), options_for(photos, str(tmp_path / "a")))
    again = options_for(photos, str(tmp_path / "b"), start=str(tmp_path / "a" / "generator.safetensors"))
    assert train(small(), again).update == 6
    assert read_state(str(tmp_path / "b" / "generator.safetensors"))


def test_a_finished_plan_can_be_extended_and_an_unfinished_one_not(photos, tmp_path):
    train(small(), options_for(photos, tmp_path, minutes=1e-9))
    with pytest.raises(TrainingError, match="with plan 6, not 9; a plan stays as it began, and can be made longer"):
        train(small(), options_for(photos, tmp_path, updates=9, resume=True))
    train(small(), options_for(photos, tmp_path, resume=True))
    run = train(small(), options_for(photos, tmp_path, updates=9, resume=True))
    assert (run.update, run.plan) == (9, 9)


def test_a_loss_that_runs_away_stops_with_the_last_good_state(photos, tmp_path):
    def blow_up(run):
        if run.update == 60:
            run.trainer.generator.subpixels.bias.data += 1000

    with pytest.raises(TrainingError, match=r"the loss ran away: at update 6\d its mean is .*state\.pt"):
        train(small(), options_for(photos, tmp_path, updates=200), watch=blow_up)
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    assert float(saved["generator"]["subpixels.bias"].abs().max()) < 1


def test_a_loss_that_falls_or_varies_does_not_run_away():
    runaway, rng = Runaway(), np.random.default_rng(0)
    losses = 10 * np.exp(-np.arange(3000) / 100) + 0.01 * rng.lognormal(0, 1, 3000)
    assert not any(runaway.sees(loss) for loss in losses)


def test_photographs_too_small_for_a_crop_are_not_counted(photos, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, side in (("large", 100), ("small", 40)):
        write_image(folder / f"{name}.png", np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8))
    run = train(small(), options_for(folder, tmp_path / "run", updates=2))
    assert run.crops.photographs == 1
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["photographs"] == 1
    assert "1 of 2 photographs are used" in capsys.readouterr().err


def test_a_state_that_is_cut_off_is_told_in_words(photos, tmp_path):
    train(small(), options_for(photos, tmp_path, updates=1))
    state = tmp_path / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"state\.pt cannot be read as the state of a run .*cut off"):
        train(small(), options_for(photos, tmp_path, resume=True))


def test_options_are_written_and_read_as_a_file(photos, tmp_path, capsys):
    first = ["espcn", "--data", str(photos), "--out", str(tmp_path / "a"), "--updates", "2", "--batch", "3"]
    assert main(["train", *first, "--device", "cpu"]) == 0
    kept = json.loads((tmp_path / "a" / "options.json").read_text())
    assert kept == {
        "recipe": "espcn",
        "data": [str(photos)],
        "out": str(tmp_path / "a"),
        "updates": 2,
        "batch": 3,
        "device": "cpu",
    }
    again = ["train", "--out", str(tmp_path / "b"), "--options", str(tmp_path / "a" / "options.json")]
    assert main([*again, "--updates", "1"]) == 0
    saved = torch.load(tmp_path / "b" / "state.pt", weights_only=True)
    assert (saved["recipe"], saved["plan"], saved["batch"]) == ("espcn", 1, 3)
    (tmp_path / "wrong.json").write_text('{"bacth": 3}')
    with pytest.raises(SystemExit):
        main(["train", "espcn", "--options", str(tmp_path / "wrong.json")])
    assert "there is no option 'bacth'; known: average, batch" in capsys.readouterr().err


@pytest.mark.parametrize("version", [1, 2])
def test_a_containers_limits_hold(tmp_path, version):
    root, own = tmp_path / "cgroup", tmp_path / "own"
    files = {
        2: {"memory.max": "1000000000", "inner/memory.max": "max", "inner/cpu.max": "150000 100000"},
        1: {
            "memory/inner/memory.limit_in_bytes": "1000000000",
            "cpu/inner/cpu.cfs_quota_us": "150000",
            "cpu/inner/cpu.cfs_period_us": "100000",
        },
    }[version]
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    own.write_text({2: "0::/inner\n", 1: "4:memory:/inner\n3:cpu,cpuacct:/inner\n"}[version])
    assert memory_bytes(root, own) == 1_000_000_000
    assert cpu_cores(root, own) == min(2, cpu_cores(tmp_path / "none", tmp_path / "none"))
    assert memory_bytes(Path("/nowhere"), Path("/nowhere")) > 1_000_000_000 or version
