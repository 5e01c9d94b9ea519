"""Receptive fields: as the graph gives them, beside those that a paper prints."""

from studies import parameters, table_names

from receptive.networks import outline
from receptive.networks.layers import layers
from receptive.report.sections.fields import section


def small(name: str):
    return layers(outline(name, classes=2, image_size=64, width=0.0625), 64)


def test_vggcnn_has_the_fields_of_its_paper_and_its_table_is_open(write):
    made = section(parameters("vggcnn"), {"vggcnn": small("vggcnn")}, write)
    (part,) = made.parts
    assert part.caption == "vggcnn: 18 of 18 published layers agree."
    assert (part.folded, part.open) == (True, True)
    table = write.tables["fields_vggcnn"].set_index("alias")
    assert table.loc["c5_3", ["size", "stride", "published size", "published stride", "agrees"]].tolist() == [
        196, 16, 196, 16, "yes"
    ]  # fmt: skip


def test_of_few_or_no_published_layers_the_table_is_folded(write):
    made = section(parameters("resnet34", "fivecnn"), {name: small(name) for name in ("resnet34", "fivecnn")}, write)
    assert table_names(made) == ["fields_resnet34", "fields_fivecnn"]
    resnet, five = made.parts
    assert resnet.caption == "resnet34: 3 of 3 published layers agree."
    assert five.caption == "fivecnn: the paper gives none."
    assert not resnet.open
    assert "agrees" not in five.columns
    assert "agrees" in resnet.columns
