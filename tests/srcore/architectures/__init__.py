"""Eleven published architectures with random weights, as their users would bring them, and one that is nobody's.

Those that spandrel does not know, or that are brought as code all the same, are files here with build(); of the others
it has the code. `window_attention` is the kind that needs whole windows, without a paper of its own.
"""

import importlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

AS_CODE = ("imdn", "rfdn", "pan", "srgan_port", "edsr", "carn", "window_attention")
BY_SPANDREL: dict[str, dict[str, Any]] = {
    "ESRGAN": {"num_filters": 8, "num_blocks": 1},
    "Compact": {"num_feat": 8, "num_conv": 2, "upscale": 4},
    "SwinIR": {
        "embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 8,
        "upscale": 4, "upsampler": "pixelshuffledirect",
    },
    "SAFMN": {"dim": 12, "n_blocks": 1, "upscaling_factor": 4},
    "OmniSR": {"num_feat": 16, "block_num": 1, "res_num": 1, "up_scale": 4},
}
ALL = (*AS_CODE, *BY_SPANDREL)
PUBLISHED = tuple(name for name in ALL if name != "window_attention")


def network_of(name: str) -> nn.Module:
    """The network, the same at each call. Those that spandrel knows need it."""
    torch.manual_seed(0)
    if name in BY_SPANDREL:
        made: nn.Module = getattr(importlib.import_module(f"spandrel.architectures.{name}"), name)(**BY_SPANDREL[name])
        return made.eval()
    network: nn.Module = importlib.import_module(f"{__name__}.{name}").build().eval()
    for module in network.modules():  # as after training: batch normalisation that does something
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network


def window_of(name: str) -> int:
    """What its sides must be multiples of."""
    return {"window_attention": 8, "SwinIR": 8, "OmniSR": 8}.get(name, 1)


def installed(name: str, folder: Path) -> None:
    """Write a package into the folder that names the network as the method "installed" in srcore's entry points.

    As pip would leave it there; it runs the file with build(), or spandrel's loader.
    """
    arguments = adding(name, "installed", folder)
    weights, window = folder / ("w.pth" if name in BY_SPANDREL else "w.safetensors"), window_of(name)
    by_file = f"""
from importlib.util import module_from_spec, spec_from_file_location
from safetensors.torch import load_file
spec = spec_from_file_location("theirs_net", {arguments[2].removesuffix(":build")!r})
code = module_from_spec(spec)
spec.loader.exec_module(code)
network = code.build()
network.load_state_dict(load_file({str(weights)!r}))
"""
    by_spandrel = f"""
from srcore.networks.vgg import torchvision
torchvision()
import spandrel
network = spandrel.ModelLoader().load_from_file({str(weights)!r}).model
"""
    (folder / "their_package.py").write_text(
        "from srcore import Method\n"
        + (by_spandrel if name in BY_SPANDREL else by_file)
        + f"METHOD = Method(name='installed', family='theirs', run=network.eval(), tile=256, multiple_of={window})\n"
    )
    info = folder / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[srcore.methods]\ninstalled = their_package:METHOD\n")


def adding(name: str, method: str, folder: Path) -> list[str]:
    """Write its weights into the folder; the arguments of srcore that add it as a method."""
    if name in BY_SPANDREL:
        torch.save({"params": network_of(name).state_dict()}, folder / "w.pth")
        return ["add", method, str(folder / "w.pth")]
    save_file(network_of(name).state_dict(), folder / "w.safetensors")
    code = f"{Path(__file__).parent / f'{name}.py'}:build"
    weights = ["--weights", str(folder / "w.safetensors"), "--multiple-of", str(window_of(name))]
    return ["add", method, code, *weights]
