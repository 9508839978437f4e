"""A one-pass generator, with the release that it was fitted to, as parts of a synthesizer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from models.accounting import history_from_json, history_to_json
from models.dp.one_pass import OnePass
from models.dp.pairs import Axes, Workload
from models.dp.release import Distances, Release
from models.dp.target import TargetModel
from models.encoding.cells import Array
from models.encoding.encoding import Layout

PREFIX = "one_pass."


def one_pass_to_json(model: OnePass) -> dict[str, Any]:
    own: dict[str, Any] = {"rows": model.rows, "residual": model.residual, "strength": model.strength}
    if model.target is not None:
        own["target"] = {"column": model.target.column, "weight": model.target.weight}
    return {**own, "release": release_to_json(model.release)}


def one_pass_tensors(model: OnePass) -> dict[str, Array]:
    tensors = {PREFIX + "probabilities": model.probabilities, PREFIX + "counts": release_tensor(model.release)}
    if model.target is not None:
        tensors[PREFIX + "target"] = model.target.coefficients
    return tensors


def one_pass_from(layout: Layout, raw: Mapping[str, Any], tensors: Mapping[str, Array]) -> OnePass:
    """Inverse of both. Raises Key-, Type- or ValueError on parts that do not fit, InvalidInput on bad events."""
    release = release_from(raw["release"], tensors[PREFIX + "counts"])
    sizes, found = release.workload.sizes, np.array(tensors[PREFIX + "probabilities"], np.float32)
    if sizes != layout.sizes or any(parent >= 0 for parent in layout.parents):
        raise ValueError("the sizes of its columns")
    if found.ndim != 2 or not len(found) or found.shape[1] != sum(sizes) or not np.isfinite(found).all():
        raise ValueError("the probabilities of its cells")
    found.setflags(write=False)
    target = _target_from(sizes, raw["target"], tensors[PREFIX + "target"]) if "target" in raw else None
    model = OnePass(sizes, found, int(raw["rows"]), release, float(raw["residual"]), float(raw["strength"]), target)
    if (found < 0).any() or any(np.abs(p.sum(1) - 1).max() > 1e-3 for p in model.columns()) or model.rows < 1:
        raise ValueError("the probabilities of its cells")
    return model


def _target_from(sizes: tuple[int, ...], raw: Mapping[str, Any], coefficients: Array) -> TargetModel:
    column, weight = int(raw["column"]), float(raw["weight"])
    found = np.array(coefficients, np.float32)
    if not 0 <= column < len(sizes) or not 0 <= weight <= 1:
        raise ValueError("its target")
    if found.shape != (sum(sizes) + 1, sizes[column]) or not np.isfinite(found).all():
        raise ValueError("its target's coefficients")
    found.setflags(write=False)
    return TargetModel(column, weight, found)


def release_to_json(release: Release) -> dict[str, Any]:
    work = release.workload
    tables = {"axes": [list(axes) for axes in work.axes], "shares": list(work.shares), "sd": list(release.sd)}
    own: dict[str, Any] = {"sizes": list(work.sizes), "rows": release.rows, "rows_per_unit": release.rows_per_unit}
    own |= {"target": work.target}
    if release.distances is not None:
        seen = release.distances
        own["distances"] = {"axes": [list(a) for a in seen.axes], "values": seen.values.tolist(), "sd": seen.sd}
    return {**own, **tables, "events": history_to_json(release.events)}


def release_tensor(release: Release) -> Array:
    """The noisy counts of all tables, one after the other, int64."""
    return np.concatenate([counts.ravel() for counts in release.counts])


def release_from(raw: Mapping[str, Any], counts: Array) -> Release:
    """Inverse of both. Raises as one_pass_from does."""
    sizes = tuple(map(int, raw["sizes"]))
    axes = _axes(raw["axes"], sizes)
    shares, sd = tuple(map(float, raw["shares"])), tuple(map(float, raw["sd"]))
    if any(s < 1 for s in sizes) or not len(axes) == len(shares) == len(sd):
        raise ValueError("its tables")
    if not axes or not all(math.isfinite(x) and x > 0 for x in (*shares, *sd)):
        raise ValueError("its noise")
    work = Workload(sizes, axes, shares, _target_of(raw, axes))
    ends = np.cumsum([work.cells(a) for a in axes])
    if counts.dtype != np.int64 or counts.shape != (int(ends[-1]),):
        raise ValueError("its counts")
    tables = []
    for part, a in zip(np.split(np.array(counts), ends[:-1]), axes, strict=True):
        tables.append(part.reshape(work.shape(a)))
        tables[-1].setflags(write=False)
    rows = None if raw["rows"] is None else int(raw["rows"])
    seen = _distances_from(raw["distances"], sizes) if raw.get("distances") else None
    return Release(work, tuple(tables), sd, rows, int(raw["rows_per_unit"]), history_from_json(raw["events"]), seen)


def _axes(raw: Any, sizes: tuple[int, ...]) -> tuple[Axes, ...]:
    axes = tuple(tuple(map(int, a)) for a in raw)
    if any(list(a) != sorted(set(a)) or any(not 0 <= c < len(sizes) for c in a) for a in axes):
        raise ValueError("its tables")
    return axes


def _target_of(raw: Mapping[str, Any], axes: tuple[Axes, ...]) -> int | None:
    """Releases of earlier versions do not name it: there all tables of three, of which there are many, share it."""
    triples = [set(a) for a in axes if len(a) == 3]
    if "target" in raw:
        target = None if raw["target"] is None else int(raw["target"])
        if triples and not all(target in a for a in triples):
            raise ValueError("its target")
        return target
    return min(set.intersection(*triples), default=None) if triples else None


def _distances_from(raw: Mapping[str, Any], sizes: tuple[int, ...]) -> Distances:
    axes, values, sd = _axes(raw["axes"], sizes), np.array(raw["values"], np.int64), float(raw["sd"])
    if values.shape != (len(axes),) or not (math.isfinite(sd) and sd > 0):
        raise ValueError("its distances")
    values.setflags(write=False)
    return Distances(axes, values, sd)
