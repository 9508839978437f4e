"""Two-way tables of pairs: shares of all rows, coarse, with the same labels for both tables."""

import numpy as np
import pytest

from models.evaluation.matrix import Matrix
from models.evaluation.twoway import MOST, two_way
from models.schema import Column, Kind


def matrix(rows: int, seed: int, flip: bool = False) -> Matrix:
    rng = np.random.default_rng(seed)
    words = tuple(f"w{k:02}" for k in range(20))
    columns = (
        Column("word", Kind.CATEGORICAL, categories=words),
        Column("number", Kind.INTEGER, missing_codes=("?",)),
        Column("constant", Kind.INTEGER),
    )
    word = np.minimum(rng.geometric(0.3, rows) - 1, 19).astype(float)
    number = np.round(100 * rng.random(rows)) + (0 if flip else 10 * word)
    missing = np.full((rows, 3), -1, np.int16)
    missing[: rows // 10, 1] = 0
    values = np.stack([word, np.where(missing[:, 1] < 0, number, np.nan), np.ones(rows)], axis=1)
    return Matrix(columns, values, missing)


def test_shares_of_all_rows_with_common_labels() -> None:
    real, synthetic = matrix(2_000, 1), matrix(1_000, 2, flip=True)
    (table,) = two_way(real, synthetic, [(0, 1)])
    assert table["columns"] == ["word", "number"]
    assert table["at"] == [0, 1]
    first, second = table["labels"]
    assert len(first) <= MOST
    assert first[0] == "w00"
    assert first[-1] == "all others"
    assert second[-1] == "missing"
    for role in ("real", "synthetic"):
        shares = np.array(table[role])
        assert shares.shape == (len(first), len(second))
        assert shares.sum() == pytest.approx(1, abs=1e-3)
        assert shares[:, -1].sum() == pytest.approx(0.1, abs=1e-3)
    assert np.abs(np.array(table["real"]) - table["synthetic"]).sum() > 0.1


def test_constant_columns_have_one_label() -> None:
    real = matrix(50, 1)
    (table,) = two_way(real, real, [(2, 0)])
    assert table["labels"][0] == ["all"]
    assert np.array_equal(table["real"], table["synthetic"])
