"""How a waiting person sees a job: a bar on a terminal, a line per step elsewhere. Always on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from populace.records import Job

Show = Callable[[Job], None]


@contextmanager
def shown(progress: bool | Show) -> Iterator[Show]:
    """A function to show a job with. progress: False for silence, True for standard error, or one's own function."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda job: None
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        yield _lines()


@contextmanager
def _bar() -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[message]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("queued", total=1.0, message="")

        def show(job: Job) -> None:
            step = job.step
            bar.update(
                task,
                completed=1.0 if job.state == "succeeded" else job.fraction,
                description=step.name if step and not job.ended else job.state,
                message=step.message if step else "",
            )

        yield show


def _lines() -> Show:
    began = time.monotonic()
    last = ""

    def show(job: Job) -> None:
        nonlocal last
        step = job.step
        text = job.state if job.ended or step is None else step.name
        if text != last:
            last = text
            print(f"{time.monotonic() - began:7.1f}s  {job.kind}: {text}", file=sys.stderr, flush=True)

    return show
