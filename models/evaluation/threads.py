"""Numerical libraries on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.gan.parallel import torch_alone


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for OpenMP, BLAS and torch inside the block; what was set before, after it.

    Boosting and the perceptron work in thousands of short parallel steps, and on busy cores their threads wait for each
    other: on two cores at a load of 6, Adult took 135 s with two threads and 68 s with one.
    """
    with torch_alone(), threadpool_limits(limits=1):
        yield
