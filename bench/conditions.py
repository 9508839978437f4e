"""Rows under conditions: how fast they come, whether all meet them, and how close they are to the real rows that do.

    python -m bench.conditions TRAIN.csv HOLDOUT.csv --where "age>=65" --where "sex=Female" [--rows 10000]
    python -m bench.conditions TRAIN.csv HOLDOUT.csv --balance income [--steps 400]

Trains on TRAIN without a holdout of its own, draws the rows, and compares each column's distribution (total variation
distance, numbers in 20 quantile bins of the real rows) with the real rows of TRAIN that meet the conditions, beside
what the rows of HOLDOUT that meet them read, all at the size of the smaller of the two. With a balance, real rows are
left out of both tables until the rest has the asked shares.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from models.balance import parse_balance, parts, rebalanced, values_in
from models.conditions import parse_conditions
from models.ingest import Limits, infer_schema, read_upload
from models.options import FitOptions
from models.progress import SILENT
from models.synthesize import fit, sample
from models.table import Table


def matching(table: Table, where: list[str]) -> Table:
    conditions = parse_conditions(where, table.schema)
    met = [np.ones(len(table), bool), *(c.matches(table) for c in conditions)]
    return table.take(np.flatnonzero(np.logical_and.reduce(met)))


def in_shares(tables: list[Table], where: list[str], asked: str) -> list[Table]:
    conditions = parse_conditions(where, tables[0].schema)
    balance = parse_balance(asked, tables[0].schema, conditions)
    found = parts(balance, tables[0].schema, conditions, values_in(tables[0], balance.column))
    return [rebalanced(t, found, np.random.default_rng(i)) for i, t in enumerate(tables)]


def codes(table: Table, name: str, edges: np.ndarray | None) -> np.ndarray:
    got = table.values(name)
    cell = got.values if edges is None else np.searchsorted(edges, got.values, side="right")
    return np.where(got.missing >= 0, -1 - got.missing, cell).astype(int)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    _, both = np.unique(np.concatenate([a, b]), return_inverse=True)
    size = int(both.max()) + 1
    p = np.bincount(both[: len(a)], minlength=size) / len(a)
    q = np.bincount(both[len(a) :], minlength=size) / len(b)
    return float(np.abs(p - q).sum() / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("holdout", type=Path)
    parser.add_argument("--where", action="append", default=[])
    parser.add_argument("--balance")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--rows", type=int, default=10_000)
    options = parser.parse_args()
    upload = read_upload(options.train, filename=options.train.name, limits=Limits(), progress=SILENT)
    train = Table(infer_schema(*upload), upload.data)
    other = read_upload(options.holdout, filename=options.holdout.name, limits=Limits(), progress=SILENT)
    real, held = matching(train, options.where), matching(Table(train.schema, other.data), options.where)
    if options.balance:
        real, held = in_shares([real, held], options.where, options.balance)
    synthesizer = fit(train, options=FitOptions(holdout=0.0, steps=options.steps))
    began = time.perf_counter()
    drawn = sample(synthesizer, options.rows, where=options.where, balance=options.balance, seed=1)
    seconds = time.perf_counter() - began
    size = min(len(held), len(drawn))
    columns: dict[str, Any] = {}
    for column in train.schema.modelled:
        edges = None
        if not column.labelled:
            edges = np.unique(np.nanquantile(real.values(column.name).values, np.linspace(0, 1, 21)[1:-1]))
        base = codes(real, column.name, edges)
        tables = {"synthetic": drawn, "same_size": drawn.take(slice(0, size)), "holdout": held}
        columns[column.name] = {k: round(distance(base, codes(t, column.name, edges)), 4) for k, t in tables.items()}
    kinds = ("synthetic", "same_size", "holdout")
    means = {k: round(float(np.mean([c[k] for c in columns.values()])), 4) for k in kinds}
    met = len(matching(drawn, options.where))
    figures = {"rows": len(drawn), "met": met, "seconds": round(seconds, 2)}
    print(json.dumps({**figures, "real_rows": len(real), "holdout_rows": size, "mean": means, "columns": columns}))


if __name__ == "__main__":
    main()
