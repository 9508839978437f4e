"""Time and memory of the whole report, part by part.

    python -m bench.evaluation --data DIR [--only adult heart_failure covertype] [--json FILE]

The sample is a bootstrap of the training rows with every column drawn for itself in half of them: rows like a
synthesizer's, without one. Prints, for each table, seconds of wall clock and of the processor, the highest memory, the
parts, and how many figures pass, fail and are unavailable. DIR holds the tables of bench.tables and covertype. The
report is meant to take less than LIMITS.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from models.evaluation import evaluate as evaluation
from models.evaluation.context import Context, Part
from models.ingest import table_from_frame
from models.table import Table

FILES = {
    "adult": ("adult/train.csv.gz", "income"),
    "heart_failure": ("heart_failure/heart.csv.gz", "HeartDisease"),
    "covertype": ("covertype/covertype.csv.gz", "Cover_Type"),
}
TESTS = {"adult": "adult/test.csv.gz"}
LIMITS = {"adult": 180, "heart_failure": 40, "covertype": 600}
"""Seconds on two cores."""
HELD_OUT = 0.2


def mixture(frame: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """Rows drawn with replacement; in half of them every column is drawn for itself."""
    rng = np.random.default_rng(seed)
    out = frame.iloc[rng.integers(0, len(frame), rows)].reset_index(drop=True)
    apart = rng.permutation(rows)[: rows // 2]
    for name in out.columns:
        out.loc[apart, name] = frame[name].to_numpy()[rng.integers(0, len(frame), len(apart))]
    return out


def tables(name: str, data: Path) -> tuple[Table, Table, Table]:
    """Training rows, holdout and sample, all under one schema."""
    frame = pd.read_csv(data / FILES[name][0], dtype=str, keep_default_na=False, skipinitialspace=True)
    if name in TESTS:
        held = pd.read_csv(data / TESTS[name], dtype=str, keep_default_na=False, skipinitialspace=True)[frame.columns]
    else:
        order = np.random.default_rng(0).permutation(len(frame))
        cut = round(HELD_OUT * len(frame))
        frame, held = frame.iloc[order[cut:]], frame.iloc[order[:cut]]
    made = mixture(frame, len(frame), 0)
    whole = table_from_frame(pd.concat([frame, held, made], ignore_index=True))
    a, b = len(frame), len(frame) + len(held)
    return whole.part(np.arange(a)), whole.part(np.arange(a, b)), whole.part(np.arange(b, len(whole)))


def timed(name: str, part: Callable[[Context], Part], seconds: dict[str, float]) -> Callable[[Context], Part]:
    """The part; its seconds of the processor are noted and told."""

    def run(context: Context) -> Part:
        began = time.process_time()
        got = part(context)
        seconds[name] = round(time.process_time() - began, 1)
        print(f"{name}: {seconds[name]} s", file=sys.stderr, flush=True)
        return got

    return run


def measured(name: str, data: Path) -> dict[str, object]:
    """One report, in this process."""
    train, held, made = tables(name, data)
    parts: dict[str, float] = {}
    evaluation.PARTS = tuple((n, timed(n, part, parts), at) for n, part, at in evaluation.PARTS)
    began, used = time.perf_counter(), time.process_time()
    found = evaluation.evaluate(train, held, made, target=FILES[name][1])
    return {
        "table": name,
        "rows": [len(train), len(held), len(made)],
        "columns": len(train.schema.columns),
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - used,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "parts": parts,
        "counts": found.sections["verdict"]["counts"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("POPULACE_BENCH_DATA"), required=False)
    parser.add_argument("--only", nargs="+", choices=sorted(FILES), default=["heart_failure", "adult", "covertype"])
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    given = parser.parse_args()
    if given.data is None:
        parser.error("name the folder of the tables with --data or POPULACE_BENCH_DATA")
    if given.inner:
        print(json.dumps(measured(given.only[0], Path(given.data))))
        return 0
    rows = []
    print("| table | rows (real, holdout, sample) | columns | s | s of CPU | GB | limit s | pass, fail, unavailable |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in given.only:
        command = [sys.executable, "-m", "bench.evaluation", "--data", str(given.data), "--only", name, "--inner"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        got = json.loads(done.stdout.splitlines()[-1])
        rows.append(got)
        print(", ".join(f"{k} {v}" for k, v in got["parts"].items()), file=sys.stderr, flush=True)
        sizes = ", ".join(f"{n:,}" for n in got["rows"])
        print(
            f"| {name} | {sizes} | {got['columns']} | {got['seconds']:.0f} | {got['cpu']:.0f} "
            f"| {got['gigabytes']:.1f} | {LIMITS[name]} | {', '.join(str(v) for v in got['counts'].values())} |",
            flush=True,
        )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
