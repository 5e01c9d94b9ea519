"""Virtual filters of a network that is stored: which weights are taken, and what is folded into them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import with_random_statistics
from safetensors.torch import save_file

from receptive import networks
from receptive.artifacts.filters import COLUMNS, Filters
from receptive.measurements.filters import arrays_of, gabor_table, measure, metrics_of
from receptive.methods.gabor_fit import gabor
from receptive.networks.parts.blocks import initialise
from receptive.stages import filters, run


@pytest.fixture(scope="module")
def network():
    made = networks.build("fivecnn", 2, 16, 3, width=0.125)
    initialise(made, torch.Generator().manual_seed(0))
    return with_random_statistics(made)


@pytest.fixture
def stored(tmp_path, monkeypatch, network):
    """What is read of the network, below the current folder."""
    monkeypatch.chdir(tmp_path)
    folder = Path("data/networks/fivecnn")
    folder.mkdir(parents=True)
    save_file(network.state_dict(), folder / "weights.safetensors")
    description = {"network": "fivecnn", "classes": ["ant", "bee"], "image_size": 16, "channels": 3, "options": {}}
    (folder / "network.json").write_text(json.dumps(description | {"first_filters": "c1.conv.weight"}))
    return folder


def by_hand(first, second):
    """KS equation 3, index by index."""
    made = np.zeros((len(second), *first.shape[1:]))
    for p, k in np.ndindex(second.shape[:2]):
        strongest = max(second[p, k].flat, key=abs)
        made[p] += strongest * first[k]
    return made


@pytest.mark.parametrize("folded", [False, True])
def test_the_first_two_convolutions_make_the_filters(stored, network, folded):
    made = measure("fivecnn", folded)
    first, second = (getattr(network, name).conv.weight.detach().numpy() for name in ("c1", "c2"))
    if folded:
        scale = (network.n1.weight / (network.n1.running_var + network.n1.eps).sqrt()).detach().numpy()
        first = first * scale[:, None, None, None]
    assert made.names == {"first": "c1.conv.weight", "second": "c2.conv.weight", "folded": "n1" if folded else None}
    np.testing.assert_allclose(made.arrays["first"], first, rtol=1e-6)
    np.testing.assert_array_equal(made.arrays["second"], second)
    np.testing.assert_allclose(made.arrays["virtual"], by_hand(first, second), rtol=1e-5, atol=1e-6)
    assert list(made.arrays) == ["first", "second", "virtual", "weights", "places"]


def test_metrics_count_the_filters_and_those_that_take_part():
    second = np.zeros((2, 3, 1, 1))
    second[0, :2] = 0.5  # mixes two filters equally
    second[1, 2] = -1.0  # takes one
    made = Filters(arrays_of(np.ones((3, 3, 2, 2)), second), {})
    counted = {"first_filters": 3, "participating_first_filters": 1.5}
    gabor = pd.DataFrame({"state": ["trained"] * 3 + ["untrained"], "r2": [0.9, 0.4, 0.6, 0.1]})
    assert metrics_of(made, gabor) == counted | {"gabor_r2": 0.6, "gabor_share": pytest.approx(2 / 3)}
    assert metrics_of(made, gabor.assign(r2=np.nan)) == counted


def test_first_filters_are_fitted_trained_and_untrained(tmp_path, monkeypatch):
    """An AlexCNN whose first filters are Gabor functions when trained, and noise before."""
    monkeypatch.chdir(tmp_path)
    folder = Path("data/networks/alexcnn")
    folder.mkdir(parents=True)
    trained = torch.tensor(np.stack([gabor(7, 0, 0, a, 0.2, 0.3, 1.5, 2.0) for a in (0.3, 1.2)]))[:, None]
    noise = torch.randn(2, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    save_file({"c1.weight": trained.float().contiguous()}, folder / "weights.safetensors")
    save_file({"c1.weight": noise}, folder / "untrained.safetensors")
    description = {"network": "alexcnn", "classes": [], "image_size": 16, "channels": 1, "options": {}}
    (folder / "network.json").write_text(json.dumps(description | {"first_filters": "c1.weight"}))
    table = gabor_table("alexcnn")
    assert tuple(table) == COLUMNS["gabor.parquet"]
    assert list(table["state"]) == ["trained"] * 2 + ["untrained"] * 2
    assert list(table["unit"]) == [0, 1, 0, 1]
    assert table["r2"][:2].min() > 0.999
    assert table["r2"][2:].max() < 0.8
    np.testing.assert_allclose(table["frequency"][:2], 0.2, rtol=1e-3)


def test_the_stage_refuses_a_poor_description_in_one_line(stored, capsys):
    path = Path(stored, "network.json")
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "first_filters"}))
    Path("params.yaml").write_text((Path(__file__).parents[2] / "params.yaml").read_text())
    with pytest.raises(SystemExit) as end:
        run(filters.main, ["fivecnn"])
    assert end.value.code == 1
    message = capsys.readouterr().err
    assert message.startswith("error: data/networks/fivecnn/network.json is damaged (it lacks first_filters): ")
    assert message.count("\n") == 1
    assert not Path("data/filters").exists()
