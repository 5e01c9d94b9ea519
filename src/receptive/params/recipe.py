"""How a network is built and trained: the parameters of one network, validated.

Nothing here has a default: what params.yaml does not say is refused, so this file has no say in any result.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A part of params.yaml: unknown keys are refused, types are not converted, every number is finite."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Recipe(Section):
    """Section ``train.<network>`` of params.yaml."""

    data: Literal["natural", "digits", "five"]
    """The set that it learns: the natural images, the digits, or five classes of the natural images."""
    width: Positive
    """Factor on every channel count; 1 as published."""
    batch_norm: bool | None
    dropout: Share | None
    conv_stride: Literal[1, 2] | None
    """These three at None: as the family has it."""
    normalisation: Literal["standardise", "whiten", "subtract_mean_image", "scale", "imagenet"]
    weights: Name
    """``ours``: the network is trained; ``pretrained``: its makers' weights, trained on ImageNet; else a file."""
    first_scale: Positive
    """Factor on the initial weights of the first convolution; 1 is the usual initialisation."""

    optimiser: Literal["sgd", "adam"]
    learning_rate: Positive
    momentum: Share
    """Of ``sgd``."""
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Literal["constant", "step", "one_cycle"]
    step_epochs: Annotated[int, Field(ge=1)]
    """Of ``step``: the rate is multiplied by ``step_factor`` every ``step_epochs`` epochs."""
    step_factor: Positive
    warmup_epochs: Annotated[float, Field(ge=0)]
    """Of ``constant`` and ``step``: epochs in which the rate rises linearly from 0."""
    clip_norm: Positive | None
    """Largest norm of the gradient of all weights; None: no limit."""
    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=2)]
    crop_area: Annotated[list[Positive], Field(min_length=2, max_length=2)] | None
    """Least and greatest share of the image's area in a random crop; None: the whole image."""
    crop_aspect: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    """Least and greatest ratio of a crop's width to its height."""
    flip: bool

    @model_validator(mode="after")
    def _ranges(self) -> Self:
        if self.crop_area and not self.crop_area[0] <= self.crop_area[1] <= 1:
            raise ValueError(f"crop_area must rise and not pass 1, not {self.crop_area}")
        if self.crop_aspect[0] > self.crop_aspect[1]:
            raise ValueError(f"crop_aspect must rise, not {self.crop_aspect}")
        return self

    def options(self) -> dict[str, float | None]:
        """The options of ``networks.build``; None where the family's default holds."""
        return {
            "width": self.width,
            "batch_norm": self.batch_norm,
            "dropout": self.dropout,
            "conv_stride": self.conv_stride,
        }
