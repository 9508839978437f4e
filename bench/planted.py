"""Defects planted in a table of real rows, and whether the report's verdict names them first.

    python -m bench.planted --data DIR [--only adult national2019] [--rows N] [--defects NAME ...]

DIR holds the tables of bench.data. Every table is split at random into training rows, holdout and fresh rows, a third
each (N at most). The fresh rows stand for a perfect sample; each defect is planted in them, one at a time. Prints the
worst problem that the verdict names, and whether it is the planted one. Exit status 1 if one was not found.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.data import load
from models.evaluation.evaluate import evaluate
from models.evaluation.options import EvaluationOptions
from models.ingest import table_from_frame
from models.table import Table

Plant = Callable[["Defect", pd.DataFrame, pd.DataFrame, np.random.Generator], pd.DataFrame]


@dataclass(frozen=True)
class Defect:
    """columns: where it is planted; share: of the rows; label: of the first column; codes: that stand for missing."""

    name: str
    columns: tuple[str, ...] = ()
    share: float = 0.0
    label: str = ""
    codes: tuple[str, ...] = ()

    def plant(self, fresh: pd.DataFrame, training: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
        """Fresh rows (all cells as text) with the defect in them."""
        return PLANTS[self.name](self, fresh.reset_index(drop=True), training, np.random.default_rng(seed))

    def named(self, problem: dict[str, Any]) -> bool:
        """Whether a problem of the verdict is this defect: one of its figures, and one of its columns."""
        right = problem["metric"] in FIGURES[self.name]
        if self.name == "copied" or problem["metric"] == "weighted_total":
            return right
        need = 2 if self.name in ("independent", "invented") else 1
        return right and len(set(problem["columns"]) & set(self.columns)) >= need


def shuffled(d: Defect, fresh: pd.DataFrame, _: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One column in random order."""
    column = d.columns[0]
    return fresh.assign(**{column: rng.permutation(fresh[column].to_numpy())})


def dropped(d: Defect, fresh: pd.DataFrame, _: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """One category is replaced by others, as frequent as they are."""
    column = d.columns[0]
    x = fresh[column].to_numpy(copy=True)
    gone = x == d.label
    x[gone] = rng.choice(x[~gone], gone.sum())
    return fresh.assign(**{column: x})


def moved(d: Defect, fresh: pd.DataFrame, _: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """As many values are missing as were, but of other rows."""
    column = d.columns[0]
    x = fresh[column].to_numpy(copy=True)
    gone = np.isin(x, d.codes)
    codes, values = x[gone], x[~gone]
    there = rng.permutation(len(x))[: gone.sum()]
    x[gone] = rng.choice(values, gone.sum())
    x[there] = codes
    return fresh.assign(**{column: x})


def copied(d: Defect, fresh: pd.DataFrame, training: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Some rows are training rows."""
    out = fresh.copy()
    count = round(d.share * len(out))
    out.iloc[rng.permutation(len(out))[:count]] = training.iloc[rng.permutation(len(training))[:count]].to_numpy()
    return out


def broken(d: Defect, fresh: pd.DataFrame, _: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The first column, which another determines, is in random order in some rows."""
    column = d.columns[0]
    x = fresh[column].to_numpy(copy=True)
    rows = rng.permutation(len(x))[: round(d.share * len(x))]
    x[rows] = x[rng.permutation(rows)]
    return fresh.assign(**{column: x})


def independent(d: Defect, fresh: pd.DataFrame, _: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The first column is in random order among rows that agree in all but the first two: those two are independent."""
    first, _second, *kept = d.columns
    if not kept:
        return shuffled(d, fresh, fresh, rng)
    place = fresh.groupby(kept, sort=False)[first].transform(lambda x: rng.permutation(x.to_numpy()))
    return fresh.assign(**{first: place})


def invented(d: Defect, fresh: pd.DataFrame, _: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """In some rows the first column is put in the order of the second."""
    first, second = d.columns
    rows = rng.permutation(len(fresh))[: round(d.share * len(fresh))]
    x = fresh[first].to_numpy(copy=True)
    x[rows[_order(fresh[second].to_numpy()[rows])]] = x[rows[_order(x[rows])]]
    return fresh.assign(**{first: x})


def _order(cells: np.ndarray) -> np.ndarray:
    numbers = pd.to_numeric(pd.Series(cells), errors="coerce")
    return np.lexsort((cells.astype(str), numbers.fillna(-1e9)))


def thinned(d: Defect, fresh: pd.DataFrame, _: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Some of the rows of one group are replaced by rows of others. label: "value of the first|of the second"."""
    inside = np.all([fresh[c] == v for c, v in zip(d.columns, d.label.split("|"), strict=True)], axis=0)
    rows = np.flatnonzero(inside)
    gone = rng.permutation(rows)[: round(d.share * len(rows))]
    out = fresh.copy()
    out.iloc[gone] = fresh.iloc[rng.choice(np.flatnonzero(~inside), len(gone))].to_numpy()
    return out


def doubled(d: Defect, fresh: pd.DataFrame, _: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The survey weights (first column) of one group (label of the second) are doubled."""
    weight, group = d.columns
    w = pd.to_numeric(fresh[weight])
    return fresh.assign(**{weight: w.where(fresh[group] != d.label, 2 * w).astype(int).astype(str)})


PLANTS: dict[str, Plant] = {
    "shuffled": shuffled,
    "dropped": dropped,
    "moved": moved,
    "copied": copied,
    "broken": broken,
    "independent": independent,
    "invented": invented,
    "thinned": thinned,
    "permuted": shuffled,
    "doubled": doubled,
}
WEIGHED = ("weighted_shape", "weighted_trend", "weighted_group", "weighted_mean")
FIGURES = {
    "shuffled": ("trend", "vanished"),
    "dropped": ("coverage", "shape"),
    "moved": ("missing_dependence", "missing_patterns"),
    "copied": ("copies",),
    "broken": ("rules", "functions", "impossible"),
    "independent": ("trend", "vanished"),
    "invented": ("invented",),
    "thinned": ("subgroup_size", "crossing_size"),
    "permuted": ("trend", "vanished", "functions", *WEIGHED),
    "doubled": ("invented", "trend", "weighted_total", *WEIGHED),
}
"""The figures that each defect is told by."""
DEFECTS = {
    "adult": (
        Defect("shuffled", ("education-num",)),
        Defect("dropped", ("race",), label="Asian-Pac-Islander"),
        Defect("moved", ("occupation",), codes=("?",)),
        Defect("copied", share=0.05),
        Defect("broken", ("education-num", "education"), share=0.05),
        Defect("independent", ("race", "native-country", "sex", "income", "relationship")),
        Defect("invented", ("race", "hours-per-week"), share=0.5),
        Defect("thinned", ("race", "sex"), share=0.6, label="Black|Female"),
        Defect("doubled", ("fnlwgt", "sex"), label="Female"),
    ),
    "national2019": (
        Defect("shuffled", ("EDU",)),
        Defect("dropped", ("RAC1P",), label="2"),
        Defect("moved", ("PINCP",), codes=("N",)),
        Defect("copied", share=0.05),
        Defect("broken", ("DENSITY", "PUMA"), share=0.05),
        Defect("independent", ("HISP", "RAC1P", "PUMA")),
        Defect("invented", ("SEX", "RAC1P"), share=0.5),
        Defect("thinned", ("RAC1P", "SEX"), share=0.6, label="2|2"),
        Defect("permuted", ("PWGTP",)),
        Defect("doubled", ("PWGTP", "SEX"), label="2"),
    ),
}


@dataclass(frozen=True)
class Found:
    defect: str
    first: str
    severity: float
    right: bool
    seconds: float


def find(
    defect: Defect, parts: tuple[pd.DataFrame, ...], table: Callable[[pd.DataFrame], Table], target: str | None,
    options: EvaluationOptions | None = None,
) -> Found:  # fmt: skip
    """What the verdict names first where the defect is planted. parts: training rows, holdout, fresh rows."""
    began = time.perf_counter()
    training, holdout, fresh = parts
    made = defect.plant(fresh, training)
    found = evaluate(table(training), table(holdout), table(made), target=target, options=options)
    problems = found.sections["verdict"]["problems"]
    first: dict[str, Any] = (
        problems[0] if problems else {"title": "nothing", "severity": 0.0, "metric": "", "columns": []}
    )
    return Found(
        defect.name, first["title"], first["severity"], bool(problems) and defect.named(first),
        time.perf_counter() - began,
    )  # fmt: skip


def thirds(frame: pd.DataFrame, rows: int | None, seed: int = 0) -> tuple[pd.DataFrame, ...]:
    """Training rows, holdout and fresh rows, at random."""
    order = np.random.default_rng(seed).permutation(len(frame))
    size = min(len(frame) // 3, rows or len(frame))
    return tuple(frame.iloc[order[i * size : (i + 1) * size]].reset_index(drop=True) for i in range(3))


def reader(frame: pd.DataFrame) -> Callable[[pd.DataFrame], Table]:
    """Tables under the schema of the whole frame."""
    whole = table_from_frame(frame)
    return lambda part: Table(whole.schema, table_from_frame(part).data.cast(whole.data.schema))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("POPULACE_BENCH_DATA"))
    parser.add_argument("--only", nargs="+", choices=sorted(DEFECTS), default=sorted(DEFECTS))
    parser.add_argument("--defects", nargs="+", choices=sorted(PLANTS), default=sorted(PLANTS))
    parser.add_argument("--rows", type=int, help="of each of the three tables, at most")
    given = parser.parse_args()
    wrong = 0
    print("| table | planted | named first | severity | found | s |\n| --- | --- | --- | --- | --- | --- |")
    for name in given.only:
        split = load(name, Path(given.data) if given.data else None)
        frame = pd.concat([split.train, split.test], ignore_index=True)
        parts, table = thirds(frame, given.rows), reader(frame)
        for defect in DEFECTS[name]:
            if defect.name not in given.defects:
                continue
            got = find(defect, parts, table, split.target)
            wrong += not got.right
            print(
                f"| {name} | {got.defect} | {got.first} | {got.severity:.2f} | {'yes' if got.right else 'NO'} "
                f"| {got.seconds:.0f} |",
                flush=True,
            )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
