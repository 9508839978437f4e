"""Faults that audits must catch, planted into this process for the time of one audit. Production code has no switch for
any of them: functions of its modules are replaced from here, and put back.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from models.dp import marginals
from models.dp import release as releasing
from models.dp.noise import discrete_gaussian
from models.dp.release import Release
from models.dp.stream import Stream


@contextmanager
def replaced(module: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """module.name becomes make(what it was) inside."""
    was = getattr(module, name)
    setattr(module, name, make(was))
    try:
        yield
    finally:
        setattr(module, name, was)


@contextmanager
def half_the_noise() -> Iterator[None]:
    """Tables get noise of half the deviation that is charged."""
    with replaced(releasing, "discrete_gaussian", lambda draw: lambda sd, size, source: draw(sd / 2, size, source)):
        yield


@contextmanager
def noise_forgotten() -> Iterator[None]:
    """Tables leave as they were counted."""
    with replaced(releasing, "discrete_gaussian", lambda _: lambda sd, size, source: np.zeros(size, dtype=np.int64)):
        yield


@contextmanager
def one_noise_for_all_tables() -> Iterator[None]:
    """A release draws noise once, and scales it for each of its tables."""
    drawn: list[Any] = []

    def begin(release: Callable[..., Release]) -> Callable[..., Release]:
        def released(*given: Any, **options: Any) -> Release:
            drawn[:] = [discrete_gaussian(1_000.0, 10_000) / 1_000.0]
            return release(*given, **options)

        return released

    def reuse(_: Any) -> Callable[..., Any]:
        return lambda sd, size, source: np.rint(sd * drawn[0][:size]).astype(np.int64)

    with replaced(marginals, "release", begin), replaced(releasing, "discrete_gaussian", reuse):
        yield


@contextmanager
def same_noise_in_every_release() -> Iterator[None]:
    """Tables of one release have noise of their own, and the next release has the same again, as if it were seeded."""
    key = os.urandom(32)

    def make(release: Callable[..., Release]) -> Callable[..., Release]:
        return lambda *given, **options: release(*given, **{**options, "source": Stream(key).bytes})

    with replaced(marginals, "release", make), replaced(releasing, "release", make):
        yield


@contextmanager
def units_unbounded() -> Iterator[None]:
    """All rows of a unit count, however many it may have."""
    with replaced(releasing, "_kept", lambda _: lambda units, bound: np.arange(len(units))):
        yield


@contextmanager
def empty_cells_silent() -> Iterator[None]:
    """Cells in which nobody is get no noise, to keep tables sparse."""

    def make(release: Callable[..., Release]) -> Callable[..., Release]:
        def sparse(codes: Any, workload: Any, *given: Any, units: Any = None, **options: Any) -> Release:
            drawn = release(codes, workload, *given, units=units, **options)
            exact = releasing._count(codes, workload, units, options.get("rows_per_unit", 1))
            kept = [
                np.where(truth.reshape(noisy.shape) > 0, noisy, 0)
                for noisy, truth in zip(drawn.counts, exact, strict=True)
            ]
            return dataclasses.replace(drawn, counts=tuple(kept))

        return sparse

    with replaced(marginals, "release", make):
        yield


@contextmanager
def bins_from_rows() -> Iterator[None]:
    """Cells are those that occur, instead of those of the public domain."""

    def make(fit: Callable[..., Any]) -> Callable[..., Any]:
        def fitted(codes: Any, sizes: Any, options: Any, **given: Any) -> Any:
            seen = np.clip(codes, 0, np.array(sizes) - 1).max(0, initial=0) + 1
            return fit(codes, tuple(map(int, seen)), options, **given)

        return functools.wraps(fit)(fitted)

    with replaced(marginals, "fit_marginals", make):
        yield


@contextmanager
def row_count_leaked() -> Iterator[None]:
    """The exact number of rows is written beside the tables, though it was not declared public."""

    def make(release: Callable[..., Release]) -> Callable[..., Release]:
        return lambda codes, *given, **options: dataclasses.replace(release(codes, *given, **options), rows=len(codes))

    with replaced(marginals, "release", make):
        yield


@contextmanager
def strangers_refused() -> Iterator[None]:
    """A value outside the domain is an error instead of the nearest cell."""

    def make(count: Callable[..., Any]) -> Callable[..., Any]:
        def counted(codes: Any, workload: Any, *given: Any) -> Any:
            if (codes < 0).any() or (codes >= np.array(workload.sizes)).any():
                raise ValueError("A code is outside its domain.")
            return count(codes, workload, *given)

        return counted

    with replaced(releasing, "_count", make):
        yield
