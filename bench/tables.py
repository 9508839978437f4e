"""Run `populace synth` on real tables and check what comes out against the input's own schema.

    python -m bench.tables --data DIR [--only adult titanic] [--out DIR]

DIR holds one folder per table (NAME/FILE.csv.gz, see TABLES). For each table: seconds of the command; violations of
the input's own schema in the output (unknown categories, values out of range, fractions in integer columns, other date
formats); the largest difference of a column's missing share (points); the share of synthetic rows that copy a real one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.errors import PopulaceError
from models.ingest import Limits, check_schema, infer_schema, read_upload
from models.progress import SILENT
from models.table import Table


@dataclass(frozen=True)
class Case:
    file: str
    target: str | None = None


TABLES = {
    "adult": Case("adult/train.csv.gz", "income"),
    "national2019": Case("nist_acs/national2019.csv.gz", "OWN_RENT"),
    "scotland": Case("uk_census_2011_scotland/scotland_1pct.csv.gz", "Approximate_Social_Grade"),
    "hotel_bookings": Case("hotel_bookings/hotel_bookings.csv.gz", "is_canceled"),
    "titanic": Case("titanic/titanic3.csv.gz", "survived"),
    "heart_failure": Case("heart_failure/heart.csv.gz", "HeartDisease"),
    "default_credit": Case("default_credit/default.csv.gz", "default.payment.next.month"),
    "magic": Case("magic/magic.csv.gz", "class"),
}


def read(path: Path) -> Table:
    """The file under the schema inferred from it."""
    data, dialect, storages = read_upload(path, filename=path.name, limits=Limits(), progress=SILENT)
    return Table(infer_schema(data, dialect, storages), data)


def missing_share(table: Table, name: str) -> dict[str, float]:
    column = table.schema[name]
    raw = pc.fill_null(table.data.column(name), "")
    return {code: float(pc.mean(pc.equal(raw, code)).as_py() or 0.0) for code in column.missing_codes}


def key(table: pa.Table) -> np.ndarray:
    return np.array(
        ["\x1f".join(row) for row in zip(*(pc.fill_null(c, "").to_pylist() for c in table.columns), strict=True)]
    )


def check(real: Table, path: Path) -> dict[str, object]:
    """Violations of the input's schema by the output file, and how far its missing shares are off."""
    data, _, _ = read_upload(path, filename=path.name, limits=Limits(), progress=SILENT)
    synthetic = Table(real.schema, data.select(real.schema.names))
    out: dict[str, object] = {"rows": len(synthetic), "same_columns": data.column_names == real.schema.names}
    try:
        check_schema(synthetic)
        out["violations"] = []
    except PopulaceError as error:
        out["violations"] = [error.message, *(f"{d.loc} {d.msg}" for d in error.errors[:5])]
    gaps = {}
    for column in real.schema.columns:
        a, b = missing_share(real, column.name), missing_share(synthetic, column.name)
        if a:
            gaps[column.name] = max(abs(a[c] - b[c]) for c in a)
    worst = max(gaps, key=lambda n: gaps[n], default="")
    out["missing_gap_points"] = round(100 * gaps.get(worst, 0.0), 2)
    out["missing_gap_column"] = worst
    modelled = [c.name for c in real.schema.modelled]
    out["copies_percent"] = round(
        100 * float(np.isin(key(synthetic.data.select(modelled)), key(real.data.select(modelled))).mean()), 2
    )
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--out", type=Path, default=Path("build/tables"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    bad = 0
    for name in options.only:
        case = TABLES[name]
        source, target = options.data / case.file, options.out / f"{name}.csv"
        command = [sys.executable, "-m", "populace", "synth", str(source), "--output", str(target)]
        command += ["--report", str(options.out / f"{name}.html"), *(["--target", case.target] if case.target else [])]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.perf_counter() - began
        if done.returncode:
            result: dict[str, object] = {"failed": done.stderr[-600:]}
        else:
            result = check(read(source), target)
        bad += "failed" in result or bool(result["violations"]) or not result["same_columns"]
        print(json.dumps({"table": name, "seconds": round(seconds, 1), **result}), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
