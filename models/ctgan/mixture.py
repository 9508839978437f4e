"""A one-dimensional Gaussian mixture whose number of modes is found from the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from models.encoding.cells import Array

MODES = 10
POINTS = 4_096
"""Values that a mixture is fitted to: evenly spaced ranks of the column, both ends among them."""
ROUNDS = 200
CONCENTRATION = 1e-3
"""Of the Dirichlet prior on the shares: so small that modes which explain little die out."""
LEAST_SHARE = 0.005


@dataclass(frozen=True, eq=False)
class Mixture:
    """Modes of one column, ascending by mean: mean, deviation, share, each (M,)."""

    mean: Array
    deviation: Array
    share: Array

    def draw_modes(self, values: Array, uniforms: Array) -> Array:
        """Values (N,) and uniforms (N,) -> a mode of each (N,), drawn by how likely it is to have made the value."""
        z = (values[:, None] - self.mean) / self.deviation
        log = np.log(self.share / self.deviation) - 0.5 * z**2
        p = np.cumsum(np.exp(log - log.max(1, keepdims=True)), 1)
        drawn: Array = (uniforms[:, None] * p[:, -1:] >= p).sum(1)
        return np.minimum(drawn, len(self.mean) - 1)


def fit_mixture(values: Array, least_deviation: float) -> Mixture:
    """Variational Bayes for a Gaussian mixture (Bishop 2006, section 10.2, in one dimension), as Xu et al. 2019 use.

    values (N,), N >= 1. least_deviation: of a mode, so that none shrinks to a point of the column's grid.
    """
    ranked = np.sort(values)
    x = ranked[np.unique(np.linspace(0, len(ranked) - 1, POINTS).round().astype(np.int64))]
    centre, scale = x.mean(), x.std()
    if scale <= 0:
        return Mixture(x[:1], np.array([max(least_deviation, 1e-9)]), np.ones(1))
    x = (x - centre) / scale
    k = min(MODES, len(x))
    mean = np.quantile(x, (np.arange(k) + 0.5) / k)
    share, precision = np.full(k, 1 / k), np.full(k, float(k))
    log = np.log(share) + 0.5 * np.log(precision) - 0.5 * precision * (x[:, None] - mean) ** 2
    before = -np.inf
    for _ in range(ROUNDS):
        log -= log.max(1, keepdims=True)
        r = np.exp(log)
        r /= r.sum(1, keepdims=True)
        count = r.sum(0) + 1e-10
        centre_k = r.T @ x / count
        spread = r.T @ x**2 / count - centre_k**2
        # Posterior: normal-gamma with mean 0, one row's weight and unit variance as prior; Dirichlet on the shares.
        beta, a = 1 + count, 0.5 * (1 + count)
        mean = count * centre_k / beta
        b = 0.5 * (1 + count * np.maximum(spread, 0) + count * centre_k**2 / beta)
        alpha = CONCENTRATION + count
        log_share = digamma(alpha) - digamma(alpha.sum())
        log = log_share + 0.5 * (digamma(a) - np.log(b)) - 0.5 * (1 / beta + a / b * (x[:, None] - mean) ** 2)
        bound = float(np.logaddexp.reduce(log, 1).mean())
        if abs(bound - before) < 1e-5:
            break
        before = bound
    share = count / count.sum()
    kept = share > LEAST_SHARE
    order = np.argsort(mean[kept], kind="stable")
    deviation = np.maximum(np.sqrt(b[kept] / a[kept]) * scale, least_deviation)
    return Mixture(
        (mean[kept] * scale + centre)[order], deviation[order], share[kept][order] / float(share[kept].sum())
    )
