"""Work in several processes: the same results, errors as they are, a killed process in one line."""

import os
import signal

import pytest

from receptive.errors import ReceptiveError
from receptive.processes.pool import cores, in_processes


def square(number: int) -> tuple[int, int, int]:
    return number, number**2, os.getpid()


def refuse(number: int) -> None:
    raise ReceptiveError(f"{number} is refused")


def die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_every_item_is_worked_on_once_in_other_processes():
    done = sorted(in_processes(square, range(6), "", 2))
    assert [result[:2] for result in done] == [(i, i * i) for i in range(6)]
    assert os.getpid() not in {process for *_, process in done}


@pytest.mark.parametrize(("items", "workers"), [(range(3), 1), ([5], 4), ([], None)])
def test_what_one_process_can_do_stays_here(items, workers):
    assert list(in_processes(square, items, "", workers)) == [(i, i * i, os.getpid()) for i in items]


@pytest.mark.slow
def test_an_error_comes_as_it_is():
    with pytest.raises(ReceptiveError, match="is refused"):
        list(in_processes(refuse, range(4), "", 2))


@pytest.mark.slow
def test_a_killed_process_is_one_error():
    with pytest.raises(ReceptiveError, match="cause and cure"):
        list(in_processes(die, range(2), "cause and cure", 2))


def test_the_cores_are_those_that_this_process_may_use():
    assert 1 <= cores() <= os.cpu_count()
