"""The k-marginal score within each area or group: the map of SDNist, which shows where a sample fails.

The score of a table's rows in one area against the real rows there, over pairs of the other columns (Task et al. 2023,
"SDNist v2: Deidentified Data Report Tool", NIST IR, "PUMA-specific k-marginal scores").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
from numpy.random import Generator
from scipy.stats import chi2

from models.evaluation.bars import scale
from models.evaluation.chance import SHOWN, Finding, bar_of, worst_first
from models.evaluation.context import Context, Part
from models.evaluation.groups import FEW, area_of, chosen, codes, group_names
from models.evaluation.intervals import Z
from models.evaluation.kmarginal import BINS, PAIRS, pairs_of, scores
from models.evaluation.marginals import total_variation
from models.evaluation.matrix import Cells, Ints, Matrix, sample
from models.evaluation.nulls import variation_moments
from models.evaluation.result import Metric

NAME = "k_marginal_area"
WORK = 6_000
"""Pairs of columns times areas, at most: with many areas each looks at a random choice of the pairs."""
DEALS, DEALT = 40, 1_000
"""Deals of an area's rows to two tables, over all areas at least; rows of each table of an area that are dealt."""
SECTION = "k_marginal_areas"


@dataclass(frozen=True, eq=False)
class _Tables:
    """Rows by role; cells: of each row (N, D); group: of each row (N,), of one column."""

    cells: dict[str, Ints]
    group: dict[str, Ints]

    def rows(self, role: str, k: int) -> Ints:
        return np.asarray(self.cells[role][self.group[role] == k], np.int64)


@dataclass(frozen=True, eq=False)
class _Place:
    """An area: its rows by role, and the pairs of columns that are looked at."""

    subject: str
    rows: dict[str, Ints]
    pairs: list[tuple[int, ...]]


def k_marginal_areas(context: Context) -> Part:
    """k_marginal_area: the score of each area of FEW rows in both tables, the worst one for all. Areas: the columns of
    the option `subgroups`, or the column of areas if there is one. Bars by permutation within the area, missed by
    chance in one of a thousand evaluations however many areas there are (Bonferroni)."""
    asked = context.options.subgroups
    area = area_of(context)
    columns = chosen(context, asked) if asked else [] if area is None else [area]
    names = [context.names[j] for j in columns]
    if not columns:
        why = "No column holds areas, by its name and labels: name columns of groups in the option `subgroups`."
        return Part([_metric(None, note=why, status="unavailable")])
    rng = context.rng(SECTION)
    matrices = {role: sample(getattr(context, role), context.options.rows, rng) for role in _ROLES}
    cells = Cells.fit(matrices["real"], BINS)
    coded = {role: cells.codes(m) for role, m in matrices.items() if len(m)}
    few: list[Metric] = []
    looked: list[_Place] = []
    tables = {j: _Tables(coded, {r: _groups(matrices[r], coded[r], j) for r in coded}) for j in columns}
    labels = {j: group_names(matrices["real"].columns[j], cells.edges[j]) for j in columns}
    sizes = {j: {r: np.bincount(g, minlength=len(labels[j])) for r, g in tables[j].group.items()} for j in columns}
    enough = {j: np.flatnonzero(np.minimum(s["real"], s["synthetic"]) >= FEW) for j, s in sizes.items()}
    tests = sum(len(e) for e in enough.values())
    for j in columns:
        pairs = pairs_of(cells.sizes, j, min(PAIRS, max(WORK // max(tests, 1), 1)), rng)
        for k in np.flatnonzero(sizes[j]["real"] + sizes[j]["synthetic"]) if pairs else ():
            subject = f"{context.names[j]} = {labels[j][k]}"
            if k not in enough[j]:
                few.append(_few(subject, *(int(sizes[j][r][k]) for r in ("real", "synthetic"))))
                continue
            rows = {role: tables[j].rows(role, int(k)) for role in coded}
            looked.append(_Place(subject, rows, pairs))
    context.progress.check()
    together = _together(looked, cells.sizes, rng)
    read: list[tuple[Finding, Metric]] = []
    for place in looked:
        context.progress.check()
        read.append(_area(place, cells.sizes, tests, together, rng))
    return _told(read, few, names)


_ROLES = ("real", "synthetic", "holdout")


def _groups(matrix: Matrix, cells: Ints, j: int) -> Ints:
    """Group of each row: its label, or the bin of a number that was asked for."""
    return np.asarray(codes(matrix, j) if matrix.columns[j].labelled else cells[:, j], np.int64)


def _few(subject: str, real: int, synthetic: int) -> Metric:
    note = f"Needs {FEW} rows of each table; there are {real:,} real and {synthetic:,} synthetic rows."
    more = "Merge it with a neighbour." if real < FEW else "Draw a larger sample, or one balanced by this column."
    return _metric(None, subject, note=f"{note} {more}", status="unavailable")


def _together(looked: list[_Place], sizes: tuple[int, ...], rng: Generator) -> float:
    """Standard deviation of a mean over pairs by chance, over the mean of the pairs' own: 1 if all distances moved
    together, less as they do not. From rows of each area that are dealt out anew to the two tables; the upper 97.5%
    limit of it (chi-squared), so that few deals do not make it too small."""
    if not looked:
        return 1.0
    deals = max(4, -(-DEALS // len(looked)))
    square = 0.0
    for place in looked:
        a, b = (place.rows[role][:DEALT] for role in ("real", "synthetic"))
        both, n, m = np.concatenate([a, b]), len(a), len(b)
        orders = np.argsort(rng.random((deals, n + m)), axis=1)[:, :n]
        read, usual = np.zeros(deals), np.zeros(2)
        for i, j in place.pairs:
            keys = both[:, i] * sizes[j] + both[:, j]
            size = sizes[i] * sizes[j]
            first = np.arange(deals)[:, None] * size + keys[orders]
            dealt = np.bincount(first.ravel(), minlength=deals * size).reshape(deals, size).astype(np.float64)
            whole = np.bincount(keys, minlength=size).astype(np.float64)
            read += total_variation(dealt / n, (whole - dealt) / m)
            usual += variation_moments(dealt[0], whole - dealt[0])
        square += float(((read - usual[0]) ** 2).mean()) / max(usual[1], 1e-12) ** 2
    degrees = deals * len(looked)
    return min(1.0, sqrt(square / len(looked) * degrees / float(chi2.ppf(0.025, degrees))))


def _area(place: _Place, sizes: tuple[int, ...], tests: int, together: float, rng: Generator) -> tuple[Finding, Metric]:
    """One area: as a distance, which findings are ranked by, and as a score."""
    subject, pairs, real, synthetic = place.subject, place.pairs, place.rows["real"], place.rows["synthetic"]
    holdout = place.rows.get("holdout", real[:0])
    n = len(synthetic)
    drawn = real[rng.integers(0, len(real), n)]
    alone = np.stack([rng.permutation(column) for column in drawn.T], axis=1)
    tables = {"synthetic": synthetic, "ceiling": drawn, "floor": alone}
    if len(holdout) >= FEW:
        tables["holdout"] = holdout[:n]
    found, (mean, spread), error = scores([real, *tables.values()], sizes, pairs, None)
    points = dict(zip(tables, found, strict=True))
    if "holdout" in tables:
        points["holdout"] = 1000 - (1000 - points["holdout"]) * scale(n, len(real), len(tables["holdout"]))
    bar = min(bar_of(mean, together * spread, tests), 1.0)
    value = points["synthetic"]
    off = Finding(subject, (), 1 - value / 1000, mean, bar)
    held = f", {len(tables['holdout']):,} of the holdout" if "holdout" in tables else ""
    note = f"{len(pairs):,} pairs of columns; {len(real):,} real and {n:,} synthetic rows{held}."
    return off, _metric(
        value,
        subject,
        ceiling=points["ceiling"],
        holdout=points.get("holdout"),
        floor=points["floor"],
        low=max(0.0, value - Z * error),
        high=min(1000.0, value + Z * error),
        expected=1000 * (1 - mean),
        bar=1000 * (1 - bar),
        note=note,
        status="fail" if off.excess > 0 else "pass",
    )


def _told(read: list[tuple[Finding, Metric]], few: list[Metric], names: list[str]) -> Part:
    """The worst area for the whole table, those below their bar by themselves, and all in the section."""
    place = {id(f): m for f, m in read}
    ranked = [place[id(f)] for f in worst_first([f for f, _ in read])]
    left = f" {len(few):,} more have too few rows." if few else ""
    if not ranked:
        why = f"No area ({', '.join(names)}) has {FEW} rows of each table and two other columns.{left}"
        metrics = [_metric(None, note=why, status="unavailable")]
    else:
        off = sum(m.status == "fail" for m in ranked)
        words = f"The worst of {len(ranked):,} areas: {ranked[0].subject}; {off:,} below the bar.{left}"
        metrics = [replace(ranked[0], subject="", note=f"{words} {ranked[0].note}")]
        metrics += [m for m in ranked[:SHOWN] if m.status == "fail"]
    keys = ("subject", "value", "low", "high", "status", "bar", "expected", "ceiling", "holdout", "floor", "note")
    rows: list[dict[str, Any]] = [{key: getattr(m, key) for key in keys} for m in (*ranked, *few)]
    note = (
        "Ceiling, holdout and floor as for the sample's rows in the area; a smaller holdout is brought to their number."
    )
    return Part(metrics, {SECTION: {"columns": names, "rows": rows, "note": note}}, {"k_marginal_areas": len(ranked)})


def _metric(value: float | None, subject: str = "", **more: Any) -> Metric:
    return Metric(NAME, value, "k_marginal", subject, direction="higher", goal=1000.0, unit="points", **more)
