"""Claims 1 and 2 on tables of planted units: the counts, the intervals, and what decides."""

import types

import numpy as np
import pandas as pd
import pytest

from receptive.claims import Study, overall
from receptive.claims import selectivity_opponency as opponency
from receptive.claims import selectivity_orientation as orientation
from receptive.io import artifacts


def layer(name: str, alias: str, size: int):
    """What the claims ask of a layer: its names and the side of its receptive field."""
    axis = types.SimpleNamespace(size=size)
    return types.SimpleNamespace(name=name, alias=alias, field=types.SimpleNamespace(whole_image=False, y=axis, x=axis))


LAYERS = [layer("a", "layer 1", 7), layer("b", "layer 2", 19), layer("c", "layer 3", 99)]


def table(shares: dict[str, float], units: int = 40, colour: bool = True) -> pd.DataFrame:
    """units.parquet in which of every state's units this share is selective, and double opponent; two are silent."""
    parts = []
    for state, share in shares.items():
        for one in LAYERS:
            verdict = pd.array(np.arange(units) < share * units, dtype="boolean")
            judged = pd.DataFrame({"unit": np.arange(units), "selective": verdict, "double_opponent": verdict})
            silent = pd.DataFrame({"unit": [units, units + 1]})
            rows = pd.concat([judged, silent]).assign(state=state, layer=one.name, alias=one.alias, depth=1)
            rows["colour_index"] = 1.0 if colour else np.nan
            parts.append(rows.astype({"selective": "boolean", "double_opponent": "boolean"}))
    found = pd.concat(parts, ignore_index=True)
    return found if colour else found.assign(double_opponent=pd.array([pd.NA] * len(found), dtype="boolean"))


@pytest.fixture
def study(monkeypatch):
    """A study of these networks, whose data are planted by name in the dict that it comes with."""
    planted: dict[str, pd.DataFrame] = {}
    monkeypatch.setattr(artifacts, "read_probe", lambda name, kind="units": planted[name])
    monkeypatch.setattr(artifacts, "read_layers", lambda name: LAYERS)
    monkeypatch.setattr(artifacts, "read_description", lambda name: {"image_size": 64})

    def make(**tables) -> Study:
        planted.update({name.replace("_", "-"): its for name, its in tables.items()})
        names = list(planted)
        bases = list(dict.fromkeys(name.partition("-")[0] for name in names))
        replicas = {name: name.partition("-")[0] for name in names}
        trainings = lambda network: [name for name in names if replicas[name] == network]  # noqa: E731
        return Study(types.SimpleNamespace(models=bases, replicas=replicas, trainings=trainings))

    return make


@pytest.mark.parametrize("claim", [orientation, opponency])
def test_planted_shares_are_found_and_decide(study, claim):
    rows = claim.measure(study(resnet34=table({"trained": 0.5, "untrained": 0.1, "shuffled": 0.2})))
    deciding = [row for row in rows if row.decides]
    assert [row.what for row in deciding] == ["low layers, trained - untrained", "low layers, trained - shuffled"]
    # two low layers of 40 judged units each; the silent ones are not counted
    assert [row.value for row in deciding] == pytest.approx([0.4, 0.3])
    assert [row.units for row in deciding] == [80, 80]
    assert all(row.low < row.value < row.high for row in deciding)
    assert overall(rows) == "supported"
    assert {row.over for row in rows} == {"units"}
    assert "40 of 80 units" in deciding[0].reason
    assert "untrained 8 of 80" in deciding[0].reason
    whats = [row.what for row in rows]
    assert "layer 1, trained - shuffled" in whats
    assert "high layers, trained - untrained" in whats
    assert not any(what.startswith("layer 3") for what in whats)  # its field leaves the image


def test_both_controls_must_be_exceeded(study):
    rows = orientation.measure(study(resnet34=table({"trained": 0.5, "untrained": 0.5, "shuffled": 0.1})))
    assert overall(rows) == "undecided"


def test_a_smaller_share_contradicts(study):
    rows = orientation.measure(study(resnet34=table({"trained": 0.1, "untrained": 0.5, "shuffled": 0.1})))
    assert overall(rows) == "contradicted"


def test_other_networks_decide_nothing_and_a_missing_one_is_named(study):
    rows = orientation.measure(study(plainnet34=table({"trained": 0.5, "untrained": 0.1, "shuffled": 0.1})))
    deciding = [row for row in rows if row.decides]
    assert {row.verdict for row in deciding} == {"not measured"}
    assert all("resnet34" in row.reason for row in deciding)
    assert overall(rows) == "not measured"
    assert any(row.network == "plainnet34" and row.verdict == "supported" for row in rows)


def test_images_without_colour_have_no_opponency(study):
    shares = {"trained": 0.5, "untrained": 0.1, "shuffled": 0.1}
    both = study(resnet34=table(shares), digitcnn=table(shares, colour=False))
    rows = [row for row in opponency.measure(both) if row.network == "digitcnn"]
    assert rows
    assert {row.verdict for row in rows} == {"not measured"}
    assert {row.reason for row in rows} == {"its images have no colour"}
    assert all(row.value is not None for row in orientation.measure(both) if row.network == "digitcnn")


def test_several_trainings_are_judged_over_seeds(study):
    shares = [0.5, 0.6, 0.55]
    tables = {
        name: table({"trained": share, "untrained": 0.1, "shuffled": 0.1})
        for name, share in zip(("resnet34", "resnet34_2", "resnet34_3"), shares, strict=True)
    }
    row = next(row for row in orientation.measure(study(**tables)) if row.decides)
    assert (row.network, row.over, row.seeds) == ("resnet34", "seeds and units", 3)
    assert row.value == pytest.approx(np.mean(shares) - 0.1)


def test_layers_whose_units_are_all_silent(study):
    rows = orientation.measure(study(resnet34=table({"trained": 0.0, "untrained": 0.0, "shuffled": 0.0}, units=0)))
    assert {row.verdict for row in rows} == {"not measured"}


@pytest.mark.parametrize("claim", [orientation, opponency])
def test_the_figure_can_be_drawn_with_and_without_colour(study, claim):
    shares = {"trained": 0.5, "untrained": 0.1, "shuffled": 0.1}
    planted = study(resnet34=table(shares), digitcnn=table(shares, colour=False))
    assert claim.figure(planted, claim.measure(planted)).get_size_inches()[0] > 5
