"""Groups of people: are they as many as in the real table, and are the other columns right among them?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.chance import SLACK, Finding, bar_of, critical, metrics_of, rows_of, share_error, variation
from models.evaluation.context import Part
from models.evaluation.groups import FEW, chosen, codes, dividing, group_names, is_area
from models.evaluation.matrix import Floats, Ints
from models.evaluation.sampled import Sampled

MOST_CROSSED = 1_000
"""Groups of a crossing of two columns, at most."""
SAME = 0.95
"""A crossing that holds so much of one of its groups says nothing new."""
RELATIVE = 0.05
"""A group whose share is off by a twentieth passes in any case."""


def subgroups(t: Sampled) -> Part:
    """subgroup_size: |synthetic share - real share| over the larger, of every group of the columns that divide the
    table; crossing_size: of the crossings of two chosen ones. subgroup_error: mean total variation of the other columns
    within the groups of the chosen columns."""
    found = groupings(t)
    picked = found.picked
    size = _sizes(t, found.every)
    error = _errors(t, picked, found.labels, found.sizes)
    names = [t.context.names[j] for j in picked]
    asked = "asked for" if t.context.options.subgroups else "chosen"
    note = f"Groups of at least {FEW} real rows; columns {asked}: {', '.join(names) or 'none'}. {t.note}"
    none = f"No column of labels has two groups of {FEW} rows."
    crossed = [f for f in size if len(f.columns) > 1]
    metrics = metrics_of("subgroup_size", [f for f in size if len(f.columns) == 1], note, none)
    metrics += metrics_of("crossing_size", crossed, note, "No two columns that divide the table were crossed.")
    metrics += metrics_of("subgroup_error", error, note, none)
    section = {
        "columns": names,
        "areas": [n for n in names if is_area(n)],
        "rows": rows_of(size),
        "errors": rows_of(error),
        "note": note,
    }
    return Part(metrics, {"subgroups": section}, {"subgroups": len(size)})


Grouping = tuple[tuple[int, ...], list[Ints], int]
"""(columns, group of each row of each table, number of groups)"""


@dataclass(frozen=True, eq=False)
class Groupings:
    """picked: the chosen columns; labels, sizes: by column that divides; every: all of them, then crossings."""

    picked: list[int]
    labels: dict[int, list[Ints]]
    sizes: dict[int, int]
    every: list[Grouping]


def groupings(t: Sampled) -> Groupings:
    """The groups that are compared."""
    picked = chosen(t.context, t.context.options.subgroups)
    dividers = list(dict.fromkeys([*picked, *dividing(t.real)]))
    labels = {j: _labels(t, j) for j in dividers}
    sizes = {j: len(_names(t, j)) for j in dividers}
    every: list[Grouping] = [((j,), labels[j], sizes[j]) for j in dividers]
    for a, b in itertools.combinations(picked, 2):
        if sizes[a] * sizes[b] <= MOST_CROSSED:
            both = [x * sizes[b] + y for x, y in zip(labels[a], labels[b], strict=True)]
            every.append(((a, b), both, sizes[a] * sizes[b]))
    return Groupings(picked, labels, sizes, every)


def _labels(t: Sampled, j: int) -> list[Ints]:
    """Group of each row of the tables: its label, or of a number that was asked for its bin."""
    if t.real.columns[j].labelled:
        return [codes(m, j) for m in (t.real, t.synthetic, t.holdout) if m is not None]
    return [c[:, j] for c in t.codes if c is not None]


def _names(t: Sampled, j: int) -> list[str]:
    """Of the groups of a column."""
    return group_names(t.real.columns[j], t.cells.edges[j])


def _sizes(t: Sampled, every: Sequence[Grouping]) -> list[Finding]:
    counted = [(of, [_count(c, size) for c in cells]) for of, cells, size in every]
    alone = {of[0]: counts[0] for of, counts in counted if len(of) == 1}
    large = [judged(of, counts[0], alone) for of, counts in counted]
    tests = sum(len(k) for k in large)
    z = critical(tests)
    out = []
    for (of, counts), enough in zip(counted, large, strict=True):
        own = [c / max(int(c.sum()), 1) for c in counts]
        n, m = (max(int(c.sum()), 1) for c in counts[:2])
        error = share_error((counts[0] + counts[1]) / (n + m), n, m)
        for k in enough:
            larger = max(own[0][k], own[1][k])
            value = abs(own[0][k] - own[1][k]) / larger
            bar = max(z * error[k] / larger, RELATIVE)
            usual = math.sqrt(2 / math.pi) * error[k] / larger
            held = None if len(own) < 3 else float(abs(own[0][k] - own[2][k]) / max(own[0][k], own[2][k]))
            columns = tuple(t.context.names[j] for j in of)
            more = {"real": own[0][k], "synthetic": own[1][k], "real_rows": int(counts[0][k])}
            own_error = float(error[k] / larger)
            subject = subject_of(t, of, int(k))
            out.append(Finding(subject, columns, float(value), float(usual), float(bar), held, more, own_error))
    return out


def _count(groups: Ints, size: int) -> Ints:
    """Rows of each group."""
    return np.asarray(np.bincount(groups, minlength=size), np.int64)


def judged(of: tuple[int, ...], counts: Ints, alone: dict[int, Ints]) -> Ints:
    """Groups of FEW rows; of a crossing only those that are not (nearly) one of its two groups by itself."""
    enough = counts >= FEW
    if len(of) == 2:
        first, second = (alone[j] for j in of)
        least = np.minimum(np.repeat(first, len(second)), np.tile(second, len(first)))
        enough &= counts < SAME * least
    return np.asarray(np.flatnonzero(enough), np.int64)


def subject_of(t: Sampled, of: tuple[int, ...], k: int) -> str:
    """column = label, of one column or two."""
    words, left = [], k
    for j in reversed(of):
        names = _names(t, j)
        left, at = divmod(left, len(names))
        words.append(f"{t.context.names[j]} = {names[at]}")
    return " and ".join(reversed(words))


def _errors(t: Sampled, picked: list[int], labels: dict[int, list[Ints]], sizes: dict[int, int]) -> list[Finding]:
    real, synthetic, held = t.codes
    tables = [real, synthetic, *([held] if held is not None else [])]
    found = [row for j in picked for row in _within(t, j, labels[j], sizes[j], tables)]
    tests = len(found)
    return [
        Finding(s, (c,), v, mean, max(bar_of(mean, spread, tests), mean + SLACK), h, more, spread)
        for s, c, v, mean, spread, h, more in found
    ]


Row = tuple[str, str, float, float, float, float | None, dict[str, object]]


def _within(t: Sampled, j: int, labels: list[Ints], size: int, tables: list[Ints]) -> Iterator[Row]:
    """Each group of column j. The mean over columns varies at most as much as columns do on average."""
    others = [k for k in range(len(t.real.columns)) if k != j]
    counts = [np.bincount(x, minlength=size) for x in labels]
    enough = np.flatnonzero((counts[0] >= FEW) & (counts[1] >= FEW))
    if not others or not len(enough):
        return
    read: list[Floats] = []
    held: list[list[float]] = []
    for k in others:
        joint = [_joint(x, c[:, k], size, t.cells.sizes[k])[enough] for x, c in zip(labels, tables, strict=True)]
        read.append(np.array([variation(a, b) for a, b in zip(joint[0], joint[1], strict=True)]))
        if len(joint) > 2:
            held.append([variation(a, b)[0] for a, b in zip(joint[0], joint[2], strict=True)])
    value, mean, spread = np.moveaxis(np.stack(read), 2, 0)
    names = _names(t, j)
    for i, g in enumerate(enough):
        worst = int(np.argmax(value[:, i] - mean[:, i]))
        more: dict[str, object] = {
            "real_rows": int(counts[0][g]),
            "synthetic_rows": int(counts[1][g]),
            "worst_column": t.context.names[others[worst]],
        }
        other = float(np.mean([h[i] for h in held])) if held and counts[2][g] >= FEW else None
        name = t.context.names[j]
        read_here = [float(x[:, i].mean()) for x in (value, mean, spread)]
        yield f"{name} = {names[g]}", name, read_here[0], read_here[1], read_here[2], other, more


def _joint(groups: Ints, cells: Ints, size: int, width: int) -> Floats:
    """(size, width) rows of each group in each cell."""
    flat = np.bincount(groups * width + cells, minlength=size * width)
    return np.asarray(flat.reshape(size, width), np.float64)
