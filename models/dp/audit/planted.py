"""Faults that audits must catch, planted into this process for the time of one audit. Production code has no switch for
any of them: functions of its modules are replaced from here, and put back.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from models import synthesize
from models.dp import discovery, fitting, gradients, marginals, selection
from models.dp import release as releasing
from models.dp.noise import discrete_gaussian
from models.dp.release import Distances, Release
from models.dp.stream import Stream
from models.progress import Progress
from models.table import Table


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

    with replaced(marginals, "released", begin), replaced(releasing, "discrete_gaussian", reuse):
        yield


@contextmanager
def same_noise_in_every_release() -> Iterator[None]:
    """Tables of one release have noise of their own, and the next release has the same again, as if it were seeded."""
    key = os.urandom(32)

    def make(release: Callable[..., Release]) -> Callable[..., Release]:
        return lambda *given, **options: release(*given, **{**options, "source": Stream(key).bytes})

    with replaced(marginals, "released", make):
        yield


@contextmanager
def units_unbounded() -> Iterator[None]:
    """All rows of a unit count, however many it may have."""

    def everything(_: Any) -> Callable[..., Any]:
        return lambda units, bound: np.arange(len(units))

    with replaced(releasing, "kept_rows", everything), replaced(fitting, "kept_rows", everything):
        yield


@contextmanager
def distances_charged_as_one() -> Iterator[None]:
    """Each distance gets the noise that it would need alone, however many there are."""

    def make(noise_for: Callable[..., Any]) -> Callable[..., Any]:
        def alone(workload: Any, *given: Any) -> Any:
            return tuple(sd / math.sqrt(len(workload.axes)) for sd in noise_for(workload, *given))

        return alone

    with replaced(releasing, "noise_for", make):
        yield


@contextmanager
def distances_from_exact_columns() -> Iterator[None]:
    """Distances are taken from the product of the exact shares of columns, which one row more changes too."""

    def make(distances_for: Callable[..., Distances]) -> Callable[..., Distances]:
        def measured(codes: Any, workload: Any, _: Any, *given: Any, **options: Any) -> Distances:
            columns = [np.bincount(codes[:, c], minlength=size) for c, size in enumerate(workload.sizes)]
            products = [np.outer(columns[a], columns[b]) / max(len(codes), 1) for a, b in workload.axes]
            references = [np.rint(p).astype(np.int64) for p in products]
            return distances_for(codes, workload, references, *given, **options)

        return measured

    with replaced(selection, "distances_for", make):
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

    with replaced(marginals, "released", make):
        yield


@contextmanager
def bins_from_rows() -> Iterator[None]:
    """A number's bounds are its least and greatest value, instead of those of the public domain."""

    def make(fit: Callable[..., Any]) -> Callable[..., Any]:
        def fitted(table: Table, *given: Any) -> Any:
            age = table.schema["age"]
            seen = [float(n) for n in table.column("age").to_pylist() if n.isdigit()]
            narrow = dataclasses.replace(age, minimum=min(seen), maximum=max(seen))
            return fit(dataclasses.replace(table, schema=table.schema.with_column(narrow)), *given)

        return fitted

    with replaced(synthesize, "fit_private", make):
        yield


@contextmanager
def row_count_leaked() -> Iterator[None]:
    """The exact number of rows stands in the release, though it was not declared public."""

    def make(release: Callable[..., Release]) -> Callable[..., Release]:
        return lambda codes, *given, **options: release(codes, *given, **{**options, "rows": len(codes)})

    with replaced(fitting, "released", make):
        yield


@contextmanager
def rows_told_to_the_log() -> Iterator[None]:
    """A job says how many rows it has encoded."""

    def make(encode: Callable[..., Any]) -> Callable[..., Any]:
        def encoded(table: Table, encoding: Any, progress: Progress) -> Any:
            progress.event("encoded", {"rows": len(table)})
            return encode(table, encoding, progress)

        return encoded

    with replaced(fitting, "codes_of", make):
        yield


@contextmanager
def strangers_refused() -> Iterator[None]:
    """A label outside the domain is an error instead of a fixed cell."""

    def make(encode: Callable[..., Any]) -> Callable[..., Any]:
        def encoded(table: Table, *given: Any) -> Any:
            table.values("sex")
            return encode(table, *given)

        return encoded

    with replaced(fitting, "codes_of", make):
        yield


@contextmanager
def holdout_by_permutation() -> Iterator[None]:
    """Rows are held out by a permutation of all their numbers: one row more moves many others."""
    with replaced(
        fitting, "private_split", lambda _: lambda table, part, seed, unit: synthesize.split(len(table), part, seed)
    ):
        yield


@contextmanager
def half_the_noise_of_steps() -> Iterator[None]:
    """Gradients get noise of half the deviation that is charged."""
    with replaced(Stream, "normal", lambda normal: lambda self, shape: normal(self, shape) / 2):
        yield


@contextmanager
def noise_of_the_first_step() -> Iterator[None]:
    """Noise is drawn once, and added to the gradient of every step."""
    drawn: dict[Any, Any] = {}

    def make(normal: Callable[..., Any]) -> Callable[..., Any]:
        def kept(self: Stream, shape: Any) -> Any:
            if shape not in drawn:
                drawn[shape] = normal(self, shape)
            return drawn[shape]

        return kept

    with replaced(Stream, "normal", make):
        yield


@contextmanager
def everyone_in_every_sample() -> Iterator[None]:
    """All units are in the sample of every step, where each was to be with chance q."""
    with replaced(Stream, "poisson_mask", lambda _: lambda self, count, q: np.ones(count, dtype=bool)):
        yield


@contextmanager
def gradients_unclipped() -> Iterator[None]:
    """A record's gradient counts in full, however large it is."""

    def make(factors: Callable[..., Any]) -> Callable[..., Any]:
        return lambda layers, clip: torch.ones_like(factors(layers, clip))

    with replaced(gradients, "clip_factors", make):
        yield


@contextmanager
def threshold_skipped() -> Iterator[None]:
    """Every label whose noisy count is positive is published."""
    with replaced(discovery._Noise, "threshold", lambda _: lambda self, sd: 1):
        yield
