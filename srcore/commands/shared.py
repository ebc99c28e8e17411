"""What several commands share: arguments, the files of a batch and where their results go, progress on a terminal."""

import argparse
import glob
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import TypeAlias

from srcore.errors import SrcoreError, in_words
from srcore.files import is_folder, is_there, why_no_folder
from srcore.images import ImageError, was_written_here
from srcore.matching import all_files, passed_over, picture_files, some
from srcore.methods.method import OnProgress
from srcore.scale import SCALE, SCALES

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class SomeFailed(SrcoreError, RuntimeError):
    """Part of the work is done; the message lists what is not, and why."""

    def __init__(self, problems: Sequence[str], total: int, what: str = "files") -> None:
        self.problems = list(problems)
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(problems[0] if total == 1 else f"{len(problems)} of {total} {what} failed:{lines}")


def at_least(least: int) -> Callable[[str], int]:
    """An argument that is a whole number, `least` or more."""

    def parse(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more, not {text}")
        return value

    parse.__name__ = "whole number"
    return parse


def device(text: str) -> str:
    """An argument that names a device of torch."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"must be auto, cpu, cuda or cuda:N, not {text}")
    return text


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", type=device, default="auto", metavar="NAME", help="for networks: auto (default), cpu, cuda, cuda:N"
    )


def add_scale(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale", type=at_least(2), default=SCALE, metavar="N", help=f"times larger, {SCALES} (default: {SCALE})"
    )


def add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the PNGs; made if needed")
    parser.add_argument("files", nargs="+", metavar="FILE", help="files, folders or globs; results are named FILE.png")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--skip-existing", action="store_true", help="leave out files whose result is there")
    existing.add_argument("--force", action="store_true", help="also write over files that srcore did not write")


def each_file(options: argparse.Namespace, work: Callable[[Path, Path], str]) -> None:
    """Do the work for each file of the batch and print what it returns; at the end raise SomeFailed if any failed.

    `work` takes the file and the PNG to write. Where results go is checked before the first.
    """
    files = expanded(options.files)
    notes = [passed_over(all_files(Path(name))) for name in options.files if is_folder(Path(name))]
    for note in filter(None, [*notes, _alike(files)]):
        print(note)
    jobs, problems = _targets(files, options.out, force=options.force)
    total = len(jobs) + len(problems)
    if options.skip_existing:
        there = [target for _, target in jobs if is_there(target)]
        jobs = [job for job in jobs if job[1] not in there]
        if there:
            print(f"{len(there)} left out: their results are there")
    start = monotonic()
    for number, (file, target) in enumerate(jobs, 1):
        try:
            said = work(file, target)
            rate = f"  [{number} of {len(jobs)}, {number / (monotonic() - start):.2f} a second]"
            print(f"{said}{rate if len(jobs) > 1 else ''}", flush=True)
        except (SrcoreError, OSError, MemoryError) as error:
            problems.append(_named(file, error))
            if len(jobs) > 1:
                print(f"failed: {problems[-1]}", file=sys.stderr, flush=True)
    if problems:
        raise SomeFailed(problems, total)


def expanded(names: Sequence[str]) -> list[Path]:
    """Files as they are, folders as their pictures, patterns as what they match, each once.

    Raises ImageError for nothing.
    """
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if is_folder(path):
            inside = picture_files(path)
            if not inside:
                raise ImageError(f"{path} holds no picture")
            found += inside
        elif any(sign in name for sign in "*?[") and not is_there(path):
            matching = sorted(Path(match) for match in glob.glob(name, recursive=True))  # noqa: PTH207 - below a folder
            if not matching:
                raise ImageError(f"{name} matches no file")
            found += [match for match in matching if not is_folder(match)]
        else:
            found.append(path)
    return list({os.path.abspath(path): path for path in found}.values())  # noqa: PTH100 - resolve() follows links


def _alike(files: Sequence[Path]) -> str:
    """Files that differ in their ending only: with it in their results' names none takes another's place."""
    stems = Counter(file.stem for file in files)
    alike = [file for file in files if stems[file.stem] > 1]
    return f"named alike but for the ending, which their results keep (NAME.jpg.png): {some(alike)}" if alike else ""


def bar(label: str) -> OnProgress | None:
    """Progress on standard error, where a person watches it."""
    if not sys.stderr.isatty():
        return None
    start = monotonic()

    def show(fraction: float) -> None:
        left = (monotonic() - start) * (1 / fraction - 1) if fraction > 0 else 0.0
        text = f"\r{label}: {fraction:4.0%}, {left:.0f} s left   " if fraction < 1 else f"\r{label}: done{' ' * 16}\n"
        print(text, end="", file=sys.stderr, flush=True)

    return show


def _named(file: Path, error: Exception) -> str:
    """The error with the file it is about."""
    text = "too little memory" if isinstance(error, MemoryError) else str(error)
    if isinstance(error, OSError) and not isinstance(error, SrcoreError):
        text = f"{error.filename or file}: {in_words(error)}"
    return text if str(file) in text or file.name in text else f"{file}: {text}"


def _targets(files: Sequence[Path], folder: Path, *, force: bool) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Each file with the PNG to write, and the files that cannot have one of their own, named.

    Raises ImageError before anything is written over.
    """
    stems = Counter(file.stem for file in files)
    named: dict[Path, list[Path]] = defaultdict(list)
    for file in files:
        named[folder / f"{file.stem if stems[file.stem] == 1 else file.name}.png"].append(file)
    jobs = [(few[0], target) for target, few in named.items() if len(few) == 1]
    foreign = []
    for file, target in jobs:
        if is_there(target) and is_there(file) and target.samefile(file):
            raise ImageError(f"{file} would be written over; give --out another folder")
        if is_there(target) and not force and not was_written_here(target):
            foreign.append(target)
    if foreign:
        raise ImageError(
            f"{folder} has {some(foreign)} already, which srcore did not write; give --out another folder, or --force "
            "to write over them"
        )
    if reason := why_no_folder(folder):
        raise ImageError(f"--out: {reason}")
    folder.mkdir(parents=True, exist_ok=True)
    twins = [(target, few) for target, few in named.items() if len(few) > 1]
    return jobs, [
        f"{file}: {len(few)} results would be {target.name}; run them apart" for target, few in twins for file in few
    ]
