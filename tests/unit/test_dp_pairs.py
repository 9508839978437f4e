"""Which tables are released, and how the budget is shared."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize

from models.dp.marginals import MarginalOptions
from models.dp.pairs import LEAST_ONE_WAY, MOST_ONE_WAY, choose
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


def test_columns_get_more_where_noise_would_drown_them() -> None:
    sizes = (20, 30, 2)
    small, usual, large = (MarginalOptions(e, 1e-9, rows=20_000)._one_way(sizes) for e in (0.05, 0.2, 10.0))
    assert large == LEAST_ONE_WAY < usual < small <= MOST_ONE_WAY
    assert MarginalOptions(0.05, 1e-9)._one_way(sizes) == LEAST_ONE_WAY
    noisier = MarginalOptions(0.2, 1e-9, rows=20_000, rows_per_unit=3)._one_way(sizes)
    assert usual < noisier
    work = MarginalOptions(0.2, 1e-9, rows=20_000).workload(sizes)
    assert sum(s for axes, s in zip(work.axes, work.shares, strict=True) if len(axes) == 1) == pytest.approx(usual)


def test_pairs_stand_beside_the_triples_that_hold_them() -> None:
    work = choose(SIZES, target=3, triples=True, one_way=0.2, triples_share=0.25)
    parts = {n: math.fsum(s for a, s in zip(work.axes, work.shares, strict=True) if len(a) == n) for n in (1, 2, 3)}
    assert parts == pytest.approx({1: 0.2, 2: 0.6, 3: 0.2})
    assert sum(len(a) == 2 for a in work.axes) == 6
    assert sum(len(a) == 3 for a in work.axes) == 3
    assert not any(len(a) == 2 for a in choose(SIZES, target=3, triples=True).axes)
    for share in (0.0, 1.5, math.nan):
        with pytest.raises(InvalidInput, match="triples_share"):
            choose(SIZES, target=3, triples=True, triples_share=share)
