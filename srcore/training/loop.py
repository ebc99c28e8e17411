"""A training run: legs that go on where the last one stopped, its records, its validation, and its end on NaN."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from srcore import weights
from srcore.benchmark import load_all
from srcore.errors import SrcoreError
from srcore.files import whole_file, why_no_folder
from srcore.images import Pixels
from srcore.inference import choose_device
from srcore.networks import build
from srcore.networks.generator import Generator
from srcore.training.data import Crops, free_memory
from srcore.training.limits import cpu_cores
from srcore.training.memory import keep_freed_memory
from srcore.training.parallel import agree, join_processes, smallest
from srcore.training.photos import find_photos
from srcore.training.recipes import Rate, Recipe, averaged, short
from srcore.training.records import Records
from srcore.training.run import OPTIONS, Options, Run, write_options
from srcore.training.stopping import Runaway, Signals
from srcore.training.trainer import LR_MARGIN, Speed, Trainer, has_bfloat16_units

STATE, GENERATOR = "state.pt", "generator.safetensors"
LAST = "last.safetensors"  # the generator of the last update, where GENERATOR is an average


class TrainingError(SrcoreError, RuntimeError):
    """A run that cannot start or go on; the message says what to do."""


def train(recipe: Recipe, options: Options, *, watch: Callable[[Run], None] | None = None) -> Run:
    """Make a leg of a run: to the end of the plan or of `minutes`; leaves a state that `resume` goes on from.

    SIGINT and SIGTERM end the leg as `minutes` do (Run.signal says so); a second one ends it at once. `watch` is
    called after each look at the losses. Raises TrainingError, also when a loss is no longer finite or has run away:
    then the last good state is kept.
    """
    with Signals() as signals:
        run = _prepare(recipe, options)
        record = Records(run)
        try:
            _train(run, record, signals, watch)
            run.crops.close()
        finally:
            record.close()
    return run


def _train(run: Run, record: Records, signals: Signals, watch: Callable[[Run], None] | None) -> None:
    options, device, runaway = run.options, run.trainer.device, Runaway()
    saved = monotonic()
    deadline = run.started + 60 * options.minutes if options.minutes else float("inf")
    stop = False
    while run.update < run.plan and not stop:
        run.trainer.update(run.update, run.crops)
        run.update += 1
        if run.update % options.check_every and run.update < run.plan and run.trainer.on_gpu:
            continue
        _refuse_nan(run)
        moved = run.update > run.recipe.warm_up  # before, the generator has no loss
        if moved and runaway.sees(float(run.trainer.losses["generator"])):
            raise TrainingError(
                f"the loss ran away: at update {run.update} its mean is {runaway.mean:.3g}, where it was "
                f"{runaway.lowest:.3g}. The state before it is kept in {options.out / STATE}; go on from there with "
                "another --seed, or begin again with a lower learning rate"
            )
        record.losses()
        if watch:
            watch(run)
        stop = agree(monotonic() > deadline or bool(signals.received), device)
        due = agree(monotonic() - saved > 60 * options.save_minutes, device)
        if due and not stop and runaway.mean < 10 * runaway.lowest:
            _save(run)
            record.validation()
            saved = monotonic()
    run.signal = signals.received
    _save(run)
    record.validation()


def _prepare(recipe: Recipe, options: Options) -> Run:
    if reason := why_no_folder(options.out):
        raise TrainingError(f"--out: {reason}")
    device = choose_device(options.device)
    if device.type == "cpu":
        keep_freed_memory()
        torch.set_num_threads(min(torch.get_num_threads(), cpu_cores()))
    processes = join_processes(device)
    if device.type == "cuda":
        alone = processes.world == 1 and device.index is not None  # --device cuda:N
        device = device if alone else torch.device("cuda", processes.local_rank)
        torch.cuda.set_device(device)
    saved = _saved_state(recipe, options)
    is_short = saved.get("short", False) if saved else options.short
    if is_short:
        recipe = short(recipe)
    decay = saved.get("average_decay", recipe.average) if saved else options.average or recipe.average
    if decay != recipe.average:
        recipe = averaged(recipe, decay)
    optimiser = saved["optimiser"] if saved else options.optimiser or recipe.optimiser
    recipe = replace(recipe, rates=_rates(recipe, options, saved), optimiser=optimiser)
    plan = _plan(recipe, options, saved)
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
        memory=smallest(options.memory or free_memory(device), device),
        rank=processes.rank,
        world=processes.world,
        exchange=processes.exchange,
    )
    validation = _validation(options) if processes.is_first else []
    run = Run(recipe, options, trainer, crops, processes, short=is_short, validation=validation)
    if saved:
        trainer.load(saved)
        crops.resume(saved["crops"])
        run.update, run.earlier, run.start = saved["update"], saved["seconds"], saved["start"]
    else:
        run.start = _start(recipe, options)
        options.out.mkdir(parents=True, exist_ok=True)
        if processes.is_first:
            write_options(options.out / OPTIONS, recipe.name, options)
        _save(run)
    return run


def _validation(options: Options) -> list[tuple[Pixels, Pixels]]:
    """HR and LR of the benchmark, but for pictures that cannot be measured, which are named."""
    if options.validate is None:
        return []
    loaded, problems = load_all(options.validate)
    if not loaded:
        raise TrainingError(f"--validate: no picture of {options.validate} can be measured: {'; '.join(problems)}")
    for problem in problems:
        warnings.warn(f"passed over: {problem}", stacklevel=2)
    return [(hr, lr) for _, hr, lr in loaded]


def _plan(recipe: Recipe, options: Options, saved: dict[str, Any] | None) -> int:
    """The updates of the run: what it began with, or more once it has made them all."""
    if saved is None:
        return options.updates or recipe.updates
    plan: int = saved["plan"]
    if options.updates in (None, plan):
        return plan
    if saved["update"] == plan and options.updates > plan:
        return options.updates
    raise TrainingError(
        f"{options.out / STATE} is of a run with plan {plan}, not {options.updates}; a plan stays as it began, and can "
        "be made longer once it is done"
    )


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
    saved = read_run_state(path)
    rates = [list(piece) for piece in _rates(recipe, options, None)] if options.rates else None
    asked_for = {
        "recipe": recipe.name,
        "batch": options.batch,
        "rates": rates,
        "optimiser": options.optimiser,
        "short": options.short or None,
        "average_decay": options.average,
    }
    for name, asked in asked_for.items():
        began = saved.get(name, False)
        if asked is not None and began != asked:
            what = name.replace("_", " ")
            raise TrainingError(f"{path} is of a run with {what} {began}, not {asked}; a plan stays as it began")
    return saved


def read_run_state(path: Path) -> dict[str, Any]:
    """What a run wrote of itself. Raises TrainingError for a file that is cut off or something else."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpicklers raise nearly every type
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(
            f"{path} cannot be read as the state of a run ({reason}): it is cut off or something else. Restore it from "
            "a copy, or begin again in another --out"
        ) from error
    return state


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
        "short": run.short,
        "average_decay": run.recipe.average,
        "deviations": list(run.recipe.deviations),
        "seed": run.crops.seed,
        "update": run.update,
        "seconds": run.seconds,
        "start": run.start,
        "crops": run.crops.state(),
        "photographs": run.crops.photographs,
        "hardware": hardware_name(run.trainer.device, run.processes.world),
        "precision": run.trainer.precision,
    }
    path = run.options.out / STATE
    with whole_file(path) as file:
        torch.save(state, file)
    weights.save_state(run.options.out / GENERATOR, run.trainer.shipped.state_dict())
    if run.trainer.average is not None:
        weights.save_state(run.options.out / LAST, run.trainer.generator.state_dict())


def hardware_name(device: torch.device, count: int = 1) -> str:
    """Such as "1 x NVIDIA H200" or "1 x CPU, threads: 2, AVX512, AMX"."""
    if device.type == "cuda":
        return f"{count} x {torch.cuda.get_device_name(device)}"
    units = (", AMX" if torch.cpu._is_amx_tile_supported() else ", BF16") if has_bfloat16_units(device) else ""
    return f"{count} x CPU, threads: {torch.get_num_threads()}, {torch.backends.cpu.get_cpu_capability()}{units}"
