"""The large tables of bench/size.py, written piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

PIECE = 250_000
LABELS = 50_000
LABEL_ROWS = 1_000_000
LONG_ROWS = 10_000_000
WIDE_ROWS, WIDE_COLUMNS = 20_000, 300


@dataclass(frozen=True)
class Case:
    """drawn: rows of the sample; steps: of training, None for the plan's own; labels: the column whose shares are
    compared; holdout: share of the rows that training leaves out.
    """

    drawn: int
    steps: int | None = None
    labels: str = ""
    target: str = ""
    holdout: float = 0.1


CASES = {
    "covertype": Case(581_012, target="Cover_Type"),
    "long": Case(1_000_000, target="income"),
    "categories": Case(2_000_000, labels="label", holdout=0.0),
    "wide": Case(20_000),
}


def write(name: str, data: Path, folder: Path) -> Path:
    """The file of a case, made if need be."""
    if name == "covertype":
        return data / "covertype" / "covertype.csv.gz"
    path = folder / (f"{name}.csv" if name != "categories" else f"{name}.parquet")
    if not path.exists():
        made = path.with_suffix(".part")
        if name == "categories":
            _write_parquet(categories(LABEL_ROWS), made)
        else:
            _write_csv(long(data / "adult" / "train.csv.gz") if name == "long" else wide(), made)
        made.rename(path)
    return path


def long(source: Path, rows: int = LONG_ROWS) -> Iterator[pa.Table]:
    """Adult's training rows over and over, each number moved by a little noise of its own."""
    frame, rng = pd.read_csv(source, keep_default_na=False), np.random.default_rng(1)
    spread = {"age": 2.0, "fnlwgt": 5_000.0, "capital-gain": 50.0, "capital-loss": 20.0, "hours-per-week": 1.0}
    for start in range(0, rows, PIECE):
        piece = frame.iloc[np.arange(start, min(rows, start + PIECE)) % len(frame)].copy()
        for name, scale in spread.items():
            x = piece[name].to_numpy()
            moved = np.clip(np.round(x + scale * rng.normal(size=len(x))), frame[name].min(), frame[name].max())
            piece[name] = np.where(x > 0, np.maximum(moved, min(1, frame[name].min() + 1)), x).astype(np.int64)
        yield pa.Table.from_pandas(piece, preserve_index=False)


def categories(rows: int) -> Iterator[pa.Table]:
    """A region; a label of LABELS (shares as 1 / rank, ranks scattered over the spellings), most of them of one region
    only; a price and a size that depend on the label; a channel that depends on the region.
    """
    rng = np.random.default_rng(2)
    share = 1 / np.arange(1, LABELS + 1)
    words = np.array([f"L{i:05d}" for i in rng.permutation(LABELS)])
    home = rng.integers(0, 20, LABELS)
    level = rng.normal(3, 1, LABELS)
    for start in range(0, rows, PIECE):
        n = min(PIECE, rows - start)
        label = rng.choice(LABELS, n, p=share / share.sum())
        # Every label comes at least once.
        first = np.arange(start, start + n)
        label[first < LABELS] = first[first < LABELS]
        region = np.where(rng.random(n) < 0.8, home[label], rng.integers(0, 20, n))
        size = np.clip((level[label] + rng.normal(0, 0.5, n)) / 2, 0, 2).astype(int)
        yield pa.table(
            {
                "region": pa.array([f"R{r:02d}" for r in region]),
                "label": pa.array(words[label]),
                "price": np.round(np.exp(level[label] + rng.normal(0, 0.3, n)), 2),
                "size": pa.array(np.array(["S", "M", "L"])[size]),
                "channel": pa.array(np.array(["shop", "web"])[(rng.random(n) < region / 20).astype(int)]),
            }
        )


def wide(rows: int = WIDE_ROWS, columns: int = WIDE_COLUMNS) -> Iterator[pa.Table]:
    """Numbers, labels of 5 and yes/no in turn, all driven by 12 hidden factors."""
    rng = np.random.default_rng(3)
    loads = rng.normal(size=(12, columns)) * (rng.random((12, columns)) < 0.25)
    x = rng.normal(size=(rows, 12)) @ loads + 0.7 * rng.normal(size=(rows, columns))
    out = {}
    for j in range(columns):
        if j % 3 == 0:
            out[f"c{j}"] = pa.array(np.round(10 * x[:, j], 1))
        elif j % 3 == 1:
            cut = np.searchsorted(np.quantile(x[:, j], [0.1, 0.4, 0.7, 0.95]), x[:, j])
            out[f"c{j}"] = pa.array(np.array(["a", "b", "c", "d", "e"])[cut])
        else:
            out[f"c{j}"] = pa.array(np.where(x[:, j] > 0.5, "yes", "no"))
    yield pa.table(out)


def _write_csv(pieces: Iterator[pa.Table], path: Path) -> None:
    first = next(pieces)
    with pacsv.CSVWriter(path, first.schema) as writer:
        writer.write_table(first)
        for piece in pieces:
            writer.write_table(piece)


def _write_parquet(pieces: Iterator[pa.Table], path: Path) -> None:
    first = next(pieces)
    with pq.ParquetWriter(path, first.schema) as writer:
        writer.write_table(first)
        for piece in pieces:
            writer.write_table(piece)
