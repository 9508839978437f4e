"""The target of a row given its other cells: pooled with a regression as far as the noisy tables bear it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.dp.drawing import BLOCK, Mixture, draw
from models.dp.one_pass import FitPlan, OnePass, fit
from models.dp.pairs import choose
from models.dp.release import release
from models.dp.stream import Stream
from models.dp.target import Posterior, TargetModel, pool, train

SIZES = (5, 6, 4, 5, 6, 2)
ROWS = 12_000
PLAN = FitPlan(latent=200, steps=300)


def true_chances(codes: np.ndarray, additive: bool) -> np.ndarray:
    x = codes[:, :-1]
    score = (x - np.array(SIZES[:-1]) / 2) @ np.array([0.5, -0.4, 0.6, 0.3, -0.2])
    if not additive:
        score = np.where((x[:, 0] > 1) ^ (x[:, 2] > 1), 3.0, -3.0)
    return np.asarray(1 / (1 + np.exp(-score)))


def table(additive: bool = True) -> np.ndarray:
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(size, size=ROWS) for size in SIZES], 1)
    codes[:, 1] = np.where(rng.random(ROWS) < 0.5, codes[:, 0], codes[:, 1])
    codes[:, -1] = rng.random(ROWS) < true_chances(codes, additive)
    return codes


def fitted(epsilon: float, additive: bool, seed: int = 1) -> OnePass:
    workload = choose(SIZES, target=5, triples=True, triples_share=0.7)
    source = Stream(seed.to_bytes(32, "big")).bytes
    codes = table(additive)
    return fit(release(codes, workload, epsilon, 1e-9, rows=ROWS, source=source), PLAN, seed=0)


def off(generator: OnePass, additive: bool) -> float:
    """Mean squared error of the chance of the target's second cell, over real rows."""
    codes = table(additive)
    got = Posterior(tuple(generator.columns()), 5).of(codes)
    if generator.target is not None:
        got = generator.target.pooled(codes, SIZES, got)
    return float(((got[:, 1] - true_chances(codes, additive)) ** 2).mean())


@pytest.mark.parametrize("seed", [1, 2])
def test_under_noise_a_target_that_adds_up_is_nearer_to_the_truth(seed: int) -> None:
    generator = fitted(0.5, additive=True, seed=seed)
    assert generator.target is not None
    assert generator.target.weight >= 0.5
    assert off(generator, True) < 0.6 * off(replace(generator, target=None), True)


def test_a_target_that_does_not_add_up_is_left_to_the_mixture() -> None:
    generator = fitted(3.0, additive=False)
    assert generator.target is not None
    assert generator.target.weight == 0
    regression = replace(generator, target=replace(generator.target, weight=1.0))
    assert off(generator, False) < 0.2 * off(regression, False)
    drawn = generator.sample(ROWS, seed=1)
    assert (drawn == replace(generator, target=None).sample(ROWS, seed=1)).all()


def test_with_a_given_strength_or_without_tables_of_three_there_is_none() -> None:
    source = Stream((1).to_bytes(32, "big")).bytes
    for plan, triples in ((replace(PLAN, strength=0.01, steps=20), True), (replace(PLAN, steps=20), False)):
        drawn = release(table(), choose(SIZES, target=5, triples=triples), 1.0, 1e-9, rows=ROWS, source=source)
        assert fit(drawn, plan, seed=0).target is None


def mixture(seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    return tuple(rng.dirichlet(np.full(size, 0.5), 40) for size in (4, 3, 5))


def model(column: int = 1, weight: float = 1.0) -> TargetModel:
    rng = np.random.default_rng(3)
    return TargetModel(column, weight, rng.normal(size=(13, (4, 3, 5)[column])).astype(np.float32))


def test_posteriors_are_those_of_bayes_rule() -> None:
    columns, rng = mixture(), np.random.default_rng(1)
    weights = rng.dirichlet(np.ones(40))
    codes = draw(columns, 50, seed=0)
    for given in (None, weights):
        got = Posterior(columns, 1, given).of(codes)
        for row, found in zip(codes, got, strict=True):
            w = np.ones(40) if given is None else given
            wanted = (w * columns[0][:, row[0]] * columns[2][:, row[2]]) @ columns[1]
            assert found == pytest.approx(wanted / wanted.sum(), abs=1e-5)


def test_a_pool_lies_between_and_leaves_out_what_cannot_be() -> None:
    own, other = np.array([[0.5, 0.5, 0.0]]), np.array([[0.1, 0.4, 0.5]])
    assert pool(own, other, 0.0) == pytest.approx(own, abs=1e-5)
    assert pool(own, other, 1.0) == pytest.approx(np.array([[0.2, 0.8, 0.0]]))
    assert pool(own, other, 0.5) == pytest.approx(np.array([[1 / 3, 2 / 3, 0.0]]))


def test_the_regression_is_that_of_the_rows_and_knows_no_cell_that_they_lack() -> None:
    codes = table()
    learnt = train(codes, SIZES, 5)
    assert ((learnt.logistic(codes, SIZES)[:, 1] - true_chances(codes, True)) ** 2).mean() < 1e-3
    assert not learnt.coefficients[-3:-1].any()  # of the target itself
    wider = train(codes, (*SIZES[:-1], 4), 5).logistic(codes, (*SIZES[:-1], 4))
    assert wider[:, 2:].max() < 1e-3
    alone = codes.copy()
    alone[:, 5] = 1
    assert train(alone, SIZES, 5).logistic(codes, SIZES)[:, 1].min() > 0.99


@pytest.mark.parametrize("conditioned", [False, True])
def test_rows_follow_the_pool_and_nothing_else_moves(conditioned: bool) -> None:
    columns, target = mixture(), model(weight=0.6)
    weights = np.random.default_rng(1).dirichlet(np.ones(40)) if conditioned else None
    plain, pooled = Mixture(columns, weights), Mixture(columns, weights, target)
    for number in range(4):
        a, b = plain.block(number, 7), pooled.block(number, 7)
        assert (a[:, [0, 2]] == b[:, [0, 2]]).all()
        wanted = target.pooled(b, (4, 3, 5), Posterior(columns, 1, weights).of(b))
        # Spread evenly: of each cell nearly as many as expected (by chance 45 more or less), also within others' cells.
        got = np.eye(3)[b[:, 1]]
        assert np.abs(got.sum(0) - wanted.sum(0)).max() < 15
        for cell in range(4):
            here = b[:, 0] == cell
            assert (np.abs((got - wanted)[here].sum(0)) <= 4 * np.sqrt((wanted * (1 - wanted))[here].sum(0))).all()
    u = np.random.default_rng(2).random((BLOCK, 4))
    alone = pooled.alone(u)
    wanted = target.pooled(alone, (4, 3, 5), Posterior(columns, 1, weights).of(alone))
    got = np.eye(3)[alone[:, 1]]
    assert (np.abs((got - wanted).sum(0)) <= 4 * np.sqrt((wanted * (1 - wanted)).sum(0))).all()


def test_every_row_has_its_chances_over_the_seeds() -> None:
    columns, target = mixture(), model(weight=1.0)
    chances = np.random.default_rng(5).dirichlet(np.ones(3), 200)
    from models.dp.drawing import _systematic

    order, rng = np.random.default_rng(6).permutation(200), np.random.default_rng(7)
    seen = np.mean([np.eye(3)[_systematic(chances, order, rng.random(3))] for _ in range(4_000)], axis=0)
    assert (np.abs(seen - chances) <= 5 * np.sqrt(chances * (1 - chances) / 4_000) + 1e-9).all()
    whole = draw(columns, 20_000, seed=4, target=target)
    for start, rows in ((0, 3_000), (5_000, 7_000), (19_999, 1)):
        part: Any = draw(columns, rows, seed=4, start=start, target=target)
        assert (part == whole[start : start + rows]).all()
