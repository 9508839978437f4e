"""Invented tables in cells of a public domain, and what is released of them: for audits that need many releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.dp import marginals
from models.dp.audit.neighbours import Result, public_text
from models.dp.marginals import MarginalOptions
from models.dp.one_pass import FitPlan
from models.rng import stream

Array = npt.NDArray[Any]
SIZES = (5, 12, 3, 8)
ROWS = 400
QUICK = FitPlan(latent=16, steps=3)


def people() -> Array:
    """Codes (ROWS, d); nobody is in the last cell of a column."""
    rng = stream(0, "audit", "people")
    return rng.integers(0, np.array(SIZES) - 1, (ROWS, len(SIZES)))


def unlike() -> Mapping[str, tuple[Array, Array]]:
    """Pairs of tables that have nothing in common: noise that is alike under these is so under neighbours."""
    base = people()
    return {"400 people and nobody": (base, base[:0]), "400 people and 400 equal ones": (base, np.zeros_like(base))}


def job(codes: Array) -> Result:
    """`marginals.fit_marginals` on codes, what of its result is public, and the tables by numpy's own histogram."""
    options = MarginalOptions(epsilon=1.0, delta=1e-9, plan=QUICK, selection=False)
    generator = marginals.fit_marginals(codes, SIZES, options)
    exact = tuple(counted(codes, axes) for axes in generator.release.workload.axes)
    return Result(public_text(generator), generator.release, exact)


def counted(codes: Array, axes: Sequence[int]) -> Array:
    """A table of codes, by numpy's own histogram."""
    bins = [np.arange(SIZES[c] + 1) - 0.5 for c in axes]
    counts = np.histogramdd(codes[:, list(axes)], bins)[0] if axes else np.array(len(codes))
    return counts.astype(np.int64)
