"""The stage ``train`` with weights that are given, in a project folder of its own, and the names in DVC's graph."""

import itertools
import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from receptive.artifacts.prepared import write_prepared
from receptive.datasets.prepared import prepare
from receptive.errors import ReceptiveError
from receptive.networks.torchvision_loader import import_torchvision
from receptive.params.reading import compose, load_params
from receptive.stages import run
from receptive.stages.train import main

PROJECT = Path(__file__).parents[1]
NAME = "torchvision-squeezenet1_1"
SYNSETS = ["n01443537", "n02110185", "n07749582"]


@pytest.fixture
def folder(tmp_path):
    """A project whose natural images are 12 of noise, of three of ImageNet's classes."""
    shutil.copytree(PROJECT / "conf", tmp_path / "conf")
    numbers = np.random.default_rng(0).integers(0, 256, (12, 48, 48, 3), np.uint8)
    labels = pd.DataFrame(
        {
            "image": np.arange(12),
            "split": ["train"] * 8 + ["validation"] * 4,
            "label": np.arange(12) % 3,
            "class_name": [SYNSETS[i % 3] for i in range(12)],
        }
    )
    write_prepared(prepare("collages", numbers, labels, SYNSETS), tmp_path / "data/prepared/collages")
    return tmp_path


@pytest.fixture
def train(folder, monkeypatch, capsys):
    """Runs the stage as its command does; gives the exit code and what it wrote to stderr, but for progress."""

    def call(*overrides, network=NAME):
        compose(folder, ("profile=smoke", "models=[torchvision:squeezenet1_1]", *overrides))
        monkeypatch.chdir(folder)
        monkeypatch.setenv("DVC_ROOT", str(folder))
        monkeypatch.setenv("TORCH_HOME", str(folder / "hub"))
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing answers there
        monkeypatch.setattr(urllib.request, "_opener", None)  # it remembers the proxies of its first call
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run(main, [network])
        return end.value.code or 0, capsys.readouterr().err

    return call


def random_squeezenet(classes):
    torch.manual_seed(3)
    return import_torchvision().models.squeezenet1_1(num_classes=classes).eval()


def scores(network, numbers, mean, std):
    pixels = torch.from_numpy(numbers).permute(0, 3, 1, 2).double() / 255
    with torch.no_grad():
        return network.double()((pixels - mean[:, None, None]) / std[:, None, None])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "pretrained"])
def test_the_contract_is_kept_and_nothing_is_trained(folder, train, kind):
    theirs = random_squeezenet(3 if kind == "file" else 1000)
    rows = [0, 1, 2] if kind == "file" else [1, 250, 951]  # goldfish, husky, lemon
    if kind == "file":
        save_file(theirs.state_dict(), folder / "given.safetensors")
    else:
        entry = import_torchvision().models.SqueezeNet1_1_Weights.IMAGENET1K_V1
        cached = folder / "hub/hub/checkpoints" / entry.url.rpartition("/")[2]
        cached.parent.mkdir(parents=True)
        torch.save(theirs.state_dict(), cached)
    chosen = "weights=given.safetensors" if kind == "file" else "weights=pretrained"
    assert train(chosen) == (0, "")
    made = folder / "data/networks" / NAME
    expected = {"weights.safetensors", "untrained.safetensors", "normalisation.safetensors"}
    assert {path.name for path in made.iterdir()} == expected | {"network.json", "history.parquet", "metrics.json"}
    given, kept, fresh = theirs.state_dict(), *(load_file(made / f"{n}.safetensors") for n in ("weights", "untrained"))
    for name, value in kept.items():
        same = given[name][rows] if name.startswith("classifier.1") else given[name]
        assert torch.equal(value, same)
    assert not torch.equal(fresh["features.0.weight"], kept["features.0.weight"])
    description = json.loads((made / "network.json").read_text())
    assert description["epochs"] == 0
    assert description["classes"] == SYNSETS
    assert str(folder) not in (made / "network.json").read_text()
    assert description["weights"]["from"] == {"file": "file"}.get(
        kind, "torchvision SqueezeNet1_1_Weights.IMAGENET1K_V1"
    )
    # the numbers, by torchvision's own network and the normalisation by hand
    numbers = np.load(folder / "data/prepared/collages/images.npy")
    if kind == "file":
        pixels = numbers[:8].reshape(-1, 3) / 255
        mean, std = torch.from_numpy(pixels.mean(0)), torch.from_numpy(pixels.std(0))
    else:
        mean, std = torch.tensor([0.485, 0.456, 0.406]).double(), torch.tensor([0.229, 0.224, 0.225]).double()
    found = scores(theirs, numbers, mean, std)[:, rows]
    labels = torch.arange(12) % 3
    loss = torch.nn.functional.cross_entropy(found[8:], labels[8:])
    metrics = json.loads((made / "metrics.json").read_text())
    assert metrics["validation"]["loss"] == pytest.approx(float(loss), rel=1e-4)
    assert metrics["validation"]["top1"] == float((found[8:].argmax(1) == labels[8:]).double().mean())
    history = pd.read_parquet(made / "history.parquet")
    assert history["epoch"].tolist() == [0, 0]
    assert history["split"].tolist() == ["train", "validation"]
    assert history["loss"].tolist() == [metrics["train"]["loss"], metrics["validation"]["loss"]]
    assert metrics["train"]["loss"] in [
        pytest.approx(float(torch.nn.functional.cross_entropy(found[list(four)], labels[list(four)])), rel=1e-4)
        for four in itertools.combinations(range(8), 4)
    ]
    # the same inputs, the same bytes
    before = {path.name: path.read_bytes() for path in made.iterdir() if path.suffix != ".parquet"}
    assert train(chosen)[0] == 0
    assert {path.name: path.read_bytes() for path in made.iterdir() if path.suffix != ".parquet"} == before


@pytest.mark.parametrize(
    ("overrides", "network", "cause"),
    [
        (["weights=pretrained"], NAME, "the pretrained weights of torchvision:squeezenet1_1 cannot be had"),
        (["weights=none.pt"], NAME, "there is no file of weights 'none.pt'"),
        (["weights=two.pt"], NAME, "train.torchvision-squeezenet1_1.weights do not fit the network: of another shape "),
        (["weights=bad.pt"], NAME, "the weights of 'bad.pt' are not finite, first in features.3.squeeze.bias: "),
        (["weights=module.pt"], NAME, "'module.pt' cannot be read as weights: it holds no state dict of tensors (dam"),
        (["models=[torchvision:convnext_tiny]"], "torchvision-convnext_tiny", "in module 'features.0.1'"),
        (["models=[torchvision:alexnett]"], "torchvision-alexnett", "no classification network 'alexnett'"),
    ],
)
def test_refusals_end_in_one_line_and_leave_nothing(folder, train, overrides, network, cause):
    torch.save(random_squeezenet(2).state_dict(), folder / "two.pt")
    torch.save(random_squeezenet(3), folder / "module.pt")
    bad = random_squeezenet(3).state_dict()
    bad["features.3.squeeze.bias"][1] = torch.nan
    torch.save(bad, folder / "bad.pt")
    code, line = train(*overrides, network=network)
    assert code == 1
    assert cause in line
    assert line.startswith("error: ")
    assert line.count("\n") == 1
    assert not (folder / "data/networks").exists()


def test_parameters_that_ask_for_weights_nobody_has_are_refused(folder):
    with pytest.raises(ReceptiveError, match="there are no pretrained weights of vggcnn"):
        load_params(compose(folder, ("models=[vggcnn]", "weights=pretrained")))


@pytest.mark.slow
def test_names_stand_in_dvcs_graph(folder):
    compose(folder, ("models=[torchvision:vgg16,timm:resnet18.a1_in1k,resnet34]", "trainings_each=[1,3]", "seed=4"))
    params = load_params(folder / "params.yaml")
    bases = ["torchvision-vgg16", "timm-resnet18-a1_in1k", "resnet34"]
    assert params.models == bases
    assert list(params.trainings) == [*bases, *(f"{base}-3" for base in bases)]
    assert params.recipe("torchvision-vgg16") == params.recipe("torchvision-vgg16-3") == params.train["others"]
    assert params.trainings_of("timm-resnet18-a1_in1k") == ["timm-resnet18-a1_in1k", "timm-resnet18-a1_in1k-3"]
    shutil.copy(PROJECT / "dvc.yaml", folder)
    dvc = [sys.executable, "-m", "dvc"]
    quiet = {"cwd": folder, "capture_output": True, "text": True, "check": True}
    subprocess.run([*dvc, "init", "--no-scm", "-q"], **quiet)
    stages = subprocess.run([*dvc, "stage", "list", "--names-only"], **quiet).stdout.split()
    assert {f"train@{name}" for name in params.trainings} <= set(stages)


def test_weights_of_all_and_of_one(folder):
    some = load_params(compose(folder, ("model=resnet34", "profile=paper", "weights=pretrained")))
    assert {recipe.weights for recipe in some.train.values()} == {"pretrained"}
    one = load_params(compose(folder, ("profile=paper", "train.resnet34.weights=pretrained")))
    assert [name for name, recipe in one.train.items() if recipe.weights != "ours"] == ["resnet34"]
