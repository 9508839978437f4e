"""The k-marginal score against its definition, and what subsamples of known size read."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from models.evaluation.context import Context
from models.evaluation.kmarginal import FRACTIONS, equivalent, k_marginal, pairs_of, scores, subsamples
from models.evaluation.matrix import Matrix
from models.evaluation.options import EvaluationOptions
from models.progress import SILENT
from models.schema import Column, Kind


def table(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 5, (rows, 4))
    a[:, 1] = (a[:, 0] + (rng.random(rows) < 0.3)) % 5
    return a


def by_pandas(real: np.ndarray, other: np.ndarray, group: int | None) -> float:
    """The score of SDNist 2: 500 (2 - mean sum of absolute differences of densities)."""
    a, b = pd.DataFrame(real), pd.DataFrame(other)
    columns = [c for c in a if c != group]
    apart = []
    for pair in itertools.combinations(columns, 2):
        keys = [*pair] if group is None else [group, *pair]
        p, q = (t.groupby(keys).size() / len(t) for t in (a, b))
        apart.append(p.subtract(q, fill_value=0).abs().sum())
    return float((2 - np.mean(apart)) * 500)


@pytest.mark.parametrize("group", [None, 2])
def test_the_score_is_that_of_sdnist(group: int | None) -> None:
    real, other = table(900, 1), table(700, 2)
    pairs = pairs_of([5] * 4, group, 99, np.random.default_rng(0))
    assert len(pairs) == (6 if group is None else 3)
    assert scores([real, other], [5] * 4, pairs, group)[0][0] == pytest.approx(by_pandas(real, other, group), abs=1e-9)


def test_subsamples_find_their_own_size_and_fresh_rows_read_a_third() -> None:
    real = table(20_000, 1)
    pairs = list(itertools.combinations(range(4), 2))
    curve, *_ = scores([real, *subsamples(real, np.random.default_rng(0))], [5] * 4, pairs, None)
    assert curve == sorted(curve)
    drawn = real[np.random.default_rng(1).permutation(len(real))]
    (small, large, fresh), *_ = scores([real, drawn[:1_000], drawn[:14_000], table(20_000, 2)], [5] * 4, pairs, None)
    assert equivalent(small, curve) == 0.05
    assert equivalent(large, curve) in (0.6, 0.7, 0.8)
    assert equivalent(fresh, curve) in (0.2, 0.3, 0.4)
    assert len(curve) == len(FRACTIONS)


def context(real: np.ndarray, synthetic: np.ndarray, holdout: np.ndarray) -> Context:
    words = tuple("abcde")
    columns = tuple(Column(n, Kind.CATEGORICAL, categories=words) for n in ("region", "x", "y", "z"))

    def matrix(codes: np.ndarray) -> Matrix:
        return Matrix(columns, codes.astype(float), np.full(codes.shape, -1, np.int16))

    return Context(matrix(real), matrix(holdout), matrix(synthetic), None, 0, EvaluationOptions(), SILENT)


def test_the_part_passes_fresh_rows_and_fails_broken_relations() -> None:
    real, fresh, held = table(3_000, 1), table(3_000, 2), table(1_000, 3)
    part = k_marginal(context(real, fresh, held))
    assert part.sections["k_marginal"]["group"] == "region"
    assert [m.status for m in part.metrics] == ["pass", "pass"]
    rng = np.random.default_rng(4)
    loose = np.stack([rng.permutation(c) for c in fresh.T], axis=1)
    whole = k_marginal(context(real, loose, held)).metrics[0]
    assert whole.status == "fail"
    assert (whole.low or 0) < (whole.value or 0) < (whole.high or 0)
    assert (whole.value or 0) < (whole.bar or 0) < (whole.ceiling or 0) < 1000
    assert abs((whole.value or 0) - (whole.floor or 0)) < 20
