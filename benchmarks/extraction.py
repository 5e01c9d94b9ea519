"""Extraction on one thread of a CPU, beside the network alone and beside what a user would write without it.

Every number is processor time over that of the bare forward pass: the network as it was built, called eagerly on the
same images. The rows are measured in turn, again and again; what counts is the median of the rounds' ratios.

- ``network``: the folded channels-last network alone (``capture.for_inference``), which no extraction can beat;
- ``hooks``: hooks on the bare network that keep each unit's 16 strongest images, and nothing else;
- ``extraction``: ``Extraction`` on the folded network.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from receptive import networks
from receptive.methods.capture import capture, for_inference
from receptive.methods.extraction import Extraction
from receptive.networks.layers import layers
from receptive.networks.parts.blocks import initialise

TOP = 16
CASES = {  # network, width, side of the images in px, images per batch, batches
    "resnet34 width 0.5 64 px": ("resnet34", 0.5, 64, 100, 10),
    "vggcnn width 0.25 64 px": ("vggcnn", 0.25, 64, 100, 5),
    "resnet34 width 1 224 px": ("resnet34", 1.0, 224, 20, 2),
}
WANTED = dict(zip(CASES, (0.95, 0.75, 0.90), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--repeats", type=int, default=9, help="rounds")
    parser.add_argument("--kernels", help="reference or compiled; default: the fastest that is there")
    parser.add_argument("--quick", action="store_true", help="very small: for tests of the benchmark itself")
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = {}
    for case in arguments.cases:
        name, width, side, batch, batches = CASES[case]
        if arguments.quick:
            width, side, batch, batches = 0.25, 64, 4, 2
        rows[case] = measure(name, width, side, batch, batches, arguments.repeats, arguments.kernels)
        rows[case]["wanted"] = WANTED[case]
    text = json.dumps({"versions": versions(), "repeats": arguments.repeats, "cases": rows}, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


def measure(name: str, width: float, side: int, batch: int, batches: int, repeats: int, kernels: str | None) -> dict:
    """Of each row the median, least and greatest ratio; of the bare forward pass ms per image."""
    bare = networks.build(name, 10, side, 3, width=width, **({"batch_norm": True} if name == "vggcnn" else {})).eval()
    generator = torch.Generator().manual_seed(0)
    initialise(bare, generator)
    images = torch.randn(batches, batch, 3, side, side, generator=generator)
    adapt(bare, images[0])
    units = {layer.name: layer.units for layer in layers(bare, side, 3)}
    folded = for_inference(bare)
    runs = {
        "bare": lambda: alone(bare, images, torch.contiguous_format),
        "network": lambda: alone(folded, images, torch.channels_last),
        "hooks": lambda: strongest_by_hooks(bare, units, images),
        "extraction": lambda: extraction_of(folded, units, images, kernels),
    }
    times: dict[str, list[float]] = {row: [] for row in runs}
    for run in runs.values():
        run()  # compiles, and fills the caches
    for _ in range(repeats):
        for row, run in runs.items():
            times[row].append(processor_time(run))
    ratios = {row: [a / b for a, b in zip(times[row], times["bare"], strict=True)] for row in runs if row != "bare"}
    found: dict = {
        row: {"median": statistics.median(of), "least": min(of), "greatest": max(of)} for row, of in ratios.items()
    }
    found["bare_ms_per_image"] = 1000 * statistics.median(times["bare"]) / (batch * batches)
    found["over_network_ns_per_response"] = over_network(times, bare, units, images[0, :1], batch * batches)
    return found


def over_network(times: dict[str, list[float]], bare: nn.Module, units: dict, image: Tensor, images: int) -> float:
    """What extraction adds to the folded network, per response."""
    with capture(bare, units) as responses, torch.no_grad():
        bare(image)
    each = sum(response.numel() for response in responses.values())
    seconds = statistics.median(a - b for a, b in zip(times["extraction"], times["network"], strict=True))
    return 1e9 * seconds / (images * each)


@torch.no_grad()
def adapt(network: nn.Module, images: Tensor) -> None:
    """Gives batch norms the statistics of these images, so that responses are spread as in a trained network."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    network.train()
    network(images)
    network.eval()


@torch.no_grad()
def alone(network: nn.Module, batches: Tensor, memory_format: torch.memory_format) -> None:
    for images in batches:
        network(images.contiguous(memory_format=memory_format))


@torch.no_grad()
def strongest_by_hooks(network: nn.Module, units: dict[str, int], batches: Tensor) -> dict[str, tuple[Tensor, ...]]:
    """Of each unit the 16 images with its greatest responses, and where: a user's own streaming selection."""
    kept: dict[str, tuple[Tensor, ...]] = {}
    seen = 0

    def keep(layer: str) -> Callable:
        def hook(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            value, position = (output.flatten(2) if output.dim() > 2 else output[..., None]).max(2)
            image = torch.arange(seen, seen + len(output))[:, None].expand_as(value)
            new = (value, image, position)
            new = tuple(torch.cat(pair) for pair in zip(kept[layer], new, strict=True)) if layer in kept else new
            value, rank = new[0].topk(min(TOP, len(new[0])), dim=0)
            kept[layer] = (value, new[1].gather(0, rank), new[2].gather(0, rank))

        return hook

    modules = dict(network.named_modules())
    handles = [modules[layer].register_forward_hook(keep(layer)) for layer in units]
    for images in batches:
        network(images)
        seen += len(images)
    for handle in handles:
        handle.remove()
    return kept


def extraction_of(network: nn.Module, units: dict[str, int], batches: Tensor, kernels: str | None) -> Extraction:
    extraction = Extraction(network, units, TOP, 1, kernels=kernels)
    numbers = torch.arange(batches.shape[0] * batches.shape[1]).split(batches.shape[1])
    extraction.run(zip(numbers, batches, strict=True))
    return extraction


def processor_time(run: Callable[[], object]) -> float:
    """Seconds of processor time, of all threads."""
    began = time.process_time()
    run()
    return time.process_time() - began


def versions() -> dict[str, str]:
    return {
        "processor": next(
            (line.partition(":")[2].strip() for line in cpu_lines() if line.startswith("model name")),
            platform.processor(),
        ),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba": sys.modules["numba"].__version__ if "numba" in sys.modules else "missing",
        "numpy": np.__version__,
    }


def cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    main()
