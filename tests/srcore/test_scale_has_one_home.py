"""The literal 4 has one home, srcore/scale.py: every other 4 of srcore and of the site means something else."""

import ast
import re

from tests.conftest import ROOT

HOME = "srcore/scale.py"
# What a 4 may be: a pattern of the code around it, in which "@" is the literal, and files where it is looked for.
MEANINGS = {
    "axes of an array, its indices, channels with alpha": (
        r"ndim (!=|==) @|shape\[2\] == @|range\(@\)\]|state\[@\]|states\[:, :, @\]|permute\(0, 2, 5, 1, 3, 6, @",
        "",
    ),
    "decimals of a figure, or digits": (r"decimals=@|round\([^#]*, @\)|token_hex\(@\)|range\(0?,? ?_?\w*,? ?@\)", ""),
    "the four sides of a picture, or arguments": (r"\] \* @|nargs=@", "srcore/"),
    "bytes of a number": (r"else @\)|\* @$|byte in range\(@\)|to_bytes\(@|head\[:@\]", ""),
    "a pixel shuffle by 2 in both directions": (r"@ \* (out|channels|1200|kernel)|@ // groups|\+ @( \+ 16)?\)|"
        r"repeat_interleave\(@\)", "srcore/networks/"),
    "half of a kernel's side": (r"padding=@|radius = @ \+", "srcore/networks/"),
    "a quarter, or a coefficient of a formula": (r"/ @|// @$|- @ \* x|\+ @\) // 8", "srcore/"),
    "the two by two of a dithered luma": (r"@ \* _PHASES|\(blocks, @\)|reshape\(whole, @", "srcore/dither.py"),
    "a bit or a turn of the eight symmetries": (r"symmetry & @|divmod\(number, @\)|^\s*@: lambda", "srcore/"),
    "SelfExSR's own level": (r"TARGET_LEVEL = @|\[1\] \+ @", "srcore/methods/selfexsr/"),
    "how many are kept, tried, shown or run at once": (
        r"maxsize=@|groups=@|columns: int = @|default=@, help=|range\(@\):|_seed, @,|most: int = @|at_once: int = @|"
        r"\[:@\]|> @ else|min\(cores, @\)|width \* @\)|read_seconds: float = @|max_length=@|ValueValidator\(@\)|"
        r"start \+ @",
        "",
    ),
}  # fmt: skip


def files():
    for package in ("srcore", "studies", "mosweb"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def fours(text):
    """Each literal 4 as its line, with "@" in its place."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value == 4:
            line = lines[node.lineno - 1].encode()
            before, after = line[: node.col_offset].decode(), line[node.end_col_offset :].decode()
            yield node.lineno, f"{before}@{after}".split("  # ")[0].rstrip()


def unexplained(name, text):
    """The literal 4s of a file that none of the meanings is of."""
    allowed = [pattern for pattern, where in MEANINGS.values() if name.startswith(where)]
    for number, line in fours(text):
        if not any(re.search(pattern, line) for pattern in allowed):
            yield f"{name}:{number}: {line.strip()}"


def scales(text):
    """Numbers given to something that is called a scale, or compared with it, in code."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.keyword) and node.arg in ("scale", "factor") and is_number(node.value):
            yield node.value.lineno
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(called_scale(side) for side in sides) and any(is_number(side) for side in sides):
                yield node.lineno
        if isinstance(node, ast.FunctionDef):
            named = zip(reversed(node.args.args), reversed(node.args.defaults), strict=False)
            given = [*named, *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]
            yield from (value.lineno for name, value in given if name.arg == "scale" and is_number(value))


def called_scale(node):
    return getattr(node, "id", getattr(node, "attr", "")) == "scale"


def is_number(node):
    values = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    return any(isinstance(value, ast.Constant) and value.value in (2, 3, 4, 8) for value in values)


def test_no_other_file_has_a_four_that_is_the_scale():
    looked = [(name, text) for name, text in files() if name != HOME]
    assert len(looked) > 200
    assert [line for name, text in looked for line in unexplained(name, text)] == []
    assert [f"{name}:{number}" for name, text in looked for number in scales(text)] == []


def test_the_home_says_it_once():
    tree = ast.parse((ROOT / HOME).read_text(encoding="utf-8"))
    values = {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)}
    assert values == {"SCALE": 4, "SCALES": (2, 3, 4, 8)}


def test_every_meaning_is_one_that_occurs():
    lines = [(name, line) for name, text in files() if name != HOME for _, line in fours(text)]
    for meaning, (pattern, where) in MEANINGS.items():
        for part in re.split(r"\|(?![^(]*\))", pattern):
            assert any(name.startswith(where) and re.search(part, line) for name, line in lines), (meaning, part)


def test_one_that_is_planted_is_found():
    planted = "def shrink(hr, scale=4):\n    return hr[::4, ::4] if scale not in (4, 8) else enlarge(hr, scale=2)\n"
    assert len(list(unexplained("srcore/planted.py", planted))) == 4
    assert sorted(set(scales(planted))) == [1, 2]
    assert not list(scales("f(scale=SCALE)\nif x.scale == other: pass\n"))
