"""Are the bars fair? Fresh real rows should pass every one, independent columns and a copy of the training rows not.

    python -m bench.calibration --table census [--rows 2000] [--repetitions 40] [--parts fidelity ...] [--data DIR]
                                [--replicates 4]

Each repetition splits the table anew into training rows, holdout and fresh rows, so many each, and evaluates the fresh
rows as if they were a sample (with `--replicates`, beside so many further tables of fresh rows). Prints every figure
that missed its bar and the share of repetitions without any; then the verdict on independent columns, and on the
training rows themselves. Exit status 1 if fewer than 95% of the repetitions pass, if independent columns pass, or if no
disclosure figure fails for the copy.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from bench.data import TABLES, load
from bench.planted import reader
from models.evaluation import evaluate as evaluation
from models.evaluation.options import EvaluationOptions
from models.evaluation.result import Evaluation, Metric
from models.table import Table

LEAST = 0.95
"""Share of repetitions in which fresh rows must pass every bar."""


def failed(found: Evaluation) -> list[Metric]:
    return [m for m in found.metrics if m.status == "fail"]


def fresh(
    table: Callable[[pd.DataFrame], Table], frame: pd.DataFrame, rows: int, seed: int, more: int = 0
) -> list[Table]:
    """Training rows, holdout and fresh rows, and so many more tables of these."""
    order = np.random.default_rng(seed).permutation(len(frame))
    return [table(frame.iloc[order[i * rows : (i + 1) * rows]].reset_index(drop=True)) for i in range(3 + more)]


def apart(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Every column in an order of its own."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({c: rng.permutation(frame[c].to_numpy()) for c in frame})


def only(parts: Sequence[str]) -> None:
    if parts:
        evaluation.PARTS = tuple(p for p in evaluation.PARTS if p[0] in parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", choices=sorted(TABLES), default="census")
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--repetitions", type=int, default=40)
    parser.add_argument("--parts", nargs="+", default=[], help="of the evaluation; all")
    parser.add_argument("--replicates", type=int, default=0)
    parser.add_argument("--data", type=Path, default=os.environ.get("POPULACE_BENCH_DATA"))
    given = parser.parse_args()
    only(given.parts)
    split = load(given.table, Path(given.data) if given.data else None)
    frame = pd.concat([split.train, split.test], ignore_index=True)
    more = given.replicates
    rows, table = min(given.rows, len(frame) // (3 + more)), reader(frame)
    options = EvaluationOptions()
    passed, wrong = 0, Counter[str]()
    began = time.process_time()
    for seed in range(given.repetitions):
        real, holdout, made, *further = fresh(table, frame, rows, seed, more)
        how = {"target": split.target, "seed": seed, "options": options, "replicates": further}
        found = evaluation.evaluate(real, holdout, made, **how)
        missed = failed(found)
        passed += not missed
        wrong.update(m.name for m in missed)
        for m in missed:
            print(f"repetition {seed}: {m.name} {m.subject} reads {m.value:.4g}, bar {m.bar}", flush=True)
    share = passed / given.repetitions
    count = len([m for m in found.metrics if m.status in ("pass", "fail")])
    print(
        f"{given.table}, {rows:,} rows: fresh rows pass all of {count} bars in {passed} of {given.repetitions} "
        f"repetitions ({share:.0%}); missed: {dict(wrong) or 'none'}; {time.process_time() - began:.0f} s of CPU"
    )
    real, holdout, _ = fresh(table, frame, rows, 0)
    columns, *further = (table(apart(frame, i).head(rows)) for i in range(1 + more))
    how = {"target": split.target, "options": options, "replicates": further}
    independent = evaluation.evaluate(real, holdout, columns, **how)
    print("independent columns:", independent.sections["verdict"]["summary"])
    copy = evaluation.evaluate(real, holdout, replace(real), target=split.target, options=options)
    leaks = sorted({m.name for m in failed(copy) if m.section == "disclosure"})
    print("a copy of the training rows:", copy.sections["verdict"]["summary"], "Disclosure:", ", ".join(leaks))
    return int(share < LEAST or not failed(independent) or not leaks)


if __name__ == "__main__":
    sys.exit(main())
