"""Numbers as cells: bounds, grid, atoms, heaps, tails, conditions."""

from __future__ import annotations

import numpy as np
import pytest

from models.conditions import Condition
from models.encoding.numeric import Curve, curve_from, fit_curve
from models.schema import Column, Kind

INTEGER = Column("x", Kind.INTEGER)


def fitted(values: np.ndarray, column: Column = INTEGER, decimals: int = 0, direct: int = 40) -> Curve:
    return fit_curve(
        values, column, bounds=(values.min(), values.max()), decimals=decimals, direct=direct, coarse=16, fine=8
    )


def redrawn(curve: Curve, values: np.ndarray, condition: Condition | None = None) -> np.ndarray:
    cells = curve.encode(values)
    return curve.decode(cells, np.random.default_rng(5).random((len(values), 2)), condition)


def test_few_values_come_back_exactly() -> None:
    values = np.random.default_rng(0).choice([0.5, 1.25, 3.0, 99.0], 500)
    curve = fitted(values, Column("x", Kind.DECIMAL, decimals=2), 2)
    assert curve.fine.tolist() == [1, 1, 1, 1]
    np.testing.assert_array_equal(redrawn(curve, values), values)


def test_many_integers_stay_integers_within_bounds_and_close_in_distribution() -> None:
    values = np.round(np.random.default_rng(1).gamma(2.0, 1_000.0, 20_000))
    drawn = redrawn(fitted(values), values)
    assert (drawn == np.round(drawn)).all()
    assert drawn.min() >= values.min()
    assert drawn.max() <= values.max()
    grid = np.quantile(values, np.linspace(0.01, 0.99, 60))
    ecdf = [np.searchsorted(np.sort(v), grid, "right") / len(v) for v in (values, drawn)]
    assert np.abs(ecdf[0] - ecdf[1]).max() < 0.005
    assert abs(drawn.mean() / values.mean() - 1) < 0.005
    assert abs(drawn.std() / values.std() - 1) < 0.02


def test_continuous_values_are_not_emitted_as_stored() -> None:
    values = np.round(np.random.default_rng(2).normal(size=5_000), 9)
    drawn = redrawn(fitted(values, Column("x", Kind.DECIMAL, decimals=9), 9), values)
    assert np.isin(drawn, values).mean() < 0.01
    assert abs(drawn.std() - values.std()) < 0.02


def test_both_ends_are_attainable() -> None:
    values = np.round(np.random.default_rng(3).exponential(10_000, 5_000))
    curve = fitted(values)
    for i, u in ((int(values.argmin()), 0.0), (int(values.argmax()), 1 - 1e-12)):
        end = curve.decode(curve.encode(values[i : i + 1]), np.array([[u, 0.999999]]), None)
        assert end[0] == values[i]


def test_a_heavy_value_is_an_atom() -> None:
    rng = np.random.default_rng(4)
    values = np.where(rng.random(5_000) < 0.3, 0.0, np.round(rng.normal(500, 100, 5_000)))
    drawn = redrawn(fitted(values), values)
    np.testing.assert_array_equal(drawn == 0, values == 0)


def test_a_common_step_is_kept() -> None:
    values = np.random.default_rng(6).integers(1, 2_000, 5_000) * 250.0
    assert set(np.unique(redrawn(fitted(values), values) % 250)) == {0.0}


def test_round_numbers_keep_their_share() -> None:
    rng = np.random.default_rng(7)
    values = rng.integers(1_000, 90_000, 20_000).astype(float)
    values = np.where(rng.random(20_000) < 0.6, np.round(values / 100) * 100, values)
    drawn = redrawn(fitted(values), values)
    assert abs((drawn % 100 == 0).mean() - (values % 100 == 0).mean()) < 0.03


@pytest.mark.parametrize(
    "condition",
    [
        Condition("x", low=700, high=900),
        Condition("x", low=0.5, low_open=True, missing=False),
        Condition("x", high=1_000, high_open=True),
        Condition("x", low=101, high=1_207, numbers=(101.0, 350.0, 1_207.0)),
        Condition("x", excluded=(3.0, 500.0, 501.0)),
    ],
)
def test_every_value_meets_the_condition(condition: Condition) -> None:
    values = np.round(np.random.default_rng(8).gamma(1.5, 600.0, 8_000))
    curve = fitted(values)
    mass = curve.mass(condition)
    cells = curve.encode(values)
    possible = mass[cells[:, 0], cells[:, 1]] > 0
    assert possible[condition.accepts(values)].all() or condition.numbers is not None
    drawn = curve.decode(cells[possible], np.random.default_rng(9).random((possible.sum(), 2)), condition)
    assert condition.accepts(drawn).all()


def test_mass_is_the_share_of_a_cell_that_meets_a_bound() -> None:
    values = np.round(np.random.default_rng(10).uniform(0, 100_000, 30_000))
    curve = fitted(values)
    condition = Condition("x", low=33_333.0)
    cells = curve.encode(values)
    assert abs(curve.mass(condition)[cells[:, 0], cells[:, 1]].mean() - condition.accepts(values).mean()) < 0.003


def test_storing_and_loading_change_nothing() -> None:
    values = np.round(np.random.default_rng(11).gamma(2.0, 1_000.0, 3_000))
    curve = fitted(values)
    again = curve_from(INTEGER, curve.to_json(), curve.tensors())
    np.testing.assert_array_equal(redrawn(curve, values), redrawn(again, values))
