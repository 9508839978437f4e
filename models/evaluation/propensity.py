"""S_pMSE: how well a logistic regression tells synthetic from real rows, over what the right model would leave.

pMSE is the mean squared distance of the fitted probabilities of being synthetic from the share c of synthetic rows
(Woo, Reiter, Oganian and Karr 2009, J. Privacy and Confidentiality 1(1), section 3.1). For rows drawn from the model
that the real rows come from its expectation is (k - 1)(1 - c)^2 c / N, with k coefficients and N rows of both tables;
S_pMSE is the ratio (Snoke, Raab, Nowok, Dibben and Slavkovic 2018, J. Royal Statistical Society A 181, section 3.2).
A bootstrap of the real rows reads 1. Fresh real rows read 1 / (1 - c), 2 for tables of the same size: they differ from
the population as the real rows do, while rows of a model that was fitted to the real rows share their luck. Of pairs of
columns the regression is saturated: the probabilities are the shares in the cells (Raab, Nowok and Dibben 2021,
arXiv:2109.12717, who call 3 good and 10 the limit).
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import chi2

from models.errors import InvalidInput
from models.evaluation.analyses.overlap import RARE, interval
from models.evaluation.analyses.regression import fit_glm
from models.evaluation.context import FEW_ROWS, Context, Part
from models.evaluation.matrix import Cells, Floats, Ints, Matrix, bootstrap, independent, sample
from models.evaluation.result import Metric, finite

SECTION = "propensity"
ROWS, BINS, LEVELS, COLUMNS, WORST, SPLITS = 30_000, 5, 12, 40, 20, 12
RARE_LEVEL = 0.01


def propensity(context: Context) -> Part:
    """S_pMSE of all columns (main effects) and of pairs, with what known tables read."""
    rng = context.rng(SECTION)
    real = sample(context.real, ROWS, rng)
    synthetic = sample(context.synthetic, ROWS, rng)
    few = min(len(real), len(synthetic))
    if few < FEW_ROWS:
        note = f"Needs {FEW_ROWS} rows of each table; there are {few}."
        return Part([_empty(n, note) for n in ("spmse", "spmse_pairs")])
    tables = {
        "synthetic": synthetic,
        "ceiling": bootstrap(real, len(synthetic), rng),
        "floor": independent(real, len(synthetic), rng),
    }
    if len(context.holdout) >= FEW_ROWS:
        tables["holdout"] = sample(context.holdout, ROWS, rng)
    sizes = ", ".join(f"{k} {len(v):,}" for k, v in tables.items())
    note = f"Rows: real {len(real):,}, {sizes}."
    context.progress.check()
    metrics = [_whole(real, tables, note)]
    context.progress.check()
    more, section = _pairs(context, real, tables, note, rng)
    return Part([*metrics, *more], {SECTION: section}, {"propensity_rows": len(synthetic)})


def spmse(design: Floats, synthetic: Ints) -> tuple[float, int]:
    """(S_pMSE, coefficients) of a logistic regression. design (N, p) with an intercept; synthetic (N,) 0 or 1."""
    fit = fit_glm(design, synthetic.astype(float))
    known = fit.known
    again = fit_glm(design[:, known], synthetic.astype(float), "binomial")
    p = 1 / (1 + np.exp(-(design[:, known] @ again.coefficients)))
    k, c, n = int(known.sum()), float(synthetic.mean()), len(synthetic)
    expected = (k - 1) * (1 - c) ** 2 * c / n
    return float(((p - c) ** 2).mean() / expected) if k > 1 else float("nan"), k


def cell_spmse(real: Ints, synthetic: Ints, cells: int) -> tuple[float, int]:
    """(S_pMSE, cells that hold rows) of the saturated regression on cells. Codes (n,), (m,) below `cells`."""
    a, b = np.bincount(real, minlength=cells), np.bincount(synthetic, minlength=cells)
    both, n = a + b, len(real) + len(synthetic)
    held = both > 0
    c, k = len(synthetic) / n, int(held.sum())
    pmse = float((both[held] * (b[held] / both[held] - c) ** 2).sum()) / n
    return pmse / ((k - 1) * (1 - c) ** 2 * c / n) if k > 1 else float("nan"), k


def _whole(real: Matrix, tables: dict[str, Matrix], note: str) -> Metric:
    shape = _Shape(real)
    read: dict[str, float] = {}
    k = 0
    for role, other in tables.items():
        design = np.concatenate([shape.design(real), shape.design(other)])
        try:
            read[role], found = spmse(design, np.repeat([0, 1], [len(real), len(other)]))
        except InvalidInput as error:
            if role == "synthetic":
                return _empty("spmse", f"{error.message} {note}")
            continue
        k = found if role == "synthetic" else k
    usual = 1 + len(tables["synthetic"]) / len(real)
    bar = usual * float(chi2.isf(RARE, max(k - 1, 1))) / max(k - 1, 1)
    left = f" {shape.left_out} more columns were left out." if shape.left_out else ""
    told = f"Logistic regression with {k} coefficients: main effects, rare labels merged.{left} {note} "
    told += "Main effects see single columns only; pairs see two at a time. "
    read.pop("floor", None)  # independent columns have the right distributions
    excess = max(read["synthetic"] - 1, 0) * (k - 1)  # of a non-central chi-squared variable
    reach = 1.96 * np.sqrt(2 * (k - 1) + 4 * excess) / max(k - 1, 1)
    value = read["synthetic"]
    return _metric("spmse", read, usual, bar, told, (max(0.0, value - reach), value + reach))


class _Shape:
    """Columns of the regression, fixed by the real rows: numbers scaled, missing and frequent labels as 0 or 1."""

    def __init__(self, real: Matrix) -> None:
        self.places = range(min(len(real.columns), COLUMNS))
        self.left_out = len(real.columns) - len(self.places)
        self.scales: dict[int, tuple[float, float, float]] = {}
        self.levels: dict[int, Floats] = {}
        for j in self.places:
            x = real.values[:, j]
            present = x[np.isfinite(x)]
            if real.columns[j].labelled:
                codes, counts = np.unique(present, return_counts=True)
                order = np.argsort(-counts, kind="stable")
                frequent = order[counts[order] >= RARE_LEVEL * len(x)][:LEVELS]
                self.levels[j] = codes[frequent][1:] if len(codes) == len(frequent) else codes[frequent]
            elif len(present):
                low, high = np.quantile(present, (0.001, 0.999))
                self.scales[j] = (float(np.median(present)), float(low), float(high))

    def design(self, matrix: Matrix) -> Floats:
        parts = [np.ones(len(matrix))]
        for j in self.places:
            x = matrix.values[:, j]
            gone = np.isnan(x)
            if j in self.levels:
                parts += [(x == level).astype(float) for level in self.levels[j]]
            elif j in self.scales:
                middle, low, high = self.scales[j]
                inside = np.where(gone, middle, x).clip(low, high)
                parts.append((inside - middle) / ((high - low) or 1.0))
            if gone.any():
                parts.append(gone.astype(float))
            else:
                parts.append(np.zeros(len(matrix)))
        return np.stack(parts, axis=1)


def _pairs(
    context: Context, real: Matrix, tables: dict[str, Matrix], note: str, rng: np.random.Generator
) -> tuple[list[Metric], dict[str, Any]]:
    cells = Cells.fit(real, BINS)
    codes = {role: cells.codes(t) for role, t in {"real": real, **tables}.items()}
    pairs = list(itertools.combinations(range(len(real.columns)), 2))
    if len(pairs) > context.options.pairs:
        chosen = np.sort(rng.choice(len(pairs), context.options.pairs, replace=False))
        pairs = [pairs[i] for i in chosen]
    if not pairs:
        return [_empty("spmse_pairs", "There is only one column: no pair.")], {"pairs": []}
    read: dict[str, Floats] = {}
    for role in tables:
        context.progress.check()
        read[role] = np.array([_pair(codes["real"], codes[role], p, cells.sizes)[0] for p in pairs])
    usual = 1 + len(tables["synthetic"]) / len(real)
    spread = _spread(codes["real"], pairs, cells.sizes, rng)
    means = {role: float(np.nanmean(v)) for role, v in read.items() if np.isfinite(v).any()}
    text = f"Mean of {len(pairs)} pairs, numbers in {BINS} quantile bins. {note} "
    span = interval(read["synthetic"][np.isfinite(read["synthetic"])], rng)
    metric = _metric("spmse_pairs", means, usual, usual * (1 + 3.5 * spread), text, span)
    order = np.argsort(-np.nan_to_num(read["synthetic"], nan=-1.0), kind="stable")[:WORST]
    rows = [
        {
            "columns": [context.names[j] for j in pairs[i]],
            "value": finite(read["synthetic"][i]),
            "holdout": finite(read["holdout"][i]) if "holdout" in read else None,
            "floor": finite(read["floor"][i]),
            "cells": _pair(codes["real"], codes["synthetic"], pairs[i], cells.sizes)[1],
        }
        for i in order
    ]
    return [metric], {"pairs": rows, "note": text.strip()}


def _pair(a: Ints, b: Ints, pair: tuple[int, int], sizes: tuple[int, ...]) -> tuple[float, int]:
    i, j = pair
    return cell_spmse(a[:, i] * sizes[j] + a[:, j], b[:, i] * sizes[j] + b[:, j], sizes[i] * sizes[j])


def _spread(codes: Ints, pairs: list[tuple[int, int]], sizes: tuple[int, ...], rng: np.random.Generator) -> float:
    """Relative standard deviation of the mean over pairs of tables from one population: random halves of the real rows.
    Pairs that share a column go together, so that no formula gives it."""
    some = pairs if len(pairs) <= 150 else [pairs[i] for i in rng.choice(len(pairs), 150, replace=False)]
    codes = codes[rng.permutation(len(codes))[:10_000]]
    half = len(codes) // 2
    found = []
    for _ in range(SPLITS):
        order = rng.permutation(len(codes))
        a, b = codes[order[:half]], codes[order[half : 2 * half]]
        found.append(np.nanmean([_pair(a, b, p, sizes)[0] for p in some]))
    return float(np.std(found, ddof=1) / max(np.mean(found), 1e-9))


def _metric(
    name: str, read: dict[str, float], usual: float, bar: float, note: str, span: tuple[float, float]
) -> Metric:
    value = finite(read["synthetic"]) if "synthetic" in read else None
    if value is None:
        return _empty(name, f"No column varies. {note}".strip())
    known = [finite(read[role]) if role in read else None for role in ("ceiling", "holdout", "floor")]
    text = f"{note}A right model reads 1, fresh real rows of this number {usual:.2f}."
    status = "pass" if value <= bar else "fail"
    low, high = (finite(s) for s in span)
    ceiling, holdout, floor = known
    found = Metric(name, value, SECTION, "", ceiling, holdout, floor, low, high, unit="ratio", note=text)
    return replace(found, bar=bar, status=status)


def _empty(name: str, note: str) -> Metric:
    return Metric(name, None, SECTION, unit="ratio", note=note, status="unavailable")
