"""Neighbouring tables give identically distributed metadata: all that a fit makes but its noisy values is equal, to the
last digit, whether or not a unit is there; and the noise is distributed alike.

Fields that noise makes different are named in NOISY; whatever else there is, and whatever is added to a result later,
must be equal.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.dp.audit.bounds import distance_p, sign_p
from models.dp.audit.finding import ALARM, Finding
from models.dp.release import SMOOTHING, Release

Array = npt.NDArray[Any]
NOISY = frozenset(
    {
        "Release.counts",
        "Distances.values",
        "OnePass.probabilities",
        "OnePass.rows",
        "OnePass.residual",
        "OnePass.strength",
        "TargetModel.weight",
        "TargetModel.coefficients",
    }
)
"""Fields whose values follow from noisy counts. Their shapes and types must be equal."""
CHOSEN = frozenset({"Release.counts", "Release.sd", "Workload.axes", "Workload.shares", "OnePass.target"})
"""Fields that follow from noisy distances, with their shapes, where tables were chosen by them."""
CELLS, RELEASES = 24, 20
"""Noise is compared in tables of at least so many cells, over so many releases."""


@dataclass(frozen=True)
class Result:
    """public: what must be equal, as JSON text; an error's text where there was one. release: what was fitted to.
    exact: the tables without noise, counted by the audit itself."""

    public: str
    release: Release | None
    exact: tuple[Array, ...]


Job = Callable[[Any], Result]


def described(value: Any, noisy: frozenset[str] = NOISY, chosen: frozenset[str] = frozenset()) -> Any:
    """Everything about a value but what noise is in, and what was chosen by noisy values, as JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = type(value).__name__
        if getattr(getattr(value, "release", value), "distances", None) is not None:
            chosen = CHOSEN
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {"": kind} | {
            name: _shape(item) if f"{kind}.{name}" in noisy else described(item, noisy, chosen)
            for name, item in fields.items()
            if f"{kind}.{name}" not in chosen
        }
    if isinstance(value, Mapping):
        return {str(k): described(v, noisy, chosen) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return {**_shape(value), "values": value.tolist()}
    if isinstance(value, (list, tuple)):
        return [described(v, noisy, chosen) for v in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if hasattr(value, "__dict__") or hasattr(type(value), "__slots__"):
        return {"": type(value).__name__, **described(dict(getattr(value, "__dict__", {})), noisy, chosen)}
    return repr(value)


def public_text(value: Any) -> str:
    return json.dumps(described(value), sort_keys=True, indent=0)


def metadata(name: str, job: Job, cases: Mapping[str, tuple[Any, Any]]) -> Finding:
    """Public parts of both of each pair of neighbours are equal."""
    start = time.perf_counter()
    differing = []
    for case, (one, other) in cases.items():
        a, b = (job(table).public for table in (one, other))
        if a != b:
            differing.append(f"{case} ({_first_difference(a, b)})")
    return Finding(
        name,
        not differing,
        _listed("differs", differing) if differing else _listed("equal", list(cases)),
        trials=len(cases),
        seconds=time.perf_counter() - start,
    )


def sensitivity(name: str, job: Job, cases: Mapping[str, tuple[Any, Any]]) -> Finding:
    """Exact tables of neighbours differ by no more than is charged. The job is one whose noise was taken away.

    In units of the noise: sum over tables of |difference|^2 / (sd^2 - r^2) <= mu^2 (models/dp/release.py). Whatever is
    done to rows before they are counted is part of it: bounding units, the holdout, encoding.
    """
    start = time.perf_counter()
    worst, where = 0.0, ""
    for case, tables in cases.items():
        one, other = (job(table).release for table in tables)
        if one is None or other is None:
            worst, where = math.inf, f"{case} (an error)"
            break
        change = math.fsum(
            float(((a - b) ** 2).sum()) / (sd * sd - SMOOTHING)
            for a, b, sd in zip(one.counts, other.counts, one.sd, strict=True)
        )
        (event,) = one.events
        part = math.sqrt(change) * (event.sigma or math.inf)
        if part > worst:
            worst, where = part, case
    return Finding(
        name,
        worst <= 1 + 1e-9,
        f"{where} changes {worst:.3f} of what is charged",
        trials=len(cases),
        seconds=time.perf_counter() - start,
        figures={"part": worst},
    )


def noise_alike(name: str, job: Job, cases: Mapping[str, tuple[Any, Any]]) -> Finding:
    """The noise of every table has one distribution, whatever is in it: under both tables of each pair."""
    start = time.perf_counter()
    least, where, compared = 1.0, "", 0
    for case, pair in cases.items():
        samples = [_noise(job, table) for table in pair]
        tests = len(cases) * len(samples[0])
        for i, (a, b) in enumerate(zip(*samples, strict=True)):
            p = min(1.0, tests * distance_p(_distance(a, b), min(len(a), len(b))))
            compared += len(a) + len(b)
            if p < least:
                least, where = p, f"{case}, large table {i + 1}"
    return Finding(
        name,
        least > ALARM,
        f"differs: {where}" if least <= ALARM else f"no difference in {compared:,} values",
        p=least,
        trials=compared,
        seconds=time.perf_counter() - start,
    )


def fresh_noise(name: str, job: Job, table: Any, releases: int) -> Finding:
    """Noise of different cells, tables and releases is independent, judged by how often signs agree: exactly binomial
    for independent symmetric noise."""
    start = time.perf_counter()
    drawn = [_residuals(job(table)) for _ in range(releases)]
    groups: dict[str, Sequence[tuple[Array, Array]]] = {
        "two releases": [(a, b) for one, two in itertools.pairwise(drawn) for a, b in zip(one, two, strict=True)],
        "neighbouring cells": [(t[:-1], t[1:]) for one in drawn for t in one if len(t) > 1],
    }
    for i, j in itertools.combinations(range(len(drawn[0])), 2):
        cells = min(len(drawn[0][i]), len(drawn[0][j]))
        groups[f"tables {i} and {j}"] = [(one[i][:cells], one[j][:cells]) for one in drawn]
    least, where, compared = 1.0, "", 0
    for group, pairs in groups.items():
        a, b = (np.concatenate(side) for side in zip(*pairs, strict=True))
        product = np.sign(a) * np.sign(b)
        p = min(1.0, len(groups) * sign_p(int((product > 0).sum()), int((product != 0).sum())))
        compared += len(product)
        if p < least:
            least, where = p, group
    return Finding(
        name,
        least > ALARM,
        f"not independent: {where}" if least <= ALARM else f"independent in {compared:,} comparisons",
        p=least,
        trials=compared,
        seconds=time.perf_counter() - start,
    )


def _residuals(result: Result) -> list[Array]:
    if result.release is None:
        raise ValueError("The job released nothing.")
    return [noisy.ravel() - exact.ravel() for noisy, exact in zip(result.release.counts, result.exact, strict=True)]


def _noise(job: Job, table: Any) -> list[Array]:
    """Noise of each table of CELLS or more, (RELEASES * cells,)."""
    drawn = [_residuals(job(table)) for _ in range(RELEASES)]
    return [np.concatenate(cells) for cells in zip(*drawn, strict=True) if len(cells[0]) >= CELLS]


def _distance(a: Array, b: Array) -> float:
    """Largest difference of the cumulative shares (Kolmogorov and Smirnov)."""
    at = np.union1d(a, b)
    shares = [np.searchsorted(np.sort(x), at, side="right") / len(x) for x in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())


def _listed(word: str, items: list[str]) -> str:
    more = f", and {len(items) - 2} more" if len(items) > 2 else ""
    return f"{word}: {', '.join(items[:2])}{more}"


def _shape(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, (list, tuple)):
        return [_shape(v) for v in value]
    return type(value).__name__


def _first_difference(a: str, b: str) -> str:
    for one, other in itertools.zip_longest(a.splitlines(), b.splitlines(), fillvalue="nothing"):
        if one != other:
            return f"{one.strip()[:40]} against {other.strip()[:40]}"
    return "order"
