"""The command ``receptive``: what it prints, and how it ends when it cannot."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from receptive import cli, datasets, networks

PROJECT = Path(__file__).parents[1]
HEADER = "layer,alias,kind,size,stride,start"

# (size, stride): the published table of Yu et al.
VGGCNN = {
    "c1_1": (3, 1), "c1_2": (5, 1), "p1": (6, 2), "c2_1": (10, 2), "c2_2": (14, 2), "p2": (16, 4), "c3_1": (24, 4),
    "c3_2": (32, 4), "c3_3": (40, 4), "p3": (44, 8), "c4_1": (60, 8), "c4_2": (76, 8), "c4_3": (92, 8), "p4": (100, 16),
    "c5_1": (132, 16), "c5_2": (164, 16), "c5_3": (196, 16), "p5": (212, 32),
}  # fmt: skip


def run(*arguments):
    """What the command prints, in this process."""
    result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture
def fails(monkeypatch, capsys):
    """The line that the command ends with, with exit code 1."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["receptive", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("error: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        return err[len("error: ") : -1]

    return call


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with the project's conf/ to be in."""
    shutil.copytree(PROJECT / "conf", tmp_path / "conf")
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Fields


@pytest.fixture(scope="module")
def vggcnn_csv():
    return run("fields", "vggcnn", "--format", "csv")


def test_fields_as_csv(vggcnn_csv):
    lines = vggcnn_csv.split("\n")
    assert lines[0] == HEADER
    assert lines[-1] == ""
    rows = list(csv.DictReader(vggcnn_csv.splitlines()))
    assert {row["alias"]: (int(row["size"]), int(row["stride"])) for row in rows} == VGGCNN
    assert [row["alias"] for row in rows] == list(VGGCNN)
    # start: -1 after the first padding; conv5_3 of VGG-16 starts 90 px outside the image
    assert lines[1] == "c1_1.relu,c1_1,conv,3,1,-1"
    assert lines[3] == "p1,p1,pool,6,2,-2"
    assert lines[17] == "c5_3.relu,c5_3,conv,196,16,-90"
    raw = CliRunner().invoke(cli.app, ["fields", "digitcnn", "--format", "csv"]).stdout_bytes
    assert raw.startswith(HEADER.encode() + b"\n")  # no carriage return


def test_fields_as_json(vggcnn_csv):
    rows = json.loads(run("fields", "vggcnn", "--format", "json"))
    assert ",".join(rows[0]) == HEADER
    assert [{key: str(value) for key, value in row.items()} for row in rows] == list(
        csv.DictReader(vggcnn_csv.splitlines())
    )
    assert all(isinstance(row[number], int) for row in rows for number in ("size", "stride", "start"))


def test_fields_as_a_table():
    lines = run("fields", "alexcnn").splitlines()
    assert lines[0].split() == HEADER.split(",")
    words = [line.split() for line in lines[1:]]
    assert [(row[1], int(row[3]), int(row[4])) for row in words] == [
        ("c1", 11, 4), ("p1", 15, 8), ("c2", 47, 8), ("p2", 55, 16), ("c3", 87, 16), ("c4", 119, 16), ("c5", 151, 16),
        ("p5", 167, 32),
    ]  # fmt: skip
    assert len({len(line) for line in lines}) == 1  # columns stand below one another
    assert lines == run("fields", "alexcnn", "--format", "table").splitlines()


@pytest.mark.parametrize("name", ["resnet34", "plainnet34", "resnet34-2"])  # a second training has the same fields
def test_fields_of_residual_networks(name):
    rows = {row["alias"]: row["size"] for row in json.loads(run("fields", name, "--format", "json"))}
    assert [rows[alias] for alias in ("max pool", "layer 3", "layer 7")] == [11, 27, 59]
    assert len(rows) == 34  # conv1, the max pool, 32 convolutions; the projections, the mean and the scores not


@pytest.mark.slow
def test_the_size_is_that_of_the_images(vggcnn_csv):
    # no field depends on it, but an image must be large enough
    assert run("fields", "vggcnn", "--size", "64", "--format", "csv") == vggcnn_csv
    # with 32 px the last map is one position, its mean changes nothing and is left out all the same
    small = run("fields", "torchvision:resnet18", "--size", "32", "--format", "csv")
    assert small == run("fields", "torchvision:resnet18", "--format", "csv")


def test_fields_of_torchvision():
    rows = csv.DictReader(run("fields", "torchvision:alexnet", "--format", "csv").splitlines())
    fields = {row["alias"]: tuple(int(row[number]) for number in ("size", "stride", "start")) for row in rows}
    assert fields == {
        "c1": (11, 4, -2), "p1": (19, 8, -2), "c2": (51, 8, -18), "p2": (67, 16, -18), "c3": (99, 16, -34),
        "c4": (131, 16, -50), "c5": (163, 16, -66), "p5": (195, 32, -66),
    }  # fmt: skip


def test_digitcnn_sees_digits():
    rows = json.loads(run("fields", "digitcnn", "--format", "json"))
    assert [(row["alias"], row["size"], row["stride"]) for row in rows] == [
        ("c1", 3, 1), ("p1", 4, 2), ("c2", 8, 2), ("p2", 10, 4)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (("resnet344",), "unknown network 'resnet344': did you mean resnet34? choose one of resnet34, "),
        (("torchvision:alexnett",), "torchvision has no classification network 'alexnett': did you mean alexnet?"),
        (("torchvision:",), "torchvision has no classification network ''"),
        (("vggcnn", "--size", "31"), "vggcnn cannot see images of 31 px: its last map would be empty"),
        (("torchvision:alexnet", "--size", "20"), "fails on one image of 20x20 px"),
    ],
)
def test_what_cannot_be_shown_ends_in_one_line(fails, arguments, cause):
    assert cause in fails("fields", *arguments)


@pytest.mark.parametrize(
    "arguments",
    [("fields",), ("fields", "vggcnn", "--size", "0"), ("fields", "vggcnn", "--format", "xml"), ("feilds",)],
)
def test_wrong_calls_end_with_2(arguments):
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage" in result.stderr


@pytest.mark.slow
def test_the_process_ends_with_1_and_one_line(tmp_path):
    """As a user sees it, from a folder that is not the project's."""
    source = os.pathsep.join([str(PROJECT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "receptive", "fields", "alexnet"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": source}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: unknown network 'alexnet': did you mean alexcnn? choose one of resnet34,")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


# The other commands


def test_networks_are_listed():
    lines = run("networks").splitlines()
    assert [line.split()[0] for line in lines] == [*networks.names(), "torchvision:<name>", "timm:<name>"]
    for line in lines:
        name = line.split()[0]
        assert line.endswith(
            networks.DESCRIPTIONS.get(name, "" if name in networks.names() else name.partition(":")[0])
        )
        assert line == line.rstrip()


def test_datasets_are_listed():
    lines = run("datasets").splitlines()
    assert [line.split()[0] for line in lines] == list(datasets.DATASETS)
    assert all(text in line for line, text in zip(lines, datasets.DATASETS.values(), strict=True))


def test_compose_writes_params(project):
    assert run("compose") == "wrote params.yaml\n"
    assert (project / "params.yaml").read_bytes() == (PROJECT / "params.yaml").read_bytes()
    run("compose", "profile=smoke", "model=residual", "seed=3")
    text = (project / "params.yaml").read_text()
    assert text.startswith("seed: 3\n")
    assert "\nprofile: smoke\n" in text
    assert "\nmodels:\n- resnet34\n- plainnet34\ndataset:" in text


def test_compose_refuses_what_conf_has_not(project, fails):
    run("compose")
    before = (project / "params.yaml").read_bytes()
    assert fails("compose", "model=resnet").startswith("conf/ cannot be composed: ")
    assert (project / "params.yaml").read_bytes() == before


def test_compose_refuses_what_is_impossible(project, fails):
    run("compose")
    before = (project / "params.yaml").read_bytes()
    assert fails("compose", "train.resnet34.epochs=-1") == (
        "params.yaml is not written: train.resnet34.epochs: input should be greater than or equal to 1, not -1"
    )
    assert (project / "params.yaml").read_bytes() == before
    assert sorted(path.name for path in project.iterdir()) == ["conf", "params.yaml"]
    run("compose", "dataset=folder", "model=residual")  # README.md


def test_clean_leaves_the_users_images(tmp_path):
    def files():
        return {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}

    kept = {"data/raw/imagenet/train/n1/a.jpg", "data/raw/mnist/t10k", "params.yaml", "reports/metrics.json"}
    kept |= {"reports/.gitignore", "src/data/raw.py"}
    made = {"data/networks/vggcnn/raw", "data/prepared/x.npy", "data/.hidden", "scratch/a", ".venv/bin/python"}
    made |= {"mlruns/1/a", "mlflow.db", "mlflow.db-wal", "reports/index.html"}
    made |= {f"reports/{folder}/a" for folder in ("figures", "maps", "tables")}
    for name in kept | made:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for _ in range(2):  # once with all, once with nothing to remove
        subprocess.run(["make", "-f", PROJECT / "Makefile", "clean"], cwd=tmp_path, check=True, capture_output=True)
        assert files() == kept
    shutil.rmtree(tmp_path / "data")
    subprocess.run(["make", "-f", PROJECT / "Makefile", "clean"], cwd=tmp_path, check=True, capture_output=True)


def test_compose_needs_conf(tmp_path, monkeypatch, fails):
    monkeypatch.chdir(tmp_path)
    assert fails("compose") == "conf/config.yaml is missing: run this in the project's folder"
    assert list(tmp_path.iterdir()) == []


def test_help_names_every_command():
    text = run("--help")
    for command in ("fields", "compose", "networks", "datasets", "check"):
        assert command in text


def test_listing_loads_no_torch():
    code = (
        "import sys; from receptive.cli import app; "
        "app(['networks'], standalone_mode=False); app(['datasets'], standalone_mode=False); "
        "print({'torch', 'torchvision', 'pandas', 'dvc'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
