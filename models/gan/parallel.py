"""Independent pieces of work on several threads, their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

import torch

T = TypeVar("T")


@contextmanager
def torch_alone() -> Iterator[None]:
    """One thread of torch: what is done in short steps waits for the others longer than they save."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_order(tasks: Iterable[Callable[[], T]], workers: int) -> Iterator[T]:
    """Results of the tasks in their order; `workers` of them run at once, each on one thread of torch, and one more
    waits to be taken. One worker is the caller's own thread.

    Torch shares each operation among its threads, which pays for large ones alone, and leaves all that is not torch to
    one of them. What a task raises is raised here, and those not begun are dropped.
    """
    if workers <= 1:
        for task in tasks:
            yield task()
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers, "draw", initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(task))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class Crew:
    """Runs a few pieces of work at once, again and again: the first of them on the caller's thread, each on one thread
    of torch. One worker is the caller alone.
    """

    def __init__(self, workers: int) -> None:
        self.others = ThreadPoolExecutor(max(1, workers - 1), "crew", initializer=torch.set_num_threads, initargs=(1,))
        self.alone = workers <= 1

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.others.shutdown(cancel_futures=True)

    def __call__(self, tasks: Sequence[Callable[[], T]]) -> list[T]:
        """Results of the tasks, in their order. The first error is raised when all of them have ended."""
        if self.alone:
            return [task() for task in tasks]
        with torch_alone():
            rest = [self.others.submit(task) for task in tasks[1:]]
            try:
                return [*(task() for task in tasks[:1]), *(future.result() for future in rest)]
            finally:
                wait(rest)
