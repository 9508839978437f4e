"""An empty-cell canary on the real release: many releases, in each a fair coin decides whether one unit takes part.

Everything but the coin is known to whoever guesses it: all other rows, the noise of each table, and that nobody else is
in the canary's cells. A unit of k equal rows shifts one cell of each table by k, the most that it may (release.py). The
log-likelihood ratio of the noisy cells is then linear in them, and its sign is the best guess there is (Neyman and
Pearson 1933).
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from models.dp import release as releasing
from models.dp.audit.bounds import blind_p, epsilon_lower, epsilon_of, guesses_p, mu_lower, mu_of
from models.dp.audit.finding import ALARM, BLIND, CONFIDENCE, Finding
from models.dp.pairs import Workload, choose
from models.dp.release import Release
from models.rng import stream

Array = npt.NDArray[Any]
SIZES = (3, 3)
_FAR = 2.0
"""Threshold of the bound that assumes nothing of the mechanism, in standard deviations."""


def canary(
    epsilon: float, delta: float, releases: int, *, rows_per_unit: int = 1, brought: int | None = None, seed: int = 0
) -> Finding:
    """Guess the coin of each release. brought: rows that the unit has, of which rows_per_unit may count."""
    start, k = time.perf_counter(), rows_per_unit
    workload = choose(SIZES, one_way=0.3, rows=0.1)
    rng = stream(seed, "canary", repr(epsilon), k)
    others = rng.integers(0, np.array(SIZES) - 1, (30, len(SIZES)))
    unit = np.full((brought or k, len(SIZES)), np.array(SIZES) - 1)
    _, (event,) = releasing.plan(workload, epsilon, delta, rows_per_unit=k)
    coins = rng.random(releases) < 0.5
    ratios = np.empty(releases)
    for i, coin in enumerate(coins):
        codes = np.concatenate([others, unit]) if coin else others
        units = np.minimum(np.arange(len(codes)), len(others)) if k > 1 else None
        drawn = releasing.release_for(codes, workload, event, rows_per_unit=k, units=units)
        ratios[i] = log_ratio(drawn, workload, len(others), k)
    name = f"canary: unit of {k} rows" if k > 1 else "canary: one row"
    return judged(name, ratios, coins, epsilon, delta, time.perf_counter() - start)


def judged(name: str, ratios: Array, coins: Array, epsilon: float, delta: float, seconds: float) -> Finding:
    """Whether log-likelihood ratios (releases,) tell of coins (releases,) as much as claimed, and no more."""
    releases = len(coins)
    correct = int(((ratios > 0) == coins).sum())
    mu = mu_of(epsilon, delta)
    p, blind = guesses_p(correct, releases, mu), blind_p(correct, releases, BLIND * mu)
    seen = mu_lower(correct, releases, CONFIDENCE)
    far = ratios > _FAR * mu - mu * mu / 2
    # As if the ratio were normal, which it nearly is: not a proof.
    spread = math.sqrt((ratios[coins].var() + ratios[~coins].var()) / 2)
    gap = float(ratios[coins].mean() - ratios[~coins].mean()) / spread
    lower = epsilon_of(seen, delta)
    return Finding(
        name,
        p > ALARM and blind > ALARM,
        f"{correct} of {releases} coins guessed{', too few: the audit is blind' if blind <= ALARM else ''}",
        claim=epsilon,
        lower=lower,
        confidence=CONFIDENCE,
        p=p,
        trials=releases,
        seconds=seconds,
        figures={
            "delta": delta,
            "correct": correct,
            "mu_claimed": mu,
            "mu_lower": seen,
            "mu_estimate": gap,
            "epsilon_estimate": epsilon_of(gap, delta),
            "epsilon_lower_any_mechanism": epsilon_lower(
                int((far & coins).sum()),
                int(coins.sum()),
                int((far & ~coins).sum()),
                int((~coins).sum()),
                delta,
                CONFIDENCE,
            ),
        },
    )


def log_ratio(drawn: Release, workload: Workload, others: int, k: int) -> float:
    """Log of how much likelier the noisy tables are with the canary: per table (2 (y - base) k - k^2) / (2 sd^2)."""
    total = 0.0
    for axes, sd, counts in zip(workload.axes, drawn.sd, drawn.counts, strict=True):
        base = 0 if axes else others
        total += (2 * (float(counts.ravel()[-1]) - base) * k - k * k) / (2 * sd * sd)
    return total
