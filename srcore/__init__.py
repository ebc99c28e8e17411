"""Super-resolution by the methods of Ledig et al. 2017: making, measuring, training. Loads no torch by itself."""

from srcore.benchmark import Evaluation, evaluate, find_sources, load_source
from srcore.errors import SrcoreError
from srcore.images import MAX_PIXELS, ImageError, encode_png, read_image, write_image
from srcore.methods import Output, run, upscale
from srcore.methods.folder import FolderMatch, match_folder
from srcore.metrics import RECIPES, Measurement, measure
from srcore.registry import (
    METHODS,
    Method,
    MethodUnavailable,
    UnknownMethod,
    get_method,
    is_available,
    queue,
    register,
    weights_sha256,
    why_unavailable,
)
from srcore.resize import crop_to_multiple, downscale, imresize, upscale_bicubic, upscale_nearest
from srcore.sheet import sheet

__all__ = [
    "MAX_PIXELS",
    "METHODS",
    "RECIPES",
    "Evaluation",
    "FolderMatch",
    "ImageError",
    "Measurement",
    "Method",
    "MethodUnavailable",
    "Output",
    "SrcoreError",
    "UnknownMethod",
    "crop_to_multiple",
    "downscale",
    "encode_png",
    "evaluate",
    "find_sources",
    "get_method",
    "imresize",
    "is_available",
    "load_source",
    "match_folder",
    "measure",
    "queue",
    "read_image",
    "register",
    "run",
    "sheet",
    "upscale",
    "upscale_bicubic",
    "upscale_nearest",
    "weights_sha256",
    "why_unavailable",
    "write_image",
]
