"""Exact integer noise: its distribution, its source, and that no floating-point number takes part."""

import ast
import inspect
import math
import random
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from models.dp import noise
from models.dp.noise import discrete_gaussian, variance_of
from models.dp.stream import Stream
from models.errors import InvalidInput

SIGMAS = [0.3, 0.5, Fraction(2, 3), 1, 2.5, 20.0, 100.0]


def fixed(number: int) -> Callable[[int], bytes]:
    """The same bytes on each run, so that a test of chance passes on all days or on none."""
    return Stream(number.to_bytes(32, "big")).bytes


def expected(variance: Fraction) -> tuple[np.ndarray, np.ndarray]:
    reach = math.ceil(12 * math.sqrt(variance)) + 2
    n = np.arange(-reach, reach + 1)
    mass = np.exp(-(n**2) / (2 * float(variance)))
    return n, mass / mass.sum()


@pytest.mark.parametrize("sigma", SIGMAS)
def test_chi_square_against_exact_probabilities(sigma: float) -> None:
    size = 200_000
    drawn = discrete_gaussian(sigma, size, fixed(1))
    n, mass = expected(variance_of(sigma))
    # Cells of at least 20 expected draws; the tails in one cell.
    common = mass * size >= 20
    counts = np.array([(drawn == k).sum() for k in n[common]])
    wanted = mass[common] * size
    statistic = float(np.sum((counts - wanted) ** 2 / wanted))
    rest, wanted_rest = size - counts.sum(), size - wanted.sum()
    statistic += (rest - wanted_rest) ** 2 / max(wanted_rest, 1e-9) if wanted_rest > 5 else 0.0
    assert 1e-4 < chi2.sf(statistic, len(counts)) < 1 - 1e-4


@pytest.mark.parametrize("sigma", [0.5, 1, 20.0, 500.0, 20_000.0, 1e9])
def test_moments(sigma: float) -> None:
    size = 200_000 if sigma < 1e4 else 20_000
    drawn = discrete_gaussian(sigma, size, fixed(2)).astype(float)
    if sigma < 1e4:
        n, mass = expected(variance_of(sigma))
        variance, fourth = float(mass @ n**2), float(mass @ n.astype(float) ** 4)
    else:
        variance, fourth = float(variance_of(sigma)), 3 * float(variance_of(sigma)) ** 2
    assert abs(drawn.mean()) < 4.5 * math.sqrt(variance / size)
    assert abs((drawn**2).mean() - variance) < 4.5 * math.sqrt((fourth - variance**2) / size)
    assert abs((drawn**3).mean()) < 4.5 * math.sqrt(15 * max(variance, 1 / 15) ** 3 / size)


def test_large_numbers_take_the_same_path_in_python_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = discrete_gaussian(30, 2_000, fixed(3))
    monkeypatch.setattr(noise, "_SAFE", 1)
    assert (discrete_gaussian(30, 2_000, fixed(3)) == fast).all()


def test_variance_is_exact_for_fractions_and_just_above_for_floats() -> None:
    assert variance_of(Fraction(1, 3)) == Fraction(1, 9)
    assert variance_of(7) == 49
    for sigma in (0.0123, 0.5, 1 / 3, 6.6, 123.456, 98_765.4, 1e10):
        ratio = variance_of(sigma) / Fraction(sigma) ** 2
        assert 1 <= ratio <= 1 + Fraction(1, 2**13)
        assert variance_of(sigma).numerator.bit_length() + variance_of(sigma).denominator.bit_length() < 100


@pytest.mark.parametrize("sigma", [0, -1.0, math.nan, math.inf, True, "1", 2**41, 1e-9])
def test_bad_scales_are_refused(sigma: float) -> None:
    with pytest.raises(InvalidInput):
        discrete_gaussian(sigma, 1)


def test_no_floating_point_number_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = ast.parse(inspect.getsource(noise))
    for function in [f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name != "variance_of"]:
        for node in ast.walk(function):
            assert not isinstance(node, ast.Div), (function.name, node.lineno)
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), (function.name, node.lineno)
    kinds = set()
    for name in ("_below", "_bernoulli_exp", "_small_exp", "_geometric", "_discrete_laplace"):
        original = getattr(noise, name)

        def watched(*args: object, original: Callable = original) -> np.ndarray:
            result = original(*args)
            kinds.update(a.dtype.kind for a in (*args, result) if isinstance(a, np.ndarray))
            assert not any(isinstance(a, float) for a in args)
            return result

        monkeypatch.setattr(noise, name, watched)
    for sigma in (6.6, Fraction(1, 3), 1e8):
        discrete_gaussian(sigma, 500)
    assert kinds <= {"i", "b", "O"}


def test_seeds_have_no_influence() -> None:
    draws = []
    for _ in range(2):
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        draws.append((discrete_gaussian(50.0, 100), Stream().normal(100), Stream().bytes(32)))
    assert (draws[0][0] != draws[1][0]).any()
    assert (draws[0][1] != draws[1][1]).any()
    assert draws[0][2] != draws[1][2]


def test_default_source_is_the_operating_systems() -> None:
    assert inspect.signature(discrete_gaussian).parameters["source"].default.__name__ == "urandom"
    sources = inspect.getsource(noise)
    assert "random.default_rng" not in sources
    assert "models.rng" not in sources


def test_none_and_one() -> None:
    assert discrete_gaussian(3.0, 0).shape == (0,)
    assert discrete_gaussian(3.0, 1).dtype == np.int64
