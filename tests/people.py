"""Matrices of invented people with dependent columns, for tests of the evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.evaluation.context import Context
from models.evaluation.matrix import Matrix
from models.evaluation.options import EvaluationOptions
from models.progress import SILENT
from models.schema import Column, Kind

COLUMNS = (
    Column("age", Kind.INTEGER),
    Column("region", Kind.CATEGORICAL, categories=("north", "south", "east", "west", "isles")),
    Column("job", Kind.CATEGORICAL, categories=("clerk", "cook", "nurse", "smith", "none"), missing_codes=("?",)),
    Column("works", Kind.BOOLEAN, categories=("no", "yes")),
    Column("hours", Kind.INTEGER),
    Column("income", Kind.DECIMAL, decimals=2, missing_codes=("",)),
    Column("commute", Kind.DECIMAL, decimals=2),
)


def people(rows: int, seed: int) -> Matrix:
    rng = np.random.default_rng(seed)
    age = rng.integers(16, 95, rows)
    region = rng.choice(5, rows, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    works = rng.random(rows) < np.where(age < 65, 0.8, 0.1)
    job = np.where(works, rng.integers(0, 4, rows), 4)
    hours = np.where(works, np.clip(np.round(rng.normal(38, 8, rows)), 4, 80), 0)
    income = np.round(np.exp(rng.normal(6 + works + region / 4, 0.5, rows)), 2)
    commute = np.round(rng.gamma(2, 6 + 3 * region, rows), 2)
    values = np.stack([age, region, job, works, hours, income, commute], axis=1).astype(float)
    missing = np.full(values.shape, -1, np.int16)
    missing[rng.random(rows) < 0.04, 2] = 0
    missing[rng.random(rows) < 0.06, 5] = 0
    values[missing >= 0] = np.nan
    return Matrix(COLUMNS, np.asfortranarray(values), np.asfortranarray(missing))


def stacked(*parts: Matrix) -> Matrix:
    return Matrix(
        parts[0].columns, np.concatenate([p.values for p in parts]), np.concatenate([p.missing for p in parts])
    )


def context(real: Matrix, holdout: Matrix, synthetic: Matrix, target: str | None = "works", **options: Any) -> Context:
    seed = options.pop("seed", 0)
    asked = EvaluationOptions(**options)
    return Context(real, holdout, synthetic, target, seed, asked, SILENT, np.unique(real.row_keys()), len(real))
