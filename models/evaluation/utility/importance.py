"""Do a model of the sample and a model of real rows lean on the same columns?

Permutation importance (Breiman 2001, Machine Learning 45, section 10): the score lost on real test rows when a column
is shuffled. Agreement: rank correlation over the columns, and how many of the first few are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from models.classifiers.base import Floats, Labels
from models.evaluation.utility.training import Learnt

ROWS, COLUMNS, ROUNDS, TOP, DRAWS = 3_000, 60, 2, 5, 40


def importances(
    learnt: Learnt,
    x: Floats,
    y: Labels,
    sources: Sequence[int],
    columns: Sequence[int],
    score: Callable[[Labels, Floats], Floats],
    seed: int,
) -> Floats:
    """(draws, len(columns)) score lost when all features of a column are shuffled together, mean of ROUNDS. score: of
    outputs for the labels, in each draw of the rows (draws,). Equal seeds shuffle all models' rows alike."""
    base = score(y, learnt.outputs(x))
    lost = np.zeros((len(base), len(columns)))
    for k, column in enumerate(columns):
        at = [f for f, s in enumerate(sources) if s == column]
        rng = np.random.default_rng([seed, column])
        for _ in range(ROUNDS):
            moved = x.copy()
            moved[:, at] = x[rng.permutation(len(x))][:, at]
            lost[:, k] += (base - score(y, learnt.outputs(moved))) / ROUNDS
    return lost


def spearman(a: Floats, b: Floats) -> float:
    """Rank correlation, NaN where one side does not vary."""
    x, y = rankdata(a), rankdata(b)
    if x.std() == 0 or y.std() == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def top_overlap(a: Floats, b: Floats, top: int = TOP) -> float:
    """Share of the `top` first columns of a that are among those of b."""
    k = min(top, max(1, len(a) // 2))
    first, second = (set(np.argsort(-v, kind="stable")[:k].tolist()) for v in (a, b))
    return len(first & second) / k


def table(names: Sequence[str], read: Mapping[str, Floats]) -> list[dict[str, Any]]:
    """Columns with their importance for each source, the most important of the real rows first."""
    places = {source: rankdata(-values, method="ordinal") for source, values in read.items()}
    return [
        {
            "column": names[i],
            **{source: float(values[i]) for source, values in read.items()},
            "places": {source: int(p[i]) for source, p in places.items()},
        }
        for i in np.argsort(-read["real"], kind="stable")
    ]
