"""From noisy tables to rows: consistency, the fitted mixture, drawing; and that a seed steers no noise."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.accounting import epsilon
from models.dp import marginals, one_pass
from models.dp.consistency import consistent, margin, to_simplex
from models.dp.drawing import draw
from models.dp.marginals import MarginalOptions, fit_marginals
from models.dp.one_pass import FitPlan, fit, penalty_of
from models.dp.pairs import choose
from models.dp.release import Release, release
from models.dp.stream import Stream

SIZES = (6, 4, 5, 2)
QUICK = FitPlan(latent=200, steps=300, learning_rate=0.08)


def fixed(number: int) -> Callable[[int], bytes]:
    return Stream(number.to_bytes(32, "big")).bytes


def table(rows: int = 6_000) -> np.ndarray:
    """Dependent columns: a -> b -> c, and a label from a and c together."""
    rng = np.random.default_rng(1)
    a = rng.choice(6, rows, p=[0.4, 0.2, 0.2, 0.1, 0.06, 0.04])
    b = np.where(rng.random(rows) < 0.8, a % 4, rng.integers(4, size=rows))
    c = np.where(rng.random(rows) < 0.7, b, rng.integers(5, size=rows))
    label = ((a > 1) ^ (c > 1)) & (rng.random(rows) < 0.9)
    return np.stack([a, b, c, label], 1).astype(np.int64)


def nearly_exact(triples: bool = True, codes: np.ndarray | None = None) -> Release:
    workload = choose(SIZES, target=3, triples=triples)
    return release(table() if codes is None else codes, workload, 1e5, 1e-9, rows=6_000, source=fixed(1))


def exact(codes: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    cells = np.zeros(len(codes), dtype=int)
    for c in axes:
        cells = cells * SIZES[c] + codes[:, c]
    shape = [SIZES[c] for c in axes]
    return np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape) / len(codes)


def distance(p: np.ndarray, q: np.ndarray) -> float:
    return 0.5 * float(np.abs(p - q).sum())


def mixture(generator: one_pass.OnePass, axes: tuple[int, ...]) -> np.ndarray:
    letters = "abc"[: len(axes)]
    tables = [generator.columns()[c].astype(float) for c in axes]
    spec = ",".join(f"k{x}" for x in letters) + "->" + letters
    return np.einsum(spec, *tables) / len(tables[0])


def test_consistency_makes_shared_tables_agree_and_halves_their_error() -> None:
    codes, workload = table(), choose(SIZES, target=3, triples=True, rows=0.01)
    source = fixed(3)
    raw, agreed = [], []
    means = [np.zeros(workload.shape(axes)) for axes in workload.axes]
    repeats = 60
    for _ in range(repeats):
        drawn = release(codes, workload, 1.0, 1e-9, source=source)
        result = consistent(drawn)
        for i, axes in enumerate(workload.axes):
            means[i] += result.tables[i] / repeats
            for shared in itertools.chain(*(itertools.combinations(axes, k) for k in range(len(axes)))):
                for j, others in enumerate(workload.axes):
                    if set(shared) <= set(others):
                        one, two = (margin(result.tables[t], workload.axes[t], shared) for t in (i, j))
                        assert np.allclose(one, two)
        truth = exact(codes, (0,)) * len(codes)
        i = workload.axes.index((0,))
        raw.append(float(((drawn.counts[i] - truth) ** 2).mean()))
        agreed.append(float(((result.tables[i] - truth) ** 2).mean()))
        assert abs(result.rows - len(codes)) < 6 * drawn.sd[0]
    assert np.mean(agreed) < 0.7 * np.mean(raw)
    # The mean stays: unbiased
    for i, axes in enumerate(workload.axes):
        off = (means[i] - exact(codes, axes) * len(codes)) / (drawn.sd[i] / np.sqrt(repeats))
        assert np.abs(off).max() < 4.5


def test_a_public_number_of_rows_is_met_exactly() -> None:
    drawn = release(table(), choose(SIZES), 1.0, 1e-9, rows=6_000)
    result = consistent(drawn)
    assert result.rows == pytest.approx(6_000)
    assert all(t.sum() == pytest.approx(6_000) for t in result.tables)


def test_one_way_tables_are_distributions_even_of_no_rows() -> None:
    drawn = release(np.zeros((0, 4), dtype=int), choose(SIZES, rows=0.01), 0.2, 1e-9)
    result = consistent(drawn)
    assert result.rows >= 1
    for p in result.one_way:
        assert (p >= 0).all()
        assert p.sum() == pytest.approx(1)


def test_nearest_distribution() -> None:
    assert to_simplex(np.array([0.5, 0.7])) == pytest.approx([0.4, 0.6])
    assert to_simplex(np.array([-1.0, 0.2, 3.0])) == pytest.approx([0, 0, 1])
    p = np.array([0.1, 0.2, 0.7])
    assert to_simplex(p) == pytest.approx(p)


@pytest.mark.parametrize("triples", [False, True])
def test_without_noise_the_tables_are_met(triples: bool) -> None:
    codes = table()
    generator = fit(nearly_exact(triples), FitPlan(latent=200, steps=500, learning_rate=0.08), seed=0)
    for axes in itertools.combinations(range(4), 2):
        independent = np.outer(exact(codes, axes[:1]), exact(codes, axes[1:]))
        assert distance(mixture(generator, axes), exact(codes, axes)) < 0.02
        assert distance(independent, exact(codes, axes)) < 0.02 or distance(
            mixture(generator, axes), exact(codes, axes)
        ) < 0.2 * distance(independent, exact(codes, axes))
    if triples:
        assert distance(mixture(generator, (0, 2, 3)), exact(codes, (0, 2, 3))) < 0.03


def test_slope_of_the_loss_is_its_derivative() -> None:
    import torch

    for triples in (False, True):
        drawn = nearly_exact(triples)
        targets = one_pass._targets(drawn, consistent(drawn))
        member = one_pass._members(SIZES)
        p = one_pass._softmax(torch.randn(20, sum(SIZES), generator=torch.Generator().manual_seed(0)), member)
        assert torch.allclose(p @ member, torch.ones(20, 4))
        chi, slope = one_pass._chi_square(p, targets)
        for k, w in ((0, 0), (3, 7), (19, sum(SIZES) - 1)):
            step = torch.zeros_like(p)
            step[k, w] = 1e-2
            change = one_pass._chi_square(p + step, targets)[0] - one_pass._chi_square(p - step, targets)[0]
            assert change / 2e-2 == pytest.approx(float(slope[k, w]), rel=2e-2, abs=1e-4 * chi)


def test_the_mixture_beats_the_noisy_tables() -> None:
    codes = table()
    workload = choose(SIZES, target=3, triples=True)
    drawn = release(codes, workload, 0.3, 1e-9, rows=len(codes), source=fixed(4))
    generator = fit(drawn, QUICK, seed=0)
    assert generator.residual < 1
    ours, noisy, independent = [], [], []
    for axes, counts in zip(workload.axes, drawn.counts, strict=True):
        truth = exact(codes, axes)
        ours.append(distance(mixture(generator, axes), truth))
        noisy.append(distance(counts / len(codes), truth))
        product = exact(codes, axes[:1])
        for c in axes[1:]:
            product = product[..., None] * exact(codes, (c,))
        independent.append(distance(product, truth))
    assert np.mean(ours) < 0.85 * np.mean(noisy)
    assert np.mean(ours) < 0.6 * np.mean(independent)


@pytest.mark.parametrize(("budget", "matters"), [(0.1, True), (3.0, False)])
def test_the_strength_is_near_the_best_at_any_budget(budget: float, matters: bool) -> None:
    """Against the true tables, which the choice has not seen. Where noise is large, one strength for all fails."""
    codes = table()
    workload = choose(SIZES, target=3, triples=True)
    drawn = release(codes, workload, budget, 1e-9, rows=len(codes), source=fixed(5))

    def error(strength: float | None) -> float:
        plan = replace(QUICK, latent=100, steps=200, strength=strength)
        generator = fit(drawn, plan, seed=0)
        return float(np.mean([distance(mixture(generator, axes), exact(codes, axes)) for axes in workload.axes]))

    found, fixed_ones = error(None), [error(s) for s in (1e-3, 1e-2, 1e-1, 1.0)]
    assert found < 1.25 * min(fixed_ones)
    assert not matters or found < 0.8 * max(fixed_ones)


def test_systematic_rows_have_less_sampling_noise_than_independent_ones() -> None:
    rng = np.random.default_rng(0)
    tables = [rng.dirichlet(np.full(size, 0.3), 50) for size in (8, 5)]
    ours, independent = [], []
    for seed in range(20):
        codes = draw(tables, 1_000, seed)
        counts = np.zeros((8, 5))
        np.add.at(counts, tuple(codes.T), 1)
        truth = np.einsum("ka,kb->ab", *tables) / 50
        ours.append(distance(counts / 1_000, truth))
        independent.append(distance(rng.multinomial(1_000, truth.ravel()).reshape(8, 5) / 1_000, truth))
    assert np.mean(ours) < 0.75 * np.mean(independent)


def test_latent_rows_are_used_evenly() -> None:
    """Each latent row always gives a cell of its own, and shares the other column evenly between two."""
    tables = [np.eye(40), np.tile([0.5, 0.5], (40, 1))]
    for uses in (2, 4, 8, 16, 32, 64):
        codes = draw(tables, 40 * uses, seed=0)
        counts = np.zeros((40, 2))
        np.add.at(counts, tuple(codes.T), 1)
        assert (counts == uses / 2).all()
    assert set(np.bincount(draw(tables, 50, seed=0)[:, 0], minlength=40)) == {1, 2}


def test_rows_are_made_from_the_seed_and_their_number_alone() -> None:
    rng = np.random.default_rng(0)
    tables = [rng.dirichlet(np.full(size, 0.3), 50) for size in (8, 5)]
    whole = draw(tables, 20_000, seed=4)
    for start, rows in ((0, 3_000), (5_000, 7_000), (8_192, 8_192), (16_383, 2), (19_999, 1), (3, 0)):
        assert (draw(tables, rows, seed=4, start=start) == whole[start : start + rows]).all()
    assert (draw(tables, 20_000, seed=5) != whole).any()


def test_pairs_of_columns_scatter_no_more_than_by_chance() -> None:
    """Each latent row's columns are even by themselves; together they must be as if in orders of their own."""
    tables = [np.tile([0.5, 0.5], (200, 1))] * 2
    together = []
    for seed in range(20):
        codes = draw(tables, 200 * 32, seed)
        assert (np.bincount(codes[:, 0]) == 3_200).all()
        together.append((codes.sum(1) == 2).sum())
    # Of 32 rows, 16 ones in each column in random order: 8 times both, variance 16^4 / (32^2 31).
    spread = np.sqrt(200 * 16**4 / (32**2 * 31))
    assert abs(np.mean(together) - 1_600) < 4 * spread / np.sqrt(20)
    assert 0.6 * spread < np.std(together) < 1.5 * spread


def test_any_number_of_rows() -> None:
    generator = fit(nearly_exact(), FitPlan(latent=30, steps=5), seed=0)
    for rows in (0, 1, 7, 61):
        codes = generator.sample(rows, seed=2)
        assert codes.shape == (rows, 4)
        assert ((codes >= 0) & (codes < np.array(SIZES))).all()
    assert generator.sample().shape == (6_000, 4)


def test_a_seed_steers_fit_and_sample_and_never_the_noise() -> None:
    drawn = nearly_exact()
    quick = FitPlan(latent=30, steps=20)
    one, same, other = (fit(drawn, quick, seed) for seed in (1, 1, 2))
    assert (one.probabilities == same.probabilities).all()
    assert (one.probabilities != other.probabilities).any()
    assert (one.sample(50, seed=3) == same.sample(50, seed=3)).all()
    assert (one.sample(50, seed=3) != one.sample(50, seed=4)).any()
    options = MarginalOptions(1.0, 1e-9, target=3, rows=6_000, seed=1, plan=quick)
    first, second = (fit_marginals(table(), SIZES, options) for _ in range(2))
    assert any((a != b).any() for a, b in zip(first.release.counts, second.release.counts, strict=True))


def test_all_that_a_generator_holds_follows_from_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tables that differ, one release: the same generator. Codes are handed to the release alone."""
    drawn, seen = nearly_exact(), []

    def instead(codes: object, *_: object, **__: object) -> Release:
        seen.append(codes)
        return drawn

    monkeypatch.setattr(marginals, "released", instead)
    options = MarginalOptions(1.0, 1e-9, target=3, plan=FitPlan(latent=20, steps=10))
    one = fit_marginals(table(10), SIZES, options)
    other = fit_marginals(object(), SIZES, options)  # type: ignore[arg-type]
    assert (one.probabilities == other.probabilities).all()
    assert one.target is not None
    assert other.target is not None
    assert one.target.weight == other.target.weight
    assert (one.target.coefficients == other.target.coefficients).all()
    assert len(seen) == 2


def test_budget_of_a_fit_and_its_tables() -> None:
    options = MarginalOptions(1.0, 1e-9, target=3, plan=FitPlan(latent=20, steps=2))
    generator = fit_marginals(table(), SIZES, options)
    assert 0.97 <= epsilon(generator.release.events, 1e-9) <= 1.0
    assert () in generator.release.workload.axes
    assert (0, 1, 3) in generator.release.workload.axes
    assert () not in MarginalOptions(1.0, 1e-9, rows=5).workload(SIZES).axes
    wide_target = MarginalOptions(1.0, 1e-9, target=1).workload((3, 40, 5, 2))
    assert max(map(len, wide_target.axes)) == 2


def test_the_penalty_weighs_large_columns_and_the_target() -> None:
    def weights(**target: Any) -> Any:
        penalty = penalty_of(choose((2, 40, 8, 3), **target)).numpy()
        return penalty[np.cumsum([0, 2, 40, 8])]

    plain = weights()
    assert plain.mean() == pytest.approx(1)
    assert plain[1] > plain[2] > plain[3] > plain[0]
    taught = weights(target=0, triples=True)
    assert taught[0] == 1.5
    np.testing.assert_allclose(taught[1:], plain[1:])
