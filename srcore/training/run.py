"""A run of training: how it is made, and how far it is."""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from time import monotonic

from srcore.files import whole_file
from srcore.images import Pixels
from srcore.training.data import Crops
from srcore.training.parallel import Processes
from srcore.training.recipes import Optimiser, Recipe
from srcore.training.trainer import Trainer

OPTIONS = "options.json"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is made. Times in minutes, `memory` in bytes of photographs on the device; a path may be a str."""

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
    short: bool = False  # the recipe's form for few updates
    average: float | None = None  # decay of a running average of the weights, which is then validated and shipped
    start: Path | None = None  # weights to begin with, instead of the manifest's
    vgg: Path | None = None
    validate: Path | None = None  # a benchmark folder
    save_minutes: float = 5.0
    check_every: int = 50  # updates between looks at the losses, each of which waits for the device
    memory: int | None = None
    eager: bool = False  # without torch.compile and CUDA graphs

    def __post_init__(self) -> None:
        for name in ("out", "start", "vgg", "validate"):
            if isinstance(path := getattr(self, name), str):
                object.__setattr__(self, name, Path(path))


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
    signal: str = ""  # the name of the one that ended this leg
    short: bool = False  # whether `recipe` is the short form
    validation: list[tuple[Pixels, Pixels]] = field(default_factory=list)  # HR and LR of the benchmark

    @property
    def seconds(self) -> float:
        """Wall time of all legs so far."""
        return self.earlier + monotonic() - self.started

    @property
    def plan(self) -> int:
        """The updates of the whole run."""
        return self.trainer.plan


def write_options(path: Path, recipe: str, options: Options) -> None:
    """Write how a run was begun as JSON, which `train --options` reads; what was left to its default is not in it."""
    given = {f.name: getattr(options, f.name) for f in fields(Options) if getattr(options, f.name) != f.default}
    given.pop("resume", None)
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in given.items()}
    with whole_file(path) as file:
        file.write((json.dumps({"recipe": recipe} | plain, indent=2) + "\n").encode())
