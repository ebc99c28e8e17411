"""Pictures side by side, as in the paper's figures: LR, methods and HR of one region, PSNR/SSIM under each."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from srcore.images import ImageError, Pixels, as_rgb
from srcore.methods.running import upscale
from srcore.metrics import MetricRecipe, measure
from srcore.registry import METHODS, get_method
from srcore.resize import upscale_nearest
from srcore.scale import SCALE

_GAP = 8  # pixels between and around the panels
_TEXT = 14  # height of a line in pixels


class Region(NamedTuple):
    """A rectangle of the HR picture, in its pixels."""

    left: int
    top: int
    width: int
    height: int


def sheet(
    hr: Pixels,
    lr: Pixels,
    methods: Sequence[str] | Mapping[str, Pixels],
    *,
    region: Region | tuple[int, int, int, int] | None = None,
    zoom: int = 2,
    columns: int = 4,
    recipe: MetricRecipe = "paper",
    device: str = "auto",
) -> Pixels:
    """One RGB picture with a panel each for LR, every method and HR; under a method its PSNR and SSIM.

    `methods` are names, computed here, or finished pictures by name. `region` (left, top, width, height in HR pixels,
    default: the middle, 96 x 96) is shown, each pixel `zoom` times; PSNR and SSIM are those of the whole picture.
    The result is a uint8 array: `PIL.Image.fromarray(sheet(...))` shows it in a notebook. Raises ImageError for a
    region that leaves the picture, and what making and measuring the pictures raises.
    """
    if zoom < 1 or columns < 1:
        raise ImageError(f"zoom and columns are 1 or more, not {zoom} and {columns}")
    scale = hr.shape[0] // lr.shape[0]
    if hr.shape[:2] != (scale * lr.shape[0], scale * lr.shape[1]):
        raise ImageError(f"HR of {hr.shape[:2]} and LR of {lr.shape[:2]} pixels do not belong together")
    if not isinstance(methods, Mapping):
        methods = {name: upscale(lr, name, scale=scale, device=device) for name in methods}
    area = _inside(hr, region)
    said = "input" if scale == SCALE else f"input, {scale}x"
    panels = [_panel(upscale_nearest(as_rgb(lr), scale), area, zoom, "LR", said)]
    for name, pixels in methods.items():
        score = measure(hr, pixels, recipe=recipe, crop=scale)
        title = get_method(name).display_name if name in METHODS else name
        panels.append(_panel(pixels, area, zoom, title, f"{score.psnr:.2f} dB / {score.ssim:.4f}"))
    panels.append(_panel(hr, area, zoom, "HR", "original"))
    return _grid(panels, columns)


def _inside(hr: Pixels, region: Region | tuple[int, int, int, int] | None) -> Region:
    height, width = hr.shape[:2]
    if region is None:
        side_x, side_y = min(96, width), min(96, height)
        return Region((width - side_x) // 2, (height - side_y) // 2, side_x, side_y)
    area = Region(*region)
    fits = area.left >= 0 and area.top >= 0 and area.left + area.width <= width and area.top + area.height <= height
    if not fits or area.width < 1 or area.height < 1:
        raise ImageError(f"the region {tuple(area)} leaves the picture of {width} x {height}; choose one inside")
    return area


def _panel(pixels: Pixels, area: Region, zoom: int, title: str, caption: str) -> Pixels:
    """The region, enlarged without smoothing, over two lines of text."""
    cut = as_rgb(pixels)[area.top : area.top + area.height, area.left : area.left + area.width]
    shown = cut.repeat(zoom, axis=0).repeat(zoom, axis=1)
    font = ImageFont.load_default(_TEXT)
    width = max(shown.shape[1], *(int(font.getlength(text)) + 1 for text in (title, caption)))
    canvas = Image.new("RGB", (width, shown.shape[0] + 3 * _TEXT), "white")
    canvas.paste(Image.fromarray(shown), ((width - shown.shape[1]) // 2, 0))
    pen = ImageDraw.Draw(canvas)
    for line, text in enumerate((title, caption)):
        place = (width / 2, shown.shape[0] + (0.3 + 1.25 * line) * _TEXT)
        pen.text(place, text, font=font, fill="black", anchor="ma")
    return np.asarray(canvas)


def _grid(panels: list[Pixels], columns: int) -> Pixels:
    columns = min(columns, len(panels))
    height, width = (max(panel.shape[axis] for panel in panels) for axis in (0, 1))
    rows = -(-len(panels) // columns)
    grid = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), 255, np.uint8)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        top = _GAP + row * (height + _GAP)
        left = _GAP + column * (width + _GAP) + (width - panel.shape[1]) // 2
        grid[top : top + panel.shape[0], left : left + panel.shape[1]] = panel
    return grid
