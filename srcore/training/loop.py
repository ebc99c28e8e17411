"""A training run: legs that go on where the last one stopped, its records, its validation, and its end on NaN."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from time import monotonic
from typing import Any

import torch

from srcore import weights
from srcore.benchmark import find_sources, load_source
from srcore.errors import SrcoreError
from srcore.images import Pixels, as_rgb, write_image
from srcore.inference import Engine, choose_device
from srcore.methods.neural import upscale_with
from srcore.metrics import measure
from srcore.networks import build
from srcore.networks.generator import Generator
from srcore.training.data import Crops
from srcore.training.memory import keep_freed_memory
from srcore.training.parallel import Processes, agree, join_processes
from srcore.training.photos import find_photos
from srcore.training.recipes import Optimiser, Rate, Recipe
from srcore.training.trainer import LR_MARGIN, Speed, Trainer, has_bfloat16_units

STATE, LOG, GENERATOR = "state.pt", "log.jsonl", "generator.safetensors"


class TrainingError(SrcoreError, RuntimeError):
    """A run that cannot start or go on; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is made. Times in minutes, `memory` in bytes of photographs on the device."""

    data: list[str]
    out: Path
    updates: int | None = None  # the plan; default: the recipe's
    minutes: float | None = None  # of this leg
    resume: bool = False  # go on with the run in `out` if there is one, else begin it
    device: str = "auto"
    seed: int = 0
    batch: int | None = None
    rates: tuple[float, float] | None = None  # learning rate, first and last, falling geometrically; not the recipe's
    optimiser: Optimiser | None = None  # not the recipe's
    start: Path | None = None  # weights to begin with, instead of the manifest's
    vgg: Path | None = None
    validate: Path | None = None  # a benchmark folder
    save_minutes: float = 5.0
    check_every: int = 50  # updates between looks at the losses, each of which waits for the device
    memory: int | None = None
    eager: bool = False  # without torch.compile and CUDA graphs


@dataclass
class Run:
    """A run in progress. `update` is the number of updates made."""

    recipe: Recipe
    options: Options
    trainer: Trainer
    crops: Crops
    processes: Processes
    update: int = 0
    started: float = field(default_factory=monotonic)
    earlier: float = 0.0  # seconds that the legs before this one took
    start: str = ""  # the weights it began with, by name and sha256

    @property
    def seconds(self) -> float:
        """Wall time of all legs so far."""
        return self.earlier + monotonic() - self.started

    @property
    def plan(self) -> int:
        """The updates of the whole run."""
        return self.trainer.plan


def train(recipe: Recipe, options: Options, *, watch: Callable[[Run], None] | None = None) -> Run:
    """Make a leg of a run: to the end of the plan or of `minutes`; leaves a state that `resume` goes on from.

    `watch` is called after each look at the losses. Raises TrainingError, also when a loss is no longer finite: then
    the last good state is kept.
    """
    run = _prepare(recipe, options)
    record = _Records(run)
    saved = monotonic()
    deadline = run.started + 60 * options.minutes if options.minutes else float("inf")
    stop = False
    while run.update < run.plan and not stop:
        run.trainer.update(run.update, run.crops)
        run.update += 1
        if run.update % options.check_every and run.update < run.plan and run.trainer.on_gpu:
            continue
        _refuse_nan(run)
        record.losses()
        if watch:
            watch(run)
        stop = agree(monotonic() > deadline, run.trainer.device)
        if agree(monotonic() - saved > 60 * options.save_minutes, run.trainer.device) and not stop:
            _save(run)
            record.validation()
            saved = monotonic()
    _save(run)
    record.validation()
    record.close()
    return run


def _prepare(recipe: Recipe, options: Options) -> Run:
    device = choose_device(options.device)
    if device.type == "cpu":
        keep_freed_memory()
    processes = join_processes(device)
    if device.type == "cuda":
        device = torch.device("cuda", processes.local_rank)
        torch.cuda.set_device(device)
    saved = _saved_state(recipe, options)
    optimiser = saved["optimiser"] if saved else options.optimiser or recipe.optimiser
    recipe = replace(recipe, rates=_rates(recipe, options, saved), optimiser=optimiser)
    plan = saved["plan"] if saved else options.updates or recipe.updates
    seed, batch = (saved["seed"], saved["batch"]) if saved else (options.seed, options.batch or recipe.batch)
    trainer = Trainer(
        recipe,
        plan=plan,
        device=device,
        seed=seed,
        vgg=options.vgg,
        generator=None if saved else _beginning(recipe, options),
        processes=processes,
        speed=Speed(compiled=not options.eager, graph=not options.eager),
    )
    crops = Crops(
        find_photos(options.data),
        batch=batch,
        lr_size=recipe.lr_size,
        lr_margin=LR_MARGIN[trainer.generator.enlarges],
        device=device,
        seed=seed,
        memory=options.memory,
        rank=processes.rank,
        world=processes.world,
    )
    run = Run(recipe, options, trainer, crops, processes)
    if saved:
        trainer.load(saved)
        crops.resume(saved["crops"])
        run.update, run.earlier, run.start = saved["update"], saved["seconds"], saved["start"]
    else:
        run.start = _start(recipe, options)
        options.out.mkdir(parents=True, exist_ok=True)
        _save(run)
    return run


def _rates(recipe: Recipe, options: Options, saved: dict[str, Any] | None) -> tuple[Rate, ...]:
    if saved:
        return tuple(Rate(*piece) for piece in saved["rates"])
    return (Rate(1.0, *options.rates),) if options.rates else recipe.rates


def _saved_state(recipe: Recipe, options: Options) -> dict[str, Any] | None:
    path = options.out / STATE
    if not options.resume:
        if path.exists():
            raise TrainingError(f"{path} is the state of a run; go on with --resume, or name another --out")
        return None
    if not path.exists():
        return None
    saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    rates = [list(piece) for piece in _rates(recipe, options, None)] if options.rates else None
    asked_for = {"recipe": recipe.name, "plan": options.updates, "batch": options.batch, "rates": rates}
    asked_for |= {"optimiser": options.optimiser}
    for name, asked in asked_for.items():
        if asked is not None and saved[name] != asked:
            raise TrainingError(f"{path} is of a run with {name} {saved[name]}, not {asked}; a plan stays as it began")
    return saved


def _beginning(recipe: Recipe, options: Options) -> Generator | None:
    """The generator to start from, or None for random weights."""
    if options.start is None and recipe.start is None:
        return None
    network = build(recipe.name)
    try:
        if options.start is None:
            state = weights.load(str(recipe.start), weights.sha256_of(str(recipe.start)))
        else:
            state = weights.read_state(options.start)
        network.load_state_dict(state)
    except weights.WeightsError as error:
        hint = "" if options.start else "; or name a file with --start"
        raise TrainingError(f"{recipe.name} starts from {options.start or recipe.start}: {error}{hint}") from error
    except RuntimeError as error:
        raise TrainingError(f"{options.start or recipe.start} is of another network than {recipe.name}") from error
    return network


def _start(recipe: Recipe, options: Options) -> str:
    if options.start:
        status = options.start.stat()
        return f"{options.start.name}, {weights.file_sha256(options.start, status.st_size, status.st_mtime_ns)}"
    return f"{recipe.start}, {weights.sha256_of(recipe.start)}" if recipe.start else "random"


def _refuse_nan(run: Run) -> None:
    first_bad = int(run.trainer.first_bad)
    if agree(first_bad < run.update, run.trainer.device):
        raise TrainingError(
            f"a loss of update {first_bad + 1} was not a finite number. The state before it is kept in "
            f"{run.options.out / STATE}; go on from there with another --seed or a lower learning rate"
        )


def _save(run: Run) -> None:
    """Write the state, whole or not at all, if all its numbers are finite."""
    if not run.processes.is_first:
        return
    if not run.trainer.is_finite():
        raise TrainingError(
            f"after update {run.update} a weight is not a finite number. The state before it is kept in "
            f"{run.options.out / STATE}"
        )
    state = run.trainer.state() | {
        "recipe": run.recipe.name,
        "plan": run.plan,
        "batch": run.crops.batch,
        "rates": [list(piece) for piece in run.recipe.rates],
        "optimiser": run.recipe.optimiser,
        "seed": run.crops.seed,
        "update": run.update,
        "seconds": run.seconds,
        "start": run.start,
        "crops": run.crops.state(),
        "photographs": run.crops.photographs,
        "hardware": hardware_name(run.trainer.device, run.processes.world),
    }
    path = run.options.out / STATE
    temporary = path.with_name(f".{STATE}.{os.getpid()}")
    torch.save(state, temporary)
    temporary.replace(path)
    weights.save_state(run.options.out / GENERATOR, run.trainer.generator.state_dict())


def hardware_name(device: torch.device, count: int = 1) -> str:
    """Such as "1 x NVIDIA H200" or "1 x CPU, threads: 2, AVX512, AMX"."""
    if device.type == "cuda":
        return f"{count} x {torch.cuda.get_device_name(device)}"
    units = ", AMX" if has_bfloat16_units(device) else ""
    return f"{count} x CPU, threads: {torch.get_num_threads()}, {torch.backends.cpu.get_cpu_capability()}{units}"


class _Records:
    """What a run leaves behind and shows: log.jsonl, TensorBoard's files if it is installed, pictures, a line."""

    def __init__(self, run: Run) -> None:
        self.run, self._begin, self._shown = run, run.update, 0.0
        self._validation: list[tuple[Pixels, Pixels]] = []
        self._board: Any = None
        if not run.processes.is_first:
            return
        if run.options.validate:
            self._validation = [load_source(source) for source in find_sources(run.options.validate)]
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(run.options.out / "tensorboard"))
        except ImportError:
            print("TensorBoard is not installed (pip install tensorboard): scalars go to log.jsonl", file=sys.stderr)

    def losses(self) -> None:
        if self.run.processes.is_first:
            self._write({name: float(value) for name, value in self.run.trainer.losses.items()})
            self._show()

    def validation(self) -> None:
        """PSNR on the benchmark, and its first picture, with the generator as it is."""
        if not self._validation:
            return
        trainer = self.run.trainer
        engine = Engine(trainer.generator, device=trainer.device)
        upscaled = [upscale_with(engine, lr) for _, lr in self._validation]
        psnr = fmean(measure(hr, sr).psnr for (hr, _), sr in zip(self._validation, upscaled, strict=True))
        self._write({"validation_psnr": psnr})
        folder = self.run.options.out / "samples"
        folder.mkdir(exist_ok=True)
        write_image(folder / f"{self.run.update:07d}.png", upscaled[0])
        if self._board:
            self._board.add_image("sample", as_rgb(upscaled[0]), self.run.update, dataformats="HWC")

    def close(self) -> None:
        if self._board:
            self._board.close()
        if sys.stderr.isatty() and self.run.processes.is_first:
            print(file=sys.stderr)

    def _write(self, scalars: dict[str, float]) -> None:
        with (self.run.options.out / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"update": self.run.update} | scalars) + "\n")
        if self._board:
            for name, value in scalars.items():
                self._board.add_scalar(name, value, self.run.update)

    def _show(self) -> None:
        run, now = self.run, monotonic()
        interval = 0.5 if sys.stderr.isatty() else 60
        if now - self._shown < interval:
            return
        self._shown = now
        seconds = (now - run.started) / max(1, run.update - self._begin) * (run.plan - run.update)
        left = f"{int(seconds // 3600)}:{int(seconds // 60 % 60):02d}:{int(seconds % 60):02d}"
        loss = float(run.trainer.losses["generator"])
        line = f"{run.recipe.name}: {run.update:,} of {run.plan:,} updates ({run.update / run.plan:.1%}), "
        line += f"loss {loss:.5f}, {left} left"
        print(f"\r{line} " if sys.stderr.isatty() else line, end="" if sys.stderr.isatty() else "\n", file=sys.stderr)
