"""Label purity of every layer's representation space: what the neighbours of a patch share (YU 4.1 in numbers)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from receptive.artifacts.embedding import purity_space
from receptive.measurements.deconvolution import shown_side
from receptive.measurements.subject import Subject
from receptive.methods.embedding import Sample
from receptive.methods.embedding_purity import chance, label_purity, nearest_neighbours, purity_difference
from receptive.methods.preferred_stimuli import cut_patches
from receptive.networks.layers import Layer
from receptive.params.sections import Embed as Settings


def shown_boxes(layer: Layer, sample: Sample, largest: float) -> np.ndarray:
    """The patches of the sampled positions, point x (top, left, bottom, right): ``shown_side`` says which."""
    if not layer.fits(largest):
        return np.tile([0, 0, *layer.field.image_size], (len(sample.image), 1))
    return np.stack(layer.field.box(sample.y, sample.x), 1)


@dataclass(frozen=True)
class Purity:
    """Label purity of every layer.

    Attributes:
        table: purity.parquet.
        images: purity_images.parquet.
        neighbours: by state and layer ("trained/<layer>") the nearest neighbours of each point, as numbers of points
            in the order of the layer's rows of ``images``; -1 for none; point x neighbour, int32.
    """

    table: pd.DataFrame
    images: pd.DataFrame
    neighbours: dict[str, np.ndarray]


def purity_by_layer(
    subject: Subject,
    layers: list[Layer],
    samples: list[Sample],
    states: dict[str, list[np.ndarray]],
    settings: Settings,
    largest: float,
    advance: Callable[[], object],
) -> Purity:
    """Label purity of every layer in every state, and of the pixels of its patches ("pixels").

    Pixels are normalised; outside the image they are 0.

    Args:
        samples: of each layer, one position per image, the same images in every layer.
        states: by the state's name the vectors of each layer, point x unit.
        largest: a position that sees more than this, px, is shown with the whole image.
        advance: called after every layer.
    """
    images = samples[0].image
    pictures = np.concatenate(
        [seen.permute(0, 2, 3, 1).cpu().numpy() for _, seen in subject.views(settings.batch_size, numbers=images)]
    )
    labels = subject.prepared.labels.set_index("image")["label"].loc[images].to_numpy()
    expected = float(np.nanmean(chance(labels, images)))

    def near(vectors: np.ndarray) -> np.ndarray:
        return nearest_neighbours(vectors.reshape(len(vectors), -1), settings.neighbours, images)[0].astype(np.int32)

    rows, by_image, of_whole = [], [], None
    neighbours: dict[str, np.ndarray] = {}
    for at, (layer, sample) in enumerate(zip(layers, samples, strict=True)):
        found = {state: near(vectors[at]) for state, vectors in states.items()}
        if layer.fits(largest):
            boxes = shown_boxes(layer, sample, largest)
            found["pixels"] = near(cut_patches(pictures, boxes, shown_side(layer, largest), outside=0))
        else:  # the same in all such layers
            of_whole = near(pictures) if of_whole is None else of_whole
            found["pixels"] = of_whole
        for state, index in found.items():
            neighbours[purity_space(state, layer.name)] = index
            value = label_purity(labels, index)
            mean = purity_difference(labels, [(1.0, index)])
            heading = {"network": subject.name, "state": state}
            facts = {"chance": expected, "points": len(value)}
            rows.append({**heading, **layer.heading(), **mean._asdict(), **facts})
            by_image.append(
                pd.DataFrame({**heading, "layer": layer.name, "image": images, "label": labels, "value": value})
            )
        advance()
    table = pd.DataFrame(rows)
    order = {state: at for at, state in enumerate([*states, "pixels"])}
    table = table.sort_values("state", key=lambda column: column.map(order), kind="stable", ignore_index=True)
    return Purity(table, pd.concat(by_image, ignore_index=True), neighbours)
