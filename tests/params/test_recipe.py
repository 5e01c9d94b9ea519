"""Recipes: what they refuse, and the options that they give to networks."""

import math

import pytest
from pydantic import ValidationError
from recipes import PLAIN, recipe

from receptive import networks
from receptive.params.recipe import Recipe


@pytest.mark.parametrize("name", PLAIN)
def test_nothing_has_a_default(name):
    with pytest.raises(ValidationError, match=f"{name}\n  Field required"):
        Recipe(**{key: value for key, value in PLAIN.items() if key != name})


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"crop_area": [0.9, 0.5]}, "crop_area must rise"),
        ({"crop_area": [0.5, 1.5]}, "crop_area must rise and not pass 1"),
        ({"crop_aspect": [2.0, 0.5]}, "crop_aspect must rise"),
        ({"learning_rate": math.inf}, "finite"),
        ({"width": math.nan}, "finite|greater"),
        ({"width": "1"}, "number"),
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"epochs": 2.0}, "integer"),
        ({"batch_size": 1}, "greater than or equal to 2"),
        ({"momentum": 1.0}, "less than 1"),
        ({"surprise": 1}, "not permitted"),
    ],
)
def test_impossible_recipes_are_refused(changes, cause):
    with pytest.raises(ValidationError, match=cause):
        recipe(**changes)


def test_a_recipe_gives_the_options_of_its_network():
    options = recipe(width=0.5, dropout=0.1, conv_stride=2).options()
    assert options == {"width": 0.5, "batch_norm": None, "dropout": 0.1, "conv_stride": 2}
    assert networks.build("digitcnn", 10, 28, 1, **options).c1.conv.out_channels == 16
