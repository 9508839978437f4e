"""The bench's tables and their splits into training rows and holdout.

Adult has a test file of its own. Every other table is shuffled by `numpy.random.RandomState(1234).permutation` and the
first 90% are the training rows. Beijing: rows with a missing value and the first column (a row number) are dropped,
as in the TabSyn and TabDiff tables. `census` is invented by populace.demo, so that the bench runs without any data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from populace.demo import make_census

TASKS = ("binary", "multiclass", "regression")
TRAIN_SHARE = 0.9
SPLIT_SEED = 1234
CENSUS_ROWS = 20_000
UNFIT = ["person_id", "interview_date"]
"""Columns of the invented census that the peers have no kind for: an identifier and a date."""
STATED = 0.6
"""At least this share of its people are adults who state an income."""


@dataclass(frozen=True)
class Source:
    """file: below the data folder; none: the invented census. test: the table's own holdout, if it has one. complete:
    rows with a blank are dropped; first: columns before this one, too. code: stands for missing among its numbers."""

    file: str | None
    target: str
    task: str
    test: str | None = None
    complete: bool = False
    first: int = 0
    code: str | None = None


TABLES = {
    "adult": Source("adult/train.csv.gz", "income", "binary", test="adult/test.csv.gz"),
    "magic": Source("magic/magic.csv.gz", "class", "binary"),
    "default": Source("default_credit/default.csv.gz", "default.payment.next.month", "binary"),
    "beijing": Source("beijing_pm25/beijing_pm25.csv.gz", "pm2.5", "regression", complete=True, first=1),
    "national2019": Source("nist_acs/national2019.csv.gz", "OWN_RENT", "multiclass", code="N"),
    "census": Source(None, "employment", "multiclass"),
}
REAL = [name for name, source in TABLES.items() if source.file]


class NoData(Exception):
    """A table's file is not there."""


@dataclass(frozen=True, eq=False)
class Split:
    """train, test: all cells as text, as the source spells them."""

    name: str
    train: pd.DataFrame
    test: pd.DataFrame
    target: str
    task: str
    code: str | None = None


def load(name: str, data: Path | None, rows: int | None = None) -> Split:
    """The table's split; `rows` keeps the first so many training rows. Raises NoData naming the missing file."""
    source = TABLES[name]
    whole = _read(data, source.file) if source.file else _census(rows)
    if source.complete:
        whole = whole[(whole != "").all(axis=1)]
    whole = whole.iloc[:, source.first :]
    if source.test:
        train, test = whole, _read(data, source.test)[list(whole.columns)]
    else:
        order = np.random.RandomState(SPLIT_SEED).permutation(len(whole))
        cut = int(TRAIN_SHARE * len(whole))
        train, test = whole.iloc[order[:cut]], whole.iloc[order[cut:]]
    train, test = train[:rows].reset_index(drop=True), test.reset_index(drop=True)
    return Split(name, train, test, source.target, source.task, source.code)


def write(split: Split, folder: Path) -> tuple[Path, Path]:
    """train.csv and test.csv in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in (("train", split.train), ("test", split.test)):
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder / "train.csv", folder / "test.csv"


def _read(data: Path | None, file: str) -> pd.DataFrame:
    if data is None:
        raise NoData(f"{file}: name the folder that holds it with --data or POPULACE_BENCH_DATA.")
    if not (data / file).is_file():
        raise NoData(f"There is no {file} in {data}.")
    return pd.read_csv(data / file, dtype=str, keep_default_na=False, skipinitialspace=True)


def _census(rows: int | None) -> pd.DataFrame:
    """Adults who state an income, so that income is a number to everyone; enough of them for `rows` training rows."""
    needed = CENSUS_ROWS if rows is None else min(CENSUS_ROWS, int(rows / TRAIN_SHARE / STATED) + 1)
    people = pd.DataFrame(make_census(needed)).drop(columns=UNFIT)
    return people[pd.to_numeric(people["income"], errors="coerce").notna()]
