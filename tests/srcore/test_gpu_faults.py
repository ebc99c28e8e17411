"""What reading showed to be wrong on a GPU, as far as a machine without one can test it."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from srcore import resize_torch, write_image
from srcore.inference import DeviceError, Engine, choose_device
from srcore.networks import SRResNet, build
from srcore.networks.srresnet import ConvBeforeShuffle
from srcore.training import compiling
from srcore.training.data import Crops
from srcore.training.loop import Options, train
from srcore.training.photos import find_photos
from srcore.training.recipes import get_recipe
from srcore.training.trainer import Speed, Trainer


def test_the_output_layers_indices_move_with_it_and_are_no_weights():
    layer = ConvBeforeShuffle(4, 3, 9)
    assert "_taps" in dict(layer.named_buffers())
    assert "_taps" not in layer.state_dict()
    assert layer.to("meta").before_shuffle()[0].device.type == "meta"


def test_a_forward_pass_of_the_network_makes_no_tensor_on_the_host():
    """As a CUDA graph records it: an operation that copies from the host would be the first to name the CPU."""
    network = SRResNet(blocks=1, channels=4).to("meta").eval()
    exported = torch.export.export(network, (torch.empty(1, 3, 8, 8, device="meta"),))
    made = {str(node.target) for node in exported.graph.nodes if node.op == "call_function"}
    assert not {name for name in made if "arange" in name or "_to_copy" in name or "lift_fresh" in name}


def test_what_a_cuda_graph_was_recorded_with_outlives_the_cache(monkeypatch):
    monkeypatch.setattr(resize_torch, "_recorded", [])
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    monkeypatch.setattr(resize_torch, "_kept_contributions", lambda *key: (torch.zeros(1), torch.ones(1)))
    found = resize_torch._contributions(8, 4, torch.device("cuda"), torch.float32)
    assert resize_torch._recorded == [found]
    resize_torch._contributions(8, 4, torch.device("cpu"), torch.float32)
    assert len(resize_torch._recorded) == 1


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1").index == 1
    with pytest.raises(DeviceError, match="there is no cuda:2: the last is cuda:1"):
        choose_device("cuda:2")


@pytest.mark.parametrize(
    ("gone", "said"), [("triton", "Triton is not installed"), ("compiler", "no C compiler (cc, gcc, clang)")]
)
def test_without_triton_or_a_compiler_a_note_says_so_and_the_rest_goes_on(gone, said, monkeypatch, tmp_path, capsys):
    compiling._say.cache_clear()
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(compiling, "find_spec", lambda name: None if gone == "triton" else object())
    monkeypatch.setenv("PATH", str(tmp_path))
    speed = compiling.usable(Speed(), on_gpu=True)
    assert speed == replace(Speed(), compiled=False)
    assert compiling.usable(Speed(), on_gpu=True) == speed
    note = capsys.readouterr().err
    assert said in note
    assert note.count("note:") == 1


def test_with_triton_and_a_compiler_or_without_a_gpu_nothing_is_left_out(monkeypatch, tmp_path, capsys):
    (tmp_path / "gcc").touch(mode=0o755)
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compiling, "find_spec", lambda name: object())
    assert compiling.usable(Speed(), on_gpu=True) == Speed()
    monkeypatch.setattr(compiling, "find_spec", lambda name: None)
    assert compiling.usable(Speed(), on_gpu=False) == Speed()
    assert compiling.usable(Speed.plain(), on_gpu=True) == Speed.plain()
    assert capsys.readouterr().err == ""


def test_statistics_that_are_not_finite_are_noticed_before_a_state_is_saved(tmp_path):
    trainer = Trainer(replace(get_recipe("srresnet-mse"), lr_size=8), plan=1, device=torch.device("cpu"))
    assert trainer.is_finite()
    trainer.generator.blocks[0].layers[1].running_var[0] = float("nan")
    assert not trainer.is_finite()


RANKS = """
import hashlib, json, sys, torch
from pathlib import Path
import srcore.training.loop as loop
import srcore.training.photos as photographs
from srcore.training.loop import Options, train
from srcore.training.parallel import leave_processes
from srcore.training.recipes import get_recipe
from dataclasses import replace
import os
photos, out = sys.argv[1:]
rank = int(os.environ["RANK"])
loop.free_memory = lambda device: 70_000 if rank == 1 else 10**9  # one process has less memory than the other
read, decoded = photographs._read, []
photographs._read = lambda photo: (decoded.append(photo.name), read(photo))[1]
shards = []
recipe = replace(get_recipe("espcn"), lr_size=8)
seen = lambda run: shards.append(hashlib.sha256(run.crops.shard.pixels.numpy().tobytes()).hexdigest())
run = train(recipe, Options(data=[photos], out=Path(out), updates=32, device="cpu", batch=2), watch=seen)
found = {"memory": run.crops.state()["memory"], "shards": shards, "decoded": decoded}
Path(out, f"{rank}.json").write_text(json.dumps(found))
leave_processes()
"""


@pytest.mark.filterwarnings("ignore:passed over")
def test_processes_with_unlike_memory_hold_the_same_photographs_and_each_decodes_its_share(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for index in range(5):
        pixels = np.random.default_rng(index).integers(0, 256, (100, 100, 3), dtype=np.uint8)
        write_image(photos / f"{index}.png", pixels)
    (photos / "5.png").write_bytes(b"no picture")
    (tmp_path / "job.py").write_text(RANKS)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    job = [str(tmp_path / "job.py"), str(photos), str(tmp_path / "run")]
    subprocess.run([*torchrun, *job], check=True, env=environment)
    ranks = [json.loads((tmp_path / "run" / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert [rank["memory"] for rank in ranks] == [70_000, 70_000]
    one = Crops(find_photos([photos]), batch=4, lr_size=8, device=torch.device("cpu"), memory=70_000)
    assert not one.all_fit
    alone = []
    for update in range(32):
        one.batch_of(update)
        alone.append(hashlib.sha256(one.shard.pixels.numpy().tobytes()).hexdigest())
    assert len(set(alone)) > 2
    assert ranks[0]["shards"] == ranks[1]["shards"] == alone
    # Whichever is loaded, of six photographs each process reads three.
    assert [len(rank["decoded"]) % 3 for rank in ranks] == [0, 0]
    assert not set(ranks[0]["decoded"][:3]) & set(ranks[1]["decoded"][:3])


def flags():
    cudnn = torch.backends.cudnn
    return cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32


@pytest.fixture
def other_flags():
    """What another part of the program may have set."""
    products = torch.backends.cuda.matmul
    products.allow_tf32 = True
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=True):
        yield
    products.allow_tf32 = False


@pytest.mark.parametrize(("speed", "tf32"), [(Speed(), True), (Speed.plain(), False)])
def test_an_update_sets_tf32_and_determinism_and_what_was_before_comes_back(other_flags, monkeypatch, speed, tf32):
    trainer = Trainer(get_recipe("espcn"), plan=1, device=torch.device("cpu"), speed=speed)
    before, seen = flags(), []
    monkeypatch.setattr(trainer, "_step", lambda _: seen.append(flags()))
    trainer.update(0, SimpleNamespace(places=lambda _: None, cut=lambda _: None))
    assert seen == [(tf32, True, False, False)]
    assert flags() == before == (True, False, True, True)


def test_a_picture_is_made_without_tf32_by_the_same_sums_each_time(other_flags):
    before, seen, engine = flags(), [], Engine(build("espcn"), device="cpu")
    engine._exact.register_forward_hook(lambda *_: seen.append(flags()))
    engine(torch.rand(1, 3, 8, 8))
    assert seen == [(False, True, False, False)]
    assert flags() == before


def test_a_run_states_what_it_computes_in(tmp_path, monkeypatch, capsys):
    write_image(tmp_path / "photo.png", np.zeros((128, 128, 3), np.uint8))
    recipe = replace(get_recipe("espcn"), lr_size=8)
    run = train(recipe, Options(data=[str(tmp_path / "photo.png")], out=tmp_path / "run", updates=1, batch=1))
    assert torch.load(tmp_path / "run" / "state.pt", weights_only=True)["precision"] == run.trainer.precision
    assert f"espcn computes in {run.trainer.precision}" in capsys.readouterr().err
    monkeypatch.setattr(run.trainer, "on_gpu", True)
    monkeypatch.setattr(run.trainer, "_half", True)
    assert run.trainer.precision == "bfloat16, TF32 in convolutions, deterministic cuDNN"
