"""Training: how a network begins, the loop, and how images are changed on their way."""

CODE = ("receptive.training", "receptive.networks.parts", "receptive.parallel", "receptive.loading")
"""The modules, beside the network's family, that a training's result depends on (``checkpoints.scratch``)."""
