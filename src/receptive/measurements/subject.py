"""What every measurement starts from: one training of a network, with its layers, images and device."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from receptive.artifacts.prepared import read_images
from receptive.artifacts.trained import read_network
from receptive.datasets.prepared import Prepared
from receptive.measurements.batches import Batches, normalised
from receptive.methods.capture import for_inference
from receptive.networks.layers import Layer, layers
from receptive.networks.parts.normalisation import Normalisation, pixels
from receptive.parallel.device import pick_device
from receptive.parallel.workers import ALONE, Workers
from receptive.params.schema import Params


@dataclass(frozen=True)
class Subject:
    """One training of a network, ready to be measured.

    Attributes:
        name: the training ("resnet34-2"): its folder below data/networks.
        base: the network that it trains ("resnet34").
        network: in evaluation mode, on the device.
        normalisation: from pixels in [0, 1] to what the network sees, on the device.
        layers: where responses are read, shallow layers first.
        prepared: the images that it learned, and the validation images that it is measured on.
        device: where network and images are.
        first_filters: name of the first convolution's weights.
        folded: whether batch norms are folded into the convolutions (``methods.capture.for_inference``).
    """

    name: str
    base: str
    network: nn.Module
    normalisation: Normalisation
    layers: list[Layer]
    prepared: Prepared
    device: torch.device
    first_filters: str
    folded: bool

    @classmethod
    def load(cls, params: Params, name: str, folded: bool = True, workers: Workers = ALONE) -> "Subject":
        """The trained network called ``name``, from data/networks and data/prepared.

        Args:
            folded: False leaves batch norms as they are, on the CPU, for what works on the weights themselves.
            workers: the group that this process works in; each of its processes has a device of its own.

        Raises:
            ReceptiveError: there is no such training, a file is missing or damaged, or the device is not there.
        """
        training = params.training(name)
        device = workers.device(pick_device(params.device)) if folded else torch.device("cpu")
        network, normalisation, description = read_network(name)
        return cls(
            name=name,
            base=training.network,
            network=for_inference(network).to(device) if folded else network,
            normalisation=normalisation.to(device),
            layers=layers(network, description["image_size"], description["channels"]),
            prepared=read_images(training.images, training.classes),
            device=device,
            first_filters=description["first_filters"],
            folded=folded,
        )

    def untrained(self) -> "Subject":
        """The same network before training: the control of many measurements."""
        network = read_network(self.name, trained=False).network
        return replace(self, network=for_inference(network).to(self.device) if self.folded else network)

    def for_inference(self, device: torch.device) -> "Subject":
        """The same network for passing many images: batch norms folded, on ``device``; this subject stays as it is."""
        return replace(
            self,
            network=for_inference(self.network).to(device),
            normalisation=copy.deepcopy(self.normalisation).to(device),
            device=device,
            folded=True,
        )

    @property
    def image_size(self) -> int:
        """Side of the square images, px."""
        return self.prepared.images.shape[1]

    @property
    def channels(self) -> int:
        """Channels of the images: 1 or 3."""
        return self.prepared.images.shape[3]

    def seen(self, numbers: np.ndarray) -> Tensor:
        """The images called ``numbers`` as the network sees them: image x channel x y x x, on the device."""
        images = torch.from_numpy(np.ascontiguousarray(self.prepared.images[numbers]))
        return self.normalisation(pixels(images.to(self.device)))

    @property
    def validation(self) -> np.ndarray:
        """Numbers of the validation images, in order; int64."""
        labels = self.prepared.labels
        return labels.loc[labels["split"] == "validation", "image"].to_numpy()

    def batches(
        self, size: int, first: int | None = None, workers: Workers = ALONE, *, numbers: np.ndarray | None = None
    ) -> Batches:
        """One pass over the validation images: (numbers, pixels) per batch, on the device (``Batches``).

        Args:
            size: images per batch.
            first: how many images, from the first on; None is all.
            workers: processes that share the pass; each takes some of the batches.
            numbers: these images instead, in this order.
        """
        batches = Batches(self.prepared, "validation", size, self.device, first, workers)
        if numbers is not None:
            batches.numbers = numbers
        return batches

    def views(
        self,
        size: int,
        first: int | None = None,
        workers: Workers = ALONE,
        *,
        numbers: np.ndarray | None = None,
        progress: str = "",
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The same pass as the network sees it: (numbers, normalised images) per batch.

        Args:
            progress: words of the progress bar, which appears when the pass begins, in process 0 only; "": no bar.
        """
        batches = self.batches(size, first, workers, numbers=numbers)
        shown = tqdm(batches, desc=progress, unit="batch", disable=not progress or workers.rank > 0)
        yield from normalised(shown, self.normalisation)
