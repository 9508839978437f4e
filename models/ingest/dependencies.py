"""Exact functional dependencies between two columns, and columns that repeat another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.ingest.counting import Tally, codes_of
from models.schema import Column, Dependency

MOST_VALUES = 2_000
"""Distinct values up to which a column is looked at."""
MOST_COLUMNS = 300
_SAMPLE = 4_000
_SUPPORT = 5
"""Rows per value of the determinant, on average; with fewer, chance explains a dependency."""

Codes = npt.NDArray[np.int32]


def find_duplicates(data: pa.Table, tallies: Sequence[Tally]) -> tuple[tuple[str, str], ...]:
    """(column, earlier column with the same cell in every row). Columns of one single value are left out."""
    seen: dict[Tally, list[int]] = {}
    out: list[tuple[str, str]] = []
    for i, name in enumerate(data.column_names):
        tally = tallies[i]
        if tally.size < 2:
            continue
        for j in seen.get(tally, []):
            a, b = (pc.fill_null(data.column(k), "") for k in (i, j))
            if pc.all(pc.equal(a, b)).as_py():
                out.append((name, data.column_names[j]))
                break
        else:
            seen.setdefault(tally, []).append(i)
    return tuple(out)


def find_dependencies(
    data: pa.Table,
    columns: Sequence[Column],
    tallies: Sequence[Tally],
    duplicates: Sequence[tuple[str, str]],
    check: Callable[[], None],
) -> tuple[Dependency, ...]:
    """Dependencies of one modelled column on another that hold in every row; missing counts as a value of its own.

    Trivial ones are left out: by keys, of constants, by columns whose values are nearly unique, and what chance
    explains. Of two columns that determine each other, the earlier determines the later. Cost: O(rows) per pair that a
    sample does not refute.
    """
    repeated = {name for name, _ in duplicates}
    rows = data.num_rows
    chosen = [
        i
        for i, c in enumerate(columns)
        if c.modelled and c.name not in repeated and 1 < tallies[i].size <= min(MOST_VALUES, rows - 1)
    ][:MOST_COLUMNS]
    codes = {i: codes_of(data.column(i)) for i in chosen}
    picked = np.unique(np.linspace(0, max(rows - 1, 0), min(rows, _SAMPLE)).astype(np.int64))
    sample = np.stack([codes[i][picked] for i in chosen], 1) if chosen else np.empty((0, 0), np.int32)
    out = []
    for a, i in enumerate(chosen):
        check()
        if rows < _SUPPORT * tallies[i].size:
            continue
        for b in np.flatnonzero(agree(sample[:, a], sample)):
            j = chosen[int(b)]
            larger = (tallies[j].size, i) > (tallies[i].size, j)
            if i == j or larger or rows - tallies[j].top_rows < max(10, _SUPPORT * 2):
                continue
            if agree(codes[i], codes[j][:, None])[0] and _supported(codes[i], codes[j], tallies[j].top):
                out.append(Dependency((columns[i].name,), columns[j].name))
    return tuple(out)


def agree(determinant: Codes, others: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Which columns of others (N, K) are functions of determinant (N,)."""
    first = np.zeros(int(determinant.max(initial=0)) + 1, np.int64)
    first[determinant[::-1]] = np.arange(len(determinant))[::-1]
    return np.asarray((others[first[determinant]] == others).all(axis=0))


def _supported(determinant: Codes, dependent: Codes, top: int) -> bool:
    """Whether rows off the dependent's commonest value share values of the determinant: else any column would do."""
    rare = determinant[dependent != top]
    groups = np.bincount(rare)
    return bool((groups[groups > 0]).mean() >= 2)
