"""Studies are found by folder, by the name of kept results, and by revision; wrong names get the nearest."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from kept import write_study
from typer.testing import CliRunner

from receptive import cli
from receptive.artifacts.results import read_results, read_study
from receptive.comparison import sources
from receptive.comparison.keeping import keep
from receptive.errors import ReceptiveError


def call(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``receptive compare``."""
    done = CliRunner().invoke(cli.app, ["compare", *arguments], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_study()
    return tmp_path


def test_kept_results_are_small_whole_and_the_same_as_the_study(study):
    folder = keep("laptop")
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == [
        *("claims.parquet", "dvc.lock", "figures/training_curves.png", "measurements.parquet", "metrics.json"),
        *("params.yaml", "tables/claims_summary.csv", "versions.json"),
    ]
    kept, here = read_results(folder), read_study()
    assert kept.claims.equals(here.claims)
    assert kept.measurements.equals(here.measurements)
    assert kept.verdicts.equals(here.verdicts)
    assert set(here.measurements["quantity"]) == {
        *("parameters", "validation.top1", "validation.loss", "zero_fraction.c1.relu")
    }
    versions = json.loads((folder / "versions.json").read_text())
    assert set(versions) == {"hardware", "packages", "python", "system"}
    (folder / "bench.json").write_text("{}")
    (folder / "figures/old.png").write_bytes(b"")
    keep("laptop")  # again: what others put there stays
    assert (folder / "bench.json").exists()
    assert not (folder / "figures/old.png").exists()


def test_an_unfinished_study_is_not_kept(study):
    shutil.rmtree("data/claims")
    with pytest.raises(ReceptiveError, match=r"not finished \(data/claims/rows.parquet is missing: run 'dvc repro cla"):
        keep("laptop")
    with pytest.raises(ReceptiveError, match=r"'\.\./x' cannot be the name of results"):
        keep("../x")
    assert not Path("docs").exists()


def test_the_exit_code_says_whether_it_came_out(study):
    keep("laptop")
    code, out, _ = call("laptop")
    assert code == 0
    assert "**It came out the same.**" in out
    assert call("docs/results/laptop", ".")[0] == 0
    write_study(top1=0.5)
    code, out, _ = call("laptop", ".")
    assert code == 1
    assert "| networks, vggcnn: validation.top1 | 0.75" in out
    write_study(value=-0.5)  # the verdict of the only claim is another
    code, out, _ = call("laptop", ".", "--json")
    assert code == 1
    told = json.loads(out)
    assert told["verdicts"] == [
        {"claim": 7, "title": "Zeros rise with depth", "first": "supported", "second": "contradicted"}
    ]
    assert told["agree"] is False


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        (
            "laptpo",
            "there is no study 'laptpo': did you mean laptop? name a folder, a git revision, or kept results (lap",
        ),
        ("data", "data holds no study: name a project's folder, or one of laptop"),
        ("--upload-pack=x", ""),
    ],
)
def test_wrong_names_end_with_2_and_one_line(study, name, cause):
    keep("laptop")
    code, out, err = call(name, ".")
    assert code == 2
    assert out == ""
    if cause:
        assert err.startswith(f"error: {cause}")
        assert err.count("\n") == 1


def test_versions_are_known_of_this_folder_and_of_kept_results_alone(study):
    keep("laptop")
    assert sources.find(".").versions == sources.find("laptop").versions != {}
    Path("elsewhere").mkdir()
    shutil.copytree("data", "elsewhere/data")
    shutil.copy("params.yaml", "elsewhere")
    assert sources.find("elsewhere").versions == {}


def test_damaged_results_say_how_to_bring_them_back(study):
    folder = keep("laptop")
    (folder / "claims.parquet").write_bytes(b"nothing")
    code, _, err = call("laptop", ".")
    assert code == 2
    assert err.startswith("error: docs/results/laptop/claims.parquet is damaged (")
    assert err.endswith("): bring it back with 'git checkout docs/results/laptop'\n")


def test_an_unfinished_study_is_compared_as_far_as_it_goes(study):
    keep("laptop")
    shutil.rmtree("data/claims")
    code, out, _ = call("laptop", ".")
    assert code == 1  # the claim's row is missing
    assert "- .: data/claims/rows.parquet is missing: run 'dvc repro claims'" in out
    shutil.rmtree("data")
    assert call("laptop", ".")[0] == 2  # nothing in common


@pytest.mark.slow
def test_revisions_come_from_git_and_dvcs_cache(study):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "DVC_"))}
    names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, env=environment | names | {"DVC_NO_ANALYTICS": "1"})

    Path("dvc.lock").unlink()  # these are outputs that DVC adds, not those of stages
    run("git", "init", "-q", "-b", "main")
    run("dvc", "init", "-q")
    run("dvc", "add", "-q", "data/networks", "data/sparsity", "data/claims", "reports/tables")
    run("git", "add", "-A")
    run("git", "commit", "-qm", "first")
    run("git", "tag", "v1")
    write_study(top1=0.5)
    code, out, _ = call("v1", ".", "--json")
    assert code == 1
    told = json.loads(out)
    different = [row for row in told["quantities"] if row["outcome"] == "different"]
    assert [(row["quantity"], row["first"]["values"], row["second"]["values"]) for row in different] == [
        ("validation.top1", [0.75], [0.5])
    ]
    assert call("v1", "HEAD")[0] == 0
    run("git", "update-ref", "refs/exps/ab/cdef/tried", "HEAD")
    assert call("tried", "HEAD")[0] == 0
    assert "did you mean v1?" in call("v11", ".")[2]
    shutil.rmtree(".dvc/cache")
    shutil.rmtree(".dvc/tmp", ignore_errors=True)
    assert sources._commit("v1")
    code, _, err = call("v1", ".")
    assert code == 2
    assert err.startswith("error: DVC's cache does not hold the results of v1: check v1 out in a folder of its own")
