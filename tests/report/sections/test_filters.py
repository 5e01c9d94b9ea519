"""Virtual filters: the units that are shown, and what the caption says of them."""

import numpy as np
import pandas as pd
import pytest
from drawn import points
from studies import captions, parameters

from receptive.artifacts.filters import COLUMNS, Filters, write_filters
from receptive.networks import outline
from receptive.networks.layers import layers
from receptive.report.sections.filters import gabor_summary, section, strongest

SIZE = 64
VIRTUAL = np.arange(1, 7)[:, None, None, None] * np.ones((6, 3, 3, 3))
VIRTUAL[2] *= 10
GABOR = pd.DataFrame(
    {"network": "vggcnn", "state": ["trained"] * 4 + ["untrained"] * 4, "unit": [0, 1, 2, 3] * 2}
    | dict.fromkeys(COLUMNS["gabor.parquet"][4:], 0.0)
    | {"r2": [0.9, 0.4, 0.7, 0.6, 0.1, 0.2, 0.3, 0.6]}
)


def write_small(folded: str | None = None) -> np.ndarray:
    chance = np.random.default_rng(0)
    arrays = {"first": chance.normal(size=(4, 3, 3, 3)), "second": chance.normal(size=(6, 4, 3, 3))}
    arrays |= {"virtual": VIRTUAL, "weights": chance.normal(size=(6, 4)), "places": np.zeros((6, 4, 2), int)}
    names = {"first": "c1_1.weight", "second": "c1_2.weight", "folded": folded}
    write_filters("vggcnn", Filters(arrays, names), GABOR, {})
    return arrays["weights"]


@pytest.fixture(scope="module")
def known():
    return layers(outline("vggcnn", width=0.0625, image_size=SIZE), SIZE)


def units(known, dead=()) -> pd.DataFrame:
    greatest = [0.0 if unit in dead else 1.0 for unit in range(4)]
    return pd.DataFrame({"network": "vggcnn", "layer": known[0].name, "unit": range(4), "max": greatest})


def test_the_strongest_virtual_filters_are_shown_with_their_weights(write, known):
    weights = write_small()
    made = section(parameters("vggcnn"), {"vggcnn": known}, units(known, dead=(1,)), write)
    assert strongest(VIRTUAL, 3) == [2, 5, 4]
    grid = np.reshape(write.figures["ks3_virtual_filters_vggcnn"].axes, (3, 4))
    assert [row[0].get_ylabel() for row in grid] == ["unit 2", "unit 5", "unit 4"]
    assert points(grid[1, 2].lines[1]) == [[place, value] for place, value in enumerate(sorted(weights[5])[::-1])]
    place = np.argsort(-weights[5]).tolist().index(1)
    assert f"{place} dead" in [text.get_text() for text in grid[1, 3].texts]
    caption = captions(made)["ks3_virtual_filters_vggcnn"]
    assert caption.startswith("As KS figure 3: vggcnn, c1_2 (3x3).")
    assert "the kernel of both layers together" in caption
    assert "folded" not in caption
    assert made.anchor == "filters"


def test_gabor_fits_are_summed_up_by_network():
    assert gabor_summary(GABOR).to_dict("records") == [
        {
            "network": "vggcnn",
            "first filters": 4,
            "median share explained": pytest.approx(0.65),
            "more than half": 0.75,
            "median share explained before training": pytest.approx(0.25),
            "more than half before training": 0.25,
        }
    ]
    small = gabor_summary(GABOR.assign(r2=np.nan))
    assert small.iloc[0, 2:].isna().all()


def test_a_folded_batch_norm_is_named(write, known):
    write_small(folded="c1_1.bn")
    made = section(parameters("vggcnn"), {"vggcnn": known}, units(known), write)
    assert "The scale of c1_1.bn is folded into the first filters." in captions(made)["ks3_virtual_filters_vggcnn"]


@pytest.mark.parametrize(
    ("named", "shown", "says"),
    [
        ([3, 40, 99], ["unit 3"], "It has 6 units there, so of report.filter_units no 40, 99."),
        ([3, 0], ["unit 3", "unit 0"], ""),
    ],
)
def test_units_that_the_second_layer_lacks_are_named(write, known, named, shown, says):
    write_small()
    params = parameters("vggcnn", report={"filter_units": {"vggcnn": named}})
    caption = captions(section(params, {"vggcnn": known}, units(known), write))["ks3_virtual_filters_vggcnn"]
    assert caption.endswith(says)
    assert ("report.filter_units" in caption) == bool(says)
    grid = np.reshape(write.figures["ks3_virtual_filters_vggcnn"].axes, (-1, 4))
    assert [row[0].get_ylabel() for row in grid] == shown
