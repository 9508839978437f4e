"""Associations that the sample invents, and real ones that it loses.

The strength of a pair is Cramer's V of its table, with the bias of the chi-square taken off (Bergsma 2013, Journal of
the Korean Statistical Society 42); numbers in quantile bins, rare labels together. Its error is that of the delta
method for phi squared (Bishop, Fienberg and Holland 1975, section 11.3) and, for pairs near independence, of the
chi-square itself, so that a difference is a finding only where sampling does not explain it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.evaluation.chance import Finding, critical, metrics_of, rows_of
from models.evaluation.context import FEW_ROWS, Part, joined
from models.evaluation.matrix import Cells, Floats, Ints, Matrix
from models.evaluation.sampled import Sampled

BINS = 6
RARE = 0.03
"""Labels of a smaller share are taken together."""
MOST_LABELS = 10
PAIRS = 2_000
WEAK = 0.1
"""A real association below this is nearly none; V below .1 is what Cohen (1988) calls less than small."""
LEAST = 0.05
"""A difference of V that passes in any case."""


@dataclass(frozen=True, eq=False)
class Coarse:
    """Cells of few bins: per column the place of each of its cells."""

    cells: Cells
    places: tuple[Ints, ...]

    @staticmethod
    def fit(real: Matrix) -> Coarse:
        cells = Cells.fit(real, BINS)
        codes = cells.codes(real)
        return Coarse(cells, tuple(_merged(codes[:, j], size) for j, size in enumerate(cells.sizes)))

    def codes(self, matrix: Matrix) -> Ints:
        codes = self.cells.codes(matrix)
        return np.stack([place[codes[:, j]] for j, place in enumerate(self.places)], axis=1)

    @property
    def sizes(self) -> list[int]:
        return [int(p.max(initial=0)) + 1 for p in self.places]


def _merged(codes: Ints, size: int) -> Ints:
    """Cells of at least RARE of the rows by themselves, the others together."""
    counts = np.bincount(codes, minlength=size)
    large = np.argsort(-counts, kind="stable")[:MOST_LABELS]
    large = np.sort(large[counts[large] >= max(RARE * len(codes), 1)])
    place = np.full(size, len(large))
    place[large] = np.arange(len(large))
    return place if (place == len(large)).any() else np.arange(size)


def phi_squared(table: Floats) -> tuple[float, float, int]:
    """Counts (R, C) -> (phi squared without its bias, at least 0; variance; smaller side - 1)."""
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    n = float(table.sum())
    least = min(table.shape) - 1 if table.size else 0
    if least < 1 or n < 2:
        return 0.0, 0.0, max(least, 0)
    p = table / n
    rows, columns = p.sum(axis=1, keepdims=True), p.sum(axis=0, keepdims=True)
    ratio = p / (rows * columns)
    phi = float((p * ratio).sum()) - 1
    degrees = (table.shape[0] - 1) * (table.shape[1] - 1)
    slope = 2 * ratio - (p * ratio).sum(axis=1, keepdims=True) / rows - (p * ratio).sum(axis=0, keepdims=True) / columns
    tangent = float((p * slope**2).sum() - (p * slope).sum() ** 2) / n
    chance = (2 * degrees + float((1 / (rows * columns)).sum()) / n) / n**2
    return max(0.0, phi - degrees / (n - 1)), tangent + chance, least


def associations(t: Sampled) -> Part:
    """invented: gain of V of pairs that are nearly independent in the real rows. vanished: loss of V of the others."""
    if len(t.real.columns) < 2 or min(len(t.real), len(t.synthetic)) < FEW_ROWS:
        none = f"Needs two columns, and {FEW_ROWS} rows of each table."
        metrics = metrics_of("invented", [], "", none, "V") + metrics_of("vanished", [], "", none, "V")
        return Part(metrics, {"associations": {"rows": [], "vanished": [], "note": none}})
    coarse = Coarse.fit(t.real)
    codes = [coarse.codes(m) for m in (t.real, t.synthetic, t.holdout) if m is not None]
    every = list(itertools.combinations(range(len(t.real.columns)), 2))
    if len(every) > PAIRS:
        rng = t.context.rng("associations")
        every = [every[i] for i in np.sort(rng.choice(len(every), PAIRS, replace=False))]
    z = critical(len(every))
    invented: list[Finding] = []
    vanished: list[Finding] = []
    for pair in every:
        found = _pair(t, pair, codes, coarse.sizes, z)
        (invented if found.more["real"] < WEAK else vanished).append(found)
    note = f"{len(every):,} pairs. {t.note}"
    metrics = metrics_of("invented", invented, note, "No pair is nearly independent in the real rows.", "V")
    metrics += metrics_of("vanished", vanished, note, "No pair is associated in the real rows.", "V")
    section = {"rows": rows_of(invented), "vanished": rows_of(vanished), "weak": WEAK, "note": note}
    return Part(metrics, {"associations": section}, {"association_pairs": len(every)})


def _pair(t: Sampled, pair: tuple[int, int], codes: Sequence[Ints], sizes: list[int], z: float) -> Finding:
    a, b = pair
    read = []
    for table in codes:
        flat = np.bincount(table[:, a] * sizes[b] + table[:, b], minlength=sizes[a] * sizes[b])
        read.append(phi_squared(flat.reshape(sizes[a], sizes[b]).astype(np.float64)))
    least = max(read[0][2], read[1][2], 1)
    real, synthetic = (float(np.sqrt(min(1.0, r[0] / least))) for r in read[:2])
    error = float(np.sqrt(read[0][1] + read[1][1]))
    invented = real < WEAK
    value = synthetic - real if invented else real - synthetic
    # The bar in units of V: so much more, or less, of phi squared.
    moved = read[0][0] + z * error if invented else max(0.0, read[0][0] - z * error)
    bar = max(LEAST, abs(float(np.sqrt(moved / least)) - real))
    held = None
    if len(read) > 2:
        other = float(np.sqrt(min(1.0, read[2][0] / least)))
        held = max(0.0, other - real if invented else real - other)
    # dV = d(phi squared) / (2 V), and no steeper than at LEAST.
    slopes = [2 * least * max(v, LEAST) for v in (real, synthetic)]
    spread = float(np.sqrt(sum(r[1] / s**2 for r, s in zip(read, slopes, strict=False))))
    names = (t.context.names[a], t.context.names[b])
    more: dict[str, Any] = {"real": real, "synthetic": synthetic}
    return Finding(joined(*names), names, max(0.0, value), 0.0, bar, held, more, spread)
