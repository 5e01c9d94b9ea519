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
from receptive.loading import Batches, normalised
from receptive.measurements.maximization import Group, natural_means
from receptive.methods.capture import capture, for_inference
from receptive.methods.extraction import Extraction
from receptive.methods.maximization import PRESETS
from receptive.methods.mean_stimulus import MODES, MeanStimulus
from receptive.networks.layers import layers
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation

SIDE = 32
images, file = int(sys.argv[1]), sys.argv[2]
np.lib.format.open_memmap(file, "w+", np.uint8, (images, SIDE, SIDE, 3))[:] = (np.arange(SIDE) * 7)[:, None]
pictures = np.load(file, mmap_mode="r")
table = pd.DataFrame({"image": np.arange(images), "split": "validation", "label": 0, "class_name": "a"})
prepared = Prepared("toy", pictures, table, ("a",), *[None] * 4)
network = networks.build("fivecnn", 5, SIDE, width=0.5)
initialise(network, torch.Generator().manual_seed(0))
found = layers(network, SIDE, 3)
network, plain = for_inference(network), Normalisation(torch.zeros(3, 1, 1), torch.eye(3))


def passes():
    """The loops of the stages extract, mine and maximize."""
    extraction = Extraction(network, {layer.name: layer.units for layer in found}, 16, 1)
    extraction.run(normalised(Batches(prepared, "validation", 20), plain))
    yield "extract"
    mined = [layer for layer in found if not layer.field.whole_image and layer.field.y.size <= SIDE]
    groups = [Group(layer, tuple(range(8)), "channel", "ks", PRESETS["ks"]) for layer in mined]
    natural_means(network, normalised(Batches(prepared, "validation", 20), plain), groups)
    yield "maximize"
    means = {(layer.name, mode): MeanStimulus(layer.field, layer.map_size, mode) for layer in mined for mode in MODES}
    with torch.no_grad(), capture(network, [layer.name for layer in mined], stop=True) as responses:
        for _, pixels in Batches(prepared, "validation", 20):
            network(plain(pixels).contiguous(memory_format=torch.channels_last))
            for (name, _), mean in means.items():
                mean.add(pixels, responses[name])
    yield "mine"


for name in passes():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(name, peak)
