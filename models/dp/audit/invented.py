"""Invented tables for the audits, in cells of a public domain, and the job on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.dp import marginals
from models.dp.audit.neighbours import Result, public_text
from models.dp.marginals import MarginalOptions
from models.dp.one_pass import FitPlan
from models.dp.pairs import Workload
from models.errors import PopulaceError
from models.rng import stream

Array = npt.NDArray[Any]
SIZES = (5, 12, 3, 8)
ROWS = 400
QUICK = FitPlan(latent=16, steps=3)


@dataclass(frozen=True)
class People:
    """codes (N, d); units (N,) where a unit may have up to rows_per_unit rows."""

    codes: Array
    units: Array | None = None
    rows_per_unit: int = 1


def people(rows: int = ROWS, seed: int = 0) -> People:
    """Nobody is in the last cell of a column."""
    rng = stream(seed, "audit", "people")
    return People(rng.integers(0, np.array(SIZES) - 1, (rows, len(SIZES))))


def with_rows(table: People, *rows: tuple[int, ...]) -> People:
    codes = np.concatenate([table.codes, np.array(rows, dtype=np.int64).reshape(-1, len(SIZES))])
    if table.units is None:
        return replace(table, codes=codes)
    return replace(table, codes=codes, units=np.r_[table.units, np.full(len(rows), -1)])


def neighbours() -> Mapping[str, tuple[People, People]]:
    """Pairs of tables that differ by one unit, each in a way that could show."""
    base = people()
    last, low, high = tuple(s - 1 for s in SIZES), (-1, *[0] * 3), (0, SIZES[1] + 1_000, 0, 0)
    homes = replace(base, units=np.arange(ROWS) // 2, rows_per_unit=2)
    nobody = replace(base, codes=base.codes[:0])
    return {
        "a row more": (base, with_rows(base, tuple(int(c) for c in base.codes[0]))),
        "a row less": (base, replace(base, codes=base.codes[1:])),
        "a label that nobody else has": (base, with_rows(base, last)),
        "a value below the domain": (base, with_rows(base, low)),
        "a value above the domain": (base, with_rows(base, high)),
        "the only row": (nobody, with_rows(nobody, last)),
        "a unit more": (homes, with_rows(homes, last)),
        "a unit with rows beyond its bound": (homes, with_rows(homes, *[last] * 9)),
    }


def unlike() -> Mapping[str, tuple[People, People]]:
    """Pairs of tables that have nothing in common: noise that is alike under these is so under neighbours."""
    base = people()
    nobody, crowd = replace(base, codes=base.codes[:0]), replace(base, codes=np.zeros_like(base.codes))
    return {"400 people and nobody": (base, nobody), "400 people and 400 equal ones": (base, crowd)}


def job(table: People) -> Result:
    """`marginals.fit_marginals` on a table, and what of its result is public."""
    options = MarginalOptions(epsilon=1.0, delta=1e-9, rows_per_unit=table.rows_per_unit, plan=QUICK)
    work = options.workload(SIZES)
    try:
        generator = marginals.fit_marginals(table.codes, SIZES, options, units=table.units)
    except (PopulaceError, ValueError, IndexError) as error:
        return Result(f"{type(error).__name__}: {error}", None, ())
    return Result(public_text(generator), generator.release, exact_tables(table, work))


def exact_tables(table: People, work: Workload) -> tuple[Array, ...]:
    """Counts by numpy's own histogram, without the production code: units have equal rows here, so that it does not
    matter which of them are dropped."""
    codes = np.clip(table.codes, 0, np.array(SIZES) - 1)
    if table.units is not None:
        kept = [
            i for unit in np.unique(table.units) for i in np.flatnonzero(table.units == unit)[: table.rows_per_unit]
        ]
        codes = codes[kept]
    out = []
    for axes in work.axes:
        bins = [np.arange(work.sizes[c] + 1) - 0.5 for c in axes]
        counts = np.histogramdd(codes[:, list(axes)], bins)[0] if axes else np.array(len(codes))
        out.append(counts.astype(np.int64))
    return tuple(out)
