"""Claims 7 and 9 on tables with planted zeros and energies."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from receptive.claims import Study, overall, sparsity
from receptive.claims import deconvolution_energy as discrimination
from receptive.io import artifacts

CHAIN = [("c1", 1, "conv"), ("p1", 1, "pool"), ("c2", 2, "conv"), ("c3", 3, "conv"), ("p3", 3, "pool"), ("fc", 4, "fc")]


def study(made) -> Study:
    params = SimpleNamespace(
        models=[name for name in made if "-" not in name],
        seed=0,
        claims=SimpleNamespace(resamples=500),
        trainings=lambda name: [other for other in made if other.partition("-")[0] == name],
    )
    return Study(params)


def by_name(rows):
    return {(row.network, row.what): row for row in rows}


# ---------------------------------------------------------------- claim 7


def zeros(trained: dict[str, float], untrained: dict[str, float], images=80, seed=0) -> pd.DataFrame:
    """zeros.parquet with these means; all layers of an image share its own offset."""
    rng = np.random.default_rng(seed)
    parts = []
    for state, means, count in (("trained", trained, images), ("untrained", untrained, images // 2)):
        offset = rng.normal(0, 0.02, count)
        for name, depth, kind in CHAIN:
            heading = {"network": "n", "state": state, "layer": name, "alias": name, "depth": depth, "kind": kind}
            parts.append(pd.DataFrame({**heading, "image": np.arange(count), "zero_fraction": means[name] + offset}))
    return pd.concat(parts, ignore_index=True)


RISING = {"c1": 0.4, "p1": 0.1, "c2": 0.5, "c3": 0.7, "p3": 0.6, "fc": 0.0}
FLAT = {"c1": 0.5, "p1": 0.45, "c2": 0.6, "c3": 0.4, "p3": 0.4, "fc": 1.0}


def measured(monkeypatch, claim, reader, made):
    """The study, its rows, and these by name, where ``reader`` of artifacts gives what was made for a training."""
    monkeypatch.setattr(artifacts, reader, lambda network: made[network])
    planted = study(made)
    rows = claim.measure(planted)
    return planted, rows, by_name(rows)


def sparse(monkeypatch, made):
    return measured(monkeypatch, sparsity, "read_zeros", made)


def test_zeros_that_rise_and_pools_that_lower_them(monkeypatch):
    lower = {name: share - 0.2 for name, share in RISING.items()}
    planted, rows, found = sparse(monkeypatch, {"vggcnn": zeros(RISING, FLAT), "alexcnn": zeros(lower, FLAT, seed=1)})
    rise = found["vggcnn", sparsity.RISE]
    assert (rise.value, rise.images, rise.over) == (1, 80, "images")
    assert rise.control == pytest.approx(-0.5)  # ranks 2, 3, 1 against 1, 2, 3; pools and fc play no part
    learned = found["vggcnn", sparsity.LEARNED]
    assert learned.value == pytest.approx(1.5)
    assert learned.decides
    pools = found["vggcnn", sparsity.POOLS]
    assert pools.value == pytest.approx((0.3 + 0.1) / 2)
    assert pools.control == pytest.approx((0.05 + 0) / 2)
    high = found["vggcnn - alexcnn", sparsity.HIGH]
    assert high.value == pytest.approx(0.2, abs=0.01)  # over the last three convolutions
    assert high.low < high.value < high.high
    assert overall(rows) == "supported"
    assert sparsity.figure(planted, rows).get_size_inches()[0] > 5


def test_zeros_the_other_way_round_contradict(monkeypatch):
    falling = dict(RISING, c1=0.7, p1=0.8, c2=0.5, c3=0.4, p3=0.6)
    higher = {name: share + 0.1 for name, share in falling.items()}
    _, rows, _ = sparse(monkeypatch, {"vggcnn": zeros(falling, FLAT), "alexcnn": zeros(higher, FLAT, seed=1)})
    assert {row.verdict for row in rows if row.decides} == {"contradicted"}


def test_what_was_there_before_training_was_not_learned(monkeypatch):
    both = {"vggcnn": zeros(RISING, RISING), "alexcnn": zeros(RISING, RISING)}
    _, rows, found = sparse(monkeypatch, both)
    assert found["vggcnn", sparsity.RISE].verdict == "supported"
    assert found["vggcnn", sparsity.LEARNED].verdict == "undecided"
    assert overall(rows) == "undecided"


def test_networks_with_few_layers_or_absent_ones(monkeypatch):
    few = zeros(RISING, FLAT)
    few = few[~few["layer"].isin(["c3", "p1", "p3"])]
    _, rows, found = sparse(monkeypatch, {"digitcnn": few, "alexcnn": zeros(RISING, FLAT)})
    assert found["digitcnn", sparsity.RISE].reason == "fewer than three convolutions"
    assert found["digitcnn", sparsity.POOLS].reason == "no pool behind a convolution"
    assert "vggcnn" in found["vggcnn", sparsity.RISE].reason
    assert found["vggcnn - alexcnn", sparsity.HIGH].verdict == "not measured"
    assert overall(rows) == "undecided"


def test_zeros_of_several_trainings(monkeypatch):
    made = {name: zeros(RISING, FLAT, seed=k) for k, name in enumerate(["vggcnn", "vggcnn-2", "alexcnn", "alexcnn-2"])}
    _, rows, found = sparse(monkeypatch, made)
    assert {(row.seeds, row.over) for row in rows} == {(2, "seeds and images")}
    assert found["vggcnn - alexcnn", sparsity.HIGH].value == pytest.approx(0, abs=0.01)


def test_high_layers_are_the_last_ones(monkeypatch):
    monkeypatch.setattr(sparsity, "HIGH_LAYERS", 2)
    other = dict(RISING, c1=0.9, c2=0.4, c3=0.5)
    _, _, found = sparse(monkeypatch, {"vggcnn": zeros(RISING, FLAT), "alexcnn": zeros(other, FLAT)})
    assert found["vggcnn - alexcnn", sparsity.HIGH].value == pytest.approx((0.1 + 0.2) / 2)


def test_a_pool_behind_a_pool_is_compared_with_nothing(monkeypatch):
    table = zeros(RISING, FLAT)
    _, _, found = sparse(monkeypatch, {"vggcnn": table[~table["layer"].isin(["c2", "c3"])]})
    assert found["vggcnn", sparsity.POOLS].value == pytest.approx(0.3)


# ---------------------------------------------------------------- claim 9


def energies(trained, untrained, images=60, seed=0) -> pd.DataFrame:
    """energy.parquet of c1, c2, c3 and fc with these shares outside; an image's own offset is in all of them."""
    rng = np.random.default_rng(seed)
    parts = []
    for state, shares in (("trained", trained), ("untrained", untrained)):
        offset = rng.normal(0, 0.05, images)
        for (name, depth, kind), share in zip([CHAIN[0], *CHAIN[2:4], CHAIN[5]], shares, strict=True):
            heading = {"network": "n", "state": state, "layer": name, "alias": name, "depth": depth, "kind": kind}
            values = {"energy_outside_fraction": share + offset, "image_energy_outside_fraction": 0.6}
            parts.append(pd.DataFrame({**heading, "image": np.arange(images), **values}))
    return pd.concat(parts, ignore_index=True)


def energetic(monkeypatch, made):
    return measured(monkeypatch, discrimination, "read_energy", made)


def test_energy_that_falls(monkeypatch):
    vggcnn, alexcnn = (
        energies((0.6, 0.5, 0.2, 0.15), (0.5, 0.6, 0.7, 0.8)),
        energies((0.6, 0.5, 0.4, 0.3), (0.6, 0.5, 0.7, 0.8)),
    )
    planted, rows, found = energetic(monkeypatch, {"vggcnn": vggcnn, "alexcnn": alexcnn})
    fall = found["vggcnn", discrimination.FALL]
    assert (fall.value, fall.control, fall.images) == (1, -1, 60)
    learned = found["vggcnn", discrimination.LEARNED]
    assert (learned.value, learned.decides) == (2, True)
    last = found["alexcnn - vggcnn", discrimination.LAST]
    assert last.value == pytest.approx(0.2)  # in c3, the last convolution, image by image: the offsets are the same
    assert last.high - last.low < 1e-9
    assert overall(rows) == "supported"
    assert discrimination.figure(planted, rows).get_size_inches()[0] > 5


def test_images_that_leave_a_layer_blank_do_not_count(monkeypatch):
    table = energies((0.6, 0.5, 0.2, 0.1), (0.5, 0.6, 0.7, 0.8))
    blank = (table["image"] == 7) & (table["layer"] == "c2") & (table["state"] == "trained")
    table.loc[blank, "energy_outside_fraction"] = np.nan
    _, _, found = energetic(monkeypatch, {"vggcnn": table})
    assert found["vggcnn", discrimination.FALL].images == 59


def test_energy_that_rises_contradicts(monkeypatch):
    made = {"vggcnn": energies((0.1, 0.2, 0.5, 0.6), (0.5,) * 4), "alexcnn": energies((0.1, 0.2, 0.3, 0.4), (0.5,) * 4)}
    _, rows, found = energetic(monkeypatch, made)
    assert found["alexcnn - vggcnn", discrimination.LAST].value == pytest.approx(-0.2)
    assert overall(rows) == "contradicted"


def test_without_masks_nothing_is_measured(monkeypatch):
    planted, rows, found = energetic(monkeypatch, {"vggcnn": None, "alexcnn": None})
    assert {row.verdict for row in rows} == {"not measured"}
    assert found["vggcnn", discrimination.FALL].reason == discrimination.UNKNOWN
    assert found["alexcnn - vggcnn", discrimination.LAST].reason == discrimination.UNKNOWN
    assert discrimination.figure(planted, rows).get_size_inches()[0] > 5
