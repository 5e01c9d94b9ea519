"""Multiplications and additions of each network at 224 px, from which docs/scale.md estimates times.

Counted by torch's own counter on networks without weights. A multiplication and an addition are two operations.
"""

import argparse

import torch
from torch.utils.flop_counter import FlopCounterMode

from receptive import networks
from receptive.networks.layers import layers


def count(name: str, size: int, classes: int) -> dict[str, float]:
    """Per image: ``parameters``, ``forward`` and ``step`` (forward and backward) in operations, ``responses``."""
    network = networks.outline(name, classes, size, 3)
    images = torch.zeros(2, 3, size, size, device="meta")
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        network(images)
    with FlopCounterMode(display=False) as step:
        network(images).sum().backward()
    all_layers = layers(network, size, 3)
    responses = sum(layer.units * layer.map_size[0] * layer.map_size[1] for layer in all_layers)
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "forward": forward.get_total_flops() / 2,
        "step": step.get_total_flops() / 2,
        "responses": responses,
        "units": sum(layer.units for layer in all_layers),
        "layers": len(all_layers),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--networks", nargs="+", default=["resnet34", "plainnet34", "alexcnn", "vggcnn"])
    arguments = parser.parse_args()
    print("| network | parameters (million) | forward (GFLOP) | training step (GFLOP) | responses (million) | units |")
    print("|---|---|---|---|---|---|")
    for name in arguments.networks:
        n = count(name, arguments.size, arguments.classes)
        print(
            f"| {name} | {n['parameters'] / 1e6:.1f} | {n['forward'] / 1e9:.2f} | {n['step'] / 1e9:.2f} "
            f"| {n['responses'] / 1e6:.2f} | {n['units']} |"
        )


if __name__ == "__main__":
    main()
