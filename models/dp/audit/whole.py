"""The whole private job, from a table of spellings to a synthesizer, on invented tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import synthesize
from models.dp import fitting
from models.dp.audit.neighbours import Result, public_text
from models.dp.audit.planted import replaced
from models.dp.one_pass import FitPlan, OnePass
from models.dp.release import Release
from models.errors import PopulaceError
from models.options import FitOptions
from models.privacy.options import PrivacyOptions
from models.progress import Silent
from models.rng import stream
from models.schema import Column, Kind, Schema
from models.table import Table

Array = npt.NDArray[Any]
SCHEMA = Schema(
    (
        Column("home", Kind.IDENTIFIER),
        Column("sex", Kind.CATEGORICAL, categories=("f", "m", "x"), missing_codes=("",), public=True),
        Column("age", Kind.INTEGER, minimum=0, maximum=99, public=True),
        Column("wage", Kind.DECIMAL, minimum=0, maximum=900, decimals=2, edges=(10.0, 50.0, 200.0), public=True),
        Column("income", Kind.BOOLEAN, categories=("low", "high"), public=True),
    )
)
HOMES, BOUND = 150, 2
QUICK = FitPlan(latent=16, steps=3)
UNTOLD = frozenset({"residual"})
"""Entries of a manifest that follow from noise; with the number of rows, which is noisy too, where it is not public,
and of tables, where they are chosen."""


@dataclass(frozen=True)
class Asked:
    """by_home: units are homes of up to BOUND rows; else rows. selection: count chosen tables alone, not all."""

    table: Table
    by_home: bool = False
    selection: bool = False


def people() -> list[tuple[str, ...]]:
    """Two rows of each home; nobody is of sex x, or over 89."""
    rng = stream(0, "audit", "whole")
    return [
        (
            f"h{i // BOUND}",
            str(rng.choice(["f", "m"])),
            str(rng.integers(90)),
            f"{rng.integers(80_000) / 100:.2f}",
            "low",
        )
        for i in range(HOMES * BOUND)
    ]


def asked(rows: list[tuple[str, ...]], by_home: bool = False) -> Asked:
    names = pa.schema([(c.name, pa.string()) for c in SCHEMA.columns])
    columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(len(names))]
    return Asked(Table(SCHEMA, pa.Table.from_arrays(columns, schema=names)), by_home)


def neighbours() -> Mapping[str, tuple[Asked, Asked]]:
    """Pairs of tables that differ by one unit, each in a way that could show. All tables are counted: whether they are
    equal in each, noise apart, can be seen then."""
    base = people()
    one = asked(base)
    more = {
        "a row more": base[0],
        "a label that nobody else has": ("n1", "x", "5", "7.00", "high"),
        "a label outside the domain": ("n1", "martian", "5", "7.00", "low"),
        "a number above the domain": ("n1", "f", "131", "1e9", "low"),
        "a word for a number": ("n1", "f", "young", "", "low"),
    }
    stranger = ("n1", "x", "95", "899.00", "high")
    homes = asked(base, by_home=True)
    return {name: (one, asked([*base, row])) for name, row in more.items()} | {
        "a row less": (one, asked(base[1:])),
        "a unit more": (homes, asked([*base, stranger], by_home=True)),
        "a unit with rows beyond its bound": (homes, asked([*base, *[stranger] * 9], by_home=True)),
    }


def choosing() -> Mapping[str, tuple[Asked, Asked]]:
    """The same with tables that are chosen."""
    pairs = neighbours().items()
    return {name: (replace(a, selection=True), replace(b, selection=True)) for name, (a, b) in pairs}


@contextmanager
def quick(plan: FitPlan = QUICK) -> Iterator[None]:
    """The generator's fit, which sees no row, takes few steps."""
    with replaced(fitting, "fit", lambda fit: lambda found, _, seed, progress: fit(found, plan, seed, progress)):
        yield


def job(given: Asked) -> Result:
    """`models.synthesize.fit` on a table, and everything of its result that is public, with all that it said."""
    privacy = PrivacyOptions(1.0, 1e-9, options={"selection": given.selection})
    if given.by_home:
        privacy = replace(privacy, unit="home", rows_per_unit=BOUND)
    heard = Heard()
    try:
        with quick():
            made = synthesize.fit(
                given.table,
                options=FitOptions(target="income", holdout=0.2, threads=1),
                privacy=privacy,
                progress=heard,
            )
    except (PopulaceError, ValueError, IndexError, KeyError) as error:
        return Result(f"{type(error).__name__}: {error}", None, ())
    manifest = {k: v for k, v in made.manifest.items() if k not in UNTOLD}
    noisy = {"rows", "tables"} if given.selection else {"rows"}
    manifest["plan"] = {k: v for k, v in manifest["plan"].items() if k not in noisy}
    public = {
        "schema": made.schema.to_json(),
        "encoding": made.encoding.to_json(),
        "tensors": made.encoding.tensors(),
        "model": made.model,
        "manifest": manifest,
        "said": heard.said,
    }
    return Result(public_text(public), _mixture(made.model).release, ())


def labels(codes: Array, cells: int) -> Table:
    """Rows of public labels, "0" to str(cells - 1) in each column."""
    known = tuple(map(str, range(cells)))
    names = [f"c{i}" for i in range(codes.shape[1])]
    schema = Schema(tuple(Column(n, Kind.CATEGORICAL, categories=known, public=True) for n in names))
    words = np.array(known, dtype=object)
    return Table(schema, pa.table({n: pa.array(words[codes[:, i]], pa.string()) for i, n in enumerate(names)}))


def fit_labels(codes: Array, cells: int, epsilon: float, delta: float, steps: int, drawn: int) -> tuple[Release, Array]:
    """(what was released, codes of rows drawn from the synthesizer) of a private fit to such rows."""
    with quick(FitPlan(latent=500, steps=steps)):
        options = FitOptions(holdout=0.0, threads=1)
        made = synthesize.fit(labels(codes, cells), options=options, privacy=PrivacyOptions(epsilon, delta))
    rows = synthesize.sample(made, drawn, seed=1)
    back = np.stack([rows.column(n).to_numpy().astype(np.int64) for n in rows.names], 1)
    return _mixture(made.model).release, back


class Heard(Silent):
    """Everything that a job says, in order."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def step(self, name: str) -> None:
        self.said.append(["step", name])

    def update(self, fraction: float, message: str = "", **values: float) -> None:
        self.said.append(["update", fraction, message, values])

    def checkpoint(self, folder: Path, **meta: Any) -> None:
        self.said.append(["checkpoint", meta])

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        self.said.append([type, dict(data)])


def _mixture(model: Any) -> OnePass:
    if not isinstance(model, OnePass):
        raise TypeError("A private fit by tables makes a mixture.")
    return model
