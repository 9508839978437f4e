"""Pieces of work on several threads come back in order, no more of them at once than asked."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest
import torch

from models.gan.parallel import Crew, in_order


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order(workers: int) -> None:
    def work(i: int) -> int:
        time.sleep(0.02 * (i % 3 == 0))
        return i

    assert list(in_order((partial(work, i) for i in range(20)), workers)) == list(range(20))


def test_workers_run_at_once_on_one_thread_of_torch_each() -> None:
    barrier, before = threading.Barrier(3, timeout=10), torch.get_num_threads()

    def work() -> int:
        barrier.wait()
        return torch.get_num_threads()

    assert list(in_order([work] * 6, 3)) == [1] * 6
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("workers", [1, 2])
def test_little_is_done_ahead_and_nothing_after_the_end(workers: int) -> None:
    begun: list[int] = []
    found = in_order((partial(begun.append, i) for i in range(100)), workers)
    next(found)
    time.sleep(0.1)
    assert len(begun) <= 2 * workers
    found.close()
    count = len(begun)
    time.sleep(0.1)
    assert len(begun) == count <= 2 * workers


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_through(workers: int) -> None:
    def work(i: int) -> int:
        if i == 3:
            raise ValueError("third")
        return i

    found = in_order((partial(work, i) for i in range(9)), workers)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="third"):
        next(found)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_crew_works_again_and_again(workers: int) -> None:
    before = torch.get_num_threads()
    with Crew(workers) as crew:
        for turn in range(3):
            assert crew([partial(int, 10 * turn + i) for i in range(3)]) == [10 * turn + i for i in range(3)]
    assert torch.get_num_threads() == before


def test_a_crew_works_at_once_on_one_thread_of_torch_each() -> None:
    barrier = threading.Barrier(2, timeout=10)

    def work() -> int:
        barrier.wait()
        return torch.get_num_threads()

    with Crew(2) as crew:
        assert crew([work, work]) == [1, 1]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("which", [0, 1])
def test_a_crew_raises_what_its_work_raises_when_all_have_ended(workers: int, which: int) -> None:
    ended: list[int] = []

    def work(i: int) -> None:
        if i == which:
            raise ValueError("this one")
        time.sleep(0.05)
        ended.append(i)

    with Crew(workers) as crew:
        with pytest.raises(ValueError, match="this one"):
            crew([partial(work, i) for i in range(2)])
        assert ended == [1 - which] or workers == 1
        assert crew([partial(int, 1)]) == [1]
