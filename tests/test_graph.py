"""dvc.yaml names what each stage computes with: an edit runs again what it concerns, and nothing else."""

import ast
from pathlib import Path

import pytest
import yaml
from clone import Clone
from graph import NETWORKS, NO_SAY, NO_SAY_IN_TRAINING, PROJECT, SOURCE, call, file_of, reached, stages, uncovered

FAMILIES = sorted(path.stem for path in (SOURCE / "networks" / "families").glob("*.py") if path.stem != "__init__")


def test_graph_and_scripts_agree():
    scripts = {path.stem for path in (SOURCE / "stages").glob("*.py")} - {"__init__"}
    assert scripts == set(stages())
    for name, stage in stages().items():
        assert call(name)[0] == name
        assert "${" not in stage["cmd"].replace("${key}", "").replace("${item.dataset}", "")
        assert ast.get_docstring(ast.parse((SOURCE / "stages" / f"{name}.py").read_text()))
        for dep in stage["deps"]:
            for family in FAMILIES:
                path = PROJECT / dep.replace("${item.family}", family)
                assert dep.startswith(("data/", "reports/")) or path.exists(), f"{name}: {path} does not exist"
        assert len(set(stage["deps"])) == len(stage["deps"])


@pytest.mark.parametrize("stage", stages())
def test_every_stage_names_the_code_that_it_can_import(stage):
    """For every family of networks, without running anything; tests/test_pipeline.py looks at what is really loaded."""
    for family in FAMILIES:
        assert uncovered(stage, family) == [], family


def test_code_without_a_say_exists_and_is_loaded():
    loaded = {str(path.relative_to(SOURCE)) for stage in stages() for path in _files(stage, "foreign")}
    in_training = {str(path.relative_to(SOURCE)) for path in _files("train", "foreign")}
    for excused, files in ((NO_SAY, loaded), (NO_SAY_IN_TRAINING, in_training)):
        for name in excused:
            assert any(file == name or file.startswith(f"{name}/") for file in files), f"{name} needs no excuse"


def _files(stage: str, family: str) -> list[Path]:
    return [file_of(module) for module in reached(f"receptive.stages.{stage}", family)]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_training_depends_on_little(family):
    deps = [dep.replace("${item.family}", family) for dep in stages()["train"]["deps"]]
    assert len(deps) <= 10
    paths = [PROJECT / dep for dep in deps if dep.startswith("src/")]
    files = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
    assert sum(len(file.read_text().splitlines()) for file in files) <= 2000


def test_the_graph_is_short():
    assert len((PROJECT / "dvc.yaml").read_text().splitlines()) <= 330


# What an edit runs again


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Clone:
    """The smoke profile as if it had run: every output is a file that holds its own name, and dvc.lock records it."""
    clone = Clone(tmp_path_factory.mktemp("study"))
    clone.compose()
    params = yaml.safe_load((clone.folder / "params.yaml").read_text())
    for name, entry in yaml.safe_load((clone.folder / "dvc.yaml").read_text())["stages"].items():
        items = params["trainings"] if "foreach" in entry else {"": {}}
        items = {dataset: {"dataset": dataset} for dataset in params["datasets"]} if "matrix" in entry else items
        for key, item in items.items():
            for path in [*stages()[name]["deps"], *stages()[name].get("outs", []), *stages()[name].get("metrics", [])]:
                _pretend(clone.folder / _resolved(path if isinstance(path, str) else min(path), key, item))
    clone.run("dvc", "commit", "--force", "--quiet")
    assert clone.changed() == set()
    return clone


def _resolved(path: str, key: str, item: dict) -> str:
    for name, value in {"key": key, **{f"item.{field}": value for field, value in item.items()}}.items():
        path = path.replace(f"${{{name}}}", str(value))
    return path


def _pretend(path: Path) -> None:
    if not path.exists():
        file = path if path.suffix else path / "content"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(str(path))


@pytest.fixture
def edited(study):
    """The study, in which a test may change files; all is as before when it ends."""
    before = {path: path.read_bytes() for path in _texts(study.folder)}
    yield study
    for path in _texts(study.folder):
        if path not in before:
            path.unlink()
        elif path.read_bytes() != before[path]:
            path.write_bytes(before[path])


def _texts(folder: Path) -> list[Path]:
    files = [path for room in ("src", "conf", "data") for path in (folder / room).rglob("*") if path.is_file()]
    return [*files, folder / "params.yaml"]


MEASUREMENTS = [name for name in stages() if "${key}" in stages()[name]["cmd"] and name != "train"]
OF_A_NETWORK = ["train", *MEASUREMENTS]
OF_ALL = {"untrained", "claims", "report"}
"""Stages of all networks at once."""


def of(networks, names=OF_A_NETWORK) -> set[str]:
    return {f"{name}@{network}" for name in names for network in networks}


def add(study: Clone, path: str, text: str) -> None:
    file = study.folder / "src/receptive" / path
    file.write_text(file.read_text() + text)


@pytest.mark.slow
def test_the_digits_concern_the_network_of_digits(edited):
    edited.compose("prepare.digits.validation_images=4800")
    assert edited.changed() == {"prepare@digits"}
    # and when other digits come of it:
    (edited.folder / "data/prepared/digits/content").write_text("other digits")
    changed = edited.changed() - {"prepare@digits"}
    assert changed - OF_ALL == of(["digitcnn"]) - of(["digitcnn"], ["sparsity", "filters"])


@pytest.mark.slow
def test_the_five_classes_concern_fivecnn(edited):
    edited.compose("data.five=[tissue,coins,dahlia,helmet,pagoda]")
    assert edited.changed() - OF_ALL - {"track"} == of(["fivecnn"])


@pytest.mark.slow
def test_a_recipe_concerns_the_training_of_its_network(edited):
    edited.compose("train.alexcnn.weight_decay=0.001")
    assert edited.changed() - OF_ALL == {"train@alexcnn"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "text", "concerns"),
    [
        ("artifacts/claims.py", "\n\ndef read_more():\n    return None\n", {"claims", "report", "track"}),
        ("artifacts/embedding.py", "\n\ndef read_more():\n    return None\n", {"embed", "claims", "report", "track"}),
        ("params/sections.py", '\n"""More words."""\n', set()),
        ("errors.py", "\n# more words\n", set()),
        ("tracking/__init__.py", "\n# more words\n", {"track"}),
        ("claims/another.py", '"""A new claim."""\n', {"claims", "report"}),
    ],
)
def test_readers_words_and_claims_concern_no_training(edited, path, text, concerns):
    file = edited.folder / "src/receptive" / path
    file.write_text((file.read_text() if file.exists() else "") + text)
    changed = edited.changed()
    assert {name.partition("@")[0] for name in changed} == concerns
    assert not changed & of(NETWORKS, ["train", "extract"])


@pytest.mark.slow
def test_a_family_concerns_its_networks(edited):
    add(edited, "networks/families/vggcnn.py", "\n# more words\n")
    touched = edited.changed() - OF_ALL
    assert touched == of(["vggcnn"]) - of(["vggcnn"], ["sparsity", "filters"])
    add(edited, "networks/families/resnet.py", "\n# more words\n")
    both = edited.changed() - OF_ALL - touched
    assert both == of(["resnet34", "plainnet34"]) - of(["resnet34", "plainnet34"], ["sparsity", "filters"])


@pytest.mark.slow
def test_the_report_concerns_itself(edited):
    edited.compose("report.filters=2")
    assert edited.changed() == {"report"}


@pytest.mark.slow
def test_anchors_are_what_dvc_reads(study):
    """The aliases of dvc.yaml stand in dvc.lock as the paths that they stand for."""
    lock = yaml.safe_load((study.folder / "dvc.lock").read_text())["stages"]
    deps = [dep["path"] for dep in lock["stimuli@resnet34"]["deps"]]
    assert "src/receptive/networks/families/resnet.py" in deps
    assert "data/networks/resnet34/weights.safetensors" in deps
    assert not any("*" in dep or "$" in dep for dep in deps)
