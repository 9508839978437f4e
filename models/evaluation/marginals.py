"""Distances between the marginals of the real table and of others: columns, pairs and triples.

Every distance is an error in [0, 1]. All tables are counted in one pass per combination; a delete-a-group jackknife
over the first table's rows (Efron and Tibshirani 1993, section 11.5, with groups) gives its standard error. With a
`Weighing` every row counts with its survey weight.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass

import numpy as np

from models.evaluation.matrix import Cells, Floats, Ints, Matrix
from models.evaluation.nulls import correlation_moments, kolmogorov_moments, variation_moments
from models.evaluation.weighing import Weighing, worth

GROUPS = 10
"""Jackknife groups: enough for an interval, few enough to cost one extra count."""
DENSE_CELLS = 200_000
"""Above so many possible cells only those that occur are counted."""


@dataclass(frozen=True, eq=False)
class Errors:
    """by_table: (tables, subjects), one row per table compared with the real one; jackknife: (GROUPS, subjects);
    chance: (2, subjects), mean and standard deviation of the first table's if its rows were fresh real ones; rows: of
    the first table."""

    by_table: Floats
    jackknife: Floats
    chance: Floats
    rows: int

    def mean(self, table: int) -> float:
        return float(self.by_table[table].mean()) if self.by_table.shape[1] else float("nan")

    def interval(self, subject: int | None = None) -> tuple[float, float]:
        """95% interval of the first table's mean over subjects, or of one of them."""
        left = self.jackknife.mean(axis=1) if subject is None else self.jackknife[:, subject]
        spread = reach(left, self.rows)
        middle = self.mean(0) if subject is None else float(self.by_table[0, subject])
        return max(0.0, middle - spread), min(1.0, middle + spread)


def reach(left: Floats, rows: int) -> float:
    """Half of a 95% interval, from what a figure reads without each group of rows, left (GROUPS,). Where no group
    matters: the share of other rows that so many rows may leave unseen (Clopper and Pearson 1934)."""
    spread = 1.96 * float(np.sqrt((GROUPS - 1) / GROUPS * ((left - left.mean()) ** 2).sum()))
    return float(spread if spread > 0 else 1 - 0.025 ** (1 / max(rows, 1)))


def total_variation(p: Floats, q: Floats) -> Floats:
    """Half the sum of absolute differences over the last axis: 1 - TVComplement of SDMetrics."""
    return np.asarray(0.5 * np.abs(p - q).sum(axis=-1))


def kolmogorov_smirnov(p: Floats, q: Floats) -> Floats:
    """Largest difference of cumulative shares over the last axis (cells in order): 1 - KSComplement of SDMetrics."""
    return np.asarray(np.abs(np.cumsum(p - q, axis=-1)).max(axis=-1)) if p.shape[-1] else np.zeros(p.shape[:-1])


def groups_of(rows: int) -> Ints:
    """Jackknife group of each row (rows are in random order)."""
    return np.arange(rows, dtype=np.int64) % GROUPS


def shares(counts: Floats) -> Floats:
    """Counts -> shares of the last axis; all 0 where nothing was counted."""
    total = counts.sum(axis=-1, keepdims=True)
    return np.asarray(counts / np.where(total > 0, total, 1))


def _count(cells: Ints, size: int, w: Floats | None = None) -> Floats:
    return np.bincount(cells, w, minlength=size).astype(np.float64)


def _leave_out(cells: Ints, groups: Ints, size: int, w: Floats | None = None) -> Floats:
    """Counts without each group in turn, (GROUPS, size)."""
    per_group = _count(groups * size + cells, GROUPS * size, w).reshape(GROUPS, size)
    return np.asarray(per_group.sum(axis=0) - per_group)


def compare(
    tables: Sequence[Ints], size: int, weighing: Weighing | None = None
) -> tuple[Floats, Floats, tuple[float, float]]:
    """Cells (N,) of the real table, then of others -> total variation (tables - 1,), and of the first its jackknife
    (GROUPS,) and what chance makes of it."""
    if size > DENSE_CELLS:
        _, flat = np.unique(np.concatenate(tables), return_inverse=True)
        tables = np.split(flat, np.cumsum([len(t) for t in tables])[:-1])
        size = int(flat.max()) + 1 if len(flat) else 0
    own = weighing.by_table if weighing else [None] * len(tables)
    counts = [_count(t, size, w) for t, w in zip(tables, own, strict=True)]
    real = shares(counts[0])
    distances = [float(total_variation(real, shares(c))) for c in counts[1:]]
    left = shares(_leave_out(tables[1], groups_of(len(tables[1])), size, own[1]))
    if weighing:
        usual = weighing.variation_moments(tables[0], tables[1], size)
    else:
        usual = variation_moments(counts[0], counts[1])
    return np.array(distances), total_variation(real, left), usual


def rows_of(tables: Sequence[Sized], weighing: Weighing | None) -> int:
    """Rows of the first table that is compared; with weights, those of equal weight that they are worth."""
    return len(tables[1]) if weighing is None else int(worth(weighing.by_table[1]))


def column_errors(tables: Sequence[Matrix]) -> Errors:
    """Shape of each column. Numbers and dates: the larger of the Kolmogorov-Smirnov distance of the present values and
    the total variation of the missing codes; labels: total variation with every missing code a category of its own."""
    by_table, jackknife, chance = [], [], []
    for j, column in enumerate(tables[0].columns):
        states = [t.missing[:, j].astype(np.int64) + 1 for t in tables]
        size = len(column.missing_codes) + 1
        if column.labelled:
            first = len(column.categories or ())
            cells = [
                np.where(s == 0, np.nan_to_num(t.values[:, j]).astype(np.int64), first + s - 1)
                for t, s in zip(tables, states, strict=True)
            ]
            distance, left, usual = compare(cells, first + size - 1)
        else:
            distance, left, usual = compare(states, size)
            present = [t.values[s == 0, j] for t, s in zip(tables, states, strict=True)]
            grid = np.unique(np.concatenate(present))
            ordered = [np.searchsorted(grid, p) for p in present]
            gone = np.array([len(p) == 0 for p in present])
            counts = [_count(p, len(grid)) for p in ordered]
            ks = np.array([float(kolmogorov_smirnov(shares(counts[0]), shares(c))) for c in counts[1:]])
            ks = np.where(gone[0] & gone[1:], 0.0, np.where(gone[0] | gone[1:], 1.0, ks))
            groups = groups_of(len(states[1]))[states[1] == 0]
            ks_left = kolmogorov_smirnov(shares(counts[0]), shares(_leave_out(ordered[1], groups, len(grid))))
            distance, left = np.maximum(distance, ks), np.maximum(left, ks_left)
            mean, deviation = kolmogorov_moments(len(present[0]), len(present[1]))
            usual = max(usual[0], mean), max(usual[1], deviation)
        by_table.append(distance)
        jackknife.append(left)
        chance.append(usual)
    return Errors(np.array(by_table).T, np.array(jackknife).T, np.array(chance).T, len(tables[1]))


def tuple_errors(
    tables: Sequence[Ints],
    sizes: Sequence[int],
    combinations: Sequence[tuple[int, ...]],
    weighing: Weighing | None = None,
) -> Errors:
    """Total variation over the joint cells of each combination of columns. tables: cells (N, D), the real one first."""
    by_table = np.zeros((len(tables) - 1, len(combinations)))
    jackknife, chance = np.zeros((GROUPS, len(combinations))), np.zeros((2, len(combinations)))
    for i, columns in enumerate(combinations):
        size, keys = 1, [np.zeros(len(t), np.int64) for t in tables]
        for j in columns:
            size *= max(sizes[j], 1)
            keys = [k * sizes[j] + t[:, j] for k, t in zip(keys, tables, strict=True)]
        by_table[:, i], jackknife[:, i], chance[:, i] = compare(keys, size, weighing)
    return Errors(by_table, jackknife, chance, rows_of(tables, weighing))


def trend_errors(
    tables: Sequence[Matrix], cells: Cells, pairs: Sequence[tuple[int, ...]], weighing: Weighing | None = None
) -> Errors:
    """Trend of each pair: half the difference of Pearson's correlation for two numbers, total variation of the
    contingency table otherwise (1 - CorrelationSimilarity and 1 - ContingencySimilarity of SDMetrics; numbers in the
    bins of `cells`, which are quantiles of the real table and not, as in SDMetrics, each table's own)."""
    columns = tables[0].columns
    is_number = np.array([not c.labelled for c in columns], dtype=bool)
    both = np.array([bool(is_number[a] and is_number[b]) for a, b in pairs], dtype=bool)
    by_table, jackknife = np.zeros((len(tables) - 1, len(pairs))), np.zeros((GROUPS, len(pairs)))
    chance = np.zeros((2, len(pairs)))
    mixed = [p for p, numbers in zip(pairs, both, strict=True) if not numbers]
    got = tuple_errors([cells.codes(t) for t in tables], cells.sizes, mixed, weighing)
    by_table[:, ~both], jackknife[:, ~both], chance[:, ~both] = got.by_table, got.jackknife, got.chance
    if both.any():
        chosen = np.flatnonzero(is_number)
        place = {int(j): i for i, j in enumerate(chosen)}
        at = tuple(np.array([[place[a], place[b]] for (a, b), numbers in zip(pairs, both, strict=True) if numbers]).T)
        center, scale = _scaling(tables[0].values[:, chosen])
        scaled = [(t.values[:, chosen] - center) / scale for t in tables]
        own = weighing.by_table if weighing else [None] * len(tables)
        moments = [_moments(x, w) for x, w in zip(scaled, own, strict=True)]
        real = _correlations(moments[0])[at]
        for t, moment in enumerate(moments[1:]):
            by_table[t, both] = _difference(real, _correlations(moment)[at])
        groups = groups_of(len(scaled[1]))
        for g in range(GROUPS):
            w = own[1]
            out = _moments(scaled[1][groups == g], None if w is None else w[groups == g])
            part = _correlations(moments[1] - out)[at]
            jackknife[g, both] = _difference(real, part)
        pooled = np.concatenate(scaled[:2])
        rows = (moments[0][0][at], moments[1][0][at])
        both_own = np.concatenate(weighing.by_table[:2]) if weighing else None
        chance[:, both] = np.array(
            [
                correlation_moments(pooled[:, i], pooled[:, k], a, b, both_own)
                for i, k, a, b in zip(*at, *rows, strict=True)
            ]
        ).T
    return Errors(by_table, jackknife, chance, rows_of(tables, weighing))


def correlations(values: Floats) -> Floats:
    """Pearson's correlation of pairwise complete rows, (N, K) -> (K, K); NaN where a column is constant."""
    center, scale = _scaling(values)
    return _correlations(_moments((values - center) / scale))


def _scaling(values: Floats) -> tuple[Floats, Floats]:
    present = np.isfinite(values)
    count = np.maximum(present.sum(axis=0), 1)
    center = np.where(present, values, 0.0).sum(axis=0) / count
    scale = np.sqrt(np.where(present, (values - center) ** 2, 0.0).sum(axis=0) / count)
    return center, np.where(scale > 0, scale, 1.0)


def _moments(x: Floats, w: Floats | None = None) -> Floats:
    """Sums over pairwise complete rows, (6, K, K): n, x, y, xx, yy, xy, each row with its weight w (N,). Sums of parts
    add up to those of the whole."""
    present = np.isfinite(x).astype(np.float64)
    filled = np.where(present > 0, x, 0.0)
    mass, sum_, square = (part if w is None else part * w[:, None] for part in (present, filled, filled**2))
    sums, squares = sum_.T @ present, square.T @ present
    return np.stack([mass.T @ present, sums, sums.T, squares, squares.T, sum_.T @ filled])


def _correlations(moments: Floats) -> Floats:
    n, x, y, xx, yy, xy = moments
    n = np.maximum(n, 1)
    with np.errstate(all="ignore"):
        vx, vy = xx / n - (x / n) ** 2, yy / n - (y / n) ** 2
        r = (xy / n - x * y / n**2) / np.sqrt(vx * vy)
    return np.asarray(np.where((vx > 1e-12) & (vy > 1e-12), np.clip(r, -1, 1), np.nan))


def _difference(real: Floats, other: Floats) -> Floats:
    """Half the difference of correlations; 0 where both are undefined (constant columns), 1 where only one is."""
    gone = np.isnan(real).astype(int) + np.isnan(other)
    return np.asarray(np.where(gone == 0, np.abs(real - other) / 2, np.where(gone == 2, 0.0, 1.0)))
