"""The group of processes that a launcher of others (torchrun, srun, mpirun) made this process part of.

A launcher says so in environment variables. ``train`` and ``extract`` join the group of torchrun. Every other group is
refused in one line: each of its processes would do the whole work, and all would write one folder. Every stage asks at
its start, so this module imports nothing that is slow.
"""

import os
from dataclasses import dataclass

from receptive.errors import ReceptiveError
from receptive.processes.failures import is_worker

MEETING_POINT = "RECEPTIVE_RENDEZVOUS"
"""Says where the machines of ``workers.nodes`` meet: HOST:PORT. It belongs to the machines, so it is no parameter."""

SHARED = ("train", "extract")
"""The stages that several processes can share."""

# Launcher, and where it says the rank and the number of its processes. torchrun is first, for it may itself be started
# by srun, one on each machine; mpirun is before srun, by which it may start itself on other machines. A batch script
# of Slurm has SLURM_NTASKS and SLURM_PROCID too, but is one process: only srun sets SLURM_STEP_NUM_TASKS.
_LAUNCHERS = (
    ("torchrun", "RANK", "WORLD_SIZE"),
    ("mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI
    ("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    ("mpirun", "PMI_RANK", "PMI_SIZE"),  # MPICH and its relatives
)
_MEETING_OF_TORCH = ("MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK")


@dataclass(frozen=True)
class OuterGroup:
    """A group of two or more processes that another program started.

    Attributes:
        launcher: "torchrun", "srun" or "mpirun".
        rank: Number of this process, from 0 on.
        size: Number of processes, over all machines.
    """

    launcher: str
    rank: int
    size: int

    @property
    def joins(self) -> bool:
        """Whether the processes know where to meet, so that they can work together."""
        return self.launcher == "torchrun" and all(name in os.environ for name in _MEETING_OF_TORCH)


def outer_group() -> OuterGroup | None:
    """The group that this process is in; None where it is alone, or a worker that ``processes.launch`` started."""
    if is_worker():
        return None
    for launcher, rank, size in _LAUNCHERS:
        numbers = [os.environ.get(name, "") for name in (rank, size)]
        if all(number.isdecimal() for number in numbers) and int(numbers[1]) > 1:
            return OuterGroup(launcher, *map(int, numbers))
    return None


def joined_group() -> OuterGroup | None:
    """The group that this process shares the work with: that of torchrun, where there is one."""
    group = outer_group()
    return group if group and group.joins else None


def refuse_outer_group(stage: str) -> None:
    """Refuses to start where the processes of the outer group would each do the whole work of ``stage``.

    Raises:
        ReceptiveError: The stage is none of ``SHARED``, or the group cannot be joined. The machines of
            ``workers.nodes`` may be reached by srun or mpirun; ``check_machines`` looks at these. Every process says
            so, for a launcher ends all when the first has ended, whichever that is.
    """
    group = outer_group()
    if group is None or (stage in SHARED and (group.joins or os.environ.get(MEETING_POINT))):
        return
    many = f"{group.launcher} started {group.size} processes of stage {stage}, and each would do all of its work"
    if stage not in SHARED:
        raise ReceptiveError(f"{many}: start one process of it, without {group.launcher}")
    raise ReceptiveError(
        f"{many}: start one process with workers.devices: {group.size}, or start them by torchrun, or one on each "
        f"machine with workers.nodes and {MEETING_POINT} (docs/scale.md)"
    )


def check_machines(nodes: int) -> None:
    """Checks that srun or mpirun started as many processes as there are machines to meet.

    Args:
        nodes: ``workers.nodes``.

    Raises:
        ReceptiveError: It did not, so that some would do the work by themselves, or wait in vain.
    """
    group = outer_group()
    if group and not group.joins and group.size != nodes:
        raise ReceptiveError(
            f"{group.launcher} started {group.size} processes, but workers.nodes is {nodes}: start one process on each "
            f"machine, {nodes} in all, or set workers.nodes: {group.size}"
        )
