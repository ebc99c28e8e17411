"""Networks of other projects: what the library spandrel recognises in a file, and modules that users build."""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from srcore.matching import PICTURE_SUFFIXES
from srcore.methods.added import Added, AddedError, Part
from srcore.methods.method import MethodFailed
from srcore.networks.generator import Generator
from srcore.networks.vgg import torchvision
from srcore.weights import WeightsError, read_state

_OVERLAP = 32  # LR pixels: enough for the convolutional ones; what attention sees has no end
_TILE = 256
WAYS = (
    "A method is added from the file of a network that spandrel knows, or from code with its weights (python -m srcore "
    "add NAME net.py:build --weights FILE); pictures that one made are scored as they are (evaluate --results FOLDER)"
)
_PICTURES = {b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"II*\0": "TIFF", b"MM\0*": "TIFF"}
_WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "generator", "model", "net_g", "g", "net")


class _NoCheckpoint(WeightsError):
    """A file that is something else."""


class ForeignNetwork(Generator):
    """RGB (N, 3, H, W) in [0, 1] -> (N, 3, sH, sW) in [-1, 1], by somebody's module, which gives [0, 1].

    It sees tiles of `tile` LR pixels with what lies around them, or the whole picture with 0: always the same ones, so
    that a network with attention gives one picture whatever memory is free. Sides are padded to a multiple of
    `multiple_of` by repeating the border.
    """

    colour = "rgb"
    floats_per_lr_pixel = 64 * 16 * 4

    def __init__(
        self, model: nn.Module, *, scale: int, tile: int = _TILE, multiple_of: int = 1, descriptor: Any = None
    ) -> None:
        super().__init__()
        self.model, self.descriptor = model, descriptor
        self.scale, self.multiple_of = scale, multiple_of
        self.supports_half = bool(descriptor.supports_half) if descriptor else False
        self.radius = -(-_OVERLAP // multiple_of) * multiple_of
        self.tile = -(-tile // multiple_of) * multiple_of
        # What progress is reckoned with; exact for layers at the LR image's resolution.
        self.macs_per_lr_pixel = sum(m.weight.numel() for m in self.modules() if isinstance(m, nn.Conv2d)) or 1

    def forward(self, lr: Tensor) -> Tensor:
        return torch.cat([self._one(picture[None]) for picture in lr]) * 2 - 1  # many take one at a time

    def _one(self, picture: Tensor) -> Tensor:
        height, width = picture.shape[2:]
        if self.descriptor is not None:  # spandrel pads by itself
            made, seen = self.descriptor(picture), picture
        else:
            bottom, right = -height % self.multiple_of, -width % self.multiple_of
            seen = functional.pad(picture, [0, right, 0, bottom], mode="replicate")
            made = self.model(seen)
        if not isinstance(made, Tensor) or made.ndim != 4 or made.shape[1] != 3:
            found = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
            raise MethodFailed(f"the network gave {found}, where a tensor (1, 3, height, width) is needed")
        if made.shape[2:] != (self.scale * seen.shape[2], self.scale * seen.shape[3]):
            raise MethodFailed(
                f"the network made {tuple(made.shape[2:])} of {tuple(seen.shape[2:])} pixels, which is not "
                f"{self.scale} times as many a side; say its scale"
            )
        sr: Tensor = made[:, :, : self.scale * height, : self.scale * width]
        return sr


class Description(NamedTuple):
    """What spandrel says about a file."""

    architecture: str
    scales: tuple[int, ...]
    tile: int
    multiple_of: int


def describe(method: Added) -> Description:
    """What spandrel recognises in the method's file. Raises AddedError and WeightsError for what it does not."""
    model = _opened(_weights_of(method))
    if (model.input_channels, model.output_channels) != (3, 3):
        found = f"{model.input_channels} channels in and {model.output_channels} out"
        raise WeightsError(f"{model.architecture.name} has {found}; RGB networks, 3 and 3, can be used")
    whole = model.tiling.name != "SUPPORTED"
    multiple = int(model.size_requirements.multiple_of or 1)
    return Description(str(model.architecture.name), (int(model.scale),), 0 if whole else _TILE, multiple)


def load(method: Added) -> ForeignNetwork:
    """The network of an added method, from files that were checked. Raises AddedError and WeightsError."""
    if reason := method.why_unavailable():
        raise AddedError(reason)
    options = {"scale": method.scales[0], "tile": method.tile, "multiple_of": method.multiple_of}
    if not method.entry:
        descriptor = _opened(_weights_of(method))
        return ForeignNetwork(descriptor.model, descriptor=descriptor, **options)
    module = method.built()
    if not is_module(module):
        raise AddedError(f"{method.entry}() of {method.name} returned no nn.Module this time; add it again")
    if path := method.path(Part.WEIGHTS):
        _fill(module, read_weights(path), path)
    return ForeignNetwork(module.eval(), **options)


def is_module(built: Any) -> bool:
    """Whether code returned a network."""
    return isinstance(built, nn.Module)


def read_weights(path: Path) -> dict[str, Any]:
    """The tensors of a safetensors file, or of a torch file read without running what it holds, unwrapped.

    Checkpoints that keep them under a key such as "params_ema" or "state_dict", and keys that begin with "module.",
    are understood. Raises WeightsError.
    """
    state = _state(path)
    while inner := next((state[key] for key in _WRAPPERS if isinstance(state.get(key), dict)), None):
        state = inner
    if state and all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    return state


def _fill(module: nn.Module, state: dict[str, Any], path: Path) -> None:
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path.name} does not fit the network of the code: {reason[:400]}") from error


def _weights_of(method: Added) -> Path:
    path = method.path(Part.WEIGHTS)
    if path is None:
        raise AddedError(f"{method.name} has no network file")
    return path


def _opened(path: Path) -> Any:
    torchvision()  # spandrel imports it, also where that needs help
    try:
        from spandrel import MAIN_REGISTRY, ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except ImportError as error:
        raise WeightsError("network files of others need the package spandrel: pip install spandrel") from error
    try:
        with warnings.catch_warnings():  # some architectures use what torch will change
            warnings.simplefilter("ignore")
            model = ModelLoader(device="cpu").load_from_state_dict(_state(path))
    except _NoCheckpoint as error:
        raise WeightsError(f"{error}. {WAYS}") from error
    except UnsupportedModelError as error:
        known = ", ".join(sorted(entry.architecture.name for entry in MAIN_REGISTRY.architectures()))
        raise WeightsError(
            "spandrel does not know the network in this file. What is left: its code (python -m srcore add NAME "
            f"net.py:build --weights FILE), or its result images (evaluate --results FOLDER). spandrel knows: {known}"
        ) from error
    if not isinstance(model, ImageModelDescriptor):
        raise WeightsError(f"{type(model).__name__} needs more than one picture to make one")
    return model


def _no_checkpoint(path: Path) -> str:
    """What a file is that begins as other things do, or is named so; "" where it may be a checkpoint."""
    with path.open("rb") as file:
        head = file.read(16)
    if head[8:9] == b"{":  # safetensors, whose first bytes are a length and can be anything
        return ""
    for signature, kind in _PICTURES.items():
        if head.startswith(signature):
            return f"a picture ({kind})"
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return f"named as a picture ({path.suffix})"
    return "a web page, such as a server sends instead of a file," if head.lstrip()[:1] == b"<" else ""


def _state(path: Path) -> dict[str, Any]:
    if path.stat().st_size == 0:
        raise WeightsError(f"{path.name} is empty; fetch it again")
    if kind := _no_checkpoint(path):
        raise _NoCheckpoint(f"{path.name} is {kind} and no checkpoint, such as .pth, .ckpt or .safetensors")
    if path.suffix == ".safetensors":
        return dict(read_state(path, name=path.name))
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpicklers raise nearly every type
        if "weights_only" in str(error) or "Unsupported" in str(error):
            raise WeightsError(
                f"{path.name} holds more than tensors, which would be run as code when it is loaded; save its "
                "state_dict() alone, or as safetensors"
            ) from error
        raise WeightsError(f"{path.name} cannot be read as weights: {error}") from error
    if not isinstance(state, dict):
        raise WeightsError(f"{path.name} holds {type(state).__name__}, not the weights of a network")
    return state
