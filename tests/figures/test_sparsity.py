"""Sparsity by depth: every layer at its depth, labels where nothing else is drawn."""

import pandas as pd
from drawn import points, words

from receptive.figures.sparsity import claim, labels_above, paired, sparsity_by_depth

VGGCNN = [("c1_1", 1, 0.54), ("c1_2", 2, 0.53), ("p1", 2, 0.45), ("c2_1", 3, 0.54), ("c2_2", 4, 0.55),
          ("p2", 4, 0.42), ("c3_1", 5, 0.55), ("c3_2", 6, 0.55), ("p3", 6, 0.37), ("c4_1", 7, 0.54)]  # fmt: skip
ALEXCNN = [("c1", 1, 0.55), ("p1", 1, 0.38), ("c2", 2, 0.54), ("p2", 2, 0.35), ("c3", 3, 0.55), ("c4", 4, 0.59),
           ("c5", 5, 0.63), ("p5", 5, 0.3)]  # fmt: skip


def test_labels_stand_apart_from_each_other_and_from_the_marks():
    table = pd.DataFrame(
        [
            (network, alias, depth, {"c": "conv", "p": "pool"}[alias[0]], zeros)
            for network, rows in (("vggcnn", VGGCNN), ("alexcnn", ALEXCNN))
            for alias, depth, zeros in rows
        ],
        columns=["network", "alias", "depth", "kind", "zero_fraction"],
    )
    figure = sparsity_by_depth(table)
    figure.canvas.draw()
    axes = figure.axes[0]
    boxes = {(text.get_text(), text.get_color()): text.get_window_extent() for text in axes.texts}
    assert len(boxes) == len(table)
    for one, box in boxes.items():
        assert [other for other, second in boxes.items() if box.overlaps(second)] == [one]
    for marks in axes.collections:
        for x, y in axes.transData.transform(marks.get_offsets()):
            assert not [one for one, box in boxes.items() if box.contains(x, y)]


def layers_of(network: str, rows, state: str = "trained") -> pd.DataFrame:
    columns = ["alias", "depth", "zero_fraction"]
    table = pd.DataFrame(rows, columns=columns).assign(network=network, state=state)
    return table.assign(
        kind=["pool" if alias.startswith("p") else "conv" for alias in table["alias"]], layer=table["alias"]
    )


def test_every_layer_stands_at_its_depth_and_a_pool_half_a_step_behind():
    scores = pd.DataFrame([{"network": "alexcnn", "alias": "fc8", "depth": 8, "zero_fraction": 0.9, "kind": "fc"}])
    (axes,) = sparsity_by_depth(pd.concat([layers_of("vggcnn", VGGCNN), layers_of("alexcnn", ALEXCNN), scores])).axes
    vggcnn, alexcnn = axes.lines
    expected = [[1, 0.55], [1.5, 0.38], [2, 0.54], [2.5, 0.35], [3, 0.55], [4, 0.59], [5, 0.63], [5.5, 0.3]]
    assert points(alexcnn) == expected  # the scores are left out
    assert len(points(vggcnn)) == len(VGGCNN)
    convs, pools = axes.collections[2:]
    assert convs.get_offsets().tolist() == [point for point in expected if point[0] % 1 == 0]
    assert pools.get_offsets().tolist() == [point for point in expected if point[0] % 1]
    assert pools.get_facecolor().tolist() == [[1, 1, 1, 1]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["vggcnn", "alexcnn"]


def test_networks_that_a_paper_compares_share_a_panel():
    assert paired(["alexcnn", "digitcnn", "plainnet34", "vggcnn", "fivecnn"]) == [
        ("vggcnn", "alexcnn"), ("plainnet34",), ("digitcnn", "fivecnn")
    ]  # fmt: skip
    table = pd.concat([layers_of(name, ALEXCNN) for name in ("alexcnn", "digitcnn", "vggcnn")])
    figure = sparsity_by_depth(table)
    assert [[line.get_label() for line in axes.lines] for axes in figure.axes] == [["vggcnn", "alexcnn"], ["digitcnn"]]


def test_a_label_stands_where_its_line_does_not_go():
    rows = pd.DataFrame({"place": [1, 2, 3], "zero_fraction": [0.2, 0.6, 0.3]})
    assert labels_above(rows, []) == [False, True, False]
    lower = pd.DataFrame({"place": [1, 3], "zero_fraction": [0.1, 0.4]})
    assert labels_above(rows, [lower]) == [True, True, False]


def test_the_claim_s_figure_shows_both_states_of_each_network():
    before = layers_of("vggcnn", [("c1", 1, 0.5), ("p1", 1, 0.4)], "untrained")
    after = layers_of("vggcnn", [("c1", 1, 0.7), ("p1", 1, 0.6)])
    figure = claim(pd.concat([before, after]), [])
    upper, lower = figure.subfigs
    untrained, trained, _ = upper.axes[0].lines
    assert points(untrained) == [[1, 0.5], [1.5, 0.4]]
    assert points(trained) == [[1, 0.7], [1.5, 0.6]]
    assert (untrained.get_linestyle(), trained.get_linestyle()) == ("--", "-")
    assert "nothing to measure" in words(lower)
