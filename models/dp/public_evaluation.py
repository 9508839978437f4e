"""Figures for the public edition of a report: only what the accountant covers.

Free: the sample against the noisy tables of the release that its generator was fitted to. Paid: the sample against
fresh noisy tables (models.dp.yardsticks). All of it is post-processing of releases and of synthetic rows.

What may be said of a total variation distance. Let t be that of the sample to the exact table, r what it reads against
the noisy one (C cells, noise sd, N rows), n = sqrt(2 / pi) sd C / (2 N) what an exact table reads against its own noisy
copy, s = sd sqrt(C) / (2 N), which bounds the standard deviation of either.
 - Fitted to these very tables: |r - t| is at most what the exact table reads, by the triangle inequality, whatever the
   fit did with the noise: t lies in [r - n - 1.96 s', r + n + 1.96 s'], s' = sqrt(1 - 2 / pi) s.
 - Fresh tables: noise is independent of the sample, so that t <= E r <= t + n (Jensen; E|x + e| <= |x| + E|e|): t lies
   in [r - n - 1.96 s, r + 1.96 s]. Inside of it stands an estimate, r times the root of the share of its squared
   differences that noise does not explain: right where differences are bell-shaped over the cells, as noise is.
Intervals hold the chance of the noise, at 95%: they are of this very table, not of a population it was drawn from.
Where the number of rows is an estimate, its error widens them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from models.dp.consistency import margin
from models.dp.pairs import Axes
from models.dp.predicted import prediction
from models.dp.release import Release
from models.dp.yardsticks import Measured, table_of
from models.evaluation.result import clean
from models.rng import stream

Array = npt.NDArray[Any]
VERSION = 1
Z = 1.96
HALF = math.sqrt(2 / math.pi)
"""Mean of a half-normal number."""
LISTED = 40
"""Pairs that are listed, those that read furthest off."""
MOST_PAIRS, MOST_ROWS = 1_000, 200_000
"""Pairs of a wide table, and rows of a long sample, that are looked at for free figures."""
MOST_TABLES = 300
"""Tables of the release whose margins are averaged for a column or pair."""
NO_SHARE = 'No share of the budget was set aside for the evaluation (`shares`: {"evaluation": 0.1}).'
NO_TABLES = "The mechanism released no tables of counts that the sample could be compared with."


@dataclass(frozen=True)
class Noisy:
    """A noisy table of counts. sd: of the noise of each cell."""

    counts: Array
    sd: float


@dataclass(frozen=True)
class Rows:
    """How many rows the real table has: public, or a noisy estimate with its sd."""

    value: float
    sd: float = 0.0


def public_evaluation(
    names: Sequence[str],
    sizes: Sequence[int],
    synthetic: Array,
    *,
    release: Release | None,
    measured: Measured | None = None,
    unpaid: str = NO_SHARE,
    about: str = "sample",
) -> dict[str, Any]:
    """The public edition's figures as JSON, version 1.

    names, sizes (d,): of the columns, in the release's order. synthetic (n, d): codes. release: what the generator was
    fitted to, if to tables; of the training part. measured: what the evaluation share bought; None: `unpaid` says why.
    about: "sample", or "synthesizer" where synthetic are plain rows drawn beside a sample under conditions, which real
    tables are not like.
    """
    found = {
        "version": VERSION,
        "about": about,
        "rows": len(synthetic),
        "cells": {name: int(size) for name, size in zip(names, sizes, strict=True)},
        "release": _none(NO_TABLES) if release is None else _free(names, sizes, synthetic, release),
        "paid": _none(unpaid) if measured is None else _paid(names, measured),
    }
    return dict(clean(found))


def _none(reason: str) -> dict[str, Any]:
    return {"available": False, "reason": reason}


def rows_of(release: Release) -> Rows:
    """The number of rows that were counted: declared, or estimated from all noisy totals, weighted by precision."""
    if release.rows is not None:
        return Rows(float(release.rows))
    totals, precisions = [], []
    for axes, counts, sd in zip(release.workload.axes, release.counts, release.sd, strict=True):
        precisions.append(1 / (sd * sd * release.workload.cells(axes)))
        totals.append(float(counts.sum()))
    weight = math.fsum(precisions)
    estimate = math.fsum(p * t for p, t in zip(precisions, totals, strict=True)) / weight
    return Rows(max(1.0, estimate), 1 / math.sqrt(weight))


def holders(release: Release, most: int) -> dict[Axes, list[int]]:
    """Of each column, and of each pair that lies in a table (of at most `most` pairs, drawn at random), the tables."""
    d = len(release.workload.sizes)
    every = list(combinations(range(d), 2))
    if len(every) > most:
        every = [every[i] for i in sorted(stream(0, "pairs of the fit").permutation(len(every))[:most])]
    found: dict[Axes, list[int]] = {columns: [] for columns in (*((c,) for c in range(d)), *every)}
    for i, axes in enumerate(release.workload.axes):
        for columns in (*((c,) for c in axes), *combinations(axes, 2)):
            if columns in found and len(found[columns]) < MOST_TABLES:
                found[columns].append(i)
    return {columns: held for columns, held in found.items() if held}


def pooled(release: Release, columns: Axes, held: Sequence[int]) -> Noisy:
    """The table of these columns from all tables that hold them, averaged by precision."""
    work = release.workload
    total: Array = np.zeros(work.shape(columns))
    precision = 0.0
    for i in held:
        axes, sd = work.axes[i], release.sd[i]
        weight = work.cells(columns) / (sd * sd * work.cells(axes))
        total = total + weight * margin(release.counts[i].astype(np.float64), axes, columns)
        precision += weight
    return Noisy(total / precision, 1 / math.sqrt(precision))


def distance(shares: Array, noisy: Noisy, rows: Rows, *, fresh: bool) -> dict[str, float]:
    """Total variation between shares of the sample and a noisy table: what it reads, what noise alone reads, the
    interval, and with fresh noise an estimate (see above). chi: mean squared difference in units of the noise."""
    off = (shares - noisy.counts / rows.value).ravel()
    cells, sd = off.size, noisy.sd / rows.value
    read = float(np.abs(off).sum()) / 2
    noise = HALF * sd * cells / 2
    spread = sd * math.sqrt(cells) / 2
    unsure = Z * rows.sd / rows.value / 2
    found = {"read": read, "noise": noise}
    if fresh:
        found["estimate"] = read * math.sqrt(max(0.0, 1 - cells * sd * sd / max(float(off @ off), 1e-300)))
        low, high = read - noise - Z * spread, read + Z * spread
    else:
        far = noise + Z * math.sqrt(1 - 2 / math.pi) * spread
        low, high = read - far, read + far
    found |= {"low": min(1.0, max(0.0, low - unsure)), "high": max(0.0, min(1.0, high + unsure))}
    return {**found, "chi": float(off @ off) / (cells * sd * sd), "spread": spread}


def again(shares: Array, rows: float, drawn: int) -> float:
    """What as many real rows, drawn anew, would read on average: of the shares p of each cell, by the normal law."""
    p = np.clip(shares.ravel(), 0, 1)
    return float(np.sqrt(2 / math.pi * p * (1 - p) * (1 / rows + 1 / drawn)).sum() / 2)


def mean_of(found: Sequence[Mapping[str, float]], *, fresh: bool) -> dict[str, float]:
    """Of distances, with an interval. fresh: their noises are independent; else they are taken to move together."""
    count = len(found)
    keys = [k for k in ("read", "noise", "estimate", "ceiling", "floor") if all(k in f for f in found)]
    out = {k: math.fsum(f[k] for f in found) / count for k in keys}
    if fresh:
        spread = Z * math.sqrt(math.fsum(f["spread"] ** 2 for f in found)) / count
        low, high = out["read"] - out["noise"] - spread, out["read"] + spread
        unsure = max(f["unsure"] for f in found)
        return {**out, "low": min(1.0, max(0.0, low - unsure)), "high": max(0.0, min(1.0, high + unsure))}
    return {**out, **{k: math.fsum(f[k] for f in found) / count for k in ("low", "high")}}


def _free(names: Sequence[str], sizes: Sequence[int], synthetic: Array, release: Release) -> dict[str, Any]:
    synthetic = synthetic[:MOST_ROWS]
    d, n, rows = len(sizes), len(synthetic), rows_of(release)
    found: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    for columns, held in holders(release, MOST_PAIRS).items():
        shares = table_of(synthetic, sizes, columns) / n
        got = distance(shares, pooled(release, columns, held), rows, fresh=False)
        got |= {"ceiling": again(shares, rows.value, n)}
        found[len(columns)].append({"columns": [names[c] for c in columns], **got})
    pairs = sorted(found[2], key=lambda f: -f["read"])
    chi = [f["chi"] for f in (*found[1], *found[2])]
    return {
        "available": bool(found[1]),
        "rows": {"value": rows.value, "sd": rows.sd, "public": release.rows is not None},
        "tables": len(release.workload.axes),
        "events": [e.to_json() for e in release.events],
        "mean": {"columns": mean_of(found[1], fresh=False), "pairs": mean_of(pairs, fresh=False) if pairs else None},
        "chi": math.fsum(chi) / max(1, len(chi)),
        "columns": [_shown(f) for f in found[1]],
        "pairs": [_shown(f) for f in pairs[:LISTED]],
        "pairs_looked_at": len(pairs),
        "pairs_in_all": d * (d - 1) // 2,
        "pairs_not_counted": d * (d - 1) // 2 - len({p for a in release.workload.axes for p in combinations(a, 2)}),
    }


def _paid(names: Sequence[str], measured: Measured) -> dict[str, Any]:
    layout, release = measured.layout, measured.release
    rows = rows_of(release)
    place = {axes: i for i, axes in enumerate(release.workload.axes)}
    found: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    for columns in (*((c,) for c in range(len(names))), *layout.pairs):
        i = place[layout.axes_of(columns)]
        shares, noisy = measured.synthetic[i] / measured.rows, Noisy(release.counts[i], release.sd[i])
        got = distance(shares, noisy, rows, fresh=True)
        got |= {"ceiling": again(shares, rows.value, measured.rows), "unsure": Z * rows.sd / rows.value / 2}
        if len(columns) == 2:
            alone = np.outer(shares.sum(1), shares.sum(0))
            got["floor"] = distance(alone, noisy, rows, fresh=True)["estimate"]
        found[len(columns)].append({"columns": [names[c] for c in columns], "cells": int(shares.size), **got})
    target = None
    if layout.prediction is not None:
        i = place[(len(release.workload.sizes) - 2, len(release.workload.sizes) - 1)]
        target = prediction(layout.prediction, Noisy(release.counts[i], release.sd[i]), rows, names)
    pairs = sorted(found[2], key=lambda f: -f["estimate"])
    return {
        "available": True,
        "rows": {"value": rows.value, "sd": rows.sd, "public": release.rows is not None},
        "tables": len(release.workload.axes),
        "events": [e.to_json() for e in release.events],
        "mean": {"columns": mean_of(found[1], fresh=True), "pairs": mean_of(pairs, fresh=True) if pairs else None},
        "columns": [_shown(f) for f in found[1]],
        "pairs": [_shown(f) for f in pairs],
        "pairs_looked_at": len(pairs),
        "pairs_in_all": len(names) * (len(names) - 1) // 2,
        "prediction": target or {"available": False, "reason": layout.note},
    }


def _shown(found: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in found.items() if k not in ("spread", "unsure")}
