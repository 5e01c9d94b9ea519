"""Recipes for tests: a plain one, and changes to it."""

from receptive.params.recipe import Recipe

PLAIN = {
    "data": "natural", "width": 1.0, "batch_norm": None, "dropout": None, "conv_stride": None,
    "normalisation": "scale", "weights": "ours", "first_scale": 1.0,
    "optimiser": "sgd", "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0,
    "schedule": "constant", "step_epochs": 30, "step_factor": 0.1, "warmup_epochs": 0.0, "clip_norm": None,
    "epochs": 1, "batch_size": 4, "crop_area": None, "crop_aspect": [3 / 4, 4 / 3], "flip": False,
}  # fmt: skip


def recipe(**changes) -> Recipe:
    """Plain gradient descent at one rate for one epoch, without augmentation, but for ``changes``."""
    return Recipe(**PLAIN | changes)
