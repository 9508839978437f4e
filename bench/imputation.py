"""Imputation against two plain rivals: cells that were there are hidden at random, filled in, and compared.

    python -m bench.imputation TABLE.csv --columns workclass,occupation,native-country [--hidden 0.1] [--steps 400]

Hides that share of the present cells of each column, trains on the table with these gaps (no holdout, one thread) and
imputes it. Beside it: `mode` fills in the column's most frequent label, `hot deck` the label of a random row. Read as
accuracy (share of hidden cells restored), and as total variation distance of the filled from the true labels, alone
(tvd) and with each other labelled column (tvd2, the mean over them). `best of 5` is the label that most of five
draws name: a prediction, not an imputation. Prints Markdown.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from models.ingest import Limits, infer_schema, read_upload
from models.options import FitOptions
from models.progress import SILENT
from models.synthesize import fit, impute
from models.table import Table

DRAWS = 5


def hide(
    table: Table, columns: Sequence[str], share: float, rng: np.random.Generator
) -> tuple[Table, dict[str, np.ndarray]]:
    """-> the table with gaps, and the rows of each column that were emptied."""
    data, hidden = table.data, {}
    schema = table.schema
    for name in columns:
        column = schema[name]
        code = column.missing_codes[0] if column.missing_codes else ""
        schema = schema.with_column(replace(column, missing_codes=column.missing_codes or (code,)))
        hidden[name] = np.flatnonzero((table.values(name).missing < 0) & (rng.random(len(table)) < share))
        words = np.array(data.column(name).to_pylist(), dtype=object)
        words[hidden[name]] = code
        data = data.set_column(data.column_names.index(name), name, pa.array(words, pa.string()))
    return Table(schema, data), hidden


def labels(table: Table, name: str) -> np.ndarray:
    return np.array(table.data.column(name).to_pylist())


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Total variation distance of two lists of labels."""
    _, both = np.unique(np.concatenate([a, b]), return_inverse=True)
    p, q = (np.bincount(x, minlength=both.max() + 1) / len(x) for x in (both[: len(a)], both[len(a) :]))
    return float(np.abs(p - q).sum() / 2)


def score(filled: np.ndarray, true: np.ndarray, others: Mapping[str, np.ndarray]) -> list[float]:
    """Accuracy, tvd and mean tvd2, in percent."""
    pairs = [distance(np.char.add(filled, o), np.char.add(true, o)) for o in others.values()]
    return [100 * float((filled == true).mean()), 100 * distance(filled, true), 100 * float(np.mean(pairs))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--columns", required=True)
    parser.add_argument("--hidden", type=float, default=0.1)
    parser.add_argument("--steps", type=int, default=None)
    options = parser.parse_args()
    columns = options.columns.split(",")
    upload = read_upload(options.table, filename=options.table.name, limits=Limits(), progress=SILENT)
    table = Table(infer_schema(*upload), upload.data)
    rng = np.random.default_rng(0)
    gaps, hidden = hide(table, columns, options.hidden, rng)
    began = time.perf_counter()
    synthesizer = fit(gaps, options=FitOptions(holdout=0.0, steps=options.steps, threads=1))
    fitted = time.perf_counter()
    draws = [impute(synthesizer, gaps, columns, seed=s).table for s in range(DRAWS)]
    seconds = (fitted - began, (time.perf_counter() - fitted) / DRAWS)
    print(f"{len(table)} rows, fit {seconds[0]:.0f} s, one imputation {seconds[1]:.1f} s\n")
    print("| column | filled by | accuracy % | tvd % | tvd2 % |\n|---|---|---|---|---|")
    for name in columns:
        at = hidden[name]
        true, present = labels(table, name)[at], np.delete(labels(gaps, name), at)
        present = present[~np.isin(present, gaps.schema[name].missing_codes)]
        words, counts = np.unique(present, return_counts=True)
        drawn = [labels(d, name)[at] for d in draws]
        votes = np.stack([(np.stack(drawn) == w).sum(0) for w in words])
        others = {
            c.name: np.char.add("|", labels(table, c.name)[at])
            for c in table.schema.columns
            if c.labelled and c.name != name
        }
        ways = {"mode": np.full(len(at), words[counts.argmax()]), "hot deck": rng.choice(present, len(at))}
        figures = {k: score(v, true, others) for k, v in ways.items()}
        figures["Populace"] = np.mean([score(d, true, others) for d in drawn], 0).tolist()
        figures["Populace, best of 5"] = score(words[votes.argmax(0)], true, others)
        for way, values in figures.items():
            print(f"| {name} | {way} | " + " | ".join(f"{v:.1f}" for v in values) + " |")


if __name__ == "__main__":
    main()
