"""Which columns are missing together, and whether missing values stand in the same kinds of rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.evaluation.chance import Finding, bar_of, metrics_of, rows_of, variation
from models.evaluation.context import FEW_ROWS, Part
from models.evaluation.matrix import Floats, Ints, Matrix
from models.evaluation.sampled import Sampled

PATTERNS = 20
PATTERN = "all patterns"
RELATED = 0.1
"""Total variation between the real rows with and without a value, from which on a column is related to the gap."""


def missingness(t: Sampled) -> Part:
    """missing_patterns: total variation of the joint patterns of missing values. missing_dependence: for each column,
    of the other columns among the rows where this one is missing (or present, where that is rarer)."""
    chosen = [j for j, c in enumerate(t.real.columns) if c.missing_codes and _some(t, j)]
    none = "No column has missing values."
    if not chosen:
        metrics = metrics_of("missing_patterns", [], t.note, none) + metrics_of("missing_dependence", [], t.note, none)
        return Part(metrics, {"missingness": {"rows": [], "patterns": [], "note": none}})
    pattern, listed = _patterns(t, chosen)
    found = _dependence(t, chosen)
    few = f"No column has {FEW_ROWS} missing and {FEW_ROWS} present values in both tables."
    metrics = metrics_of("missing_patterns", [pattern], t.note, none) + metrics_of(
        "missing_dependence", found, t.note, few
    )
    section = {"rows": rows_of([pattern, *found]), "patterns": listed, "note": t.note}
    return Part(metrics, {"missingness": section}, {"missing_columns": len(chosen)})


def _some(t: Sampled, j: int) -> bool:
    return any(bool((m.missing[:, j] >= 0).any()) for m in (t.real, t.synthetic) if len(m))


def _keys(matrix: Matrix, chosen: list[int]) -> Ints:
    """One number per pattern: weights of a fixed stream, so that sums of two patterns never meet."""
    weights = np.random.default_rng(0).integers(1, 2**53, len(chosen))
    return np.asarray((matrix.missing[:, chosen].astype(np.int64) + 1) @ weights, np.int64)


def _patterns(t: Sampled, chosen: list[int]) -> tuple[Finding, list[dict[str, Any]]]:
    tables = [m for m in (t.real, t.synthetic, t.holdout) if m is not None]
    keys = [_keys(m, chosen) for m in tables]
    known, first, flat = np.unique(np.concatenate(keys), return_index=True, return_inverse=True)
    parts = np.split(flat, np.cumsum([len(k) for k in keys])[:-1])
    counts = [np.bincount(p, minlength=len(known)).astype(np.float64) for p in parts]
    value, mean, deviation = variation(counts[0], counts[1])
    held = variation(counts[0], counts[2])[0] if len(counts) > 2 else None
    finding = Finding(PATTERN, (), value, mean, bar_of(mean, deviation, 1), held, {"patterns": len(known)}, deviation)
    states = np.concatenate([m.missing[:, chosen] for m in tables])[first]
    own = [c / max(c.sum(), 1) for c in counts]
    ranked = np.argsort(-np.abs(own[0] - own[1]), kind="stable")[:PATTERNS]
    names = [t.context.names[j] for j in chosen]
    listed = [
        {
            "missing": [n for n, state in zip(names, states[k], strict=True) if state >= 0],
            "real": float(own[0][k]),
            "synthetic": float(own[1][k]),
            "holdout": float(own[2][k]) if len(own) > 2 else None,
        }
        for k in ranked
    ]
    return finding, listed


def _dependence(t: Sampled, chosen: list[int]) -> list[Finding]:
    """Of each column the mean total variation, among the rows of the rarer state, of the columns that tell missing rows
    from present ones in the real table (RELATED); of all columns where none does."""
    real, synthetic, held = t.codes
    d, out = len(t.real.columns), []
    for j in chosen:
        rare = bool((t.real.missing[:, j] >= 0).mean() <= 0.5)
        masks = [(m.missing[:, j] >= 0) == rare for m in (t.real, t.synthetic)]
        if min(int(r.sum()) for r in masks) < FEW_ROWS or d < 2:
            continue
        among = [c[r] for c, r in zip((real, synthetic), masks, strict=True)]
        others = real[~masks[0]]
        if held is not None and t.holdout is not None:
            among.append(held[(t.holdout.missing[:, j] >= 0) == rare])
        found = []
        for k in range(d):
            if k != j:
                counts = [_counts(p[:, k], t.cells.sizes[k]) for p in (*among[:2], others, *among[2:])]
                value, mean, deviation = variation(counts[0], counts[1])
                told, usual, _ = variation(counts[0], counts[2])
                other = variation(counts[0], counts[3])[0] if len(counts) > 3 else None
                found.append((k, value, mean, deviation, other, told - usual))
        found = [f for f in found if f[5] > RELATED] or found
        value, mean, deviation = (float(np.mean([f[i] for f in found])) for i in (1, 2, 3))
        worst = max(found, key=lambda f: f[1] - f[2])
        names = (t.context.names[j], t.context.names[worst[0]])
        more = {
            "rows": "missing" if rare else "present",
            "real_rows": len(among[0]),
            "synthetic_rows": len(among[1]),
            "related": len(found),
            "worst_column": names[1],
            "worst_value": worst[1],
        }
        other = float(np.mean([f[4] for f in found])) if len(among) > 2 and len(among[2]) else None
        # The mean varies at most as much as the columns do on average.
        out.append(Finding(names[0], names, value, mean, bar_of(mean, deviation, len(chosen)), other, more, deviation))
    return out


def _counts(cells: Ints, size: int) -> Floats:
    return np.bincount(cells, minlength=size).astype(np.float64)
