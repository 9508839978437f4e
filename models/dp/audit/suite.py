"""Which audits are run, and how often each draws. Every audit of a sound release, then every planted fault: an audit
that would not have caught it is worth nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from models.dp.audit import planted, whole
from models.dp.audit.canary import canary
from models.dp.audit.chosen import distance_canary, distance_noise
from models.dp.audit.finding import Finding
from models.dp.audit.gradient import clipped_records, fresh_gradients, gradient_canary
from models.dp.audit.invented import job, people, unlike
from models.dp.audit.labels import lone_label
from models.dp.audit.neighbours import fresh_noise, metadata, noise_alike, sensitivity
from models.dp.audit.one_run import one_run

DELTA = 1e-9
ONE_RUN_DELTA = 1e-12
"""The one run's p-value is no smaller than some 40 delta."""
UNIT = 16
"""Rows of a unit that may count; canary units bring more. With many, noise is large, and its smoothing costs little
(models/dp/release.py): the attack comes near to the claim."""


@dataclass(frozen=True)
class Sizes:
    """releases: of a canary of one row at epsilon 1, where any are drawn (thousands, or nothing is seen). units: of a
    canary unit at epsilon 10. fresh: releases whose noise is compared with each other. labels: runs of a discovery.
    runs: of a gradient canary at epsilon 10. steps: of the generator's fit in the one run, at each of the claims."""

    releases: int
    units: int
    fresh: int
    labels: int
    runs: int
    steps: int
    claims: tuple[float, ...]


SHORT = Sizes(releases=0, units=800, fresh=12, labels=60, runs=800, steps=60, claims=(1.0,))
FULL = Sizes(releases=20_000, units=10_000, fresh=100, labels=1_000, runs=10_000, steps=600, claims=(1.0, 10.0))

Audit = Callable[[], Finding]


def audits(sizes: Sizes) -> Iterator[Finding]:
    """Findings about the code as it is, each as soon as it is there."""
    yield _metadata()
    yield _metadata_of_chosen()
    yield _sensitivity()
    yield _noise()
    yield _fresh(sizes.fresh)
    if sizes.releases:
        yield canary(1.0, DELTA, sizes.releases)
    yield _unit_canary(sizes.units)
    yield _distance_canary(sizes.units)
    yield distance_noise(sizes.fresh)
    yield _label(sizes.labels)
    yield clipped_records()
    yield fresh_gradients()
    yield _gradient_canary(sizes.runs)
    for claim in sizes.claims:
        yield from one_run(claim, ONE_RUN_DELTA, steps=sizes.steps)


def _metadata() -> Finding:
    return metadata("neighbours: metadata", whole.job, whole.neighbours())


def _metadata_of_chosen() -> Finding:
    return metadata("neighbours: metadata, tables chosen", whole.job, whole.choosing())


def _sensitivity() -> Finding:
    with planted.noise_forgotten():
        return sensitivity("neighbours: sensitivity", whole.job, whole.neighbours())


def _noise() -> Finding:
    return noise_alike("noise: no data in it", job, unlike())


def _fresh(releases: int = SHORT.fresh) -> Finding:
    return fresh_noise("noise: fresh", job, people(), releases)


def _unit_canary(releases: int = SHORT.units) -> Finding:
    return canary(10.0, DELTA, releases, rows_per_unit=UNIT, brought=2 * UNIT)


def _distance_canary(releases: int = SHORT.units) -> Finding:
    return distance_canary(10.0, DELTA, releases, UNIT)


def _large_unit() -> Finding:
    return canary(2.0, DELTA, SHORT.units, rows_per_unit=UNIT, brought=10 * UNIT)


def _label(runs: int = SHORT.labels) -> Finding:
    return lone_label(1.0, DELTA, runs)


def _gradient_canary(runs: int = SHORT.runs) -> Finding:
    return gradient_canary(10.0, DELTA, runs)


def _one_run() -> Finding:
    return one_run(1.0, ONE_RUN_DELTA, steps=1)[0]


FAULTS: dict[str, tuple[Callable[[], AbstractContextManager[None]], Audit]] = {
    "half the noise": (planted.half_the_noise, _unit_canary),
    "unit of unbounded rows": (planted.units_unbounded, _large_unit),
    "no noise in empty cells": (planted.empty_cells_silent, _noise),
    "one noise for all tables": (planted.one_noise_for_all_tables, _fresh),
    "same noise in every release": (planted.same_noise_in_every_release, _fresh),
    "unit of unbounded rows, whole job": (planted.units_unbounded, _sensitivity),
    "distances charged as one": (planted.distances_charged_as_one, _distance_canary),
    "distances from exact columns": (planted.distances_from_exact_columns, distance_noise),
    "holdout by a permutation": (planted.holdout_by_permutation, _sensitivity),
    "bins from the rows": (planted.bins_from_rows, _metadata),
    "exact number of rows": (planted.row_count_leaked, _metadata),
    "number of rows in the job's log": (planted.rows_told_to_the_log, _metadata),
    "error on a value outside the domain": (planted.strangers_refused, _metadata),
    "labels without a threshold": (planted.threshold_skipped, _label),
    "half the noise of DP-SGD": (planted.half_the_noise_of_steps, lambda: _gradient_canary(1_200)),
    "everyone in every sample of DP-SGD": (planted.everyone_in_every_sample, lambda: _gradient_canary(2_000)),
    "one noise for all steps of DP-SGD": (planted.noise_of_the_first_step, fresh_gradients),
    "unclipped records in DP-SGD": (planted.gradients_unclipped, clipped_records),
    "noise forgotten": (planted.noise_forgotten, _one_run),
}
"""Fault -> (how it is planted, the audit that must catch it). Each is missed less than once in a million runs."""


def faults(names: Iterable[str] = FAULTS) -> Iterator[Finding]:
    """Each planted fault: passed where the audit refused it."""
    for name in names:
        start = time.perf_counter()
        plant, audit = FAULTS[name]
        with plant():
            found = audit()
        words = "caught" if not found.passed else "NOT caught"
        yield replace(
            found,
            name=f"planted: {name}",
            passed=not found.passed,
            found=f"{words} by {found.name.partition(':')[0]}: {found.found}",
            seconds=time.perf_counter() - start,
        )


def run(full: bool) -> Iterator[Finding]:
    yield from audits(FULL if full else SHORT)
    yield from faults()
