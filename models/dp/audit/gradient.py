"""Audits of DP-SGD: a gradient canary on the real steps, what one record changes, and whether noise is drawn anew.

The canary's clipped gradient has the full norm and is orthogonal to all others (Nasr et al. 2023, "Tight auditing of
differentially private machine learning", section 4: the "Dirac" gradient); whoever guesses sees the noisy gradient of
every step. The canary's coordinate of a step is N(0, sigma^2), or with the canary in the table (1 - q) N(0, sigma^2) +
q N(1, sigma^2): the pair that the accountant charges. Its sum over steps, against the middle between both means, is
nearly the best guess (simulated at rate .5, 20 steps and epsilon 10: right in .734, of .740 at most),
and loses nothing where noise is smaller than it should be.
"""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import binom
from torch import Tensor

from models.accounting import calibrate, sampled_gaussian
from models.accounting import delta as delta_of
from models.accounting import epsilon as epsilon_of
from models.dp import refine, sgd
from models.dp.audit.bounds import rate_bounds, sign_p
from models.dp.audit.finding import ALARM, CONFIDENCE, Finding
from models.encoding.encoding import Layout
from models.gan.network import Generator
from models.privacy.sgd import SgdPlan
from models.rng import stream

Array = npt.NDArray[Any]
OTHERS, SIZE = 6, 4
LAYOUT = Layout((3, 8, 2), (-1, -1, -1), (None, None, None), (0, 0, 0), (0, 8, 0))
BLIND = 0.75
"""Part of what a best guesser is ahead of chance, below which the audit is refused as blind."""


def gradient_canary(epsilon: float, delta: float, runs: int, *, rate: float = 0.5, steps: int = 20) -> Finding:
    """Guess from the noisy gradients of all steps whether the canary is in the table, a fair coin for each run."""
    start = time.perf_counter()
    sigma = calibrate(lambda scale: (sampled_gaussian(rate, scale, steps),), epsilon, delta)
    chosen = SgdPlan(rate, steps, 1.0, sigma)
    coins = stream(0, "gradient canary", repr(epsilon)).random(runs) < 0.5
    correct = sum(int((_surplus(chosen, bool(coin)) > 0) == bool(coin)) for coin in coins)
    # A guess of a fair coin is right with (1 + total variation) / 2 at most, and delta(0) is the total variation.
    ahead = delta_of(chosen.events, 0.0)
    p = float(binom.sf(correct - 1, runs, (1 + ahead) / 2))
    blind = float(binom.cdf(correct, runs, (1 + BLIND * ahead) / 2))
    seen = 2 * rate_bounds(correct, runs, 1 - CONFIDENCE)[0] - 1
    return Finding(
        "DP-SGD: gradient canary",
        p > ALARM and blind > ALARM,
        f"{correct} of {runs} coins guessed{', too few: the audit is blind' if blind <= ALARM else ''}",
        claim=epsilon,
        lower=_epsilon(seen, chosen, delta),
        confidence=CONFIDENCE,
        p=p,
        trials=runs,
        seconds=time.perf_counter() - start,
        figures={"delta": delta, "correct": correct, "variation_claimed": ahead, "variation_lower": seen},
    )


def clipped_records(clip: float = 0.5) -> Finding:
    """The sum that the real learner gives for one record alone has norm `clip` at most, however large its gradient."""
    start = time.perf_counter()
    codes = np.array([[a, b, c] for a in range(3) for b in range(8) for c in range(2)])
    model = Generator(LAYOUT.width, len(LAYOUT.sizes), 16, 1, 0.0)
    model.initialise(torch.full((LAYOUT.width,), 0.5), torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4.0).add_(0.3)
    options = refine.RefineOptions(hidden=16, depth=1, masks=2, clip=clip)
    groups = refine.grouped(None, len(codes))
    learner = refine._Learner(model, LAYOUT, (0, 1, 2), 0, codes, groups, options)
    norms = [float(learner._summed(np.array([i]), secret=i).norm()) / clip for i in range(len(codes))]
    worst = max(norms) if all(math.isfinite(n) for n in norms) else math.inf
    return Finding(
        "DP-SGD: one record",
        0.99 < worst <= 1 + 1e-5,
        f"changes the sum by {worst:.4f} of the clipping norm at most",
        trials=len(codes),
        seconds=time.perf_counter() - start,
        figures={"part": worst},
    )


def fresh_gradients(steps: int = 12, size: int = 2_000) -> Finding:
    """Noise of different steps, runs and coordinates is independent, judged by signs."""
    start = time.perf_counter()
    chosen = SgdPlan(0.5, steps, 1.0, 1.0)
    drawn = []
    for _ in range(3):
        taken = sgd.Steps(chosen, OTHERS, OTHERS)
        drawn.append([np.sign(taken.gradient(size, lambda at, _: torch.zeros(size)).numpy()) for _ in range(steps)])
    groups = {
        "steps": [a * b for run in drawn for a, b in itertools.pairwise(run)],
        "runs": [a * b for one, two in itertools.pairwise(drawn) for a, b in zip(one, two, strict=True)],
        "coordinates": [a[:-1] * a[1:] for run in drawn for a in run],
    }
    tests = {
        name: min(1.0, len(groups) * sign_p(int((np.concatenate(g) > 0).sum()), int((np.concatenate(g) != 0).sum())))
        for name, g in groups.items()
    }
    where = min(tests, key=lambda name: tests[name])
    return Finding(
        "DP-SGD: fresh noise",
        tests[where] > ALARM,
        "independent" if tests[where] > ALARM else f"not independent: {where}",
        p=tests[where],
        trials=3 * steps * size,
        seconds=time.perf_counter() - start,
    )


def _surplus(chosen: SgdPlan, present: bool) -> float:
    """What all steps show of the canary, less the middle between what is expected without it and with it."""
    taken = sgd.Steps(chosen, OTHERS + present, OTHERS)

    def summed(at: Array, secret: int) -> Tensor:
        total = torch.zeros(SIZE)
        total[0] = chosen.clip * float((at == OTHERS).sum())
        total[1] = chosen.clip * float((at < OTHERS).sum())
        return total

    batch = chosen.rate * OTHERS
    seen = np.array([float(taken.gradient(SIZE, summed)[0]) for _ in range(chosen.steps)]) * batch / chosen.clip
    return float(seen.sum()) - chosen.rate * chosen.steps / 2


def _epsilon(variation: float, chosen: SgdPlan, delta: float) -> float:
    """Epsilon of such steps with the most noise at which the total variation is no less: a lower bound, if steps are
    sampled Gaussians of the planned rate."""
    if variation <= 0:
        return 0.0
    low, high = 0.05, 1e3
    while high > low * 1.001:
        sigma = math.sqrt(low * high)
        events = SgdPlan(chosen.rate, chosen.steps, chosen.clip, sigma).events
        low, high = (sigma, high) if delta_of(events, 0.0) > variation else (low, sigma)
    return epsilon_of(SgdPlan(chosen.rate, chosen.steps, chosen.clip, high).events, delta)
