"""Rectangles that cover a picture, each with what must be seen around it, so that their seams are exact."""

from collections.abc import Iterator
from typing import NamedTuple

SMALLEST_TILE = 16  # pixels a side, without what is seen around it


class Tile(NamedTuple):
    """A rectangle of a picture, [top, bottom) x [left, right)."""

    top: int
    bottom: int
    left: int
    right: int

    def scaled(self, factor: int) -> tuple[slice, slice]:
        """Its rows and columns in a picture `factor` times larger."""
        return slice(factor * self.top, factor * self.bottom), slice(factor * self.left, factor * self.right)

    def within(self, seen: "Tile") -> "Tile":
        """The same rectangle, counted from the corner of one that holds it."""
        return Tile(self.top - seen.top, self.bottom - seen.top, self.left - seen.left, self.right - seen.left)


def tiles(height: int, width: int, pixels: int, radius: int) -> Iterator[tuple[Tile, Tile]]:
    """Tiles that cover the picture, each with the larger one that must be seen for it, of `pixels` at most."""
    if height * width <= pixels:
        whole = Tile(0, height, 0, width)
        yield whole, whole
        return
    side = max(SMALLEST_TILE, int(pixels**0.5) - 2 * radius)
    rows, columns = -(-height // side), -(-width // side)
    for row in range(rows):
        top, bottom = row * height // rows, (row + 1) * height // rows
        for column in range(columns):
            left, right = column * width // columns, (column + 1) * width // columns
            seen = Tile(
                max(0, top - radius), min(height, bottom + radius), max(0, left - radius), min(width, right + radius)
            )
            yield Tile(top, bottom, left, right), seen


def fixed_tiles(height: int, width: int, side: int, radius: int) -> Iterator[tuple[Tile, Tile]]:
    """Tiles of `side` pixels from the top left corner on, or the whole picture with 0, whatever memory there is.

    Each comes with the larger one that is seen for it, `radius` more on each side where the picture goes on. Where
    side and radius are multiples of a network's window, its windows lie as in the whole picture.
    """
    if not side or max(height, width) <= side:
        whole = Tile(0, height, 0, width)
        yield whole, whole
        return
    for top in range(0, height, side):
        for left in range(0, width, side):
            tile = Tile(top, min(height, top + side), left, min(width, left + side))
            seen = Tile(
                max(0, top - radius),
                min(height, tile.bottom + radius),
                max(0, left - radius),
                min(width, tile.right + radius),
            )
            yield tile, seen
