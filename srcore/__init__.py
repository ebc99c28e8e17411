"""Super-resolution by the methods of Ledig et al. 2017 and by yours: making, measuring, training. Loads no torch."""

from srcore.benchmark import Evaluation, Source, evaluate, find_sources, load_source
from srcore.errors import SrcoreError
from srcore.images import (
    MAX_PIXELS,
    ImageError,
    Pixels,
    encode_png,
    read_image,
    read_with_alpha,
    was_written_here,
    write_image,
)
from srcore.matching import match_names
from srcore.methods.folder import FolderMatch, match_folder
from srcore.methods.method import Method, MethodFailed, MethodUnavailable, Work
from srcore.methods.running import Output, run, upscale
from srcore.metrics import METRIC_RECIPES, METRICS, Measurement, Metric, get_metric, measure
from srcore.registry import (
    METHODS,
    PAPER_METHODS,
    UnknownMethod,
    get_method,
    is_available,
    queue,
    register,
    register_packages,
    weights_sha256,
    why_unavailable,
)
from srcore.resize import crop_to_multiple, downscale, imresize, upscale_bicubic, upscale_nearest
from srcore.sheet import sheet

__all__ = [
    "MAX_PIXELS",
    "METHODS",
    "METRICS",
    "METRIC_RECIPES",
    "PAPER_METHODS",
    "Evaluation",
    "FolderMatch",
    "ImageError",
    "Measurement",
    "Method",
    "MethodFailed",
    "MethodUnavailable",
    "Metric",
    "Output",
    "Pixels",
    "Source",
    "SrcoreError",
    "UnknownMethod",
    "Work",
    "crop_to_multiple",
    "downscale",
    "encode_png",
    "evaluate",
    "find_sources",
    "get_method",
    "get_metric",
    "imresize",
    "is_available",
    "load_source",
    "match_folder",
    "match_names",
    "measure",
    "queue",
    "read_image",
    "read_with_alpha",
    "register",
    "run",
    "sheet",
    "upscale",
    "upscale_bicubic",
    "upscale_nearest",
    "was_written_here",
    "weights_sha256",
    "why_unavailable",
    "write_image",
]

register_packages()  # last: a package's methods import this one
