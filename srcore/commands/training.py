"""Training: train, bench, publish."""

import argparse
import json
import signal
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from srcore.commands.shared import Commands, add_device, at_least
from srcore.errors import in_words
from srcore.training.recipes import RECIPES, get_recipe


def add_to(commands: Commands) -> None:
    train = commands.add_parser("train", help="train a network by a recipe")
    train.add_argument("recipe", metavar="RECIPE", help=", ".join(RECIPES))
    train.add_argument(
        "--options",
        action=_OptionsFile,
        type=Path,
        metavar="FILE",
        help="take what is not given here from FILE, as options.json of a run has it",
    )
    train.add_argument("--data", required=True, nargs="+", metavar="PATH", help="photographs: folders, tars, globs")
    train.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the run")
    train.add_argument("--updates", type=at_least(1), metavar="N", help="the plan (default: the recipe's)")
    train.add_argument("--minutes", type=float, metavar="M", help="end this leg then; --resume goes on")
    train.add_argument("--resume", action="store_true", help="go on with the run in DIR, or begin it")
    train.add_argument("--batch", type=at_least(1), metavar="N", help="crops an update (default: the recipe's)")
    train.add_argument(
        "--rates",
        type=_rate,
        nargs=2,
        metavar=("FIRST", "LAST"),
        help="learning rate at the plan's beginning and end, falling geometrically (default: the recipe's schedule)",
    )
    train.add_argument("--optimiser", choices=("adam", "soap"), help="of the generator (default: the recipe's)")
    train.add_argument("--seed", type=int, default=0, help="of weights and crops (default: 0)")
    train.add_argument("--short", action="store_true", help="a perceptual recipe for few updates, on CPU cores")
    train.add_argument(
        "--average",
        type=_rate,
        metavar="DECAY",
        help="also keep a running average of the weights, such as 0.999, which is validated and published instead "
        "(default: the recipe's)",
    )
    train.add_argument("--start", type=Path, metavar="FILE", help="weights to begin with, instead of the recipe's")
    train.add_argument("--vgg", type=Path, metavar="FILE", help="VGG-19 weights (default: $SRCORE_VGG19, or download)")
    train.add_argument("--validate", type=Path, metavar="DIR", help="benchmark folder for PSNR and a sample picture")
    train.add_argument("--save-minutes", type=float, metavar="M", help="between two savings of the state (default: 5)")
    train.add_argument("--memory", type=_gigabytes, metavar="GB", help="of photographs (default: by the device)")
    train.add_argument("--eager", action="store_true", help="on a GPU: without torch.compile and CUDA graphs")
    add_device(train)
    train.set_defaults(command=_train)
    _add_bench(commands)
    _add_publish(commands)


def _add_bench(commands: Commands) -> None:
    bench = commands.add_parser("bench", help="measure the speed of training here")
    bench.add_argument("what", choices=["train"])
    bench.add_argument("--recipes", nargs="+", default=["srresnet-mse", "srgan-mse"], metavar="RECIPE")
    bench.add_argument(
        "--batch", type=at_least(1), metavar="N", help="crops an update (default: the recipe's; on a CPU 2)"
    )
    bench.add_argument("--vgg", type=Path, metavar="FILE", help="VGG-19 weights, for recipes that use it")
    add_device(bench)
    bench.set_defaults(command=_bench)


def _add_publish(commands: Commands) -> None:
    publish = commands.add_parser("publish", help="measure a trained network and put it among the methods")
    publish.add_argument("run", type=Path, metavar="DIR", help="folder of a finished run")
    publish.add_argument("--benchmarks", nargs="+", required=True, type=Path, metavar="DIR", help="to measure it on")
    publish.add_argument("--data", required=True, metavar="TEXT", help="what it was trained on, for the manifest")
    publish.add_argument("--licence", required=True, metavar="TEXT", help="of the weights, for the manifest")
    publish.add_argument("--vgg", type=Path, metavar="FILE", help="VGG-19 weights: also the distance in phi_5,4")
    publish.add_argument("--unfinished", action="store_true", help="also before the end of the plan")
    add_device(publish)
    publish.set_defaults(command=_publish)


class _OptionsFile(argparse.Action):
    """Fill in from a JSON file what the command line leaves open, before and after it."""

    def __call__(self, parser: Any, namespace: Any, value: Any, option: str | None = None) -> None:
        try:
            found = json.loads(value.read_text(encoding="utf-8"))
            items = dict(found).items()
        except (OSError, ValueError, TypeError) as error:
            said = in_words(error) if isinstance(error, OSError) else error
            raise argparse.ArgumentError(self, f"{value} cannot be read as options: {said}") from error
        actions = {action.dest: action for action in parser._actions}
        for name, given in items:
            action = actions.get(name)
            if action is None or action is self:
                known = ", ".join(sorted(set(actions) - {"help", self.dest}))
                raise argparse.ArgumentError(self, f"{value}: there is no option {name!r}; known: {known}")
            action.required = False
            if getattr(namespace, name, action.default) == action.default:
                setattr(namespace, name, Path(given) if action.type is Path else given)


def _gigabytes(text: str) -> int:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be more than 0, not {text}")
    return int(value * 1e9)


def _rate(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, not {text}")
    return value


def _train(options: argparse.Namespace) -> None:
    recipe = get_recipe(options.recipe)
    from srcore.training.loop import train  # loads torch
    from srcore.training.parallel import leave_processes
    from srcore.training.run import Options

    given = {field.name: getattr(options, field.name, None) for field in fields(Options)}
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    run = train(recipe, Options(**chosen))
    if run.processes.is_first:
        if run.signal:
            print(f"{run.signal}: stopped and saved", file=sys.stderr)
        state = "done" if run.update == run.plan else f"at update {run.update:,} of {run.plan:,}; --resume goes on"
        print(f"{recipe.name} is {state}: {options.out / 'generator.safetensors'}")
    leave_processes()
    if run.signal:
        sys.exit(128 + signal.Signals[run.signal])


def _bench(options: argparse.Namespace) -> None:
    names = [get_recipe(name).name for name in options.recipes]
    from srcore.inference import choose_device  # loads torch
    from srcore.training import bench

    rates = bench.measure_training(names, device=options.device, batch=options.batch, vgg=options.vgg)
    print(bench.report(rates, choose_device(options.device)))


def _publish(options: argparse.Namespace) -> None:
    from srcore.training.publish import publish  # loads torch

    path = publish(
        options.run,
        options.benchmarks,
        data=options.data,
        licence=options.licence,
        vgg=options.vgg,
        unfinished=options.unfinished,
        device=options.device,
    )
    print(f"{path} is in use as method {path.stem}")
