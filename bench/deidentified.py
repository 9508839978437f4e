"""National ACS 2019: a synthetic table beside the deidentified files that NIST collected.

    python -m bench.deidentified REAL.csv FOLDER SYNTHETIC.csv [SYNTHETIC.csv ...] [--code N]

Scores every file of FOLDER that has REAL's columns, and the synthetic ones, against REAL: shape, trend, tvd3 and c2st
as in bench.score. Prints markdown, best c2st first. A synthetic table to be compared so is trained on all of REAL, as
those files were.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from bench.matrices import Reader, read
from bench.score import C2ST_ROWS, ROWS, c2st, joint, some, trend
from models.evaluation.marginals import column_errors

FIGURES = ("shape", "trend", "tvd3", "c2st")


def score(real: pd.DataFrame, other: pd.DataFrame) -> dict[str, float]:
    """The figures that need no holdout."""
    reader = Reader.fit(real)
    a, b = reader.matrices(real, other[list(real.columns)])
    size = min(len(a), len(b), ROWS)
    left, right = some(a, size), some(b, size)
    return {
        "shape": 100 * float(column_errors([left, right]).mean(0)),
        "trend": 100 * trend(left, right),
        "tvd3": joint(a, a, b)["tvd3"],
        "c2st": c2st(reader, some(left, C2ST_ROWS), some(right, C2ST_ROWS)),
    }


def found(real: pd.DataFrame, paths: list[Path], code: str | None) -> Iterator[tuple[str, dict[str, float]]]:
    """Name and figures of the files that have all columns of the real one, and no others."""
    for path in paths:
        other = read(path, code)
        if set(other.columns) == set(real.columns):
            yield path.name, score(real, other)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("synthetic", nargs="+", type=Path)
    parser.add_argument("--code", help="what stands for missing among numbers, e.g. N")
    given = parser.parse_args()
    paths = [*given.synthetic, *sorted(given.folder.glob("*.csv*"))]
    rows = sorted(found(read(given.real, given.code), paths, given.code), key=lambda row: -row[1]["c2st"])
    print(f"| file | {' | '.join(FIGURES)} |\n| --- | {' | '.join('---' for _ in FIGURES)} |")
    for name, scores in rows:
        print(f"| {name} | {' | '.join(f'{scores[k]:.3f}' for k in FIGURES)} |")


if __name__ == "__main__":
    main()
