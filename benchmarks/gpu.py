"""Training and extraction against the bare model on the same card: their speed as a share of the model's.

Training is compared with the model's own optimisation step on one synthetic batch that already lies on the device, in
the same precision, memory format and compilation. Extraction is compared with its own forward pass over such a batch.
The aim is 90% of each. Without a GPU nothing is measured. ``--device cpu --quick`` runs the same measurement small on
the CPU; it shows the overhead of the loops, not a GPU's speed.
"""

import argparse
import json
import platform
import resource
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from receptive import networks
from receptive.datasets.prepared import prepare
from receptive.loading import read_split
from receptive.measurements.batches import Batches, normalised
from receptive.methods.capture import for_inference, outputs_of
from receptive.methods.extraction import Extraction
from receptive.networks.layers import layers
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation
from receptive.parallel.device import autocast, wants_compiling
from receptive.params.recipe import Recipe
from receptive.training.loop import optimiser_of, train

CLASSES = 10
AIM = 0.9


def main() -> None:
    arguments = parse()
    if arguments.device == "auto" and not torch.cuda.is_available():
        print("no GPU is present, so nothing was measured (--device cpu --quick tries the benchmark itself)")
        return
    device = torch.device("cuda" if arguments.device == "auto" else arguments.device)
    results = {"hardware": hardware(device), "settings": {**vars(arguments), "out": None}, "networks": {}}
    for name in arguments.networks:
        measured = {
            "training": compare_training(name, device, arguments),
            "extraction": compare_extraction(name, device, arguments),
        }
        results["networks"][name] = measured
        for what, row in measured.items():
            verdict = "reached" if row["share"] >= AIM else "missed"
            print(
                f"{name} {what}: {row['images_per_s']:.0f} images/s of the bare model's "
                f"{row['bare_images_per_s']:.0f}, {row['share']:.0%} (aim {AIM:.0%} {verdict}), "
                f"peak memory {row['peak_memory_gb']:.2f} GB"
            )
    out = arguments.out or Path("docs/results") / slug(results["hardware"]["name"]) / "bench.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    print(f"written: {out}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="auto", help="auto (a GPU, or nothing), cpu, cuda, cuda:1")
    parser.add_argument("--networks", nargs="+", default=["resnet34", "plainnet34", "alexcnn", "vggcnn"])
    parser.add_argument("--size", type=int, default=224, help="side of the images in px")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=60, help="steps per measurement; the median of --repeats counts")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="very small: for tests of the benchmark itself")
    parser.add_argument("--out", type=Path, help="JSON; default docs/results/<hardware>/bench.json")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.networks, arguments.size, arguments.width = arguments.networks[:1], 64, 0.25
        arguments.batch, arguments.steps = 32, 4
    return arguments


def compare_training(name: str, device: torch.device, arguments: argparse.Namespace) -> dict:
    """Images per second of ``training.loop.train`` (median epoch after the first) and of the model's own step."""
    reset_memory(device)
    prepared = synthetic(arguments)
    recipe = recipe_of(arguments, epochs=arguments.repeats + 1)
    compiled = wants_compiling("auto", device)
    bare = bare_steps(name, device, arguments, recipe, compiled)
    split = read_split(prepared, "train")
    history = train(
        build(name, arguments),
        Normalisation(torch.full((3, 1, 1), 0.5), 4 * torch.eye(3)),
        split,
        read_split(prepared, "validation"),
        recipe,
        0,
        device,
        compiled=compiled,
    )
    # the first epoch compiles and warms up
    speed = statistics.median(row["images_per_s"] for row in history[2::2])
    return row_of(speed, bare, device)


def bare_steps(name, device, arguments, recipe, compiled) -> float:
    network = build(name, arguments).to(device, memory_format=torch.channels_last).train()
    optimiser = optimiser_of(network, recipe)
    stepping = torch.compile(network, dynamic=False) if compiled else network
    images, labels = synthetic_batch(device, arguments)

    def step() -> None:
        with autocast(device):
            loss = F.cross_entropy(stepping(images), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return speed_of(step, device, arguments)


@torch.no_grad()
def compare_extraction(name: str, device: torch.device, arguments: argparse.Namespace) -> dict:
    """Images per second of ``Extraction`` and of the model's own forward pass through the same layers."""
    reset_memory(device)
    network = build(name, arguments).eval()
    found = layers(network, arguments.size, 3)
    network = for_inference(network).to(device)
    compiled = wants_compiling("auto", device)
    forward = outputs_of(network, [layer.name for layer in found])
    forward = torch.compile(forward, dynamic=False) if compiled else network
    images, _ = synthetic_batch(device, arguments)
    bare = speed_of(lambda: forward(images), device, arguments)

    prepared = synthetic(arguments)
    normalisation = Normalisation(torch.full((3, 1, 1), 0.5), 4 * torch.eye(3)).to(device)
    extraction = Extraction(network, {layer.name: layer.units for layer in found}, 16, 1, compiled)
    speeds = []
    for _ in range(arguments.repeats + 1):
        batches = Batches(prepared, "train", arguments.batch, device)
        wait(device)
        began = time.perf_counter()
        extraction.run(normalised(batches, normalisation))
        wait(device)
        speeds.append(arguments.steps * arguments.batch / (time.perf_counter() - began))
    return row_of(statistics.median(speeds[1:]), bare, device)


def speed_of(step, device, arguments) -> float:
    """Images per second of ``step`` on one batch: the median of the repeats, after a warm-up."""
    for _ in range(3):
        step()
    speeds = []
    for _ in range(arguments.repeats):
        wait(device)
        began = time.perf_counter()
        for _ in range(arguments.steps):
            step()
        wait(device)
        speeds.append(arguments.steps * arguments.batch / (time.perf_counter() - began))
    return statistics.median(speeds)


def build(name: str, arguments: argparse.Namespace) -> torch.nn.Module:
    options = {"batch_norm": True} if name in ("alexcnn", "vggcnn") else {}
    network = networks.build(name, CLASSES, arguments.size, 3, width=arguments.width, **options)
    initialise(network, torch.Generator().manual_seed(0))
    return network


def recipe_of(arguments: argparse.Namespace, epochs: int) -> Recipe:
    """KS 3.1, but for the number of epochs and a rate that synthetic labels survive."""
    return Recipe(
        data="natural", width=arguments.width, batch_norm=None, dropout=None, conv_stride=None,
        normalisation="standardise", weights="ours", first_scale=1.0, optimiser="sgd", learning_rate=1e-4, momentum=0.9,
        weight_decay=1e-4, schedule="constant", step_epochs=30, step_factor=0.1, warmup_epochs=0.0, clip_norm=None,
        epochs=epochs, batch_size=arguments.batch, crop_area=[0.08, 1.0], crop_aspect=[3 / 4, 4 / 3], flip=True,
    )  # fmt: skip


def synthetic(arguments: argparse.Namespace):
    """``steps`` batches of random bytes with random labels, and one more batch for validation."""
    count = arguments.steps * arguments.batch
    generator = np.random.default_rng(0)
    pattern = generator.integers(0, 256, (64, arguments.size, arguments.size, 3), dtype=np.uint8)
    images = np.concatenate([pattern] * -(-(count + arguments.batch) // 64))[: count + arguments.batch]
    labels = generator.integers(0, CLASSES, len(images))
    splits = ["train"] * count + ["validation"] * arguments.batch
    classes = tuple(f"class {k}" for k in range(CLASSES))
    names = np.array(classes, dtype=object)[labels]
    table = pd.DataFrame({"image": np.arange(len(images)), "split": splits, "label": labels, "class_name": names})
    return prepare("synthetic", images, table, classes)


def synthetic_batch(device, arguments):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(arguments.batch, 3, arguments.size, arguments.size, generator=generator)
    labels = torch.randint(0, CLASSES, (arguments.batch,), generator=generator)
    return images.to(device, memory_format=torch.channels_last), labels.to(device)


def row_of(speed: float, bare: float, device: torch.device) -> dict:
    return {
        "images_per_s": speed,
        "bare_images_per_s": bare,
        "share": speed / bare,
        "peak_memory_gb": peak_memory_gb(device),
    }


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def reset_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_gb(device: torch.device) -> float:
    """Peak of the GPU's memory since the measurement began; on a CPU, of the process's memory since it began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e9


def hardware(device: torch.device) -> dict:
    """The hardware and versions that were measured; no names of machines or people."""
    facts = {
        "name": torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU {platform.machine()}",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if device.type == "cuda":
        _, total = torch.cuda.mem_get_info(device)
        facts |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version(), "memory_gb": total / 1e9}
    return facts


def slug(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


if __name__ == "__main__":
    main()
