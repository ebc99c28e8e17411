"""The engine against the plain way (eager, float32, NCHW, one picture at a time), tensors in and tensors out.

python -m tests.bench.bench_inference [--benchmarks DIR] [--method NAME] [--pictures N] [--device auto|cpu|cuda]
The 119 LR images of Set5, Set14 and BSD100; weights do not change the time, so they are random. Best run with nothing
else at work: two threads that wait for each other lose far more than their share of the time.
"""

import argparse
import copy
from pathlib import Path
from time import perf_counter

import torch
from torch import nn

from srcore import find_sources, load_source
from srcore.images import as_rgb
from srcore.inference import Engine, apply_network, choose_device
from srcore.networks import SRResNet, build
from srcore.networks.generator import Generator
from srcore.training.bench import matrix_rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmarks", type=Path, default=Path(__file__).parents[3] / "shared" / "benchmarks")
    parser.add_argument("--method", default="srresnet-mse")
    parser.add_argument("--pictures", type=int, help="only the first N")
    parser.add_argument("--rounds", type=int, default=2, help="the best of so many")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    options = parser.parse_args()
    device = choose_device(options.device)
    pictures = [p.to(device) for p in load_pictures(options.benchmarks)[: options.pictures]]
    network = build(options.method).eval().to(device)
    engine = Engine(network, device=device)
    as_published = published_form(network)

    def plain() -> list[torch.Tensor]:
        return plain_way(as_published, pictures)

    def fast() -> list[torch.Tensor]:
        return by_size(engine, pictures)

    for way in (plain, fast) if device.type == "cuda" else ():
        way()  # warms up
    sample = list(zip(plain_way(as_published, pictures[:2]), by_size(engine, pictures[:2]), strict=True))
    difference = max(float((a - b).abs().max()) for a, b in sample)
    times = {"plain": float("inf"), "fast": float("inf")}
    for _ in range(options.rounds):
        for name, way in (("plain", plain), ("fast", fast)):
            times[name] = min(times[name], seconds(way, device))
    pixels = sum(picture.shape[1] * picture.shape[2] for picture in pictures)
    rate = pixels * network.macs_per_lr_pixel / times["fast"]
    peak = matrix_rate(device, torch.float16 if engine.half else torch.float32)
    print(f"{engine.device_name}, {torch.get_num_threads()} threads, {len(pictures)} pictures, {options.method}")
    print(f"plain {times['plain']:.3f} s, engine {times['fast']:.3f} s: {times['plain'] / times['fast']:.2f} x")
    print(f"{2 * rate / 1e12:.3f} TFLOP/s, {rate / peak:.0%} of this machine's large matrix products")
    print(f"largest difference {difference:.1e} (of 1)")


def published_form(network: Generator) -> Generator:
    """The layers as in the paper; only SRResNet has some in another order, and those with torch's own activations."""
    if not isinstance(network, SRResNet):
        return network
    published = copy.deepcopy(network)
    for module in list(published.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.PReLU):
                setattr(module, name, with_weights_of(child, nn.PReLU(child.num_parameters)))
    published.enlarge.insert(4, nn.PixelShuffle(2))
    published.output = with_weights_of(network.output, nn.Conv2d(64, 3, 9, padding=4))
    return published.eval()


def with_weights_of(trained: nn.Module, layer: nn.Module) -> nn.Module:
    layer.load_state_dict(trained.state_dict())
    return layer.to(next(trained.parameters()).device)


def plain_way(network: Generator, pictures: list[torch.Tensor]) -> list[torch.Tensor]:
    with torch.no_grad():
        return [apply_network(network, picture[None], torch.float32).clamp(0, 1)[0] for picture in pictures]


def load_pictures(benchmarks: Path) -> list[torch.Tensor]:
    sources = [s for name in ("Set5", "Set14", "BSD100") for s in find_sources(benchmarks / name)]
    arrays = [as_rgb(load_source(source)[1]) for source in sources]
    return [torch.from_numpy(array.transpose(2, 0, 1).copy()).float() / 255 for array in arrays]


def seconds(way, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = perf_counter()
    way()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return perf_counter() - start


def by_size(engine: Engine, pictures: list[torch.Tensor]) -> list[torch.Tensor]:
    """Those of one size as one batch; the results in the order given."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        sizes.setdefault(tuple(picture.shape), []).append(index)
    results: dict[int, torch.Tensor] = {}
    for indices in sizes.values():
        results.update(zip(indices, engine(torch.stack([pictures[i] for i in indices])), strict=True))
    return [results[index] for index in range(len(pictures))]


if __name__ == "__main__":
    main()
