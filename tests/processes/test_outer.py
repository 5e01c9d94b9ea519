"""Groups of processes that other launchers make: joined where that is well defined, else refused in one line."""

import os
import subprocess
import sys

import pytest
import torch

from receptive.errors import ReceptiveError
from receptive.params.sections import Workers as Asked
from receptive.processes.failures import FOLDER_VARIABLE
from receptive.processes.launch import launch
from receptive.processes.outer import OuterGroup, joined_group, outer_group, refuse_outer_group
from receptive.stages import run

# As each launcher leaves them in the second of its processes.
TORCHRUN = {
    "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost",
    "MASTER_PORT": "29500", "TORCHELASTIC_RUN_ID": "none",
}  # fmt: skip
SBATCH = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
SRUN = {**SBATCH, "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_ID": "0"}
OPENMPI = {"OMPI_COMM_WORLD_SIZE": "3", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "1"}
MPICH = {"PMI_SIZE": "3", "PMI_RANK": "1"}


@pytest.fixture
def around(monkeypatch):
    """Sets the variables of launchers, and no others."""
    for name in os.environ:
        if name.startswith(("SLURM", "OMPI", "PMI", "RECEPTIVE")) or name in TORCHRUN:
            monkeypatch.delenv(name)

    def set_(*variables):
        for group in variables:
            for name, value in group.items():
                monkeypatch.setenv(name, value)

    return set_


@pytest.mark.parametrize(
    ("variables", "group", "joins"),
    [
        ([], None, False),
        ([TORCHRUN], OuterGroup("torchrun", 1, 2), True),
        ([{**TORCHRUN, "RANK": "0", "WORLD_SIZE": "1"}], None, False),
        ([{"RANK": "1", "WORLD_SIZE": "2"}], OuterGroup("torchrun", 1, 2), False),  # nobody says where to meet
        ([{"WORLD_SIZE": "2"}], None, False),
        ([{"RANK": "first", "WORLD_SIZE": "two"}], None, False),
        ([SRUN], OuterGroup("srun", 1, 4), False),
        ([SBATCH], None, False),  # the script itself is one process
        ([OPENMPI], OuterGroup("mpirun", 1, 3), False),
        ([MPICH], OuterGroup("mpirun", 1, 3), False),
        ([SRUN, TORCHRUN], OuterGroup("torchrun", 1, 2), True),  # srun torchrun ...
        ([SRUN, {**TORCHRUN, "WORLD_SIZE": "1"}], OuterGroup("srun", 1, 4), False),  # four groups of one
        ([SRUN, OPENMPI], OuterGroup("mpirun", 1, 3), False),
        ([TORCHRUN, {FOLDER_VARIABLE: "x"}], None, False),  # a worker of our own
    ],
)
def test_groups_are_read_from_the_launchers_variables(around, variables, group, joins):
    around(*variables)
    assert outer_group() == group
    assert joined_group() == (group if joins else None)


@pytest.mark.parametrize(
    ("stage", "variables", "cause"),
    [
        ("train", SRUN, "srun started 4 processes of stage train, and each would do all of its work: start one process "
                        "with workers.devices: 4, or start them by torchrun, or one on each machine with"),
        ("extract", OPENMPI, "mpirun started 3 processes of stage extract, and each would do all of its work"),
        ("maximize", SRUN, "srun started 4 processes of stage maximize, .*: start one process of it, without srun$"),
        ("maximize", TORCHRUN, "torchrun started 2 processes of stage maximize, .*, without torchrun$"),
        ("prepare", MPICH, "mpirun started 3 processes of stage prepare"),
        ("train", {"RANK": "0", "WORLD_SIZE": "2"}, "torchrun started 2 processes of stage train"),
    ],
)  # fmt: skip
def test_what_cannot_be_joined_is_refused(around, stage, variables, cause):
    around(variables)
    with pytest.raises(ReceptiveError, match=f"^{cause}"):
        refuse_outer_group(stage)


@pytest.mark.parametrize(
    ("stage", "variables"),
    [
        ("maximize", {}),
        ("maximize", SBATCH),
        ("train", TORCHRUN),
        ("extract", {**SRUN, **TORCHRUN}),
        ("train", {**SRUN, "RECEPTIVE_RENDEZVOUS": "first:29500"}),
        ("maximize", {**TORCHRUN, FOLDER_VARIABLE: "x"}),
    ],
)
def test_what_is_one_process_or_can_meet_is_not_refused(around, stage, variables):
    around(variables)
    refuse_outer_group(stage)


def test_a_stage_is_refused_before_it_begins(around, capsys):
    def main() -> None:
        raise AssertionError("it began")

    main.__module__ = "receptive.stages.stimuli"
    around({**SRUN, "SLURM_PROCID": "0"})
    with pytest.raises(SystemExit) as end:
        run(main, [])
    assert end.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: srun started 4 processes of stage stimuli")
    assert error.count("\n") == 1


def test_a_group_of_torchrun_launches_nothing_more(around):
    around(TORCHRUN)
    for asked in (Asked(devices=1, nodes=1), Asked(devices=2, nodes=1), Asked(devices=1, nodes=2)):
        assert launch(asked, "cpu", "nonsense") is False


@pytest.mark.parametrize(
    ("variables", "asked", "gpus", "cause"),
    [
        (TORCHRUN, (4, 1), 4, "torchrun started 2 processes, but workers asks for 1 x 4: set both"),
        (TORCHRUN, (1, 1), 1, "torchrun started 2 processes on this machine, but there are 1 GPUs here: set --nproc"),
        ({**SRUN, "RECEPTIVE_RENDEZVOUS": "a:1"}, (1, 1), 0, "srun started 4 processes, but workers.nodes is 1: start"),
        ({**SRUN, "RECEPTIVE_RENDEZVOUS": "a:1"}, (8, 2), 0, "srun started 4 processes, but workers.nodes is 2: start"),
    ],
)
def test_contradictions_are_refused(around, monkeypatch, variables, asked, gpus, cause):
    around(variables)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(ReceptiveError, match=f"^{cause}"):
        launch(Asked(devices=asked[0], nodes=asked[1]), "auto", "nonsense")


STAGE = """
import os, sys
from receptive.errors import ReceptiveError
from receptive.stages import run
def main(kind: str) -> None:
    if kind == "user":
        raise ReceptiveError("no more images:\\n buy some")
    if kind == "peer":
        raise RuntimeError("[gloo] Connection closed by peer")
    if kind == "defect":
        raise ValueError("seven is not prime")
main.__module__ = "receptive.stages.train"
run(main)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "code", "text"),
    [
        ("user", 1, "error in process 2 of 2: no more images: buy some\n"),
        ("peer", 1, "error in process 2 of 2: another process was lost: run the same command again (a training goes on "
                    "from its last epoch)\n"),
        ("defect", 1, "ValueError: seven is not prime\n"),
        ("nothing", 0, ""),
    ],
)  # fmt: skip
def test_each_process_of_a_joined_group_tells_its_own_end(around, kind, code, text):
    around(TORCHRUN)
    done = subprocess.run([sys.executable, "-c", STAGE, kind], capture_output=True, text=True)
    assert done.returncode == code
    assert done.stderr.endswith(text)
    assert done.stderr.count("\n") == 1 or kind in ("defect", "nothing")
