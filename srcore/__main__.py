"""python -m srcore: the library from a shell. Errors are on standard error, with exit code 1."""

import argparse
import sys
from collections.abc import Sequence

from srcore.commands import adding, measuring, pictures, training
from srcore.errors import SrcoreError, in_words


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except SrcoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {f'{error.filename}: ' if error.filename else ''}{in_words(error)}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m srcore", description="Super-resolution: make, measure, train.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for topic in (pictures, measuring, training, adding):
        topic.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
