"""Peak memory of the passes over the images: ``python memory_of_passes.py IMAGES FILE`` prints it in MB, pass by pass.

A process of its own for each number of images, so that nothing else is in the measurement.
"""

import resource
import sys

import numpy as np
import pandas as pd
import torch

from receptive import networks
from receptive.datasets.prepared import Prepared
from receptive.measurements.activations import extract
from receptive.measurements.maximization import Group, natural_means
from receptive.measurements.stimuli import layers_with_stimuli, mean_stimuli
from receptive.measurements.subject import Subject
from receptive.methods.capture import for_inference
from receptive.methods.maximization import PRESETS
from receptive.networks.layers import layers
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation
from receptive.params.sections import Extract, Stimuli

SIDE, BATCH = 32, 20
images, file = int(sys.argv[1]), sys.argv[2]
np.lib.format.open_memmap(file, "w+", np.uint8, (images, SIDE, SIDE, 3))[:] = (np.arange(SIDE) * 7)[:, None]
pictures = np.load(file, mmap_mode="r")
table = pd.DataFrame({"image": np.arange(images), "split": "validation", "label": 0, "class_name": "a"})
network = networks.build("fivecnn", 5, SIDE, width=0.5)
initialise(network, torch.Generator().manual_seed(0))
subject = Subject(
    name="fivecnn",
    base="fivecnn",
    network=for_inference(network),
    normalisation=Normalisation(torch.zeros(3, 1, 1), torch.eye(3)),
    layers=layers(network, SIDE, 3),
    prepared=Prepared("toy", pictures, table, ("a",), *[None] * 4),
    device=torch.device("cpu"),
    first_filters="c1.conv.weight",
    folded=True,
)


def passes():
    """The passes of the stages extract, maximize and stimuli."""
    extract(subject, Extract(top=16, hits_per_image=1, control_images=2, batch_size=BATCH, shards=1))
    yield "extract"
    chosen = layers_with_stimuli(subject, Stimuli(largest_field=1.0, batch_size=BATCH))
    groups = [Group(layer, tuple(range(8)), "channel", "ks", PRESETS["ks"], seed=0) for layer in chosen]
    natural_means(subject, groups, BATCH)
    yield "maximize"
    mean_stimuli(subject, chosen, BATCH)
    yield "stimuli"


for name in passes():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(name, peak)
