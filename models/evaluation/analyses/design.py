"""A formula and a table -> the numbers of a regression: rows, coefficients' columns, response."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from models.errors import InvalidInput
from models.evaluation.analyses.formula import Factor, Term
from models.evaluation.analyses.requests import Regression
from models.evaluation.matrix import Floats, Matrix, weights_of
from models.schema import Kind

MOST_LEVELS, MOST_COEFFICIENTS = 100, 150
MOST_WORK = 1e9
"""Rows times squared coefficients of one regression, at most; more rows are left out."""
DAY = 86_400.0
OTHER, MISSING = "(other)", "(missing)"


@dataclass(frozen=True, eq=False)
class Levels:
    """Levels of a factor in the real rows, the most frequent first: it is the one that others are compared with.
    other: place of the level that holds the rare ones, or -1; gone: place of the missing, or -1."""

    codes: Floats
    places: tuple[int, ...]
    names: tuple[str, ...]
    other: int = -1
    gone: int = -1

    def of(self, values: Floats) -> Floats:
        """Places (N,); NaN where a row has none."""
        if not len(self.codes):
            return np.where(np.isnan(values), self.gone if self.gone >= 0 else np.nan, np.nan)
        at = np.searchsorted(self.codes, values).clip(0, len(self.codes) - 1)
        known = self.codes[at] == values
        out = np.where(known, np.asarray(self.places, float)[at], self.other if self.other >= 0 else np.nan)
        return np.asarray(np.where(np.isnan(values), self.gone if self.gone >= 0 else np.nan, out))


@dataclass(frozen=True, eq=False)
class Rows:
    """x (n, p), y (n,), weights (n,) or None of the rows that have all columns; left_out: share of the others."""

    x: Floats
    y: Floats
    weights: Floats | None
    left_out: float


@dataclass(frozen=True, eq=False)
class Design:
    """What the real rows fix: levels, names of coefficients, and which label a binomial response counts."""

    analysis: Regression
    levels: dict[Factor, Levels]
    names: tuple[str, ...]
    event: float

    @staticmethod
    def fit(analysis: Regression, real: Matrix) -> Design:
        """Raises InvalidInput where the real rows do not bear the model."""
        levels = {}
        for factor in dict.fromkeys(f for t in analysis.formula.terms for f in t):
            column = real.columns[_place(real, factor.column)]
            if column.labelled or factor.how == "C":
                levels[factor] = _levels(analysis, factor, real)
        draft = Design(analysis, levels, (), _event(analysis, real))
        names = [n for t in draft._terms() for n in draft._columns(t)]
        if len(names) > MOST_COEFFICIENTS:
            raise InvalidInput(
                f"The formula has {len(names)} coefficients; {MOST_COEFFICIENTS} are the most.",
                hint='Leave out columns of many labels, or merge the rare ones: "rare": 0.01.',
            )
        return Design(analysis, levels, tuple(names), draft.event)

    def rows(self, matrix: Matrix, most: int | None = None) -> Rows:
        """At most `most` rows, the first; by default as many as the work of a fit allows."""
        most = most or int(MOST_WORK / max(len(self.names), 10) ** 2)
        if len(matrix) > most:
            matrix = matrix.take(np.arange(most))
        y = self._response(matrix)
        parts: dict[Factor, Floats] = {}
        for factor in dict.fromkeys(f for t in self.analysis.formula.terms for f in t):
            parts[factor] = self._values(factor, matrix)
        kept = np.isfinite(y)
        for values in parts.values():
            kept &= np.isfinite(values)
        weights = weights_of(matrix)
        if weights is not None:
            kept &= weights > 0
        at = np.flatnonzero(kept)
        parts = {f: v[at] for f, v in parts.items()}
        blocks = [self._block(t, parts, len(at)) for t in self._terms()]
        x = np.concatenate(blocks, axis=1) if blocks else np.empty((len(at), 0))
        left = 1 - len(at) / max(len(matrix), 1)
        return Rows(x, y[at], None if weights is None else weights[at], left)

    def references(self) -> dict[str, str]:
        """Factor -> the level that its coefficients are compared with."""
        return {str(f): v.names[0] for f, v in self.levels.items()}

    def _terms(self) -> list[Term]:
        return [*([()] if self.analysis.formula.intercept else []), *self.analysis.formula.terms]

    def _used(self, term: Term, factor: Factor) -> range:
        """Levels that get a column: all but the first, unless the term without the factor is no term (as R does)."""
        rest = frozenset(term) - {factor}
        first = 1 if rest in {frozenset(t) for t in self._terms()} else 0
        return range(first, len(self.levels[factor].names))

    def _columns(self, term: Term) -> list[str]:
        if not term:
            return ["(intercept)"]
        sides = [
            [f"{f}[{self.levels[f].names[k]}]" for k in self._used(term, f)] if f in self.levels else [str(f)]
            for f in term
        ]
        return [":".join(names) for names in itertools.product(*sides)]

    def _block(self, term: Term, parts: dict[Factor, Floats], n: int) -> Floats:
        if not term:
            return np.ones((n, 1))
        sides = [
            [(parts[f] == k).astype(float) for k in self._used(term, f)] if f in self.levels else [parts[f]]
            for f in term
        ]
        columns = [np.prod(np.stack(c), axis=0) if len(c) > 1 else c[0] for c in itertools.product(*sides)]
        return np.stack(columns, axis=1) if columns else np.empty((n, 0))

    def _values(self, factor: Factor, matrix: Matrix) -> Floats:
        j = _place(matrix, factor.column)
        if factor in self.levels:
            return self.levels[factor].of(matrix.values[:, j])
        return transformed(matrix, j, factor)

    def _response(self, matrix: Matrix) -> Floats:
        response = self.analysis.formula.response
        j = _place(matrix, response.column)
        if self.analysis.family != "binomial":
            y = transformed(matrix, j, response)
            if self.analysis.family == "poisson" and np.nanmin(y, initial=0) < 0:
                raise InvalidInput("A poisson response must not be negative.", hint="Choose family gaussian.")
            return y
        y = matrix.values[:, j]
        return np.where(np.isnan(y), np.nan, (y == self.event).astype(float))


def transformed(matrix: Matrix, j: int, factor: Factor) -> Floats:
    """A column of numbers as its factor says; dates in days. NaN where it is missing or the function is undefined."""
    x = matrix.values[:, j] / (DAY if matrix.columns[j].kind is Kind.DATETIME else 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        functions = {"log": np.log, "log1p": np.log1p, "sqrt": np.sqrt}
        x = functions[factor.how](x) if factor.how in functions else x
        x = x**factor.power if factor.power > 1 else x
    return np.where(np.isfinite(x), x, np.nan)


def _place(matrix: Matrix, name: str) -> int:
    return [c.name for c in matrix.columns].index(name)


def _levels(analysis: Regression, factor: Factor, real: Matrix) -> Levels:
    j = _place(real, factor.column)
    column, values = real.columns[j], real.values[:, j]
    codes, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    rare = counts[order] < analysis.rare * len(values)
    rare[MOST_LEVELS - 1 :] |= len(codes) > MOST_LEVELS
    rare[:1] = False
    labels = column.categories or ()
    names = [labels[int(codes[k])] if column.labelled else f"{codes[k]:g}" for k in order[~rare]]
    places = np.empty(len(codes), int)
    places[order] = np.where(rare, len(names), np.cumsum(~rare) - 1)
    other = gone = -1
    if rare.any():
        other = len(names)
        names.append(OTHER)
    if analysis.missing == "level" and np.isnan(values).any():
        if np.isnan(values).sum() < analysis.rare * len(values) and other >= 0:
            gone = other
        else:
            gone = len(names)
            names.append(MISSING)
    if not names:
        raise InvalidInput(f"Column {factor.column!r} has no value in the real rows.", hint="Leave it out.")
    return Levels(codes, tuple(places.tolist()), tuple(names), other, gone)


def _event(analysis: Regression, real: Matrix) -> float:
    if analysis.family != "binomial":
        return 0.0
    j = _place(real, analysis.formula.response.column)
    column = real.columns[j]
    if column.labelled:
        labels = column.categories or ()
        return float(labels.index(analysis.event)) if analysis.event is not None else 1.0
    values = real.values[:, j]
    found = np.unique(values[np.isfinite(values)])
    if len(found) != 2:
        raise InvalidInput(
            f"The response has {len(found)} values in the real rows; family binomial needs two.",
            hint="Choose family gaussian or poisson.",
        )
    return float(found[1])
