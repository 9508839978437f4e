"""What holds in (nearly) every real row: rules, columns that follow from another, pairs of values that never meet."""

from __future__ import annotations

import itertools
import math

import numpy as np

from models.evaluation.chance import ALPHA, Finding, critical, metrics_of, rows_of, share_error
from models.evaluation.context import Part, joined
from models.evaluation.groups import codes
from models.evaluation.intervals import wilson
from models.evaluation.matrix import Floats, Ints, Matrix
from models.evaluation.sampled import Sampled
from models.rules import counts, parse_rules

DISTINCT = 500
"""Values of a column that may determine another, or be determined, at most."""
MEAN_ROWS = 20
"""Real rows per value of the determining column, at least: with fewer it is nearly an identifier."""
PURE = 0.995
"""Share of the real rows in which one column fixes the other, at least."""
OTHERS = 0.01
"""Share of the rows in which the other column is not its most frequent value, at least."""
TOLD = 0.1
"""Of those rows so many at most may be exceptions."""
PEEK = 3_000
MOST_WIDTH = 100
EXPECTED = 20
"""Rows that a pair of values would have, were the columns independent, so that its absence says something."""
NEVER = 0.005
"""Of the rows expected so, at most so many where a pair of values hardly ever meets."""
PAIRS = 2_000


def relations(t: Sampled) -> Part:
    """functions: share of the synthetic rows that break a near-deterministic relation of the real rows. impossible:
    share of them with a pair of values that hardly any real row has although both are frequent. rules: share of them
    that breaks a rule of the schema."""
    functions, impossible = _functions(t), _impossible(t)
    metrics = metrics_of("functions", functions, t.note, "No column follows from another.")
    metrics += metrics_of("impossible", impossible, t.note, "There is no pair of columns with few enough values.")
    section = {"rows": rows_of(functions), "impossible": rows_of(impossible), "note": t.note}
    broken = _rules(t)
    return Part([*metrics, *broken.metrics], {"relations": section, **broken.sections}, {"functions": len(functions)})


def _exact(t: Sampled) -> tuple[list[list[Ints]], list[int]]:
    """Per column its values in each table as codes, and their number; 0 where there are too many."""
    tables = [m for m in (t.real, t.synthetic, t.holdout) if m is not None]
    out, sizes = [], []
    for j, column in enumerate(t.real.columns):
        if column.labelled:
            found = [codes(m, j) for m in tables]
            size = len(column.categories or ()) + len(column.missing_codes)
        else:
            found, size = _numbers(tables, j)
        out.append(found)
        sizes.append(size if size <= DISTINCT else 0)
    return out, sizes


def _numbers(tables: list[Matrix], j: int) -> tuple[list[Ints], int]:
    """Real values by themselves, all others together, missing codes."""
    present = tables[0].values[tables[0].missing[:, j] < 0, j]
    few = np.unique(present[:PEEK])
    known = few if len(few) > DISTINCT else np.unique(present)
    if len(known) > DISTINCT:
        return [], len(known)
    first, found = len(known) + 1, []
    for m in tables:
        x, state = np.nan_to_num(m.values[:, j]), m.missing[:, j].astype(np.int64)
        at = np.minimum(np.searchsorted(known, x), max(len(known) - 1, 0))
        place = np.where(known[at] == x, at, len(known)) if len(known) else np.zeros(len(x), np.int64)
        found.append(np.where(state < 0, place, first + state))
    return found, first + len(tables[0].columns[j].missing_codes)


def _functions(t: Sampled) -> list[Finding]:
    exact, sizes = _exact(t)
    n = len(t.real)
    found = []
    for a, b in itertools.permutations([j for j, s in enumerate(sizes) if s > 1], 2):
        if sizes[a] * sizes[b] > DISTINCT * 200 or n < MEAN_ROWS:
            continue
        peek = _table(exact[a][0][:PEEK], exact[b][0][:PEEK], sizes[a], sizes[b])
        if not _holds(peek, PURE - 0.005):
            continue
        table = _table(exact[a][0], exact[b][0], sizes[a], sizes[b])
        if _holds(table, PURE) and n >= MEAN_ROWS * int((table.sum(axis=1) > 0).sum()):
            found.append((a, b, table))
    z, out = critical(len(found)), []
    for a, b, table in found:
        fixed, known = table.argmax(axis=1), table.sum(axis=1) >= 5
        read = []
        for x, y in zip(exact[a], exact[b], strict=True):
            judged = known[x]
            read.append((int((fixed[x] != y)[judged].sum()), int(judged.sum())))
        (real, rows), (synthetic, others) = read[:2]
        if not rows or not others:
            continue
        p, q = real / rows, synthetic / others
        error = float(share_error(np.array((real + synthetic) / (rows + others)), rows, others))
        held = read[2][0] / read[2][1] if len(read) > 2 and read[2][1] else None
        names = (t.context.names[a], t.context.names[b])
        more = {"real": p, "rows_broken": synthetic}
        out.append(
            Finding(
                f"{names[0]} fixes {names[1]}",
                names,
                q,
                p,
                p + max(z * error, 0.001),
                held,
                more,
                span=wilson(q, others),
            )
        )
    return out


def _table(a: Ints, b: Ints, rows: int, columns: int) -> Floats:
    return np.asarray(np.bincount(a * columns + b, minlength=rows * columns).reshape(rows, columns), np.float64)


def _holds(table: Floats, pure: float) -> bool:
    """Whether the rows' label fixes the column's, and not only because that is nearly always the same."""
    n = table.sum()
    wrong, others = n - table.max(axis=1).sum(), n - table.sum(axis=0).max()
    return bool(n and others >= OTHERS * n and wrong <= min((1 - pure) * n, TOLD * others))


def _impossible(t: Sampled) -> list[Finding]:
    """Pairs of cells that (next to) no real row has. The mass of what N rows have not shown is estimated by the cells
    that one row has shown (Good 1953), among those that are expected just as often."""
    real, synthetic, held = t.codes
    sizes = t.cells.sizes
    every = list(itertools.combinations([j for j, s in enumerate(sizes) if 1 < s <= MOST_WIDTH], 2))
    if len(every) > PAIRS:
        rng = t.context.rng("impossible")
        every = [every[i] for i in np.sort(rng.choice(len(every), PAIRS, replace=False))]
    n, m, out = max(len(real), 1), max(len(synthetic), 1), []
    level = math.log(max(len(every), 1) / ALPHA)
    alone = level / math.log((n + m) / m)
    for a, b in every:
        table = _table(real[:, a], real[:, b], sizes[a], sizes[b])
        usual = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / n
        often = usual >= EXPECTED
        never = often & (table <= NEVER * usual)
        if not never.any():
            continue
        unseen = float((often & (table == 1)).sum() + table[never].sum()) * m / n
        broken = int(_table(synthetic[:, a], synthetic[:, b], sizes[a], sizes[b])[never].sum())
        bar = (unseen + math.sqrt(2 * level * unseen * (1 + m / n)) + alone) / m
        other = None
        if held is not None:
            other = float(_table(held[:, a], held[:, b], sizes[a], sizes[b])[never].sum()) / len(held)
        names = (t.context.names[a], t.context.names[b])
        more = {"cells": int(never.sum()), "rows_broken": broken}
        out.append(Finding(joined(*names), names, broken / m, unseen / m, bar, other, more, span=wilson(broken / m, m)))
    return out


def _rules(t: Sampled) -> Part:
    """Rules of the schema, in all rows."""
    tables = t.context.tables
    rules = parse_rules(tables[0].schema) if tables else ()
    if not tables or not rules:
        return Part([])
    broken = [counts(rules, table) for table in tables]
    rows = [max(len(table), 1) for table in tables]
    z, found, told = critical(len(rules)), [], []
    for rule, real, held, synthetic in zip(rules, *broken, strict=True):
        p, q = real / rows[0], synthetic / rows[2]
        error = float(share_error(np.array((real + synthetic) / (rows[0] + rows[2])), rows[0], rows[2]))
        other = held / rows[1] if len(tables[1]) else None
        found.append(
            Finding(rule.text, rule.columns, q, p, p + z * error if real else 0.0, other, {}, span=wilson(q, rows[2]))
        )
        told.append({"rule": rule.text, "training_rows": real, "holdout_rows": held, "synthetic_rows": synthetic})
    note = f"All {len(tables[0]):,} real and {len(tables[2]):,} synthetic rows."
    section = {"broken": told, "training": len(tables[0]), "synthetic": len(tables[2])}
    return Part(metrics_of("rules", found, note, ""), {"rules": section})
