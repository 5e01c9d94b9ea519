"""Claims: verdicts counted from the rows, every number in its column, words for one training and for several."""

from types import SimpleNamespace

import pandas as pd

from receptive.claims.row import measured, not_measured
from receptive.claims.smallest_effects import Smallest
from receptive.claims.verdicts import judged, what_would_decide
from receptive.figures.claims import estimates
from receptive.report.sections.claims import claim_parts, listed, numbers, settings, summary, text


def claim(number: int, title: str = "Title") -> SimpleNamespace:
    words = {name: f"{name.lower()} {number}" for name in ("STATEMENT", "SOURCE", "STATISTIC", "CONTROL", "RULE")}
    smallest = {"share": Smallest(0.125, "an eighth")}
    return SimpleNamespace(__name__="new", NUMBER=number, TITLE=title, SMALLEST=smallest, **words)


def row(value: float, low: float, high: float, network: str = "vggcnn", **more):
    repeats = more.pop("trainings", (network,))
    return measured("share", (value, low, high), "images", networks=(network,), trainings=repeats, **more)


ROWS = {
    1: [
        row(0.2, -0.1, 0.5, "alexcnn", decides=False),
        row(0.5, 0.25, 0.75, control=(0.1, 0.05, 0.15), images=100, published=0.4),
        not_measured("share", "nothing to see", networks=("resnet34",), trainings=("resnet34",)),
    ],
    2: [row(-0.5, -0.75, -0.25, trainings=("vggcnn", "vggcnn-2"), p_value=0.03)],
}


def test_the_summary_counts_the_rows_that_decide():
    table = summary([claim(1), claim(2)], ROWS).set_index("claim")
    assert table["verdict"].to_dict() == {1: "undecided", 2: "contradicted"}
    assert table["rows that decide"].to_dict() == {1: "1 supported, 1 not measured", 2: "1 contradicted"}
    assert table["speaks of"].to_dict() == {1: "these trained networks alone", 2: "networks trained like these"}
    assert table["intervals over"].to_dict() == {1: "images", 2: "images"}


def test_every_number_of_a_row_has_its_column():
    table = numbers(ROWS[1])
    # what decides comes first
    assert table["network"].tolist() == ["vggcnn", "resnet34", "alexcnn"]
    first = table.iloc[0].to_dict()
    assert (first["value"], first["95%"], first["control"], first["95% of control"]) == (
        0.5, "[0.25, 0.75]", 0.1, "[0.05, 0.15]"
    )  # fmt: skip
    assert (first["verdict"], first["published"], first["images"], first["trainings"]) == ("supported", 0.4, 100, 1)
    assert table.loc[1, "remark"] == "nothing to see"
    assert pd.isna(table.loc[1, "value"])
    assert table.loc[2, "verdict"] == "shown beside"
    assert numbers(ROWS[2]).loc[0, ["trainings", "p"]].tolist() == [2, 0.03]


def test_the_table_for_reuse_has_every_row_with_the_words_of_its_claim():
    table = listed([claim(1, "First"), claim(2, "Second")], ROWS)
    assert table["claim"].tolist() == [1, 1, 1, 2]
    assert table["title"].tolist() == ["First"] * 3 + ["Second"]
    assert table["claim verdict"].tolist() == ["undecided"] * 3 + ["contradicted"]
    assert table["networks"].tolist() == ["alexcnn", "vggcnn", "resnet34", "vggcnn"]
    assert table["trainings"].tolist()[-1] == "vggcnn, vggcnn-2"
    assert table["value"].tolist()[:2] == [0.2, 0.5]
    assert listed([], {}).empty


def test_a_claim_has_its_words_its_figure_and_its_rows(write):
    passage, picture, table = claim_parts(claim(2, "Sparser"), ROWS[2], estimates(ROWS[2], "share"), write)
    assert (passage.anchor, passage.heading) == ("claim-02", "2. Sparser: contradicted")
    assert passage.facts == {
        "Claim": "statement 2 (source 2)", "Statistic": "statistic 2", "Control": "control 2", "Rule": "rule 2",
        "Smallest effect of interest": "share: 0.125 (an eighth)",
    }  # fmt: skip
    assert (picture.file, picture.caption) == ("figures/claim_02.png", "Sparser: statistic 2")
    assert table.rows[0][:4] == ["vggcnn", "share", "-0.5", "[-0.75, -0.25]"]
    assert table.folded


def test_the_head_says_what_intervals_are_over():
    assert "Every network was trained once." in text({"vggcnn": 1, "alexcnn": 1})
    assert "several times (vggcnn 3, alexcnn 3)" in text({"vggcnn": 3, "alexcnn": 3})


def test_undecided_claims_say_what_would_decide_them(write):
    undecided = judged({1: [row(0.0, -0.196, 0.196, smallest=0.1, images=100)], 2: ROWS[2]})
    table = summary([claim(1), claim(2)], undecided).set_index("claim")
    assert table["would be decided by"].to_dict() == {1: "1,051 images", 2: ""}  # 100 (z(0.975) + z(0.9))^2, rounded up
    (passage, *_) = claim_parts(
        claim(1), undecided[1], estimates(undecided[1], "share"), write, what_would_decide(undecided)[1]
    )
    assert passage.facts["Would be decided by"] == "vggcnn: share: 1,051 images instead of 100"


def test_flips_under_other_settings_are_counted():
    rows = judged({1: [row(0.5, 0.05, 0.95, smallest=0.1)], 2: [row(0.5, 0.45, 0.55, smallest=0.1)]})
    table = settings([claim(1), claim(2)], rows).set_index("claim")
    assert table["verdict"].to_dict() == {1: "supported", 2: "supported"}
    assert table["level 0.01"].to_dict() == {1: "undecided", 2: "supported"}  # p of the first is 0.029
    assert table["flips"].to_dict() == {1: 1, 2: 0}
