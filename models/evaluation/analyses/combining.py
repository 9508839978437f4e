"""Combining estimates of m synthetic tables into one, with the variance that each way of making them asks for.

simple     all values drawn from a model fitted once (what the synthesizers here do): T = (k/n + 1/m) v,
           z intervals (Raab, Nowok and Dibben 2016, J. Privacy and Confidentiality 7(3), section 3.2, T_s)
posterior  as simple, the model's parameters drawn anew for each table: T = (k/n + (1 + k/n)/m) v (the same, T_p)
partial    some values synthesised, from a model with drawn parameters: T = b/m + v,
           t with (m - 1)(1 + v m / b)^2 degrees of freedom (Reiter 2003, Survey Methodology 29, 181-188)
full       new units drawn from the population: T = (1 + 1/m) b - v, t with (m - 1)(1 - v / ((1 + 1/m) b))^2 degrees
           (Raghunathan, Reiter and Rubin 2003, J. Official Statistics 19, 1-16); where T is negative, (k/n) v in its
           place (Reiter 2002, J. Official Statistics 18, 531-543)

v: mean variance inside a table, b: variance of the estimates between tables, k and n: rows of a synthetic and of the
real table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from models.errors import Detail, InvalidInput

Floats = npt.NDArray[np.float64]
KINDS = ("simple", "posterior", "partial", "full")


@dataclass(frozen=True, eq=False)
class Combined:
    """Pooled estimates (p,), variances, degrees of freedom (infinite: normal) and 95% intervals."""

    estimates: Floats
    variances: Floats
    degrees: Floats
    low: Floats
    high: Floats


def combine(estimates: Floats, variances: Floats, m: int, kind: str = "simple", *, ratio: float = 1.0) -> Combined:
    """estimates, variances: (m, p) of the m tables, as an analyst gets who takes each for real. ratio: k/n.

    Inference is for the population. Raises InvalidInput for an unknown kind, other shapes, or one table where two are
    needed (partial, full).
    """
    q, u = np.atleast_2d(np.asarray(estimates, float)), np.atleast_2d(np.asarray(variances, float))
    if kind not in KINDS:
        raise _bad("kind", f"{kind!r} is no rule", f"One of {', '.join(KINDS)}.")
    if q.shape != u.shape or len(q) != m or m < 1:
        raise _bad("estimates", f"must be {m} rows of estimates and as many of variances", "One row per table.")
    if kind in ("partial", "full") and m < 2:
        raise _bad("m", f"must be 2 or more for rule {kind}", "Draw more samples, or take rule simple.")
    mean, v = q.mean(axis=0), u.mean(axis=0)
    endless = np.full(q.shape[1], np.inf)
    if kind == "simple":
        return _told(mean, (ratio + 1 / m) * v, endless)
    if kind == "posterior":
        return _told(mean, (ratio + (1 + ratio) / m) * v, endless)
    b = q.var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "partial":
            degrees = np.where(b > 0, (m - 1) * (1 + v * m / b) ** 2, np.inf)
            return _told(mean, b / m + v, degrees)
        total = (1 + 1 / m) * b - v
        degrees = np.where(total > 0, (m - 1) * (1 - v / ((1 + 1 / m) * b)) ** 2, m - 1.0)
    return _told(mean, np.where(total > 0, total, ratio * v), np.maximum(degrees, 1.0))


def _told(mean: Floats, total: Floats, degrees: Floats) -> Combined:
    reach = t.ppf(0.975, degrees) * np.sqrt(total)
    return Combined(mean, total, degrees, mean - reach, mean + reach)


def _bad(key: str, what: str, hint: str) -> InvalidInput:
    return InvalidInput(f"Combining: {key} {what}.", hint=hint, errors=[Detail((key,), what, hint)])
