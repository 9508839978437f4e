"""Relations of a real table that a synthetic one breaks: `python -m bench.consistency REAL.csv SYNTHETIC.csv`.

Three kinds, all read off the real rows alone:
 functions  column b is a function of column a (at least 20 rows per value of a, 100 rows that could have refuted it)
 gaps       a value of column a with which column b is always, or never, missing (the adult fields of a child), where
            at least EXPECTED rows would be otherwise if the two had nothing to do with each other
 pairs      two values never seen together, though as many rows would hold both
Prints JSON: for each kind how many relations there are, the synthetic rows that break at least one, and the relations
broken most; `rows` counts rows that break a function or a gap. A row whose value of `a` no real row has is left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

EXPECTED = 30
MOST_VALUES = 1_000
Codes = npt.NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real")
    parser.add_argument("synthetic")
    parser.add_argument("--missing", action="append", help="spelling of a missing cell; blank, N, NA and ? by default")
    asked = parser.parse_args()
    real, made = (pd.read_csv(p, dtype=str, keep_default_na=False) for p in (asked.real, asked.synthetic))
    print(json.dumps(compare(real, made, asked.missing or ["", "N", "NA", "?"]), indent=1))


def compare(real: pd.DataFrame, made: pd.DataFrame, missing: list[str]) -> dict[str, Any]:
    """Counts of broken relations of two tables of texts. Columns that only one of them has are left out."""
    names = [c for c in real.columns if c in made.columns]
    coded = {c: _codes(real[c], made[c]) for c in names}
    # Numbers of many values take part as "missing or not" alone.
    few = [c for c in names if coded[c][0].max() < MOST_VALUES]
    gap = {c: tuple(t[c].isin(missing).to_numpy().astype(np.int64) for t in (real, made)) for c in names}
    gap = {c: g for c, g in gap.items() if 0 < g[0].mean() < 1}
    broken: dict[str, npt.NDArray[np.bool_]] = {}
    out: dict[str, Any] = {"synthetic_rows": len(made)}
    for kind, found in (
        ("functions", _functions(coded, few)),
        ("gaps", _impossible(coded, gap, ((a, b) for a in few for b in gap if a != b))),
        ("pairs", _impossible(coded, coded, ((a, b) for a, b in permutations(few, 2) if a < b))),
    ):
        rows = np.zeros(len(made), bool)
        relations, each = 0, {}
        for name, count, wrong in found:
            relations += count
            rows |= wrong
            if wrong.any():
                each[name] = int(wrong.sum())
        broken[kind] = rows
        worst = dict(sorted(each.items(), key=lambda e: -e[1])[:8])
        out[kind] = {"relations": relations, "broken_rows": int(rows.sum()), "worst": worst}
    return {"rows": int((broken["functions"] | broken["gaps"]).sum()), **out}


def _codes(real: pd.Series[str], made: pd.Series[str]) -> tuple[Codes, Codes]:
    """Both columns as codes; -1 for values that no real row has. Equal numbers are equal values."""
    both = [_spelled(s) for s in (real, made)]
    words = pd.Index(both[0].unique())
    return words.get_indexer(both[0]), words.get_indexer(both[1])


def _spelled(texts: pd.Series[str]) -> pd.Series[str]:
    numbers = pd.to_numeric(texts, errors="coerce")
    return texts.where(numbers.isna(), numbers.map("{:.12g}".format))


def _functions(coded: dict[str, tuple[Codes, Codes]], few: list[str]) -> Iterator[tuple[str, int, npt.NDArray[Any]]]:
    for a, b in permutations(few, 2):
        (x, x2), (y, y2) = coded[a], coded[b]
        rows = np.bincount(x)
        value = np.zeros(len(rows), np.int64)
        value[x] = y
        off = value != np.bincount(y).argmax()
        if rows.mean() >= 20 and (value[x] == y).all() and (rows[off] - 1).sum() >= 100:
            yield f"{a} -> {b}", 1, (x2 >= 0) & (value[x2] != y2)


def _impossible(
    coded: dict[str, tuple[Codes, Codes]],
    others: dict[str, tuple[Codes, ...]],
    pairs: Iterator[tuple[str, str]],
) -> Iterator[tuple[str, int, npt.NDArray[Any]]]:
    for a, b in pairs:
        (x, x2), (y, y2) = coded[a], others[b]
        if (wide := int(y.max()) + 1) > MOST_VALUES:
            continue
        seen = np.bincount(x * wide + y, minlength=(int(x.max()) + 1) * wide).reshape(-1, wide)
        never = (seen == 0) & (np.outer(seen.sum(1), seen.sum(0)) / len(x) >= EXPECTED)
        if never.any():
            yield f"{a}, {b}", int(never.sum()), (x2 >= 0) & (y2 >= 0) & never[x2, y2]


if __name__ == "__main__":
    main()
