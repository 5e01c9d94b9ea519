"""Stage embed on a small folder: what it prints and what it leaves when a layer is dead."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from controlled import with_a_dead_layer
from safetensors.torch import save_file

from receptive.artifacts.deconvolution import COLUMNS
from receptive.artifacts.embedding import read_embedding
from receptive.artifacts.prepared import write_prepared
from receptive.datasets.prepared import prepare
from receptive.errors import ReceptiveError
from receptive.networks.parts.normalisation import Normalisation
from receptive.stages import embed

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files that the stage reads, for FiveCNN."""
    monkeypatch.chdir(tmp_path)
    values = yaml.safe_load((PROJECT / "params.yaml").read_text())
    classes = values["trainings"]["fivecnn"]["classes"]
    values["embed"] |= {"positions": 120, "images": 20, "perplexity": 5.0, "purity_images": 20}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    labels = pd.DataFrame({"image": range(40), "split": ["train"] * 20 + ["validation"] * 20})
    labels["label"] = np.arange(40) % 5
    labels["class_name"] = [classes[label] for label in labels["label"]]
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    write_prepared(prepare(values["trainings"]["fivecnn"]["images"], images, labels, classes))
    trained = tmp_path / "data/networks/fivecnn"
    trained.mkdir(parents=True)
    options = {"width": 0.25, "dropout": None, "conv_stride": None, "batch_norm": None}
    facts = {"network": "fivecnn", "classes": classes, "image_size": 32, "channels": 3, "options": options}
    (trained / "network.json").write_text(json.dumps(facts | {"first_filters": "c1.conv.weight"}))
    states = {"weights": with_a_dead_layer(5, 32), "untrained": with_a_dead_layer(5, 32, seed=1)}
    for name, module in (states | {"normalisation": Normalisation.of_channels([0.5] * 3, [1] * 3)}).items():
        save_file(module.state_dict(), trained / f"{name}.safetensors")
    # the units' rows begin with those of preferred.parquet
    preferred = pd.DataFrame(columns=list(COLUMNS["units.parquet"][:-4])).astype({"unit": int, "rank": int})
    Path("data/activations/fivecnn").mkdir(parents=True)
    preferred.to_parquet("data/activations/fivecnn/preferred.parquet")
    return tmp_path


@pytest.mark.slow
def test_a_dead_layer_beside_a_mapped_one_is_a_warning(folder, capsys):
    embed.main("fivecnn")
    out, err = capsys.readouterr()
    assert out == f"{Path('data/embedding/fivecnn')}: maps of c2, purity of 8 layers\n"
    assert "warning: no map: fivecnn, c4: all 120 vectors are equal, so there is nothing to map" in err
    reasons = read_embedding("fivecnn", "layers").set_index("alias")["reason"]
    assert reasons["c2"] == ""
    assert reasons["c4"].startswith("fivecnn, c4: all 120 vectors are equal")
    assert read_embedding("fivecnn", "c2.relu")["image"].nunique() == 20


def test_without_any_map_nothing_is_left(folder, capsys):
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["embed"]["perplexity"] = 3000.0
    Path("params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ReceptiveError, match="too few for perplexity 3000"):
        embed.main("fivecnn")
    assert "warning" not in capsys.readouterr().err
    assert not Path("data/embedding").exists()
