"""Stage extract by shards and by several processes of torchrun: the bytes of one process, whoever is lost."""

import io
import os
import random
import signal
from pathlib import Path

import pandas as pd
import pytest
from clone import Clone

pytestmark = pytest.mark.slow  # many processes

NETWORK, SHARDS = "digitcnn", 16
TESTS = Path(__file__).parents[1]
FOLDER = Path("data/activations") / NETWORK


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Clone:
    """One small network, trained and measured in one process; ``study.whole`` is what was measured."""
    clone = Clone(tmp_path_factory.mktemp("study"))
    clone.environment["OMP_NUM_THREADS"] = "1"
    clone.compose(f"model={NETWORK}", f"train.{NETWORK}.dropout=0.0")
    for stage, item in (("prepare", "digits"), ("train", NETWORK), ("extract", NETWORK)):
        assert clone.stage(stage, item).returncode == 0
    clone.whole = content(clone.folder / FOLDER)
    assert len(clone.whole) == 6
    return clone


@pytest.fixture
def sharded(study):
    """The study with ``extract.shards: 16``, and nothing measured."""
    params = study.folder / "params.yaml"
    one = params.read_text()
    params.write_text(one.replace("  shards: 1\n", f"  shards: {SHARDS}\n"))
    assert params.read_text() != one
    for path in (study.folder / FOLDER).iterdir():
        path.unlink()
    yield study
    params.write_text(one)


def kept(study) -> list[int]:
    """The shards that are kept, by number."""
    return sorted(
        int(path.stem.removeprefix("shard-")) for path in (study.folder / "scratch").glob("extract-*/shard-*")
    )


def test_shards_in_random_order_one_killed_and_one_left_to_the_merge(sharded):
    order = random.Random(0).sample(range(SHARDS), SHARDS)
    killed, left = order[6], order[-1]
    done, rest = order[:6], order[7:-1]

    def shards(*numbers, lost=-1):
        call = ["python", "-m", "shards_killed", NETWORK, str(lost), *map(str, numbers)]
        return sharded.run("env", f"PYTHONPATH=src{os.pathsep}{TESTS}", *call, code=None)

    assert shards(*done, killed, *rest, lost=killed).returncode == -signal.SIGKILL
    assert kept(sharded) == sorted(done)
    assert shards(*rest, killed).returncode == 0
    assert kept(sharded) == sorted({*order} - {left})
    assert list((sharded.folder / FOLDER).iterdir()) == []
    merged = sharded.stage("extract", NETWORK)
    assert merged.returncode == 0
    assert f"15 of {SHARDS} shards are in " in merged.stdout
    assert f"shard {left + 1} of {SHARDS}" in merged.stderr
    assert f"shard {killed + 1} of {SHARDS}" not in merged.stderr
    assert content(sharded.folder / FOLDER) == sharded.whole
    assert kept(sharded) == []


def test_a_shard_is_one_command(sharded):
    assert sharded.stage("extract", NETWORK, "--shard", "3").returncode == 0
    assert kept(sharded) == [3]
    again = sharded.stage("extract", NETWORK, "--shard", "3")
    assert again.stdout.startswith(f"1 of {SHARDS} shards are in ")
    assert "shard 4 of" not in again.stderr
    wrong = sharded.stage("extract", NETWORK, "--shard", "16")
    assert (wrong.returncode, wrong.stderr) == (1, "error: extract.shards is 16: a shard is one of 0 to 15, not 16\n")


def torchrun(study, stage):
    call = ("torchrun", "--standalone", "--nproc-per-node", "2", "-m", f"receptive.stages.{stage}", NETWORK)
    return study.run("env", "PYTHONPATH=src", *call, code=None)


def test_two_processes_of_torchrun_extract_the_same_bytes(study, sharded):
    two = torchrun(sharded, "extract")
    assert two.returncode == 0, two.stderr
    assert two.stdout.count("units of") == 1  # only the first process speaks
    assert content(study.folder / FOLDER) == study.whole
    assert kept(study) == []


def test_two_processes_of_torchrun_train_one_network(study):
    folder = study.folder / "data/networks" / NETWORK
    one = content(folder)
    try:
        two = torchrun(study, "train")
        assert two.returncode == 0, two.stderr
        assert two.stdout.count("validation top-1") == 1
        histories = [pd.read_parquet(io.BytesIO(files["history.parquet"])) for files in (one, content(folder))]
        assert len(histories[0]) == len(histories[1])
        # in float32 sums are rounded in another order; two trainings of half the images each would differ more
        pd.testing.assert_series_equal(histories[0]["loss"], histories[1]["loss"], rtol=1e-3)
    finally:
        for name, whole in one.items():
            (folder / name).write_bytes(whole)


def test_other_stages_refuse_a_group(study):
    refused = torchrun(study, "stimuli")
    assert refused.returncode == 1
    # one process or both say so: torchrun ends the other when the first has ended
    assert (
        "of 2: torchrun started 2 processes of stage stimuli, and each would do all of its work: start one process of "
        "it, without torchrun\n"
    ) in refused.stderr
