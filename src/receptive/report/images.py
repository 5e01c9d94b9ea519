"""The images that a network was measured on."""

from receptive.artifacts.prepared import read_images
from receptive.datasets.prepared import Prepared
from receptive.params.schema import Params


def images_of(params: Params, training: str) -> Prepared:
    """The prepared images of the training called ``training``, reduced to the classes that it learns."""
    facts = params.training(training)
    return read_images(facts.images, facts.classes)
