"""Generalised linear models by weighted least squares, with their standard errors.

Iteratively reweighted least squares (McCullagh and Nelder 1989, section 2.5) through a QR decomposition. Columns that
follow from earlier ones have no coefficient, as in R. With survey weights the estimates are pseudo-maximum likelihood
and their covariance is the linearised one (Binder 1983, International Statistical Review 51, 279-292).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

from models.errors import InvalidInput
from models.evaluation.matrix import Floats

ROUNDS, CLOSE, ALIASED, FARTHEST = 30, 1e-10, 1e-7, 30.0
LARGEST, BROKEN = 50.0, 2.0
"""Standard error of a scaled coefficient from which on the likelihood is taken to have no maximum."""


@dataclass(frozen=True, eq=False)
class Fit:
    """coefficients (p,) and their covariance (p, p), NaN where a column has none; rows that it rests on. converged:
    False where the likelihood has no maximum, as when a level has one outcome only."""

    coefficients: Floats
    covariance: Floats
    rows: int
    converged: bool

    @property
    def errors(self) -> Floats:
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        return np.isfinite(self.coefficients) & np.isfinite(self.errors) & (self.errors > 0)


def fit_glm(x: Floats, y: Floats, family: str = "gaussian", weights: Floats | None = None) -> Fit:
    """x (n, p), y (n,), weights (n,) of the survey. Raises InvalidInput where there are too few rows."""
    n, p = x.shape
    if n <= p + 1:
        raise InvalidInput(f"{n} complete rows are too few for {p} coefficients.", hint="Name fewer columns.")
    if len(np.unique(y)) < 2:
        raise InvalidInput("The response is constant.", hint="Choose a response that varies.")
    scale = np.sqrt((x**2).mean(axis=0))
    scale[scale == 0] = 1.0
    z = x / scale
    w = np.ones(n) if weights is None else weights
    kept = _independent(z * np.sqrt(w)[:, None])
    z = z[:, kept]
    if family == "gaussian":
        beta, r = _solve(z, y, w)
        converged, mean = True, z @ beta
    else:
        beta, r, mean, converged = _iterate(z, y, w, family)
    bread = solve_triangular(r, np.eye(len(r)))
    bread = bread @ bread.T
    covariance = bread * (float((w * (y - mean) ** 2).sum() / (n - z.shape[1])) if family == "gaussian" else 1.0)
    if weights is not None:
        scores = z * (w * (y - mean))[:, None]
        covariance = _widened(bread @ (scores.T @ scores * (n / (n - 1))) @ bread, covariance)
    converged = converged and bool(np.sqrt(np.diag(bread)).max() < LARGEST or family == "gaussian")
    coefficients, whole = np.full(p, np.nan), np.full((p, p), np.nan)
    coefficients[kept] = beta / scale[kept]
    whole[np.ix_(kept, kept)] = covariance / np.outer(scale[kept], scale[kept])
    return Fit(coefficients, whole, n, converged)


def _widened(linearised: Floats, plain: Floats) -> Floats:
    """The linearised covariance, but the plain one where it breaks down: where a level has one outcome only, no
    residual is left to learn its error from."""
    a, b = np.sqrt(np.diag(linearised).clip(0)), np.sqrt(np.diag(plain))
    if not (broken := b > BROKEN * a).any():
        return linearised
    out = linearised.copy()
    out[broken, :] = out[:, broken] = 0.0
    out[np.ix_(broken, broken)] = plain[np.ix_(broken, broken)]
    return out


def _solve(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted least squares: coefficients (p,), and R of the weighted x = QR."""
    root = np.sqrt(weights)
    r = np.asarray(np.linalg.qr(np.column_stack([x * root[:, None], y * root]), mode="r"))
    return np.asarray(solve_triangular(r[:-1, :-1], r[:-1, -1])), r[:-1, :-1]


def _independent(x: Floats) -> npt.NDArray[np.int64]:
    """Columns that do not follow from earlier ones."""
    kept = np.flatnonzero((x != 0).any(axis=0))
    while len(kept):
        diagonal = np.abs(np.diag(np.asarray(np.linalg.qr(x[:, kept], mode="r"))))
        sound = diagonal > ALIASED * np.linalg.norm(x[:, kept], axis=0)
        if sound.all():
            break
        kept = kept[sound]
    if not len(kept):
        raise InvalidInput("No column of the model varies.", hint="Name other columns.")
    return np.asarray(kept, np.int64)


def _iterate(x: Floats, y: Floats, w: Floats, family: str) -> tuple[Floats, Floats, Floats, bool]:
    """Coefficients, R, means and whether the deviance settled. Canonical links."""
    mean = (y + 0.5) / 2 if family == "binomial" else y + 0.1
    eta = np.log(mean / (1 - mean)) if family == "binomial" else np.log(mean)
    before, beta, r = np.inf, np.zeros(x.shape[1]), np.eye(x.shape[1])
    for _ in range(ROUNDS):
        variance = np.maximum(mean * (1 - mean) if family == "binomial" else mean, 1e-12)
        beta, r = _solve(x, eta + (y - mean) / variance, w * variance)
        eta = (x @ beta).clip(-FARTHEST, FARTHEST)
        mean = 1 / (1 + np.exp(-eta)) if family == "binomial" else np.exp(eta)
        after = _deviance(y, mean, w, family)
        if abs(after - before) <= CLOSE * (abs(after) + 0.1):
            return beta, r, mean, True
        before = after
    return beta, r, mean, False


def _deviance(y: Floats, mean: Floats, w: Floats, family: str) -> float:
    if family == "binomial":
        return float(-2 * (w * np.log(np.where(y > 0.5, mean, 1 - mean).clip(1e-300))).sum())
    ratio = np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0) / mean), 0.0)
    return float(2 * (w * (ratio - (y - mean))).sum())
