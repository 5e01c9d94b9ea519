"""Feature maps: the units that are dead are those of units.parquet."""

import numpy as np
import pandas as pd
from drawn import picture
from studies import captions, parameters

from receptive.artifacts.feature_maps import FeatureMaps, write_feature_maps
from receptive.report.sections.feature_maps import section


def test_silent_and_dead_units_are_counted_network_by_network(write):
    image = np.full((4, 4, 3), 9, np.uint8)
    maps = np.zeros((3, 7, 7), np.float32)
    maps[0] = 1
    for network in ("vggcnn", "digitcnn"):
        write_feature_maps(network, FeatureMaps(image, {"image": 5, "class": "seven"}, {"c1.relu": maps}), {})
    # rows of units not in order, and of another network with the same layer
    units = pd.DataFrame(
        [
            ("digitcnn", "c1.relu", "c1", 2, 0.0),
            ("digitcnn", "c1.relu", "c1", 0, 3.0),
            ("digitcnn", "c1.relu", "c1", 1, 0.5),
            *(("vggcnn", "c1.relu", "c1_1", unit, 1.0) for unit in range(3)),
        ],
        columns=["network", "layer", "alias", "unit", "max"],
    )
    made = section(parameters("vggcnn", "digitcnn"), units, write)
    assert list(captions(made)) == ["tg2_feature_maps_digitcnn", "tg2_feature_maps_vggcnn"]  # TG's own network first
    assert captions(made)["tg2_feature_maps_digitcnn"].startswith("As TG figure 2.2: a validation image of class seven")
    assert captions(made)["tg2_feature_maps_vggcnn"].startswith("A validation image of class seven in vggcnn")
    photograph, axes = write.figures["tg2_feature_maps_digitcnn"].axes
    assert (picture(photograph) == 9).all()
    assert axes.get_title() == "c1: 1 zero on this image, 1 dead"
    assert [text.get_text() for text in axes.texts] == ["zero", "dead"]  # units 1 and 2
    assert write.figures["tg2_feature_maps_vggcnn"].axes[1].get_title() == "c1_1: 2 zero on this image, 0 dead"
