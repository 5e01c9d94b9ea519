"""Weights from elsewhere: what fits, what is refused, and torchvision's and timm's own through their libraries."""

import hashlib
import socket
import subprocess
import sys
import urllib.request
import warnings
from pathlib import Path

import pytest
import torch
from oracles import with_random_statistics
from safetensors.torch import save_file
from torch import nn

from receptive import networks
from receptive.artifacts.given_weights import read_state
from receptive.datasets.imagenet_classes import class_names
from receptive.errors import ReceptiveError
from receptive.networks.layers import layers
from receptive.networks.parts.blocks import initialise
from receptive.networks.parts.normalisation import Normalisation
from receptive.networks.torchvision_loader import import_torchvision
from receptive.weights import pretrained as makers
from receptive.weights.fitting import check_finite, fitted
from receptive.weights.imagenet import head_names, imagenet_rows, select_rows

CATEGORIES = makers.imagenet_categories()
CLASSES = ["n01443537", "Siberian husky", "n07749582"]  # goldfish, husky, lemon: two by id, one by name


def small():
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Linear(4, 2))


# What fits


def test_a_state_that_fits_is_taken_as_it_is():
    network = small()
    state = {name: torch.rand_like(value.float()) for name, value in small().state_dict().items()}
    assert fitted(network, state, "these") == state


def test_files_of_old_have_no_count_of_batches_and_more_than_is_used():
    network = small()
    network.unused_weights = ["aux.weight"]
    state = {name: value for name, value in small().state_dict().items() if "num_batches" not in name}
    found = fitted(network, state | {"aux.weight": torch.zeros(3)}, "these")
    network.load_state_dict(found)
    assert torch.equal(network[0].weight, state["0.weight"])


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda s: s.pop("2.bias"), "missing 2.bias; give"),
        (lambda s: [s.pop(n) for n in list(s)[:5]], "missing 0.weight, 0.bias, 1.weight and 2 more; give"),
        (lambda s: s.update(extra=torch.zeros(1)), "unexpected extra; give"),
        (lambda s: s.update({"2.weight": torch.zeros(5, 4)}), r"of another shape 2.weight \(5x4, not 2x4\); give"),
        (
            lambda s: (s.pop("0.bias"), s.update(a=torch.zeros(1), **{"1.bias": torch.tensor(1.0)})),
            r"missing 0.bias; unexpected a; of another shape 1.bias \(one number, not 2\); give",
        ),
    ],
)
def test_what_does_not_fit_is_named(change, cause):
    state = dict(small().state_dict())
    change(state)
    with pytest.raises(ReceptiveError, match=f"^these weights do not fit the network: {cause}"):
        fitted(small(), state, "these weights")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_not_finite_are_refused(bad):
    state = small().state_dict()
    for name in ("1.running_var", "2.weight"):
        state[name].view(-1)[-1] = bad
    with pytest.raises(ReceptiveError, match=r"^these weights are not finite, first in 1\.running_var: "):
        fitted(small(), state, "these weights")


def test_a_file_that_is_not_finite_is_known_by_its_name():
    with pytest.raises(ReceptiveError, match=r"^the weights of 'w.pt' are not finite, first in a: "):
        check_finite({"n": torch.tensor([2**40]), "a": torch.tensor([0.0, torch.inf])}, "the weights of 'w.pt'")


def test_values_that_float32_cannot_hold_are_refused():
    state = small().state_dict()
    state["2.bias"] = torch.tensor([0, 1e300], dtype=torch.float64)
    with pytest.raises(ReceptiveError, match=r"not finite, first in 2\.bias"):
        fitted(small(), state, "these weights")


# Files


@pytest.mark.parametrize("kind", ["safetensors", "pt", "state_dict", "model", "parallel"])
def test_files_are_read(tmp_path, kind):
    state = small().state_dict()
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    if kind == "safetensors":
        save_file(state, path)
    elif kind == "parallel":
        torch.save({f"module.{name}": value for name, value in state.items()}, path)
    else:
        torch.save({kind: state, "epoch": 3} if kind != "pt" else state, path)
    found, digest = read_state(str(path))
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_path_is_meant_from_the_projects_folder(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    torch.save(small().state_dict(), tmp_path / "project" / "w.pt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    assert len(read_state("w.pt")[0]) == len(small().state_dict())


class Evil:
    """Would make the file "never" here when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("never"),)


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(ReceptiveError, match=r"^there is no file of weights '.*w.pt': give a .safetensors or .pt file"):
        read_state(str(tmp_path / "w.pt"))


HOLD_NO_WEIGHTS = {
    "code": Evil,
    "module": small,
    "checkpoint of a module": lambda: {"model": small()},
    "numbers": lambda: {"a": 1},
    "list": lambda: [torch.zeros(1)],
    "tensor": lambda: torch.zeros(1),
    "names that are none": lambda: {1: torch.zeros(1)},
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["damaged", "damaged pt", "cut pt", "empty", "script", *HOLD_NO_WEIGHTS])
def test_files_that_hold_no_weights_are_refused(tmp_path, monkeypatch, kind):
    """In our own words: torch's advise to execute what is in the file."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ("w.safetensors" if kind == "damaged" else "w.pt")
    if kind.startswith("damaged"):
        path.write_bytes(b"nothing of use" * 9)
    elif kind == "cut pt":
        torch.save(small().state_dict(), path)
        path.write_bytes(path.read_bytes()[:-300])
    elif kind == "empty":
        path.touch()
    elif kind == "script":
        with warnings.catch_warnings(action="ignore"):
            torch.jit.save(torch.jit.script(small()), path)
    else:
        torch.save(HOLD_NO_WEIGHTS[kind](), path)
    with pytest.raises(ReceptiveError) as caught:
        read_state(str(path))
    assert str(caught.value) == (
        f"'{path}' cannot be read as weights: it holds no state dict of tensors (damaged, or a whole pickled module): "
        "save model.state_dict() with torch.save, or as .safetensors"
    )
    assert not Path("never").exists()


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    torch.save(small().state_dict(), tmp_path / "w.pt")
    monkeypatch.setattr(torch, "load", forbidden)
    with pytest.raises(ReceptiveError, match=r"^'.*w.pt' may not be read: change the file's permissions$"):
        read_state(str(tmp_path / "w.pt"))


# ImageNet's classes


def test_the_ids_are_imagenets():
    rows = imagenet_rows(["n01440764", "n15075141", *CLASSES, "ostrich"], CATEGORIES, "x")
    # the first and the last of the 1000, and four that the papers name
    assert [CATEGORIES[row] for row in rows] == [
        *("tench", "toilet tissue", "goldfish", "Siberian husky", "lemon", "ostrich"),
    ]
    assert len(CATEGORIES) == 1000
    synsets = list(class_names())
    # torchvision's readers sort the folders, so the scores are in the order of the ids
    assert synsets == sorted(set(synsets))
    assert imagenet_rows(synsets, CATEGORIES, "x") == list(range(1000))
    # what the data set imagenet calls its classes, cranes and maillots included
    assert imagenet_rows(list(class_names().values()), CATEGORIES, "x") == list(range(1000))


def test_other_classes_are_refused():
    with pytest.raises(ReceptiveError, match=r"^the pretrained weights of alexnet .* 'astronaut' is none of them"):
        imagenet_rows(["goldfish", "astronaut"], CATEGORIES, "alexnet")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torchvision:alexnet", "torchvision:squeezenet1_1", "resnet18"])
def test_scores_of_chosen_classes_are_those_of_the_whole(name):
    torch.manual_seed(0)
    whole = networks.build(name, 1000, 64).eval()
    rows = imagenet_rows(CLASSES, CATEGORIES, name)
    heads = head_names(name, 64, 3, {})
    some = networks.build(name, len(rows), 64).eval()
    some.load_state_dict(fitted(some, select_rows(whole.state_dict(), heads, rows), "these"))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(some(images), whole(images)[:, rows], rtol=1e-5, atol=1e-6)


# The makers' own weights, from a cache that holds random ones under the right names


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """torch.hub's cache with the weights that the test puts there; a file of another digest is taken, too."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.hub.set_dir(str(tmp_path / "hub"))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)

    def put(name):
        models = import_torchvision().models
        entry = models.get_model_weights(name).IMAGENET1K_V1
        torch.manual_seed(7)
        extra = {"init_weights": False} if name == "googlenet" else {}
        network = models.get_model(name, weights=None, **extra)
        initialise(network, torch.Generator().manual_seed(7))  # so that the images matter up to the scores
        with_random_statistics(network)
        torch.save(network.state_dict(), tmp_path / "hub" / "checkpoints" / entry.url.rpartition("/")[2])
        return network.eval(), entry

    yield put
    torch.hub._hub_dir = None


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "theirs"), [("resnet18", "resnet18"), ("torchvision-googlenet-2", "googlenet")])
def test_pretrained_weights_give_torchvisions_scores(hub, ours, theirs):
    """With its own weights, preprocessing and network (googlenet's changes its input by itself)."""
    _, entry = hub(theirs)
    found = makers.pretrained(ours)
    assert found.origin == f"torchvision {type(entry).__name__}.IMAGENET1K_V1"
    models, transforms = import_torchvision().models, import_torchvision().transforms
    original = models.get_model(theirs, weights=entry).eval()
    network = networks.build(ours, 1000, 64).eval()
    network.load_state_dict(fitted(network, found.state, "these"))
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    preset = entry.transforms()
    with torch.no_grad():
        expected = original(transforms.Normalize(preset.mean, preset.std)(pixels))
        got = network(Normalisation.of_channels(found.mean, found.std)(pixels))
    # how much the images matter is the measure
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-2 * float((expected[0] - expected[1]).abs().max()))


@pytest.mark.slow
def test_without_a_network_the_line_says_so(hub, monkeypatch):
    def unreachable(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    monkeypatch.setattr(torch.hub, "urlopen", unreachable)
    with pytest.raises(ReceptiveError) as caught:
        makers.pretrained("torchvision:alexnet")
    line = str(caught.value)
    assert line.startswith("the pretrained weights of torchvision:alexnet cannot be had (Name or service not known)")
    assert "alexnet-owt-7be5be79.pth" in line
    assert "\n" not in line
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize(
    ("name", "width", "cause"),
    [
        ("plainnet34", 1.0, "there are no pretrained weights of plainnet34: choose resnet34, torchvision:"),
        ("vggcnn", 1.0, "there are no pretrained weights of vggcnn"),
        (
            "resnet34-2",
            0.5,
            r"pretrained weights of resnet34 are of width 1, and train.resnet34.width is 0.5: set it to",
        ),
    ],
)
def test_networks_without_pretrained_weights_are_refused(name, width, cause):
    with pytest.raises(ReceptiveError, match=f"^{cause}"):
        networks.check_pretrained(name, width)


# Names


@pytest.mark.parametrize(
    ("name", "slug", "there"),
    [
        ("torchvision:vgg16", "torchvision-vgg16", ("torchvision", "vgg16")),
        ("timm:resnet18.a1_in1k", "timm-resnet18-a1_in1k", ("timm", "resnet18.a1_in1k")),
        ("torchvision-vgg16-2", "torchvision-vgg16-2", ("torchvision", "vgg16")),
        ("timm-resnet18-a1_in1k-12", "timm-resnet18-a1_in1k-12", ("timm", "resnet18.a1_in1k")),
        ("resnet34-2", "resnet34-2", None),
    ],
)
def test_both_spellings_mean_the_same(name, slug, there):
    assert networks.slug(name) == slug
    assert networks.in_library(name) == networks.in_library(slug) == there


def test_no_name_of_torchvision_is_changed_by_its_spelling():
    models = import_torchvision().models
    for name in models.list_models(module=models):
        assert networks.in_library(networks.slug(f"torchvision:{name}")) == ("torchvision", name)


def test_torchvision_sees_colour():
    with pytest.raises(ReceptiveError, match=r"^torchvision:alexnet sees images of 3 channels and these have 1"):
        networks.build("torchvision:alexnet", 10, 64, channels=1)


# timm


@pytest.mark.slow
def test_timm_that_is_not_installed_is_asked_for():
    code = (
        "import sys; sys.modules['timm'] = None\n"
        "from receptive import cli; sys.argv = ['receptive', 'fields', 'timm:resnet18']; cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: timm:resnet18 needs the package timm: pip install")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "resnetv2_50", "efficientnet_b0", "densenet121"])
def test_timms_networks_give_its_scores(name):
    import_torchvision()
    timm = pytest.importorskip("timm")
    theirs = timm.create_model(name, num_classes=3).eval()
    ours = networks.build(f"timm:{name}", 3, 64)
    ours.load_state_dict(fitted(ours, theirs.state_dict(), "these"))
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


def test_timms_resnet_has_the_layers_of_ours_and_sees_grey():
    import_torchvision()
    pytest.importorskip("timm")
    theirs = layers(networks.build("timm:resnet18", 10, 64, channels=1), 64, 1)
    ours = layers(networks.build("resnet18", 10, 64, channels=1), 64, 1)
    assert [(a.alias, a.field, a.units) for a in theirs] == [(b.alias, b.field, b.units) for b in ours]


def test_what_timm_has_not_is_refused():
    import_torchvision()
    pytest.importorskip("timm")
    with pytest.raises(ReceptiveError, match=r"^timm has no network 'resnet19': did you mean resnet\d+"):
        networks.build("timm:resnet19")
    with pytest.raises(ReceptiveError, match=r"^timm has no weights 'b9' of resnet18: choose "):
        networks.build("timm:resnet18.b9")
    with pytest.raises(ReceptiveError, match=r"^timm:vgg11_bn: cannot trace VGG"):
        networks.build("timm:vgg11_bn")
    convnext = networks.build("timm:convnext_tiny")
    with pytest.raises(ReceptiveError, match=r"\(permute\) in module 'stem\.1'"):
        layers(convnext, 64)
