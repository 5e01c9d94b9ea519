"""Claim 8 on tables with a planted rise, and without one."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from receptive.claims import Study, overall
from receptive.claims import embedding_purity as grouping
from receptive.io import artifacts

LAYERS = {"c1": 1, "c4": 2, "c5": 3}


def tables(rises, seed=0, images=200, mapped=("c4", "c5")):
    """Purity 0.2 in the first layer, rising linearly by ``rises[state]`` up to the last, with noise an image shares."""
    rng = np.random.default_rng(seed)
    rows, by_image = [], []
    shared = rng.normal(0, 0.3, images)  # cancels only where the differences are paired
    for state, rise in rises.items():
        for name, depth in LAYERS.items():
            value = 0.2 + rise * (depth - 1) / 2 + shared + rng.normal(0, 0.02, images)
            heading = {"state": state, "layer": f"{name}.relu"}
            rows.append({**heading, "alias": name, "depth": depth, "kind": "conv", "value": value.mean()})
            by_image.append(pd.DataFrame({**heading, "image": np.arange(images), "value": value}))
    layers = pd.DataFrame({"layer": [f"{name}.relu" for name in mapped]})
    return {"purity": pd.DataFrame(rows), "purity_images": pd.concat(by_image), "layers": layers}


def measured_on(monkeypatch, models, made, trainings=1):
    monkeypatch.setattr(artifacts, "read_embedding", lambda network, table: made[network][table])
    params = SimpleNamespace(
        models=models,
        seed=0,
        claims=SimpleNamespace(resamples=500),
        replicas={f"{name}-{k}" if k > 1 else name: name for k in range(1, trainings + 1) for name in models},
        trainings=lambda name: [f"{name}-{k}" if k > 1 else name for k in range(1, trainings + 1)],
    )
    study = Study(params)
    return study, grouping.measure(study)


def test_a_planted_rise_is_found_and_its_controls_subtracted(monkeypatch):
    made = {"vggcnn": tables({"trained": 0.6, "untrained": 0.1, "pixels": 0.2})}
    study, rows = measured_on(monkeypatch, ["vggcnn"], made)
    found = {row.what: row for row in rows}
    for what, expected, control in (
        ("rise above before training", 0.25, 0.05),  # from the second layer to the third: half of the whole rise
        ("rise above pixels", 0.2, 0.1),
        ("first to last convolution, above before training", 0.5, 0.1),
        ("first to last convolution, above pixels", 0.4, 0.2),
    ):
        row = found[what]
        assert row.value == pytest.approx(expected, abs=0.01)
        assert row.control == pytest.approx(control, abs=0.01)
        assert row.low < expected < row.high
        assert row.high - row.low < 0.03  # paired: the images' own 0.3 is gone
        assert (row.images, row.over, row.verdict) == (200, "images", "supported")
        assert row.decides == what.startswith("rise above")
    assert overall(rows) == "supported"
    assert grouping.figure(study, rows).axes


def test_what_seeing_more_explains_is_no_support(monkeypatch):
    made = {"vggcnn": tables({"trained": 0.3, "untrained": 0.0, "pixels": 0.5})}
    _, rows = measured_on(monkeypatch, ["vggcnn"], made)
    verdicts = {row.what: row.verdict for row in rows}
    assert verdicts["rise above before training"] == "supported"
    assert verdicts["rise above pixels"] == "contradicted"
    assert overall(rows) == "undecided"


def test_without_the_papers_network_the_others_are_shown_and_decide_nothing(monkeypatch):
    made = {"alexcnn": tables({"trained": 0.6, "untrained": 0.1, "pixels": 0.2})}
    study, rows = measured_on(monkeypatch, ["alexcnn"], made)
    assert overall(rows) == "not measured"
    assert "vggcnn" in next(row.reason for row in rows if row.decides)
    assert [row.network for row in rows if row.value is not None] == ["alexcnn"] * 4
    assert grouping.figure(study, rows).axes


def test_one_mapped_layer_leaves_the_first_and_last_convolution(monkeypatch):
    made = {"vggcnn": tables({"trained": 0.6, "untrained": 0.1, "pixels": 0.2}, mapped=("c5",))}
    _, rows = measured_on(monkeypatch, ["vggcnn"], made)
    assert {row.what: row.reason for row in rows}["rise above pixels"] == "c1 to c5"


def test_several_trainings_speak_over_seeds(monkeypatch):
    made = {
        name: tables({"trained": rise, "untrained": 0.1, "pixels": 0.2}, seed)
        for seed, (name, rise) in enumerate({"vggcnn": 0.6, "vggcnn-2": 0.7, "vggcnn-3": 0.65}.items())
    }
    _, rows = measured_on(monkeypatch, ["vggcnn"], made, trainings=3)
    row = next(row for row in rows if row.what == "rise above pixels")
    assert (row.over, row.seeds) == ("seeds and images", 3)
    assert row.value == pytest.approx((0.2 + 0.25 + 0.225) / 3, abs=0.01)
