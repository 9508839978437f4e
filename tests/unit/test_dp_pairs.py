"""Which tables are released, and how the budget is shared."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize

from models.dp.pairs import choose
from models.errors import InvalidInput

SIZES = (3, 5, 40, 2)


def test_all_columns_and_pairs() -> None:
    workload = choose(SIZES, one_way=0.2, rows=0.1)
    pairs = list(itertools.combinations(range(4), 2))
    assert workload.axes == ((), (0,), (1,), (2,), (3,), *pairs)
    assert math.fsum(workload.shares) == pytest.approx(1)
    assert workload.shares[0] == pytest.approx(0.1)
    assert math.fsum(workload.shares[1:5]) == pytest.approx(0.2)
    assert workload.shape((1, 2)) == (5, 40)
    assert workload.cells(()) == 1


def test_triples_stand_in_for_pairs() -> None:
    workload = choose(SIZES, target=1, triples=True)
    assert workload.axes == ((0,), (1,), (2,), (3,), (0, 1, 2), (0, 1, 3), (1, 2, 3))


def test_shares_have_the_least_sum_of_absolute_errors() -> None:
    """Against a numerical optimum of sum importance * cells * sd at the same sum of 1 / sd^2."""
    workload = choose((4, 30, 2), target=2, target_weight=3.0, one_way=0.0, power=2 / 3)
    cells = np.array([120, 8 * 3, 60 * 3])
    found = minimize(lambda x: float(np.sum(cells / np.sqrt(np.exp(x) / np.exp(x).sum()))), np.zeros(3), tol=1e-12)
    best = np.exp(found.x) / np.exp(found.x).sum()
    assert np.allclose(workload.shares, best, atol=1e-4)


def test_few_columns() -> None:
    assert choose((4,)).axes == ((0,),)
    assert choose((4,)).shares == (1.0,)
    assert choose((4, 2), rows=0.01).axes == ((), (0,), (1,), (0, 1))


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ((), {}),
        ((3, 0), {}),
        ((3, 2.5), {}),
        (SIZES, {"target": 4}),
        (SIZES, {"triples": True}),
        (SIZES, {"triples": True, "target": 2}),
        (SIZES, {"one_way": 1.0}),
        (SIZES, {"one_way": 0.6, "rows": 0.4}),
        ((100_000, 100_000), {}),
    ],
)
def test_refusals(sizes: tuple[int, ...], options: dict) -> None:
    with pytest.raises(InvalidInput):
        choose(sizes, **options)
