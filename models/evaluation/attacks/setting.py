"""Who is attacked, with what, and by which columns: the same for every attack of one evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.attacks.rates import Excess
from models.evaluation.context import FEW_ROWS, Context
from models.evaluation.matrix import Floats, Keys, Matrix, sample
from models.evaluation.result import Metric

COARSE = 100
"""Columns of at most so many distinct values are what people are looked up by: the default of replicated uniques."""
SENSITIVE = 3
"""Columns that are sensitive where nobody says which."""
MOST_SENSITIVE = 5
"""Of the columns that are named as sensitive, the first so many are attacked."""


@dataclass(frozen=True, eq=False)
class Setting:
    """members: training rows; controls: holdout rows, drawn alike; both are attacked, and the sample knows neither
    better unless it was learnt by heart. reference: further holdout rows, which the attacker holds as well as
    synthetic, the sample. sensitive, known: column indices; coarse: those of `known` that rows are looked up by.
    """

    context: Context
    members: Matrix
    controls: Matrix
    reference: Matrix
    synthetic: Matrix
    sensitive: tuple[int, ...]
    known: tuple[int, ...]
    coarse: tuple[int, ...]

    @property
    def enough(self) -> bool:
        return len(self.controls) >= FEW_ROWS and len(self.members) >= FEW_ROWS and len(self.synthetic) >= FEW_ROWS

    def lack(self) -> str:
        """Why nothing is attacked, and the remedy."""
        rows = f"{len(self.members)} training, {len(self.controls)} holdout and {len(self.synthetic)} synthetic"
        return (
            f"Needs {FEW_ROWS} rows each of the training part, the holdout (the control) and the sample; there are "
            f"{rows}. Hold out more rows before training, or give a holdout file, and draw a larger sample."
        )

    def names(self, columns: Sequence[int]) -> list[str]:
        return [self.context.names[j] for j in columns]

    def size(self) -> str:
        return (
            f"{len(self.members):,} training and {len(self.controls):,} holdout rows, {len(self.synthetic):,} synthetic"
        )

    def rng(self, attack: str) -> np.random.Generator:
        return self.context.rng(f"disclosure {attack}")


@dataclass(frozen=True)
class Finding:
    """One figure of an attack. excess: what its test says, None where there is none (not computed, or shown for
    information)."""

    metric: Metric
    excess: Excess | None = None


def setting(context: Context) -> Setting:
    """Rows and columns of the attacks, drawn by the evaluation's seed."""
    rng, options = context.rng("attacks"), context.options
    held = sample(context.holdout, len(context.holdout), rng)
    most = options.distance_rows
    controls = held.take(np.arange(min(most, len(held))))
    reference = held.take(np.arange(len(controls), min(len(held), len(controls) + options.rows)))
    sensitive, known = _columns(context)
    return Setting(
        context,
        sample(context.real, most, rng),
        controls,
        reference,
        sample(context.synthetic, options.rows, rng),
        sensitive,
        known,
        _coarse(context.real, known, bool(options.known)),
    )


def _columns(context: Context) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sensitive and known columns: as the options say, or chosen from the data.

    Sensitive: the target, then the labelled columns that are hardest to guess (the smallest share of their most
    frequent value) of 2 to 20 values, then numbers, three in all. Known: every other column, the strongest attacker.
    """
    names = context.names
    at = {n: j for j, n in enumerate(names)}
    asked = [at[n] for n in context.options.sensitive if n in at]
    given = [at[n] for n in context.options.known if n in at]
    free = [j for j in range(len(names)) if j not in given]
    if not asked:
        asked = [at[context.target]] if context.target in at and at[context.target] in free else []
        ranked = sorted((j for j in free if j not in asked), key=lambda j: _guessed(context.real, j))
        asked += ranked[: max(0, min(SENSITIVE, len(names) // 2) - len(asked))]
    asked = asked[:MOST_SENSITIVE]
    known = given or [j for j in range(len(names)) if j not in asked]
    return tuple(asked), tuple(j for j in known if j not in asked)


def _guessed(real: Matrix, j: int) -> tuple[int, float]:
    column, values = real.columns[j], real.values[:, j]
    if not column.labelled:
        return (1, -float(len(np.unique(values[:2_000]))))
    shares = np.bincount(np.nan_to_num(values, nan=0).astype(np.int64)) / max(len(values), 1)
    return (0 if 2 <= int((shares > 0).sum()) <= 20 else 2, float(shares.max(initial=0)))


def _coarse(real: Matrix, known: Sequence[int], asked: bool) -> tuple[int, ...]:
    few = [j for j in known if asked or len(np.unique(real.values[:, j][real.missing[:, j] < 0])) <= COARSE]
    return tuple(few if len(few) >= 2 else known)


def keys(matrix: Matrix, columns: Sequence[int]) -> Keys:
    """One key per row over some columns (`Matrix.row_keys`)."""
    at = list(columns)
    return Matrix(tuple(matrix.columns[j] for j in at), matrix.values[:, at], matrix.missing[:, at]).row_keys()


def cell_keys(codes: np.ndarray, columns: Sequence[int]) -> Keys:
    """One key per row over some columns of cells (N, D)."""
    out = np.zeros(len(codes), np.uint64)
    for j in columns:
        out = (out ^ codes[:, j].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        out ^= out >> np.uint64(29)
    return out


def multiplicity(of: Keys, among: Keys) -> Floats:
    """How often each key of `of` occurs in `among`."""
    found, times = np.unique(among, return_counts=True)
    if not len(found):
        return np.zeros(len(of))
    at = np.minimum(np.searchsorted(found, of), len(found) - 1)
    return np.where(found[at] == of, times[at], 0).astype(np.float64)
