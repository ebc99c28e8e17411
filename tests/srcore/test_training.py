"""Whole updates and whole runs, small: every recipe learns, legs are bit-identical, NaN stops, processes agree."""

import hashlib
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from srcore import read_image, write_image
from srcore.training import stopping
from srcore.training.data import Crops
from srcore.training.loop import Options, TrainingError, train
from srcore.training.photos import find_photos
from srcore.training.recipes import RECIPES, get_recipe
from srcore.training.trainer import LR_MARGIN, Speed, Trainer
from srcore.weights import read_state

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Smooth pictures, from which something can be learnt in a few updates."""
    folder = tmp_path_factory.mktemp("photos")
    y, x = np.mgrid[:128, :128] / 128
    for index in range(4):
        waves = [np.sin(9 * x * (index + 1) + 7 * y + c) * np.cos(11 * y - 3 * x * c) for c in range(3)]
        write_image(folder / f"{index}.png", ((np.stack(waves, axis=2) + 1) * 127.5).astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def vgg(shared):
    return shared / "weights" / "vgg19_features_fp16.safetensors"


def small(name, **changes):
    """The recipe with small crops and without a start, so that an update takes little."""
    changes = {"lr_size": 8, "batch": 2, "start": None} | changes
    return replace(get_recipe(name), **changes)


def trainer_and_crops(recipe, photos, vgg, *, plan=100, batch=2, seed=0, **options):
    trainer = Trainer(recipe, plan=plan, device=CPU, vgg=vgg, seed=seed, **options)
    margin = LR_MARGIN[trainer.generator.enlarges]
    crops = Crops(find_photos([photos]), batch=batch, lr_size=recipe.lr_size, lr_margin=margin, device=CPU, seed=seed)
    return trainer, crops


def parameters(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_lowers_its_loss_on_a_tiny_set(name, photos, vgg):
    recipe = small(name, lr_size=4 if name == "drcn" else 8)
    trainer, crops = trainer_and_crops(recipe, photos, vgg, plan=2000)
    places, values = crops.places(0), []
    crops.places = lambda update: places  # the same two crops again and again
    for update in range(150 if name == "srcnn" else 12):  # SRCNN starts from weights of 0.001
        trainer.update(update, crops)
        values.append(float(trainer.losses["content"]))
    assert min(values[-3:]) < 0.9 * values[0]


def test_discriminator_and_generator_take_turns(photos, vgg):
    trainer, crops = trainer_and_crops(small("srgan-mse"), photos, vgg)
    before = parameters(trainer.generator), parameters(trainer.discriminator)
    order = []
    for index, optimiser in enumerate(trainer.optimisers):
        optimiser.register_step_pre_hook(lambda *_, index=index: order.append("GD"[index]))
    for update in range(2):
        trainer.update(update, crops)
    assert order == ["D", "G", "D", "G"]
    for old, network in zip(before, (trainer.generator, trainer.discriminator), strict=True):
        assert all(not torch.equal(a, b) for a, b in zip(old, parameters(network), strict=True))


def test_the_generators_step_does_not_move_the_discriminator(photos, vgg):
    trainer, crops = trainer_and_crops(small("srgan-mse"), photos, vgg)
    trainer.optimisers[1].step = lambda: None  # the discriminator's own step is left out
    before = {key: value.clone() for key, value in trainer.discriminator.state_dict().items()}
    own = parameters(trainer.generator)
    trainer.update(0, crops)
    assert all(torch.equal(value, before[key]) for key, value in trainer.discriminator.state_dict().items())
    assert not torch.equal(own[0], parameters(trainer.generator)[0])


def test_the_adversarial_loss_alone_moves_the_generator(photos, vgg):
    trainer, crops = trainer_and_crops(small("srgan-mse", adversarial=1.0), photos, vgg)
    trainer._content = lambda sr, hr: (sr * 0).sum()
    before = parameters(trainer.generator)
    trainer.update(0, crops)
    assert not torch.equal(before[0], parameters(trainer.generator)[0])


def test_vgg_is_never_moved(photos, vgg):
    trainer, crops = trainer_and_crops(small("srgan-vgg22"), photos, vgg)
    before = parameters(trainer.vgg)
    trainer.update(0, crops)
    assert all(torch.equal(a, b) for a, b in zip(before, parameters(trainer.vgg), strict=True))
    assert not any(parameter.requires_grad for parameter in trainer.vgg.parameters())


def test_the_fast_update_computes_what_the_plain_one_does(photos, vgg):
    results = []
    for speed in (Speed(half=False), Speed.plain()):
        trainer, crops = trainer_and_crops(small("srgan-vgg22"), photos, vgg, speed=speed)
        trainer.update(0, crops)
        results.append({name: float(value) for name, value in trainer.losses.items()})
    assert results[0] == pytest.approx(results[1], rel=1e-4)


@pytest.mark.parametrize("amx", [True, False])
def test_bfloat16_where_the_device_has_units_for_it_comes_close(amx, photos, vgg, monkeypatch):
    losses = []
    for has_units in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda has_units=has_units: has_units and amx)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has_units=has_units: has_units and not amx)
        trainer, crops = trainer_and_crops(small("srgan-vgg22"), photos, vgg)
        assert trainer.vgg.layers[0].weight.dtype == (torch.bfloat16 if has_units else torch.float32)
        trainer.update(0, crops)
        losses.append({name: float(value) for name, value in trainer.losses.items()})
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert trainer_and_crops(small("espcn"), photos, vgg)[0]._autocast().__class__ is nullcontext


def test_in_the_warm_up_only_the_discriminator_moves(photos, vgg):
    trainer, crops = trainer_and_crops(small("srgan-mse", warm_up=2, average=0.9), photos, vgg)
    before = parameters(trainer.generator), parameters(trainer.discriminator)
    for update in range(2):
        trainer.update(update, crops)
        assert set(trainer.losses) == {"discriminator", "generator"}
    assert all(torch.equal(a, b) for a, b in zip(before[0], parameters(trainer.generator), strict=True))
    assert all(not torch.equal(a, b) for a, b in zip(before[1], parameters(trainer.discriminator), strict=True))
    trainer.update(2, crops)
    assert not torch.equal(before[0][0], parameters(trainer.generator)[0])
    assert trainer.losses["generator"] > 0


def test_a_run_is_saved_also_after_a_long_warm_up(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(stopping, "_WARM", 5)  # losses of which the lowest is not yet known: 50, and a state is 300 MB
    kept = []

    def watch(run):
        kept.append(torch.load(tmp_path / "state.pt", weights_only=True)["update"])

    train(small("srgan-mse", warm_up=6), options_for(photos, tmp_path, updates=9, save_minutes=0), watch=watch)
    assert kept == list(range(9))  # what is kept while an update is looked at is the one before


def test_the_average_follows_the_weights_by_its_decay(photos, vgg):
    trainer, crops = trainer_and_crops(small("srgan-mse", average=0.75), photos, vgg)
    expected = {key: value.clone() for key, value in trainer.generator.state_dict().items()}
    for update in range(3):
        trainer.update(update, crops)
        for key, value in trainer.generator.state_dict().items():
            mean = 0.75 * expected[key] + 0.25 * value
            expected[key] = mean if value.is_floating_point() else value.clone()
    for key, value in trainer.shipped.state_dict().items():
        assert torch.allclose(value, expected[key].to(value.dtype), rtol=1e-4, atol=1e-6), key
    assert trainer.shipped is not trainer.generator
    assert trainer_and_crops(small("srgan-mse"), photos, vgg)[0].shipped.entry[0].weight.requires_grad


def test_vgg_and_discriminator_see_a_window_at_a_place_of_its_own_each_update(photos, vgg):
    trainer, crops = trainer_and_crops(small("srgan-vgg22", shift=16), photos, vgg)
    corners, seen = set(), []
    trainer.vgg.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-1]))
    for update in range(4):
        trainer.update(update, crops)
        corners.add(tuple(trainer._corner.tolist()))
    assert set(seen) == {16}  # of the 32 pixels
    assert len(corners) > 1
    picture = torch.arange(32.0).view(1, 1, 1, 32) + 100 * torch.arange(32.0).view(1, 1, 32, 1)
    top, left = trainer._corner.tolist()
    assert torch.equal(trainer._window(picture), picture[:, :, top : top + 16, left : left + 16])


def test_every_place_of_the_window_is_drawn_and_none_beyond(photos, vgg):
    trainer, _ = trainer_and_crops(small("srgan-mse", shift=16), photos, vgg)
    corners = []
    for update in range(400):
        trainer._set_schedule(update)
        corners += trainer._corner.tolist()
    assert sorted(set(corners)) == list(range(16))


def test_frozen_statistics_stay_while_the_scale_beside_them_learns(photos, vgg):
    trainer, crops = trainer_and_crops(small("srgan-mse", frozen_norm=True), photos, vgg)
    norm = trainer.generator.blocks[0].layers[1]
    before = {key: value.clone() for key, value in norm.state_dict().items()}
    trainer.update(0, crops)
    after = norm.state_dict()
    assert [key for key in before if not torch.equal(before[key], after[key])] == ["weight", "bias"]
    free, crops = trainer_and_crops(small("srgan-mse"), photos, vgg)
    free.update(0, crops)
    assert not torch.equal(before["running_mean"], free.generator.blocks[0].layers[1].running_mean)


@pytest.mark.parametrize(("name", "term"), [("low_frequency", "low_frequencies"), ("grid", "grid_energy")])
def test_the_further_terms_weigh_what_the_recipe_says(name, term, photos, vgg):
    trainer, crops = trainer_and_crops(small("srgan-mse", **{name: 7.0}), photos, vgg)
    trainer.update(0, crops)
    now = {key: float(value) for key, value in trainer.losses.items()}
    assert now["generator"] == pytest.approx(now["content"] + 1e-3 * now["adversarial"] + 7 * now[name], rel=1e-5)
    assert now[name] > 0


def options_for(photos, out, **changes):
    return Options(**({"data": [str(photos)], "out": out, "updates": 6, "device": "cpu", "batch": 2} | changes))


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return [t for key in value for t in tensors(value[key])]
    return [t for item in value for t in tensors(item)] if isinstance(value, list) else []


@pytest.mark.parametrize(("name", "updates"), [("espcn", 12), ("srgan-mse", 6)])  # SOAP moves its axes at the tenth
def test_a_run_in_legs_equals_one_run_bit_for_bit(name, updates, photos, tmp_path):
    recipe = small(name)
    whole = train(recipe, options_for(photos, tmp_path / "whole", updates=updates))
    resumed = None
    for _ in range(updates):  # each leg of no time at all makes one update; the first begins the run
        resumed = train(recipe, options_for(photos, tmp_path / "legs", updates=updates, minutes=1e-9, resume=True))
    assert (whole.update, resumed.update) == (updates, updates)
    one, other = tensors(whole.trainer.state()), tensors(resumed.trainer.state())
    assert len(one) == len(other) > 10
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_short_run_stays_short_and_ships_its_average(photos, tmp_path):
    recipe = small("srgan-mse")
    options = {"updates": 5, "minutes": 1e-9, "resume": True}
    run = train(recipe, options_for(photos, tmp_path / "a", short=True, **options))
    assert (run.recipe.average, run.recipe.grid) == (0.995, 2)
    run = train(recipe, options_for(photos, tmp_path / "a", **options))
    assert run.recipe.average == 0.995
    shipped, last = (read_state(tmp_path / "a" / f"{name}.safetensors") for name in ("generator", "last"))
    assert torch.equal(shipped["entry.0.weight"], run.trainer.average.entry[0].weight)
    assert torch.equal(last["entry.0.weight"], run.trainer.generator.entry[0].weight)
    train(recipe, options_for(photos, tmp_path / "b", **options))
    with pytest.raises(TrainingError, match="with short False, not True"):
        train(recipe, options_for(photos, tmp_path / "b", short=True, **options))
    assert not (tmp_path / "b" / "last.safetensors").exists()


def test_a_shorter_plan_is_a_scaled_schedule(photos, vgg):
    trainer, crops = trainer_and_crops(small("srgan-mse"), photos, vgg, plan=4)
    rates = []
    for update in range(4):
        trainer.update(update, crops)
        rates.append(trainer.optimisers[0].param_groups[0]["lr"])
    assert rates == [1e-4, 1e-4, 1e-5, 1e-5]


def test_other_rates_stay_with_the_run(photos, tmp_path):
    options = {"updates": 4, "minutes": 1e-9}
    run = train(small("srgan-mse"), options_for(photos, tmp_path, rates=(1e-3, 1e-5), **options))
    for expected in (1e-3, 1e-3 * 0.01**0.25, 1e-4):  # each leg of no time makes one update
        assert run.trainer.optimisers[0].param_groups[0]["lr"] == pytest.approx(expected)
        run = train(small("srgan-mse"), options_for(photos, tmp_path, resume=True, **options))
    with pytest.raises(TrainingError, match=r"with rates \[\[1\.0, 0\.001, 1e-05\]\], not"):
        train(small("srgan-mse"), options_for(photos, tmp_path, resume=True, updates=4, rates=(1e-4, 1e-5)))


def test_another_optimiser_stays_with_the_run(photos, tmp_path):
    options = {"updates": 2, "minutes": 1e-9}
    train(small("srgan-mse"), options_for(photos, tmp_path, optimiser="soap", **options))
    with pytest.raises(TrainingError, match="with optimiser soap, not adam"):
        train(small("srgan-mse"), options_for(photos, tmp_path, resume=True, optimiser="adam", **options))
    run = train(small("srgan-mse"), options_for(photos, tmp_path, resume=True, **options))
    assert [type(optimiser).__name__ for optimiser in run.trainer.optimisers] == ["Soap", "Adam"]


def test_minutes_end_a_leg_that_says_where_it_is(photos, tmp_path):
    run = train(small("espcn"), options_for(photos, tmp_path, updates=1000, minutes=1e-9))
    assert run.update == 1
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    assert (saved["update"], saved["plan"]) == (1, 1000)
    assert 0 < saved["seconds"] <= run.seconds
    assert (
        train(small("espcn"), options_for(photos, tmp_path, minutes=1e-9, updates=1000, resume=True)).seconds
        > saved["seconds"]
    )


@pytest.mark.parametrize(
    ("save_minutes", "message", "kept"),
    [(60, r"a loss of update 4 was not a finite number.*state\.pt", 0), (0, "after update 3 a weight is not", 2)],
)
def test_nan_stops_the_run_and_keeps_the_last_good_state(photos, tmp_path, save_minutes, message, kept):
    def poison(run):
        if run.update == 3:
            run.trainer.generator.features.bias.data.fill_(float("nan"))

    with pytest.raises(TrainingError, match=message):
        train(small("espcn"), options_for(photos, tmp_path, save_minutes=save_minutes), watch=poison)
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    assert saved["update"] == kept
    assert all(torch.isfinite(value).all() for value in saved["generator"].values())


def test_records_samples_and_validation_are_written(photos, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(small("espcn"), options_for(photos, tmp_path, validate=photos))
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["update"] for row in rows] == [1, 2, 3, 4, 5, 6, 6]
    assert 3 < rows[-1]["validation_psnr"] < 60
    assert read_image(tmp_path / "samples" / "0000006.png").shape == (128, 128, 3)
    board = events.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("content")] == [1, 2, 3, 4, 5, 6]
    assert board.Scalars("content")[-1].value == pytest.approx(rows[-2]["content"])
    assert board.Images("sample")[0].width == 128


def test_without_tensorboard_a_run_says_so_and_goes_on(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    train(small("espcn"), options_for(photos, tmp_path, updates=1))
    assert "pip install tensorboard" in capsys.readouterr().err
    assert (tmp_path / "log.jsonl").exists()


def test_where_a_run_is_to_be_kept_is_looked_at_before_the_work(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("srcore.training.loop.Trainer", None)
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(TrainingError, match="--out: .*file is a file, where a folder is needed"):
            train(small("espcn"), options_for(photos, tmp_path / place, updates=1))


def test_runs_that_cannot_start_say_why(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("SRCORE_WEIGHTS", str(tmp_path))
    with pytest.raises(TrainingError, match=r"srgan-mse starts from srresnet-mse.*--start"):
        train(get_recipe("srgan-mse"), options_for(photos, tmp_path / "a"))
    train(small("espcn"), options_for(photos, tmp_path / "c", updates=1))
    with pytest.raises(TrainingError, match="--resume, or name another --out"):
        train(small("espcn"), options_for(photos, tmp_path / "c"))
    with pytest.raises(TrainingError, match=r"with batch 2, not 3"):
        train(small("espcn"), options_for(photos, tmp_path / "c", updates=1, batch=3, resume=True))


def test_the_start_is_taken_from_a_file(photos, tmp_path):
    train(small("srresnet-mse"), options_for(photos, tmp_path / "a", updates=1))
    start = tmp_path / "a" / "generator.safetensors"
    run = train(get_recipe("srgan-mse"), options_for(photos, tmp_path / "b", updates=1, start=start), watch=None)
    first = torch.load(tmp_path / "b" / "state.pt", weights_only=True)
    assert first["update"] == run.update == 1
    assert first["start"] == f"generator.safetensors, {hashlib.sha256(start.read_bytes()).hexdigest()}"
    with pytest.raises(TrainingError, match=r"0\.png cannot be read as safetensors"):
        train(get_recipe("srgan-mse"), options_for(photos, tmp_path / "c", start=photos / "0.png"))
    with pytest.raises(TrainingError, match="is of another network than espcn"):
        train(get_recipe("espcn"), options_for(photos, tmp_path / "d", start=start))


DISTRIBUTED = """
import json, sys, torch
from pathlib import Path
from dataclasses import replace
from srcore.training.loop import Options, train
from srcore.training.parallel import leave_processes
from srcore.training.recipes import get_recipe
photos, out = sys.argv[1:]
recipe = replace(get_recipe("srgan-mse"), lr_size=8, start=None, half=False)
run = train(recipe, Options(data=[photos], out=Path(out), updates=3, device="cpu", batch=2))
import torch.distributed
losses = torch.tensor([float(run.trainer.losses[name]) for name in ("content", "discriminator", "adversarial")])
torch.distributed.all_reduce(losses)
if run.processes.is_first:
    weights = [float(p.detach().double().sum()) for p in run.trainer.generator.parameters()]
    Path(out, "result.json").write_text(json.dumps([(losses / 2).tolist(), weights]))
leave_processes()
"""


def test_two_processes_equal_one_with_the_doubled_batch(photos, tmp_path):
    (tmp_path / "job.py").write_text(DISTRIBUTED)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path.cwd()),
        "PYTHONWARNINGS": "error::FutureWarning",
    }
    job = [str(tmp_path / "job.py"), str(photos), str(tmp_path / "two")]
    subprocess.run([*torchrun, *job], check=True, env=environment)
    losses, weights = json.loads((tmp_path / "two" / "result.json").read_text())
    one = train(small("srgan-mse", half=False), options_for(photos, tmp_path / "one", updates=3, batch=4))
    expected = [float(one.trainer.losses[name]) for name in ("content", "discriminator", "adversarial")]
    assert losses == pytest.approx(expected, rel=1e-3)
    sums = [float(parameter.detach().double().sum()) for parameter in one.trainer.generator.parameters()]
    assert weights == pytest.approx(sums, abs=2e-2)
    running = [module for module in one.trainer.generator.modules() if isinstance(module, nn.BatchNorm2d)]
    assert running
