"""Figure of claim 11: class images from both starts, their colour and texture, and the rows."""

import numpy as np
from matplotlib.figure import Figure

from receptive.claims.maximization_initialisation import MEASURES, NETWORKS, Quantity, class_images
from receptive.claims.row import Row
from receptive.claims.study import Study
from receptive.figures.maximization_initialisation import initialisations

_WORDS = {
    Quantity.COLOUR: "mean chroma after a blur",
    Quantity.TEXTURE: "luminance energy in fine detail",
    Quantity.PIXELS: "mean chroma of single pixels",
}
_CHROMA = "chroma, CIE L*a*b*: from the mean minus from noise"
_DETAIL = "share of fine detail: from noise minus from the mean"
_NATURAL_IMAGES = 200


def figure(study: Study, rows: list[Row]) -> Figure:
    """Starts and results of some classes, each quantity by start, and the rows."""
    shown, measures, natural = {}, {}, {}
    for network in [name for name in NETWORKS if name in study.networks]:
        made = class_images(study, network)
        if isinstance(made, str):
            continue
        prepared = study.images(network)
        starts, images = (
            {name: made.shown(pictures, name) for name in ("noise", "mean")} for pictures in ("starts", "images")
        )
        shown[network] = [prepared.classes[label] for label in made.classes], starts, images
        validation = prepared.labels.loc[prepared.labels["split"] == "validation", "image"].head(_NATURAL_IMAGES)
        photographs = prepared.images[validation.to_numpy()] / 255
        for quantity, words in _WORDS.items():
            of_pictures, _ = MEASURES[quantity]
            natural[words] = float(np.nanmean(of_pictures(photographs)))
            measures[network, words] = {
                name: (made.means(of_pictures, "starts", name), made.means(of_pictures, "images", name))
                for name in ("noise", "mean")
            }
    texture = [row for row in rows if row.quantity == Quantity.TEXTURE]
    colour = [row for row in rows if row.quantity != Quantity.TEXTURE]
    return initialisations(shown, measures, natural, {_CHROMA: colour, _DETAIL: texture})
