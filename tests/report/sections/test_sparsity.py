"""Sparsity: the numbers of the tables are those of the figure."""

import pandas as pd
from drawn import points
from studies import table_names

from receptive.report.sections.sparsity import section


def test_figure_and_tables_show_the_same_numbers(write):
    layers = pd.DataFrame(
        [
            ("vggcnn", "c1.relu", "c1_1", 1, "conv", 0.5),
            ("vggcnn", "p1", "p1", 1, "pool", 0.25),
            ("vggcnn", "fc", "fc6", 2, "fc", 0.9),
        ],
        columns=["network", "layer", "alias", "depth", "kind", "zero_fraction"],
    )
    units = pd.DataFrame(
        [("vggcnn", "c1_1", 1, "conv", 0, 10, 0.0, 0), ("vggcnn", "c1_1", 1, "conv", 1, 10, 2.0, 10)],
        columns=["network", "alias", "depth", "kind", "unit", "images", "max", "positive_images"],
    )
    made = section(layers, units, write)
    assert table_names(made) == ["sparsity", "activity"]
    (axes,) = write.figures["yu6_sparsity"].axes
    assert points(axes.lines[0]) == [[1, 0.5], [1.5, 0.25]]
    assert [text.get_text() for text in axes.texts] == ["c1_1", "p1"]
    assert write.tables["sparsity"]["zero_fraction"].tolist() == [0.5, 0.25]
    assert write.tables["activity"].iloc[0].to_dict() == {
        "network": "vggcnn", "alias": "c1_1", "depth": 1, "kind": "conv", "units": 2, "never active": 1,
        "active on 95% of the images": 1,
    }  # fmt: skip
    assert made.parts[1].rows[0] == ["vggcnn", "c1.relu", "c1_1", "1", "conv", "0.5000"]
