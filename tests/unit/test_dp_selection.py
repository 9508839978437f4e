"""Tables that are worth their noise: what choosing them costs, how the budget is shared, what is chosen."""

import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from models.accounting import compose, epsilon, gaussian
from models.dp import release as releasing
from models.dp import selection
from models.dp.marginals import MarginalOptions, fit_marginals
from models.dp.one_pass import FitPlan
from models.dp.pairs import Workload, choose
from models.dp.release import Distances, Release, distances_for, plan, release
from models.dp.selection import allocate, choose_tables, independent, part, released
from models.dp.stored import release_from, release_tensor, release_to_json
from models.dp.stream import Stream
from models.errors import InvalidInput

SIZES = (6, 6, 4, 5, 3, 2)
ROWS = 20_000


def people(rows: int = ROWS) -> np.ndarray:
    """Column 1 follows column 0, the target (5) both of them together; 2, 3 and 4 are of themselves."""
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(0, size, rows) for size in SIZES], 1)
    codes[:, 1] = np.where(rng.random(rows) < 0.6, codes[:, 0], codes[:, 1])
    codes[:, 5] = (codes[:, 0] + codes[:, 1] + rng.integers(0, 3, rows) > 6).astype(int)
    return codes


WORK = MarginalOptions(1.0, 1e-9, target=5, rows=ROWS).workload(SIZES)


def drawn(number: int = 0, work: Workload = WORK, epsilon: float = 1.0, **options: Any) -> Release:
    _, (event,) = plan(work, epsilon, 1e-9)
    source = Stream(number.to_bytes(32, "big")).bytes
    return released(people(), work, event, rows=ROWS, source=source, **options)


@pytest.mark.parametrize("k", [1, 2])
def test_a_unit_changes_each_distance_by_its_rows_at_most(k: int) -> None:
    """Over every unit of a small domain, and references near to the table and far from it."""
    sizes = (2, 3, 2)
    work, rng = choose(sizes, one_way=0.0), np.random.default_rng(1)
    base = np.stack([rng.integers(size, size=20) for size in sizes], 1)
    changes = []
    for scale in (0, 3, 30):
        references = [rng.integers(0, scale + 1, work.cells(axes)) for axes in work.axes]
        before = np.array([np.abs(t - r).sum() for t, r in zip(tables(base, work), references, strict=True)])
        for added in itertools.combinations_with_replacement(itertools.product(*map(range, sizes)), k):
            codes = np.concatenate([base, np.array(added)])
            after = [np.abs(t - r).sum() for t, r in zip(tables(codes, work), references, strict=True)]
            changes.append(np.abs(after - before))
    assert np.max(changes) == k
    assert max(np.linalg.norm(c) for c in changes) == pytest.approx(k * math.sqrt(3))
    # That is what the noise is made for.
    units = np.arange(20)
    seen = distances_for(base, work, references, gaussian(7.0), rows_per_unit=k, units=units)
    assert seen.sd == pytest.approx(7.0 * k * math.sqrt(3), rel=0.02)


def tables(codes: np.ndarray, work: Workload) -> list[np.ndarray]:
    return releasing._count(codes, work, None, 1)


def test_all_parts_together_cost_the_event_that_they_were_cut_from(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = []
    for name in ("release_for", "distances_for"):
        inner = getattr(selection, name)

        def seen(*given: Any, inner: Any = inner, **options: Any) -> Any:
            cut.append(given[3] if inner is distances_for else given[2])
            return inner(*given, **options)

        monkeypatch.setattr(selection, name, seen)
    found = drawn()
    assert len(cut) == 3
    (event,) = found.events
    assert event.sigma is not None
    assert sum(part.sigma**-2 for part in cut) == pytest.approx(event.sigma**-2, rel=1e-12)
    assert 0.97 <= epsilon(compose(found.events), 1e-9) <= 1.0
    assert epsilon(compose(cut), 1e-9) == pytest.approx(epsilon(found.events, 1e-9), rel=1e-9)
    assert found.distances is not None
    spent = sum(1 / (s * s - releasing.SMOOTHING) for s in (*found.sd, *[found.distances.sd] * 15))
    assert spent == pytest.approx(event.sigma**-2, rel=1e-6)


def test_each_distance_is_from_the_product_of_the_released_columns() -> None:
    codes, found = people(), drawn()
    assert found.distances is not None
    first = part(WORK, range(6))
    single = Release(first, found.counts[:6], found.sd[:6], ROWS, 1, found.events)
    pairs = choose(SIZES, one_way=0.0)
    exact = [np.abs(t - r.ravel()).sum() for t, r in zip(tables(codes, pairs), independent(single, pairs), strict=True)]
    off = (found.distances.values - np.array(exact)) / found.distances.sd
    assert np.abs(off).max() < 5
    assert off.std() > 0.3


def test_dependence_is_counted_and_chance_is_not() -> None:
    """Six draws of the noise: what depends is counted each time, what does not seldom."""
    depend = {(0, 1), (0, 5), (1, 5), (0, 1, 5)}
    chance = {(2, 3), (2, 4), (3, 4), (2, 5), (3, 5), (4, 5), (2, 3, 5), (2, 4, 5), (3, 4, 5)}
    everything = drawn(selection=False)
    assert everything.distances is None
    assert everything.workload.axes == WORK.axes
    sd, counted = dict(zip(everything.workload.axes, everything.sd, strict=True)), 0
    for number in range(6):
        found = drawn(number)
        own = dict(zip(found.workload.axes, found.sd, strict=True))
        assert depend <= set(own)
        assert all(own[axes] < 0.9 * sd[axes] for axes in depend)
        assert own[(0,)] == pytest.approx(sd[(0,)], rel=0.01)
        counted += len(chance & set(own))
    assert counted < 0.4 * 6 * len(chance)


def test_shares_are_best() -> None:
    """Against a numerical optimum of sum importance expected / sqrt(1 + r / q) with sum r = 1."""
    rng = np.random.default_rng(2)
    expected, noise, importance = rng.uniform(0.5, 2, 6), rng.uniform(0.3, 1.5, 6), rng.uniform(0.5, 2, 6)
    q = (noise / expected) ** 2

    def off(shares: np.ndarray) -> float:
        return float((importance * expected / np.sqrt(1 + shares / q)).sum())

    bounds, whole = [(0, 1)] * 6, {"type": "eq", "fun": lambda x: x.sum() - 1}
    best = minimize(off, np.full(6, 1 / 6), bounds=bounds, constraints=[whole], tol=1e-12)
    found = allocate(expected, noise, importance)
    assert found.sum() == pytest.approx(1)
    least = selection.LEAST * q
    assert ((found == 0) | (found >= least)).all()
    assert off(found) <= best.fun + (0.02 if selection.LEAST else 1e-6) * best.fun


def test_a_budget_for_one_table_goes_to_the_one_that_needs_it_most() -> None:
    found = allocate(np.array([1.0, 50.0, 1.0]), np.array([30.0, 30.0, 30.0]), np.ones(3))
    assert found.tolist() == [0.0, 1.0, 0.0]
    found = allocate(np.array([10.0, 1e-3]), np.array([1e-6, 1e-6]), np.ones(2))
    assert (found > 0).all()


def test_distances_that_noise_made_negative_choose_something() -> None:
    seen = Distances(tuple(itertools.combinations(range(6), 2)), np.full(15, -900), 400.0)
    chosen = choose_tables(WORK, seen, np.full(15, 300.0), 200.0)
    assert chosen.axes
    assert math.fsum(chosen.shares) == pytest.approx(1)
    assert all(len(axes) > 1 for axes in chosen.axes)


@pytest.mark.parametrize("sizes", [(4,), (4, 3)])
def test_where_there_is_nothing_to_choose_all_is_counted(sizes: tuple[int, ...]) -> None:
    work = choose(sizes)
    _, (event,) = plan(work, 1.0, 1e-9)
    found = released(np.zeros((5, len(sizes)), int), work, event)
    assert found.distances is None
    assert found.workload == work


def test_references_must_be_whole_and_fit() -> None:
    work, codes = choose(SIZES, one_way=0.0), people(10)
    fine = [np.zeros(work.cells(axes), int) for axes in work.axes]
    for bad in (fine[:-1], [*fine[:-1], np.zeros(3, int)], [r / 2 for r in fine]):
        with pytest.raises(InvalidInput, match="reference"):
            distances_for(codes, work, bad, gaussian(5.0))


def test_a_release_of_chosen_tables_is_stored_whole() -> None:
    found = drawn(1)
    raw = json.loads(json.dumps(release_to_json(found)))
    back = release_from(raw, release_tensor(found))
    assert back.workload == found.workload
    assert back.distances is not None
    assert found.distances is not None
    assert back.distances.axes == found.distances.axes
    assert (back.distances.values == found.distances.values).all()
    assert back.distances.sd == found.distances.sd
    for change in ({"target": 2}, {"distances": {**raw["distances"], "sd": 0}}):
        with pytest.raises(ValueError, match=r"target|distances"):
            release_from(raw | change, release_tensor(found))
    old = release(people(), WORK, 1.0, 1e-9, rows=ROWS)
    before = {k: v for k, v in release_to_json(old).items() if k != "target"}
    assert release_from(before, release_tensor(old)).workload.target == 5


def test_chosen_tables_come_nearer_to_the_rows() -> None:
    """Total variation of the mixtures' tables of three columns that hang together, among eleven that do not."""
    rng, sizes = np.random.default_rng(3), (8,) * 14
    codes = rng.integers(0, 8, (ROWS, 14))
    codes[:, 1] = np.where(rng.random(ROWS) < 0.6, codes[:, 0], codes[:, 1])
    codes[:, 2] = np.where(rng.random(ROWS) < 0.6, codes[:, 1], codes[:, 2])
    pairs = Workload(sizes, ((0, 1), (0, 2), (1, 2)), (1 / 3,) * 3)
    exact, off, quick = tables(codes, pairs), {True: 0.0, False: 0.0}, FitPlan(latent=100, steps=200)
    for chosen in off:
        for seed in range(2):
            options = MarginalOptions(0.1, 1e-9, rows=ROWS, seed=seed, plan=quick, selection=chosen)
            source = Stream(seed.to_bytes(32, "big")).bytes
            made = tables(fit_marginals(codes, sizes, options, source=source).sample(seed=seed), pairs)
            off[chosen] += sum(np.abs(a - b).sum() for a, b in zip(made, exact, strict=True)) / ROWS
    assert off[True] < 0.7 * off[False]
