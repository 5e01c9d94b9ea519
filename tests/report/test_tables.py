"""The report's tables, on frames small enough to count by hand."""

import pandas as pd
import pytest
from scipy import stats

from receptive import networks
from receptive.methods.selectivity_card import PROPERTIES
from receptive.published import ACCURACY, FIELDS, V1
from receptive.report import tables


def measured(top1, top5=1.0, loss=0.5, train=0.9, parameters=10):
    return {
        "validation": {"top1": top1, "top5": top5, "loss": loss},
        "train": {"top1": train, "top5": 1.0, "loss": 0.1},
        "parameters": parameters,
    }


# Published numbers


def test_published_accuracies():
    # YU 3.1: top-1 errors of 42.6% and 29.5%; TG 2.1 and 4.1
    assert ACCURACY["alexcnn"]["validation"] == pytest.approx(1 - 0.426)
    assert ACCURACY["vggcnn"]["validation"] == pytest.approx(1 - 0.295)
    assert (ACCURACY["digitcnn"]["train"], ACCURACY["digitcnn"]["validation"]) == (0.991, 0.982)
    assert (ACCURACY["fivecnn"]["train"], ACCURACY["fivecnn"]["validation"]) == (0.879, 0.801)
    assert set(ACCURACY) | set(FIELDS) <= set(networks.STUDIED)


def test_published_fields():
    assert {name: len(fields) for name, fields in FIELDS.items()} == {
        "vggcnn": 18, "alexcnn": 8, "resnet34": 3, "plainnet34": 3
    }  # fmt: skip
    sizes = [size for size, _ in FIELDS["vggcnn"].values()]
    assert sizes == [3, 5, 6, 10, 14, 16, 24, 32, 40, 44, 60, 76, 92, 100, 132, 164, 196, 212]
    assert [stride for _, stride in FIELDS["vggcnn"].values()] == [1] * 2 + [2] * 3 + [4] * 4 + [8] * 4 + [16] * 4 + [
        32
    ]
    assert list(FIELDS["alexcnn"].values()) == [
        (11, 4), (15, 8), (47, 8), (55, 16), (87, 16), (119, 16), (151, 16), (167, 32)
    ]  # fmt: skip
    for name in ("resnet34", "plainnet34"):
        assert FIELDS[name] == {"max pool": (11, None), "layer 3": (27, None), "layer 7": (59, None)}


def test_published_cells():
    cells = {name: sum(of["counts"]) if "counts" in of else of["share"][1] for name, of in V1.items()}
    assert cells == {
        "preferred_orientation": 110 + 83 + 100 + 92, "frequency_selective": 14 + 73, "frequency_bandwidth": 73,
        "suppression_index": 190,
    }  # fmt: skip
    assert set(V1) <= set(PROPERTIES)
    # Schiller et al.: simple and complex cells by low over high frequency in percent, classes of 10 from 0 on
    simple, complex_ = [0, 0, 0, 6, 5, 10, 7, 2, 0, 0], [0, 3, 4, 10, 17, 6, 2, 1, 0, 0]
    both = [one + other for one, other in zip(simple, complex_, strict=True)]
    assert both[0] == 0
    assert V1["frequency_bandwidth"]["counts"] == both[:0:-1]
    # a cell that falls from 100% to 50% of its frequency has one octave
    edges = V1["frequency_bandwidth"]["edges"]
    assert (edges[0], edges[5], len(edges)) == (0, 1, 10)
    assert edges == sorted(edges)


# Accuracy


def test_accuracy_stands_beside_the_papers():
    metrics = {"vggcnn": measured(0.6, 0.95, 1.25, 0.8, 1000), "resnet34": measured(0.7)}
    images = {"vggcnn": "collages", "resnet34": "collages, 64 px", "unused": ""}
    table = tables.accuracy(metrics, {"vggcnn": "vggcnn", "resnet34": "resnet34"}, images)
    row = table.iloc[0].to_dict()
    assert pd.isna(row.pop("paper: training"))  # YU print none
    assert row == {
        "network": "vggcnn",
        "images": "collages",
        "parameters": 1000,
        "top-1, training": 0.8,
        "top-1, validation": 0.6,
        "top-5, validation": 0.95,
        "loss, validation": 1.25,
        "paper: validation": 0.705,
        "paper: on": "ImageNet, 1000 classes (YU)",
    }
    # KS print no accuracy
    assert table.loc[1, "paper: on"] == "not reported"
    assert pd.isna(table.loc[1, "paper: validation"])
    assert list(table["network"]) == ["vggcnn", "resnet34"]


def test_a_training_stands_beside_the_paper_of_its_network_whatever_its_name():
    table = tables.accuracy({"second": measured(0.6)}, {"second": "vggcnn"}, {"second": "collages"})
    assert table.loc[0, ["network", "paper: validation"]].tolist() == ["second", 0.705]


# Receptive fields


def field_row(alias, size, stride):
    return {"layer": f"{alias}.relu", "alias": alias, "kind": "conv", "size": size, "stride": stride, "start": -1}


def test_fields_agree_or_not():
    rows = [
        field_row("c1_1", 3, 1),  # as published
        field_row("c1_2", 7, 1),  # another size
        field_row("p1", 6, 4),  # another stride
        field_row("extra", 8, 4),  # not published
        field_row("c2_1", "10x12", "2x2"),  # unequal sides
    ]
    table = tables.receptive_fields("vggcnn", rows)
    assert list(table["agrees"]) == ["yes", "no", "no", "", "no"]
    assert table["published size"].tolist() == [3, 5, 6, pd.NA, 10]
    assert table["published stride"].tolist() == [1, 1, 2, pd.NA, 2]
    assert table["published size"].dtype == "Int64"  # 3, not 3.0
    assert table[["layer", "alias", "kind", "size", "stride", "start"]].to_dict("records") == rows


def test_fields_without_a_published_stride_agree_by_size():
    rows = [field_row("max pool", 11, 4), field_row("layer 3", 27, 99), field_row("layer 7", 58, 4)]
    assert list(tables.receptive_fields("resnet34", rows)["agrees"]) == ["yes", "yes", "no"]


def test_fields_of_a_network_that_nobody_published():
    table = tables.receptive_fields("fivecnn", [field_row("c1", 3, 1), field_row("c2", 8, 2)])
    assert list(table["agrees"]) == ["", ""]
    assert table["published size"].isna().all()


# Sparsity and activity


@pytest.fixture
def layers():
    """Two networks; pools and convolutions count, the rest does not."""
    return pd.DataFrame(
        [
            ("a", "c1.relu", "c1", 1, "conv", 0.123456),
            ("a", "p1", "p1", 1, "pool", 0.25),
            ("a", "avgpool", "average pool", 1, "global_pool", 0.9),
            ("a", "fc", "scores", 2, "fc", 0.0),
            ("b", "c1.relu", "c1", 1, "conv", 0.5),
            ("b", "c2.relu", "c2", 2, "conv", 0.75),
        ],
        columns=["network", "layer", "alias", "depth", "kind", "zero_fraction"],
    )


@pytest.fixture
def units():
    """Layer c1 of a: dead, nearly always active, exactly at the limit, just below, sometimes; p1: one dead; b: none."""
    rows = [
        ("a", "c1", 1, "conv", 0, 100, 0.0, 0),
        ("a", "c1", 1, "conv", 1, 100, 3.0, 100),
        ("a", "c1", 1, "conv", 2, 100, 3.0, 95),
        ("a", "c1", 1, "conv", 3, 100, 3.0, 94),
        ("a", "c1", 1, "conv", 4, 100, 0.5, 1),
        ("a", "p1", 1, "pool", 0, 100, -1.0, 0),
        ("a", "fc", 2, "fc", 0, 100, -1.0, 0),
        ("b", "c1", 1, "conv", 0, 20, 2.0, 19),
        ("b", "c1", 1, "conv", 1, 20, 2.0, 18),
    ]
    return pd.DataFrame(rows, columns=["network", "alias", "depth", "kind", "unit", "images", "max", "positive_images"])


def test_sparsity_lists_convolutions_and_pools(layers):
    table = tables.sparsity(layers)
    assert list(table["zero_fraction"]) == [0.123456, 0.25, 0.5, 0.75]
    assert list(table.columns) == ["network", "layer", "alias", "depth", "kind", "zero_fraction"]
    assert list(table.index) == [0, 1, 2, 3]


def test_activity_counts_units(units):
    before = units.copy()
    table = tables.activity(units)
    dead, alive = "never active", "active on 95% of the images"
    assert table.to_dict("records") == [
        {"network": "a", "alias": "c1", "depth": 1, "kind": "conv", "units": 5, dead: 1, alive: 2},
        {"network": "a", "alias": "p1", "depth": 1, "kind": "pool", "units": 1, dead: 1, alive: 0},
        {"network": "b", "alias": "c1", "depth": 1, "kind": "conv", "units": 2, dead: 0, alive: 1},
    ]
    pd.testing.assert_frame_equal(units, before)


def test_headline_numbers(layers, units):
    metrics = {"a": measured(0.123456, loss=1.23456, train=0.98765), "b": measured(1.0)}
    lines = tables.headline(metrics, layers, units)
    assert lines["a"] == {
        "top1": 0.1235,
        "loss": 1.2346,
        "sparsity_first": 0.1235,
        "sparsity_last": 0.25,
        "dead_units": 2,
    }
    assert (lines["b"]["sparsity_first"], lines["b"]["sparsity_last"], lines["b"]["dead_units"]) == (0.5, 0.75, 0)
    assert list(lines) == ["a", "b"]
    # plain numbers, so that they can be written as JSON
    assert {type(value) for line in lines.values() for value in line.values()} == {float, int}


# Selectivity, energies and zeros: what figures draw


def tuned(network, state, depth, osi, selective, orientation=0.0):
    keys = ["network", "state", "depth", "osi", "selective", "orientation"]
    return dict(zip(keys, (network, state, depth, osi, selective, orientation), strict=True))


@pytest.fixture
def selectivity():
    """Network b before a; layer 1 of b: OSI 0.1 ... 0.5, three of four that can be judged are selective."""
    rows = [
        *(tuned("b", "trained", 1, 0.1 * (i + 1), judged, angle) for i, (judged, angle) in enumerate(
            zip((True, True, pd.NA, False, True), (0, 44, 90, 90, 179), strict=True))),
        tuned("b", "trained", 2, 0.7, False),
        tuned("a", "trained", 1, float("nan"), pd.NA),
        tuned("a", "untrained", 1, 0.3, False),
    ]  # fmt: skip
    return pd.DataFrame(rows).astype({"selective": "boolean"})


def test_quartiles_of_the_osi_by_depth(selectivity):
    table = tables.osi_by_depth(selectivity)
    assert table[["network", "depth", "state"]].to_numpy().tolist() == [
        ["b", 1, "trained"], ["b", 2, "trained"], ["a", 1, "trained"], ["a", 1, "untrained"]
    ]  # fmt: skip
    assert table.loc[0, ["lower", "median", "upper"]].tolist() == pytest.approx([0.2, 0.3, 0.4])
    assert table.loc[2, ["lower", "median", "upper"]].isna().all()


def test_shares_leave_out_units_that_cannot_be_judged(selectivity):
    table = tables.shares_by_depth(selectivity, ["selective"])
    # trained units of a cannot be judged: no row
    assert table[["network", "state", "depth", "value"]].to_numpy().tolist() == [
        ["b", "trained", 1, 0.75], ["b", "trained", 2, 0.0], ["a", "untrained", 1, 0.0]
    ]  # fmt: skip
    ends = stats.binomtest(3, 4).proportion_ci(0.95, method="wilson")
    assert table.loc[0, ["low", "high"]].tolist() == pytest.approx([ends.low, ends.high])


def test_orientations_fall_into_the_nearest_bin_of_a_circle(selectivity):
    table = tables.preferred_orientations(selectivity, 4).set_index(["network", "state"])
    of_b = table.loc[("b", "trained")]
    assert of_b["orientation"].tolist() == [0, 45, 90, 135]
    # 179 degrees is next to 0; the unit at 90 is not selective
    assert of_b["share"].tolist() == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert (set(of_b["selective"]), set(of_b["units"])) == ({3}, {6})
    of_a = table.loc[("a", "untrained")]
    assert (of_a["share"].sum(), set(of_a["selective"]), set(of_a["units"])) == (0, {0}, {1})


def test_energies_are_means_over_images_with_normal_intervals():
    rows = [
        (network, state, depth, kind, image, share + image / 10, 0.5 + image / 10, 0.6 - image / 10)
        for network, share in (("b", 0.2), ("a", 0.4))
        for state in ("trained", "untrained")
        for depth, kind in ((3, "fc"), (1, "conv"))
        for image in (0, 1, 2)
    ]
    columns = ["network", "state", "depth", "kind", "image", "energy_outside_fraction", "image_energy_outside_fraction"]
    columns.append("outside_others_fraction")
    table = tables.energy_by_depth(pd.DataFrame(rows, columns=columns))
    assert table[["network", "depth", "state", "kind"]].to_numpy().tolist()[:3] == [
        ["b", 1, "trained", "conv"], ["b", 1, "untrained", "conv"], ["b", 3, "trained", "fc"]
    ]  # fmt: skip
    # three values 0.1 apart: the standard error is 0.1 / sqrt(3)
    half = 1.96 * 0.1 / 3**0.5
    assert table.loc[0, ["value", "low", "high"]].tolist() == pytest.approx([0.3, 0.3 - half, 0.3 + half])
    assert table["value"].tolist() == pytest.approx([0.3] * 4 + [0.5] * 4)
    assert set(table["image_value"].round(9)) == {0.6}
    assert set(table["others_value"].round(9)) == {0.5}


def test_zeros_are_means_over_images_of_convolutions_and_pools():
    zeros = pd.DataFrame(
        [
            ("a", "trained", "c1", 1, "conv", 0, 0.2),
            ("a", "trained", "c1", 1, "conv", 1, 0.4),
            ("a", "trained", "fc", 2, "fc", 0, 0.9),
            ("a", "untrained", "c1", 1, "conv", 0, 0.5),
        ],
        columns=["network", "state", "layer", "depth", "kind", "image", "zero_fraction"],
    )
    table = tables.zeros_by_layer(zeros)
    assert table[["state", "layer"]].to_numpy().tolist() == [["trained", "c1"], ["untrained", "c1"]]
    assert table["zero_fraction"].tolist() == pytest.approx([0.3, 0.5])
