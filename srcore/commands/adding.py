"""The user's own methods: add, remove."""

import argparse
from pathlib import Path

from srcore.commands.shared import Commands, at_least
from srcore.scale import SCALE


def add_to(commands: Commands) -> None:
    add = commands.add_parser(
        "add",
        help="put a network of your own, or of others, among the methods",
        description="The files are copied into your data folder ($SRCORE_DATA). Code that is added is code that runs: "
        "now, and whenever the method is used, also by a site's workers. Weights are read as tensors only.",
    )
    add.add_argument("name", metavar="NAME", help="the method's name from now on")
    add.add_argument("file", metavar="FILE", help="a network file that spandrel opens, or net.py:build")
    add.add_argument("--weights", type=Path, metavar="FILE", help="for the nn.Module that build() returns")
    add.add_argument("--scale", type=at_least(1), metavar="N", help=f"times larger (default: the file's, or {SCALE})")
    add.add_argument("--title", "--display-name", dest="title", metavar="TEXT", help="for tables (default: NAME)")
    add.add_argument("--citation", metavar="TEXT", default="", help="where it comes from")
    add.add_argument(
        "--tile", type=at_least(0), metavar="N", help="LR pixels a side that the network sees at once; 0: all (256)"
    )
    add.add_argument("--multiple-of", type=at_least(1), metavar="N", help="sides that the network needs (its window)")
    add.set_defaults(command=_add)

    remove = commands.add_parser("remove", help="take a method out that was added")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(command=_remove)


def _add(options: argparse.Namespace) -> None:
    from srcore.adding import add  # loads torch

    method, note = add(
        options.name,
        options.file,
        weights=options.weights,
        display_name=options.title,
        citation=options.citation,
        scale=options.scale,
        tile=options.tile,
        multiple_of=options.multiple_of,
    )
    seen = f", in tiles of {method.tile} pixels" if method.is_network and method.tile else ""
    print(f"{method.name} is ready: {method.architecture}, {method.scales[0]}x{seen}; a running site offers it too")
    if method.entry:
        print(f"the code is kept in {method.folder} and runs whenever the method does")
    if note:
        print(f"note: {note}")


def _remove(options: argparse.Namespace) -> None:
    from srcore.adding import remove

    remove(options.name)
    print(f"{options.name} is removed")
