"""From a finished run to a method: measured, described in the manifest, with its sha256."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from srcore import weights
from srcore.benchmark import load_all
from srcore.images import Pixels
from srcore.inference import Engine
from srcore.methods.neural import upscale_with
from srcore.metrics import measure
from srcore.networks import build
from srcore.perceptual import FeatureDistance
from srcore.training.loop import GENERATOR, STATE, TrainingError, read_run_state
from srcore.training.recipes import get_recipe, short


def publish(
    run: Path | str,
    benchmarks: Sequence[Path | str],
    *,
    data: str,
    licence: str,
    vgg: Path | str | None = None,
    unfinished: bool = False,
    device: str = "auto",
) -> Path:
    """Measure a run's generator and put it into the weights folder as its method; the new file.

    The manifest says the recipe, `data` and `licence` (words for a reader), updates, date, hardware, and PSNR and SSIM
    (recipe `paper`) on each benchmark folder; with the file `vgg` also the distance in its phi_5,4; and for a run that
    began with weights of the manifest, their own entry, because their file may be the one replaced. Raises
    TrainingError for a folder without a run, one that is not finished unless `unfinished` is allowed, and a benchmark
    with pictures that cannot be measured.
    """
    run, folders = Path(run), [Path(folder) for folder in benchmarks]
    if not (run / STATE).is_file():
        raise TrainingError(f"{run} is not the folder of a run: {STATE} is not in it")
    state: dict[str, Any] = read_run_state(run / STATE)
    if state["update"] < state["plan"] and not unfinished:
        raise TrainingError(
            f"{run} is at update {state['update']:,} of {state['plan']:,}: "
            "go on with train --resume, or give --unfinished"
        )
    pictures = {folder.resolve().name: _pictures(folder) for folder in folders}
    network = build(state["recipe"])
    network.load_state_dict(weights.read_state(run / GENERATOR))
    engine = Engine(network, device=device)
    distance = FeatureDistance(vgg, device=device) if vgg else None
    facts = {
        "recipe": state["recipe"],
        "data": data,
        "photographs": state["photographs"],
        "updates": state["update"],
        "plan": state["plan"],
        "batch": state["batch"],
        "rates": state["rates"],
        "optimiser": state["optimiser"],
        "short": state.get("short", False),
        "average": state.get("average_decay", _average_of_then(state)),
        "deviations": state.get("deviations", []),
        "start": state["start"],
        "seed": state["seed"],
        "date": datetime.now(UTC).date().isoformat(),
        "hours": round(state["seconds"] / 3600, 2),
        "hardware": state["hardware"],
        "precision": state.get("precision", ""),  # which older runs do not say
        "scores": {name: _scores(engine, pairs, distance) for name, pairs in pictures.items()},
        "licence": licence,
    }
    for entry in weights.manifest().values():
        if state["start"].endswith(entry["sha256"]):
            facts["start_entry"] = entry
    return weights.publish(state["recipe"], network.state_dict(), facts)


def _pictures(folder: Path) -> list[tuple[Pixels, Pixels]]:
    """HR and LR of all its pictures: a score of some of them would be taken for the benchmark's."""
    loaded, problems = load_all(folder)
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise TrainingError(f"{folder} cannot be measured as a whole, so nothing is published; mend or remove:{lines}")
    return [(hr, lr) for _, hr, lr in loaded]


def _average_of_then(state: Mapping[str, Any]) -> float:
    """The decay of the average in a run from before states said it: its recipe's."""
    recipe = get_recipe(state["recipe"])
    return (short(recipe) if state.get("short") else recipe).average


def _scores(engine: Engine, pairs: list[tuple[Pixels, Pixels]], distance: FeatureDistance | None) -> dict[str, float]:
    results = [(hr, upscale_with(engine, lr)) for hr, lr in pairs]
    scores = [measure(hr, sr) for hr, sr in results]
    means = {"psnr": round(fmean(s.psnr for s in scores), 4), "ssim": round(fmean(s.ssim for s in scores), 5)}
    return means | ({"vgg54": round(fmean(distance(*result) for result in results), 5)} if distance else {})
