"""What the tests of receptive.parallel run in two processes: ``python -m two_workers JOB FOLDER``.

Every job writes what its first worker found; ``tests/parallel/test_workers.py`` compares that with one process.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from oracles import with_integers, with_random_statistics
from recipes import recipe
from torch import nn

from receptive import networks
from receptive.datasets.prepared import prepare
from receptive.errors import ReceptiveError
from receptive.loading import Split
from receptive.measurements.batches import Batches, normalised
from receptive.methods.extraction import Extraction
from receptive.methods.zero_fractions import counts_state, merge_counts, zero_fractions
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation
from receptive.parallel.workers import ALONE
from receptive.processes.launch import working
from receptive.stages import run
from receptive.training.loop import measured, train

CPU = torch.device("cpu")
RECIPE = {
    "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 1e-3, "schedule": "one_cycle", "epochs": 3,
    "batch_size": 10, "crop_area": [0.3, 1.0], "flip": True,
}  # fmt: skip
# with batch norm, with a batch that two cannot halve, with clipping, with Adam
TRAININGS = {
    "resnet34": ("resnet34", {}, {"epochs": 2}),
    "alexcnn": ("alexcnn", {"batch_norm": True, "dropout": 0.0}, {"epochs": 2, "batch_size": 7}),
    "fivecnn": ("fivecnn", {"dropout": 0.0}, {"clip_norm": 0.5, "batch_size": 9}),
    # without batch norm: Adam makes mere rounding as large as its rate where a batch norm takes a bias back out
    "digitcnn": ("digitcnn", {"dropout": 0.0}, {"optimiser": "adam", "learning_rate": 0.001, "batch_size": 9}),
}
SIDE = {"resnet34": 32, "alexcnn": 64, "fivecnn": 16, "digitcnn": 12}
LAYERS = {"0": 4, "2": 3}


def split(images: int, size: int, seed: int) -> Split:
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (images, size, size, 3), generator=generator, dtype=torch.uint8)
    return Split(torch.arange(images), pictures, torch.randint(0, 5, (images,), generator=generator))


class Doubled(Normalisation):
    """Pixels as they are, in float64: what rounding does is then far below what a wrong sum would do."""

    def forward(self, pixels):
        return pixels.double()


def trained(name: str, workers, folder=None, on_epoch=lambda rows: None):
    """History and weights of one of ``TRAININGS``."""
    base, options, changes = TRAININGS[name]
    network = networks.build(base, 5, SIDE[base], width=0.125, **options).double()
    initialise(network, torch.Generator().manual_seed(0))
    history = train(
        network,
        Doubled(torch.zeros(3, 1, 1), torch.eye(3)),
        split(31, SIDE[base], 0),
        split(450, SIDE[base], 1) if base == "fivecnn" else split(12, SIDE[base], 1),
        recipe(**RECIPE | changes),
        0,
        CPU,
        checkpoint=folder and folder / f"{name}.pt",
        on_epoch=on_epoch,
        workers=workers,
    )
    assert not any("Whole" in type(module).__name__ for module in network.modules())
    return {"history": history, "weights": network.state_dict()}


def responding(kind: str) -> nn.Module:
    """A small network; with whole numbers there are many ties, with others every sum is rounded."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 3, 2), nn.BatchNorm2d(3))
    generator = torch.Generator().manual_seed(4)
    for parameter in network.parameters():
        parameter.data.normal_(generator=generator)
    return with_integers(network) if kind == "whole" else with_random_statistics(network).eval()


def extracted(kind: str, images: int, hits: int, workers) -> Extraction:
    """What a pass over ``images`` images in batches of 3 gathers, by all processes together."""
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 3 if kind == "whole" else 256, (images + 1, 9, 9, 3)).astype(np.uint8)
    rows = {"image": np.arange(images + 1), "split": ["train"] + ["validation"] * images, "label": 0, "class_name": "a"}
    prepared = prepare("toy", pictures, pd.DataFrame(rows), ("a",))
    extraction = Extraction(responding(kind), LAYERS, 4, hits)
    scale = Normalisation(torch.zeros(3, 1, 1), torch.eye(3) * (255 if kind == "whole" else 3.7))
    extraction.run(normalised(Batches(prepared, "validation", 3, workers=workers), scale))
    for state in workers.gather(extraction.state()):
        extraction.merge_state(state)
    return extraction


def zeros(first: int, workers) -> dict[str, torch.Tensor]:
    """Counts of zeros in the first images of 29, by all processes together."""
    pictures = np.random.default_rng(1).integers(0, 3, (29, 9, 9, 3)).astype(np.uint8)
    rows = {"image": np.arange(29), "split": ["train"] + ["validation"] * 28, "label": 0, "class_name": "a"}
    prepared = prepare("toy", pictures, pd.DataFrame(rows), ("a",))
    scale = Normalisation(torch.zeros(3, 1, 1), torch.eye(3) * 255)
    batches = Batches(prepared, "validation", 3, first=first, workers=workers)
    counts = zero_fractions(responding("whole"), normalised(batches, scale), ["1", "2"])
    for state in workers.gather(counts_state(counts)):
        merge_counts(counts, state)
    return counts_state(counts)


def given(workers) -> list[dict]:
    """The history of weights that are not trained here."""
    network = networks.build("fivecnn", 5, 16, width=0.125, dropout=0.0).double()
    initialise(network, torch.Generator().manual_seed(0))
    seen = Doubled(torch.zeros(3, 1, 1), torch.eye(3))
    chance = torch.Generator().manual_seed(3)
    return measured(network, seen, split(900, 16, 0), split(450, 16, 1), chance, CPU, workers)


EXTRACTIONS = [(kind, images, hits) for kind in ("whole", "rounded") for images in (29, 3) for hits in (1, 0)]
ZEROS = (2, 7, 28)  # the second process has none, three and thirteen of them


def main(job: str, folder: Path) -> None:
    """Runs one job in this worker."""
    with working() as workers:
        assert workers != ALONE
        if job == "compare":
            found = {name: trained(name, workers) for name in TRAININGS}
            states = [extracted(*case, workers).state() for case in EXTRACTIONS]
            counts = [zeros(first, workers) for first in ZEROS]
            rows = given(workers)
            # the second is further; both are as far; nobody has anything
            mine = [("first", "second")[workers.rank].encode() * (1000 if workers.rank else 1)] * 2 + [b""]
            shared = [workers.furthest(mine[i], progress) for i, progress in enumerate([workers.rank, 3, 0])]
            everybody = [None, None]
            torch.distributed.all_gather_object(everybody, [content.decode() for content in shared])
            with workers.first_before_others():
                turns = folder / "turns"
                turns.write_text(f"{turns.read_text() if turns.exists() else ''}{workers.rank}")
            if workers.rank == 0:
                everything = {
                    "trained": found,
                    "extracted": states,
                    "zeros": counts,
                    "given": rows,
                    "furthest": everybody,
                }
                torch.save(everything | {"furthest": everybody}, folder / "found.pt")
        elif job == "lose":

            def die(rows):
                if rows[0]["epoch"] == 2 and workers.rank == 1:
                    os.kill(os.getpid(), signal.SIGKILL)

            trained("fivecnn", workers, folder / str(workers.rank), die)
        elif job == "resume":
            found = trained("fivecnn", workers, folder / str(workers.rank))
            if workers.rank == 0:
                torch.save(found, folder / "found.pt")
        elif job == "defect":
            if workers.rank == 1:
                raise ValueError("seven is not prime")
            workers.sum(torch.zeros(1))
        elif job == "user":
            raise ReceptiveError("no more images: buy some")


if __name__ == "__main__":
    run(main, sys.argv[1:])
