"""An audit of a whole job in one run: 1,000 canary rows, each included by a coin, and guesses of the coins from what
the job gives away (Steinke, Nasr and Jagielski 2023, "Privacy auditing with one (1) training run", algorithm 1).

Two guessers. One sees the released tables and knows all other rows and the size of the noise: the best linear estimate
of who is in (the posterior mean, were coins and noise normal). The other sees as many synthetic rows as it likes and
does the same with their tables. Both guess the canaries of which they are surest and abstain from the rest; how many is
fixed beforehand.

What it can show. The bound holds for any job that is (epsilon, delta)-DP, also where canaries disturb each other, and
pays for it: one run of a Gaussian release, guessed as well as can be, proves about a quarter of epsilon 10. It finds
gross faults anywhere in the job; the canary of many releases measures the noise.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from models.dp.audit.bounds import epsilon_of, one_run_lower, one_run_p, rate_bounds
from models.dp.audit.finding import ALARM, CONFIDENCE, Finding
from models.dp.audit.whole import fit_labels
from models.dp.pairs import Workload
from models.rng import stream

Array = npt.NDArray[Any]
CANARIES = 1_000
GUESSES = 150
COLUMNS, CELLS = 8, 24
OTHERS = 2_000
SYNTHETIC = 50_000


def one_run(
    epsilon: float, delta: float, *, canaries: int = CANARIES, guesses: int = GUESSES, steps: int = 200, seed: int = 0
) -> list[Finding]:
    """Findings of both guessers from one run of the job."""
    start = time.perf_counter()
    rng = stream(seed, "one run", repr(epsilon))
    others, rows = (rng.integers(0, CELLS, (count, COLUMNS)) for count in (OTHERS, canaries))
    coins = rng.random(canaries) < 0.5
    inside = np.concatenate([others, rows[coins]])
    release, synthetic = fit_labels(inside, CELLS, epsilon, delta, steps, SYNTHETIC)
    work, base = release.workload, tables(others, release.workload)
    fitted = time.perf_counter() - start
    sides = {"the release": [t.ravel().astype(np.float64) for t in release.counts]}
    # Whoever sees rows alone does not know how many the table has: half of the canaries, about.
    scale = (OTHERS + canaries / 2) / SYNTHETIC
    sides["synthetic rows"] = [t * scale for t in tables(synthetic, work)]
    out = []
    for side, seen in sides.items():
        begun = time.perf_counter()
        surplus = [a - b for a, b in zip(seen, base, strict=True)]
        scores = estimate(rows, surplus, work, np.array(release.sd))
        seconds = fitted + time.perf_counter() - begun
        out.append(_judged(f"one run: {side}", scores, coins, guesses, epsilon, delta, seconds))
    return out


def estimate(rows: Array, surplus: Sequence[Array], work: Workload, sd: Array) -> Array:
    """How far each of the canaries (m, d) seems to be in, (m,), 0 where nothing is known.

    surplus: noisy tables less those of all other rows. With x in {0, 1} the coins, surplus = A x + noise; the posterior
    mean of x - 1/2 for normal x of variance 1/4 is (A'WA + 4 I)^-1 A'W (surplus - A/2).
    """
    inner = 4.0 * np.eye(len(rows))
    outer = np.zeros(len(rows))
    for axes, found, noise in zip(work.axes, surplus, sd, strict=True):
        cell = _cells(rows, axes, work)
        expected = np.bincount(cell, minlength=len(found)) / 2
        inner += (cell[:, None] == cell) / noise**2
        outer += (found - expected)[cell] / noise**2
    scores: Array = np.linalg.solve(inner, outer)
    return scores


def tables(codes: Array, work: Workload) -> list[Array]:
    """Exact tables of codes (N, d), flat, float64."""
    return [np.bincount(_cells(codes, axes, work), minlength=work.cells(axes)).astype(np.float64) for axes in work.axes]


def _cells(codes: Array, axes: Sequence[int], work: Workload) -> Array:
    cell = np.zeros(len(codes), dtype=np.int64)
    for c in axes:
        cell = cell * work.sizes[c] + codes[:, c]
    return cell


def _judged(
    name: str, scores: Array, coins: Array, guesses: int, epsilon: float, delta: float, seconds: float
) -> Finding:
    surest = np.argsort(-np.abs(scores), kind="stable")[:guesses]
    correct = int(((scores > 0) == coins)[surest].sum())
    everyone = int(((scores > 0) == coins).sum())
    p = one_run_p(len(coins), guesses, correct, epsilon, delta)
    rate = rate_bounds(everyone, len(coins), 0.5)[0]
    as_if = epsilon_of(float(2 * ndtri(min(rate, 1 - 1e-9))), delta)
    return Finding(
        name,
        p > ALARM,
        f"{correct} of {guesses} surest guesses right, {everyone} of all {len(coins)}",
        claim=epsilon,
        lower=one_run_lower(len(coins), guesses, correct, delta, CONFIDENCE),
        confidence=CONFIDENCE,
        p=p,
        trials=len(coins),
        seconds=seconds,
        # Were guesses independent, as they nearly are where canaries have cells of their own: not a proof.
        figures={"delta": delta, "correct": correct, "correct_of_all": everyone, "epsilon_estimate": as_if},
    )
