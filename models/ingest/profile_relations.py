"""How columns go together: associations, gaps that come together, repeated rows, and what gives a target away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.ingest.counting import codes_of
from models.schema import Column, Kind, Schema
from models.table import Values

MOST_COLUMNS = 60
SAMPLE = 10_000
LEAK = 0.97
"""AUC (labels) or explained variance (numbers) of a single column, from which it counts as a leak."""

Codes = npt.NDArray[np.int64]


def binned(column: Column, values: Values, bins: int) -> Codes:
    """Codes (N,) from 0: labels (rare ones share one) or quantile bins; each missing code has its own."""
    missing = values.missing.astype(np.int64)
    out = np.zeros(len(missing), np.int64)
    here = missing < 0
    if column.labelled:
        codes = values.values[here].astype(np.int64)
        order = np.argsort(-np.bincount(codes, minlength=1), kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        out[here] = np.minimum(rank[codes], bins - 1)
    elif here.any():
        numbers = values.values[here]
        distinct = np.unique(numbers)
        if len(distinct) > bins:
            edges = np.unique(np.quantile(numbers, np.linspace(0, 1, bins + 1)[1:-1]))
            out[here] = np.searchsorted(edges, numbers, side="right")
        else:
            out[here] = np.searchsorted(distinct, numbers)
    out[~here] = out.max(initial=0) + 1 + missing[~here]
    return np.unique(out, return_inverse=True)[1].astype(np.int64)


def spread_rows(rows: int, most: int) -> npt.NDArray[np.int64]:
    """Positions of up to `most` rows, evenly spread: the same for the same table, without any randomness."""
    return np.unique(np.linspace(0, max(rows - 1, 0), min(rows, most)).astype(np.int64))


def associations(columns: Sequence[Column], values: Mapping[str, Values]) -> dict[str, Any]:
    """Matrix of associations between up to 60 modelled columns on up to 10,000 evenly spread rows.

    Two numbers: Spearman's rank correlation (-1 to 1). Else: Cramer's V with Bergsma's correction of its bias (2013),
    numbers cut into 10 quantile bins, missing as a category (0 to 1).
    """
    chosen = [c for c in columns if c.name in values][:MOST_COLUMNS]
    rows = len(values[chosen[0].name].missing) if chosen else 0
    picked = spread_rows(rows, SAMPLE)
    cut = [Values(values[c.name].values[picked], values[c.name].missing[picked]) for c in chosen]
    codes = [binned(c, v, 10 if not c.labelled else 30) for c, v in zip(chosen, cut, strict=True)]
    ranks = [None if c.labelled else _ranks(v) for c, v in zip(chosen, cut, strict=True)]
    matrix = np.eye(len(chosen))
    for i in range(len(chosen)):
        for j in range(i):
            a, b = ranks[i], ranks[j]
            value = cramers_v(codes[i], codes[j]) if a is None or b is None else _correlation(a, b)
            matrix[i, j] = matrix[j, i] = value
    left_out = sum(c.name in values for c in columns) - len(chosen)
    return {
        "columns": [c.name for c in chosen],
        "matrix": [[round(float(v), 4) for v in row] for row in matrix],
        "numeric": [not c.labelled for c in chosen],
        "rows_used": len(picked),
        "columns_left_out": left_out,
        "method": "Spearman's rank correlation between numbers, bias-corrected Cramer's V otherwise",
    }


def _ranks(values: Values) -> npt.NDArray[np.float64]:
    """Ranks (N,), ties shared, NaN where missing."""
    here = values.missing < 0
    out = np.full(len(here), np.nan)
    if here.any():
        _, inverse, counts = np.unique(values.values[here], return_inverse=True, return_counts=True)
        out[here] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return out


def _correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3:
        return 0.0
    a, b = a[both] - a[both].mean(), b[both] - b[both].mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 0.0


def cramers_v(a: Codes, b: Codes) -> float:
    """Bias-corrected Cramer's V of two code columns (N,), 0 to 1."""
    r, c, n = int(a.max(initial=0)) + 1, int(b.max(initial=0)) + 1, len(a)
    if r < 2 or c < 2 or n < 2:
        return 0.0
    table = np.bincount(a * c + b, minlength=r * c).reshape(r, c).astype(np.float64)
    expected = np.outer(table.sum(1), table.sum(0)) / n
    phi2 = float(((table - expected) ** 2 / np.where(expected > 0, expected, 1)).sum()) / n
    phi2 = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    rows, columns = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    least = min(rows, columns) - 1
    return min(1.0, float(np.sqrt(phi2 / least))) if least > 0 else 0.0


def gaps_together(values: Mapping[str, Values]) -> list[dict[str, Any]]:
    """Groups of columns that are missing in exactly the same rows, largest first."""
    groups: dict[bytes, list[str]] = {}
    rows: dict[bytes, int] = {}
    for name, v in values.items():
        mask = v.missing >= 0
        if mask.any() and not mask.all():
            key = np.packbits(mask).tobytes()
            groups.setdefault(key, []).append(name)
            rows[key] = int(mask.sum())
    largest = sorted(groups, key=lambda k: (-len(groups[k]), -rows[k]))
    return [{"columns": groups[k], "rows": rows[k]} for k in largest if len(groups[k]) > 1]


def gap_pairs(values: Mapping[str, Values], most: int = 30) -> list[dict[str, Any]]:
    """Pairs of columns whose gaps coincide: share of rows with either gap that have both (Jaccard), over one half."""
    gappy = [(n, v.missing >= 0) for n, v in values.items() if (v.missing >= 0).any()]
    gappy = sorted(gappy, key=lambda g: -int(g[1].sum()))[:MOST_COLUMNS]
    if len(gappy) < 2:
        return []
    masks = np.stack([m for _, m in gappy], 1).astype(np.float32)
    both = masks.T @ masks
    alone = np.diag(both)
    jaccard = both / np.maximum(alone[:, None] + alone[None, :] - both, 1)
    pairs = [(float(jaccard[i, j]), int(both[i, j]), j, i) for i in range(len(gappy)) for j in range(i)]
    pairs = sorted((p for p in pairs if p[0] > 0.5), key=lambda p: (-p[0], -p[1]))[:most]
    return [{"columns": [gappy[j][0], gappy[i][0]], "together": round(t, 4), "rows": n} for t, n, j, i in pairs]


def repeated_rows(data: pa.Table, schema: Schema) -> dict[str, int]:
    """Rows that repeat an earlier one: in all columns, and in all but identifiers. By 64-bit hashes."""
    with np.errstate(over="ignore"):
        every = np.full(data.num_rows, 1469598103934665603, np.uint64)
        content = every.copy()
        for column in schema.columns:
            mixed = (codes_of(data.column(column.name)).astype(np.uint64) + np.uint64(1)) * np.uint64(
                0x9E3779B97F4A7C15
            )
            mixed ^= mixed >> np.uint64(29)
            every = (every ^ mixed) * np.uint64(0xBF58476D1CE4E5B9)
            every ^= every >> np.uint64(32)
            if column.kind is not Kind.IDENTIFIER:
                content = (content ^ mixed) * np.uint64(0xBF58476D1CE4E5B9)
                content ^= content >> np.uint64(32)
    return {
        "rows": data.num_rows - len(np.unique(every)),
        "rows_apart_from_identifiers": data.num_rows - len(np.unique(content)),
    }


def give_away(target: Column, columns: Sequence[Column], values: Mapping[str, Values]) -> list[dict[str, Any]]:
    """How well each other column alone tells the target, best first: fitted on every other row, measured on the rest.

    Labels: AUC, averaged over classes by their share; numbers and dates: share of variance explained. Numbers are cut
    into 50 quantile bins; up to 20,000 evenly spread rows are used.
    """
    picked = spread_rows(len(values[target.name].missing), 2 * SAMPLE)
    wanted = Values(values[target.name].values[picked], values[target.name].missing[picked])
    known = wanted.missing < 0
    found = []
    for column in columns:
        if column.name == target.name or column.name not in values:
            continue
        got = Values(values[column.name].values[picked], values[column.name].missing[picked])
        codes = binned(column, got, 50 if not column.labelled else 500)[known]
        y = wanted.values[known]
        score = _auc(codes, y.astype(np.int64)) if target.labelled else _explained(codes, y)
        if score is not None:
            found.append((float(score), column.name))
    found.sort(key=lambda f: (-f[0], f[1]))
    return [{"column": name, "score": round(score, 4), "leak": score >= LEAK} for score, name in found]


def _auc(codes: Codes, y: Codes) -> float | None:
    """Class-weighted one-against-rest AUC on the odd rows of P(class | bin) learnt on the even rows."""
    learn, test = slice(0, None, 2), slice(1, None, 2)
    bins, classes = int(codes.max(initial=0)) + 1, int(y.max(initial=0)) + 1
    seen = np.bincount(codes[learn], minlength=bins) + 1e-9
    total = weight = 0.0
    for c in np.argsort(-np.bincount(y, minlength=classes))[:20]:
        truth = y[test] == c
        positives = int(truth.sum())
        if positives < 5 or positives > len(truth) - 5:
            continue
        prior = float((y[learn] == c).mean())
        score = (np.bincount(codes[learn][y[learn] == c], minlength=bins) + prior) / (seen + 1)
        rank = _ranks(Values(score[codes[test]], np.full(len(truth), -1, np.int16)))
        auc = (rank[truth].sum() - positives * (positives + 1) / 2) / (positives * (len(truth) - positives))
        total, weight = total + auc * positives, weight + positives
    return total / weight if weight else None


def _explained(codes: Codes, y: npt.NDArray[np.float64]) -> float | None:
    """Share of the odd rows' variance that the even rows' bin means explain, at least 0."""
    learn, test = slice(0, None, 2), slice(1, None, 2)
    variance = float(y[test].var()) if len(y) > 10 else 0.0
    if variance == 0:
        return None
    bins = int(codes.max(initial=0)) + 1
    seen = np.bincount(codes[learn], minlength=bins)
    sums = np.bincount(codes[learn], weights=y[learn], minlength=bins)
    means = np.where(seen > 0, sums / np.maximum(seen, 1), y[learn].mean())
    return max(0.0, 1 - float(((y[test] - means[codes[test]]) ** 2).mean()) / variance)
