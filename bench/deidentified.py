"""National ACS 2019: a synthetic table beside the deidentified files that NIST collected.

    python -m bench.deidentified REAL.csv FOLDER [SYNTHETIC.csv ...] [--code N]
    python -m bench.deidentified REAL.csv FOLDER [SYNTHETIC.csv ...] [--code N] --reference reference_metrics.csv

Scores every file of FOLDER that has REAL's columns, and the synthetic ones, against REAL: shape, trend, tvd3 and c2st
as in bench.score. Prints markdown, best c2st first. A synthetic table to be compared so is trained on all of REAL, as
those files were.

With --reference: the k-marginal score and the equivalent subsample of every file on the columns it shares with REAL, in
triples with the column PUMA where it has one, beside the published ones of the file of that name; and Spearman's rank
correlation of the two within files of equal columns. Ends with status 1 where it is below .9.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from bench.matrices import Reader, read
from bench.score import C2ST_ROWS, ROWS, c2st, joint, some, trend
from models.evaluation.kmarginal import BINS, equivalent, pairs_of, subsamples
from models.evaluation.kmarginal import scores as k_scores
from models.evaluation.marginals import column_errors
from models.evaluation.matrix import Cells

FIGURES = ("shape", "trend", "tvd3", "c2st")
AREA = "PUMA"
BAR = 0.9


@dataclass(frozen=True)
class Ranked:
    """One file: columns shared with the real table, sorted; k-marginal score (0 to 1000) and equivalent subsample
    (share) of our own, and the published ones with the number of columns that they were computed on (SDNist leaves out
    a column that holds a value outside its domain)."""

    name: str
    names: tuple[str, ...]
    score: float
    equivalent: float
    published: float = float("nan")
    published_equivalent: float = float("nan")
    published_columns: int = 0


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


def k_marginal(real: pd.DataFrame, other: pd.DataFrame, area: str = AREA) -> tuple[tuple[str, ...], float, float]:
    """Columns in common, score on them, and the equivalent subsample of the real rows."""
    names = [c for c in real.columns if c in other.columns]
    a, b = Reader.fit(real[names]).matrices(real[names], other[names])
    cells = Cells.fit(a, BINS)
    codes, group, rng = cells.codes(a), names.index(area) if area in names else None, np.random.default_rng(0)
    pairs = pairs_of(cells.sizes, group, len(names) ** 2, rng)
    (mine, *curve), *_ = k_scores([codes, cells.codes(b), *subsamples(codes, rng)], cells.sizes, pairs, group)
    return tuple(sorted(names)), mine, equivalent(mine, curve)


def ranked(real: pd.DataFrame, paths: list[Path], code: str | None, reference: pd.DataFrame) -> list[Ranked]:
    """All files, best first among those of as many columns. reference: by `technique`."""
    out = []
    for path in paths:
        name = path.name.removesuffix(".gz").removesuffix(".csv")
        mine = Ranked(name, *k_marginal(real, read(path, code)))
        if name in reference.index:
            score, share, columns = (
                float(reference.loc[name, k]) for k in ("k_marginal", "subsample_equiv_pct", "features")
            )
            mine = replace(mine, published=score, published_equivalent=share / 100, published_columns=int(columns))
        out.append(mine)
    return sorted(out, key=lambda r: (-len(r.names), -r.score))


def agreement(files: list[Ranked]) -> dict[int, float]:
    """Number of columns -> Spearman's rank correlation of the scores with the published ones, of the files with one set
    of columns, all of them scored when published, where there are three files or more."""
    sets: dict[tuple[str, ...], list[Ranked]] = {}
    for f in files:
        if len(f.names) == f.published_columns:
            sets.setdefault(f.names, []).append(f)
    return {
        len(names): float(spearmanr([f.score for f in same], [f.published for f in same]).statistic)
        for names, same in sets.items()
        if len(same) > 2
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("synthetic", nargs="*", type=Path)
    parser.add_argument("--code", help="what stands for missing among numbers, e.g. N")
    parser.add_argument("--reference", type=Path, help="published figures: columns technique, k_marginal, ...")
    given = parser.parse_args()
    paths = [*given.synthetic, *sorted(given.folder.glob("*.csv*"))]
    real = read(given.real, given.code)
    if given.reference:
        sys.exit(_rank(ranked(real, paths, given.code, pd.read_csv(given.reference).set_index("technique"))))
    rows = sorted(found(real, paths, given.code), key=lambda row: -row[1]["c2st"])
    print(f"| file | {' | '.join(FIGURES)} |\n| --- | {' | '.join('---' for _ in FIGURES)} |")
    for name, figures in rows:
        print(f"| {name} | {' | '.join(f'{figures[k]:.3f}' for k in FIGURES)} |")


def _rank(files: list[Ranked]) -> int:
    """Prints; exit status."""
    head = ("file", "columns", "k-marginal", "published", "equals a subsample of", "published", "on columns")
    print(f"| {' | '.join(head)} |\n| {' | '.join('---' for _ in head)} |")
    for f in files:
        known = np.isfinite(f.published)
        theirs = (
            (f"{f.published:.0f}", f"{f.published_equivalent:.0%}", str(f.published_columns)) if known else ("",) * 3
        )
        cells = (f.name, str(len(f.names)), f"{f.score:.0f}", theirs[0], f"{f.equivalent:.0%}", *theirs[1:])
        print(f"| {' | '.join(cells)} |")
    agreed = agreement(files)
    for columns, rho in agreed.items():
        print(f"\nSpearman's rank correlation, {columns} columns: {rho:.3f}")
    return 0 if agreed and min(agreed.values()) >= BAR else 1


if __name__ == "__main__":
    main()
