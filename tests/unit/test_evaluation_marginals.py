"""Distances of marginals against definitions written out, and against SDMetrics."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from models.evaluation.marginals import column_errors, correlations, trend_errors, tuple_errors
from models.evaluation.matrix import Cells, Matrix, bootstrap, independent, sample
from models.schema import Column, Kind

COLUMNS = (
    Column("x", Kind.DECIMAL, missing_codes=("",)),
    Column("y", Kind.DECIMAL),
    Column("a", Kind.CATEGORICAL, categories=("p", "q", "r"), missing_codes=("?", "-1")),
    Column("b", Kind.CATEGORICAL, categories=("s", "t")),
)


def matrix(rows: int, seed: int, shift: float = 0.0) -> Matrix:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows) + shift
    y = x + rng.normal(size=rows)
    a = rng.integers(0, 3, rows).astype(float)
    b = (x > 0).astype(float)
    missing = np.full((rows, 4), -1, np.int16)
    missing[rng.random(rows) < 0.1 + shift / 10, 0] = 0
    missing[:, 2] = np.where(rng.random(rows) < 0.2, rng.integers(0, 2, rows), -1)
    values = np.stack([x, y, a, b], axis=1)
    return Matrix(COLUMNS, np.where(missing < 0, values, np.nan), missing)


def test_column_errors_equal_sdmetrics() -> None:
    from sdmetrics.single_column import KSComplement, TVComplement

    real, other = matrix(900, 1), matrix(700, 2, 0.4)
    got = column_errors([real, other]).by_table[0]
    for j in (0, 1):
        expected = 1 - KSComplement.compute(pd.Series(real.values[:, j]), pd.Series(other.values[:, j]))
        assert got[j] == pytest.approx(expected, abs=1e-9)
    labels = [pd.Series(np.where(m.missing[:, 2] < 0, m.values[:, 2], 9 + m.missing[:, 2])) for m in (real, other)]
    assert got[2] == pytest.approx(1 - TVComplement.compute(*labels), abs=1e-9)


def test_missing_values_alone_count_as_an_error_of_a_number() -> None:
    real, other = matrix(500, 1), matrix(500, 1)
    other.missing[:250, 1], other.values[:250, 1] = 0, np.nan
    columns = (COLUMNS[0], Column("y", Kind.DECIMAL, missing_codes=("",)), *COLUMNS[2:])
    got = column_errors([Matrix(columns, real.values, real.missing), Matrix(columns, other.values, other.missing)])
    assert got.by_table[0, 1] == pytest.approx(0.5)


def test_a_column_lost_altogether_has_error_one() -> None:
    real, other = matrix(50, 1), matrix(50, 2)
    other.values[:, 0], other.missing[:, 0] = np.nan, 0
    assert column_errors([real, other]).by_table[0, 0] == 1.0


def test_trends_equal_sdmetrics_on_equal_bins() -> None:
    from sdmetrics.column_pairs import ContingencySimilarity, CorrelationSimilarity

    real, other = matrix(900, 1), matrix(700, 2, 0.4)
    cells = Cells.fit(real, 10)
    pairs = list(itertools.combinations(range(4), 2))
    got = dict(zip(pairs, trend_errors([real, other], cells, pairs).by_table[0], strict=True))
    frames = [pd.DataFrame(m.values[:, :2], columns=["x", "y"]) for m in (real, other)]
    assert got[0, 1] == pytest.approx(1 - CorrelationSimilarity.compute(*frames, coefficient="Pearson"), abs=1e-9)
    for pair in pairs[1:]:
        codes = [pd.DataFrame(cells.codes(m)[:, pair].astype(str), columns=["u", "v"]) for m in (real, other)]
        expected = 1 - ContingencySimilarity.compute(*codes, num_rows_subsample=None)
        assert got[pair] == pytest.approx(expected, abs=1e-9), pair


def test_correlations_of_pairwise_complete_rows_equal_pandas() -> None:
    values = matrix(400, 3).values
    values[::7, 3] = np.nan
    assert correlations(values) == pytest.approx(pd.DataFrame(values).corr().to_numpy(), abs=1e-9)
    assert np.isnan(correlations(np.ones((5, 2)))).all()


@pytest.mark.parametrize("size", [20, 400_000])
def test_tuple_errors_equal_the_definition_in_dense_and_sparse_form(size: int) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 20, (300, 3)), rng.integers(0, 15, (200, 3))
    got = tuple_errors([a, b], [size] * 3, [(0, 1), (0, 1, 2)])
    for k, columns in enumerate([[0, 1], [0, 1, 2]]):
        p = pd.DataFrame(a[:, columns]).value_counts(normalize=True)
        q = pd.DataFrame(b[:, columns]).value_counts(normalize=True)
        assert got.by_table[0, k] == pytest.approx(0.5 * p.sub(q, fill_value=0).abs().sum(), abs=1e-9)


def test_the_interval_has_the_width_of_repeated_samples() -> None:
    real = matrix(4000, 1)
    widths, values = [], []
    for seed in range(40):
        errors = column_errors([real, matrix(1000, 100 + seed, 0.3)])
        low, high = errors.interval()
        widths.append((high - low) / (2 * 1.96))
        values.append(errors.mean(0))
    assert np.mean(widths) == pytest.approx(np.std(values), rel=0.5)


def test_known_tables_are_what_they_say() -> None:
    rng = np.random.default_rng(0)
    real = matrix(500, 1)
    keys = set(real.row_keys())
    assert sorted(sample(real, 900, rng).row_keys()) == sorted(real.row_keys())
    assert set(bootstrap(real, 300, rng).row_keys()) <= keys
    mixed = independent(real, 500, rng)
    assert np.array_equal(np.sort(mixed.values, axis=0), np.sort(real.values, axis=0), equal_nan=True)
    assert abs(correlations(mixed.values)[0, 1]) < 0.15
    assert len(independent(real, 800, rng)) == 800


def test_equal_rows_have_equal_keys_and_missing_codes_tell_them_apart() -> None:
    values = np.array([[0.0, np.nan], [-0.0, np.nan], [0.0, np.nan]])
    missing = np.array([[-1, 0], [-1, 0], [-1, 1]], np.int16)
    first, same, other = Matrix(COLUMNS[:2], values, missing).row_keys()
    assert first == same
    assert first != other
