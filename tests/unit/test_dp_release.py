"""One Gaussian release of tables: what a unit changes, what it costs, how noisy each table is, what reads the data."""

import ast
import inspect
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import chi2

from models.accounting import delta, epsilon, gaussian
from models.dp import release as module
from models.dp import selection
from models.dp.noise import discrete_gaussian
from models.dp.pairs import choose
from models.dp.release import SMOOTHING, deviations, events, plan, release
from models.dp.stream import Stream
from models.errors import InvalidInput

SIZES = (2, 3, 2)


def fixed(number: int) -> Callable[[int], bytes]:
    return Stream(number.to_bytes(32, "big")).bytes


def table(rows: int, sizes: tuple[int, ...] = SIZES) -> np.ndarray:
    rng = np.random.default_rng(rows)
    return np.stack([rng.integers(size, size=rows) for size in sizes], 1)


def counted(codes: np.ndarray, workload: object, units: np.ndarray | None, k: int) -> np.ndarray:
    return np.concatenate([t / 1.0 for t in module._count(codes, workload, units, k)])


@pytest.mark.parametrize("triples", [False, True])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_claimed_sensitivity_is_the_largest_change_of_all(triples: bool, k: int) -> None:
    """In units of each table's noise: adding any unit of up to k rows to a table, over the whole domain."""
    workload = choose(SIZES, target=2, triples=triples, one_way=0.3, rows=0.1)
    sd = deviations(workload, 40.0)
    weights = np.concatenate([np.full(workload.cells(axes), 1 / s) for axes, s in zip(workload.axes, sd, strict=True)])
    base, everything = table(20), list(itertools.product(*map(range, SIZES)))
    units = np.arange(20)
    before = counted(base, workload, units, k)
    largest = 0.0
    for added in itertools.combinations_with_replacement(everything, k):
        codes = np.concatenate([base, np.array(added)])
        after = counted(codes, workload, np.r_[units, np.full(k, 99)], k)
        largest = max(largest, float(np.linalg.norm((after - before) * weights)))
    claim = k * math.sqrt(sum(1 / s**2 for s in sd))
    assert largest == pytest.approx(claim, rel=1e-12)
    # What is charged is a little more, by the lemma's smoothing.
    (event,) = events(sd, k)
    assert claim < 1 / event.sigma < claim * (1 + SMOOTHING / min(sd) ** 2)


def test_more_rows_of_a_unit_than_the_bound_are_dropped_at_random() -> None:
    workload = choose(SIZES, one_way=0.3, rows=0.1)
    codes = np.array([[0, 0, 0]] * 5 + [[1, 2, 1]] * 5 + [[0, 1, 1]])
    units = np.array([7] * 10 + [8])
    seen = set()
    for _ in range(40):
        total, first = module._count(codes, workload, units, 2)[:2]
        assert int(total[0]) == 3
        seen.add(int(first[0]))
    assert seen == {1, 2, 3}
    shuffled = np.random.default_rng(0).permutation(11)
    for k in (1, 2, 10):
        kept = units[shuffled][module.kept_rows(units[shuffled], k)]
        assert sorted(kept) == [7] * k + [8]
    assert len(module.kept_rows(np.zeros(0, dtype=int), 3)) == 0


@pytest.mark.parametrize(("budget", "at"), [(1.0, 1e-9), (0.2, 1e-9), (10.0, 1e-6)])
@pytest.mark.parametrize("k", [1, 4])
def test_events_spend_the_budget_and_no_more(budget: float, at: float, k: int) -> None:
    workload = choose((30, 4, 7, 2, 16), target=3, triples=True, rows=0.002)
    _, charged = plan(workload, budget, at, rows_per_unit=k)
    assert 0.97 * budget <= epsilon(charged, at) <= budget
    assert 0.97 * budget <= epsilon(charged, at, "rdp") <= 1.3 * budget


def test_what_was_spent_before_leaves_less() -> None:
    workload = choose(SIZES)
    spent = (gaussian(8.0, label="domain"),)
    alone, _ = plan(workload, 1.0, 1e-9)
    sd, charged = plan(workload, 1.0, 1e-9, spent=spent)
    assert 0.97 <= epsilon((*spent, *charged), 1e-9) <= 1.0
    assert all(b > 1.05 * a for a, b in zip(alone, sd, strict=True))
    with pytest.raises(InvalidInput, match="within epsilon"):
        plan(workload, 1.0, 1e-9, spent=(gaussian(1.0),))


@pytest.mark.parametrize("sd", [2.0, 2.5, 6.0])
@pytest.mark.parametrize("shift", [1, 2, 5])
def test_the_charge_covers_the_exact_hockey_stick_of_discrete_noise(sd: float, shift: int) -> None:
    """delta(epsilon) of one cell changed by `shift`, summed exactly, against what the event says."""
    n = np.arange(-300, 301)
    p, q = np.exp(-(n**2) / (2 * sd**2)), np.exp(-((n - shift) ** 2) / (2 * sd**2))
    p, q = p / p.sum(), q / q.sum()
    charged = events([sd], shift)
    for e in (0.0, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0):
        exact = float(np.maximum(p - math.exp(e) * q, 0).sum())
        assert exact <= delta(charged, e) * (1 + 1e-9) + 1e-15


@pytest.mark.parametrize(("sd", "shifts"), [(2.0, (1, 1)), (2.5, (2, 1)), (4.0, (3, 1))])
def test_and_of_two_cells_of_one_table(sd: float, shifts: tuple[int, int]) -> None:
    n = np.arange(-60, 61)
    rows = [np.exp(-((n - s) ** 2) / (2 * sd**2)) for s in (0, *shifts)]
    none, one, two = (r / r.sum() for r in rows)
    p, q = np.outer(none, none), np.outer(one, two)
    charged = events([sd], sum(shifts))
    for e in (0.0, 0.5, 1.0, 2.0, 4.0):
        assert float(np.maximum(p - math.exp(e) * q, 0).sum()) <= delta(charged, e) + 1e-12


def test_noise_of_each_table_has_the_stated_standard_deviation() -> None:
    sizes = (40, 30, 2)
    workload = choose(sizes, target=2, triples=False, one_way=0.4, rows=0.1)
    codes = table(500, sizes)
    source = fixed(5)
    squares = np.zeros(len(workload.axes))
    repeats = 30
    exact = module._count(codes, workload, None, 1)
    for _ in range(repeats):
        drawn = release(codes, workload, 1.0, 1e-9, source=source)
        for i, (noisy, truth) in enumerate(zip(drawn.counts, exact, strict=True)):
            assert noisy.dtype == np.int64
            squares[i] += float(((noisy.ravel() - truth) ** 2).sum()) / drawn.sd[i] ** 2
    cells = np.array([workload.cells(axes) for axes in workload.axes]) * repeats
    assert (chi2.sf(squares, cells) > 1e-4).all()
    assert (chi2.cdf(squares, cells) > 1e-4).all()
    # Each table by its share: larger tables get less noise a cell.
    assert drawn.sd[workload.axes.index((0, 1))] < drawn.sd[workload.axes.index((1, 2))]


def test_noise_of_two_releases_and_of_all_cells_differs() -> None:
    workload = choose(SIZES)
    codes = np.zeros((0, 3), dtype=int)
    a, b = (np.concatenate([t.ravel() for t in release(codes, workload, 1.0, 1e-9).counts]) for _ in range(2))
    assert (a != b).mean() > 0.9
    assert len(np.unique(a)) > 0.5 * len(a)


def test_noise_comes_from_the_operating_system_alone() -> None:
    assert inspect.signature(release).parameters["source"].default.__name__ == "urandom"
    assert "source" in inspect.signature(discrete_gaussian).parameters
    assert "seed" not in inspect.getsource(module)
    assert "models.rng" not in inspect.getsource(module)


@pytest.mark.parametrize("name", ["release", "release_for", "distances_for", "released"])
def test_rows_are_read_in_one_function(name: str) -> None:
    """Codes and units are passed on, at last to _count, and only their shape and type is looked at besides."""
    passed_on = {
        "release": ("release_for",),
        "released": ("release_for", "distances_for"),
        "release_for": ("_check", "_count"),
        "distances_for": ("_check", "_count"),
    }
    tree = ast.parse(inspect.getsource(getattr(selection if name == "released" else module, name)))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    uses = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id in ("codes", "units")]
    assert uses
    for use in uses:
        parent = parents[use]
        if isinstance(parent, ast.keyword):
            parent = parents[parent]
        if isinstance(parent, ast.Dict):  # how = {"units": units, ...}, which is passed on
            assert [ast.unparse(n.value) for n in ast.walk(tree) if isinstance(n, ast.keyword) and n.arg is None]
            continue
        assert isinstance(parent, ast.Call), ast.unparse(parent)
        assert ast.unparse(parent.func) in passed_on[name]
    looked_at = ast.parse(inspect.getsource(module._check))
    parents = {child: node for node in ast.walk(looked_at) for child in ast.iter_child_nodes(node)}
    seen = [parents[n] for n in ast.walk(looked_at) if isinstance(n, ast.Name) and n.id in ("codes", "units")]
    told = {n.attr if isinstance(n, ast.Attribute) else ast.unparse(n) for n in seen}
    assert told == {"ndim", "shape", "dtype", "units is not None", "units is None"}


def test_a_code_outside_its_domain_does_not_fail() -> None:
    workload = choose(SIZES, one_way=0.5)
    counts = module._count(np.array([[-1, 7, 1]]), workload, None, 1)
    assert counts[0].tolist() == [1, 0]
    assert counts[1].tolist() == [0, 0, 1]


def test_released_tables_cannot_be_changed() -> None:
    drawn = release(table(10), choose(SIZES), 1.0, 1e-9)
    with pytest.raises(ValueError, match="read-only"):
        drawn.counts[0][...] = 0


def test_refusals_come_before_a_row_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(module, "_count", read)
    workload, codes = choose(SIZES), table(10)
    for bad in (codes[:, :2], codes.astype(float), codes.ravel()):
        with pytest.raises(InvalidInput):
            release(bad, workload, 1.0, 1e-9)
    for given in ({"rows_per_unit": 0}, {"rows_per_unit": 2}, {"units": np.zeros(3)}, {"rows_per_unit": True}):
        with pytest.raises(InvalidInput):
            release(codes, workload, 1.0, 1e-9, **given)
    with pytest.raises(InvalidInput):
        release(codes, workload, 0.0, 1e-9)
