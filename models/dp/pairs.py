"""Which tables of counts a release holds, and how its budget is shared among them. Decided from public facts alone: the
sizes of the domain, the names of columns and options. Nothing here sees a row.

Allocation. Gaussian noise of standard deviation sd_t on table t costs sum 1 / sd_t^2 (zCDP, and squared mu of Gaussian
DP, but for a factor). A table of c_t cells then has an expected L1 error of sqrt(2 / pi) c_t sd_t. The sum of these,
each table counting importance_t, is least at a given cost where the shares 1 / sd_t^2 are proportional to

    (importance_t c_t)^(2/3)

(set the derivative of sum importance_t c_t r_t^(-1/2) + lambda sum r_t to 0; Zhang et al. 2021, "PrivSyn", section
4.2); of the squared errors, to the power 1/2. Both are of the tables as released. A fitted generator averages more
noise out of large tables than of small ones, which speaks for less: POWER is what measured best (docs/privacy.md).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from models.errors import Detail, InvalidInput

Axes = tuple[int, ...]
POWER = 0.4
LEAST_ONE_WAY, MOST_ONE_WAY = 0.1, 0.4
MAX_CELLS = 50_000_000
"""Cells of all tables together."""
MAX_SLICES = 16
"""Cells of a target whose triples are counted."""


@dataclass(frozen=True)
class Workload:
    """Tables to release. sizes (d,): cells of each column. axes: columns of each table, rising; () is the number of
    rows. shares: part of the budget of each, summing to 1: its noise has standard deviation scale / sqrt(share).
    target: the column that all tables of three share, if there are any."""

    sizes: tuple[int, ...]
    axes: tuple[Axes, ...]
    shares: tuple[float, ...]
    target: int | None = None

    def shape(self, axes: Axes) -> tuple[int, ...]:
        return tuple(self.sizes[a] for a in axes)

    def cells(self, axes: Axes) -> int:
        return math.prod(self.shape(axes))


def choose(
    sizes: Sequence[int],
    *,
    target: int | None = None,
    triples: bool = False,
    one_way: float = 0.1,
    rows: float = 0.0,
    triples_share: float = 1.0,
    target_weight: float = 1.0,
    power: float = POWER,
) -> Workload:
    """All columns and all pairs; with triples, (a, b, target) for each pair (a, b) of the others.

    one_way, rows: parts of the budget for the tables of one column and for the number of rows. triples_share: of the
    rest, what the triples get; at 1 they stand in the place of the pairs, which they hold. target_weight:
    importance of a pair with the target. power: of the size of a table in its share. Raises InvalidInput.
    """
    sizes = checked_sizes(sizes)
    columns = range(len(sizes))
    if target is not None and not 0 <= target < len(sizes):
        raise _bad("target", "must be the number of a column")
    if triples and (target is None or sizes[target] > MAX_SLICES or len(sizes) < 3):
        raise _bad("triples", f"need a target of at most {MAX_SLICES} cells and two other columns")
    if not (one_way >= 0 and rows >= 0 and one_way + rows < 1):
        raise _bad("one_way", "and the share of the number of rows must be at least 0 and together less than 1")
    if not 0 < triples_share <= 1:
        raise _bad("triples_share", "must be greater than 0 and at most 1")
    pairs: list[Axes] = list(combinations(columns, 2))
    by_target: list[Axes] = []
    if triples and target is not None:
        by_target = [tuple(sorted((*p, target))) for p in combinations([c for c in columns if c != target], 2)]
    rest = 1 - one_way - rows
    of_triples = triples_share * rest if by_target else 0.0
    groups: list[tuple[list[Axes], float]] = [([()], rows), ([(c,) for c in columns], one_way if pairs else 1 - rows)]
    groups += [(pairs, rest - of_triples), (by_target, of_triples)]
    axes: list[Axes] = []
    shares: list[float] = []
    for tables, part in groups:
        if part > 0 and tables:
            weights = [
                ((target_weight if target in t and len(t) == 2 else 1.0) * math.prod(sizes[c] for c in t)) ** power
                for t in tables
            ]
            axes += tables
            shares += [part * w / math.fsum(weights) for w in weights]
    if math.fsum(math.prod(sizes[c] for c in t) for t in axes) > MAX_CELLS:
        raise InvalidInput(
            f"The tables of all pairs have more than {MAX_CELLS:,} cells.",
            hint="Declare coarser bins or fewer categories.",
        )
    return Workload(sizes, tuple(axes), tuple(shares), target)


def one_way_share(sizes: Sequence[int], rows: int | None, sigma: float) -> float:
    """Part of the budget for tables of one column, from public facts: more where noise would drown them.

    sigma: noise of one table that had the whole budget. With e the expected total variation between a column's noisy
    table and the true one (half the sum of |noise| / rows, averaged over columns) at LEAST_ONE_WAY, the share grows
    with the square root of e beyond 1%. Without a public number of rows it is LEAST_ONE_WAY.
    """
    if rows is None:
        return LEAST_ONE_WAY
    weights = [size**POWER for size in sizes]
    unit = sigma / math.sqrt(LEAST_ONE_WAY / math.fsum(weights))
    off = math.fsum(s * unit / math.sqrt(w) for s, w in zip(sizes, weights, strict=True)) / len(sizes)
    share = LEAST_ONE_WAY * math.sqrt(off / math.sqrt(2 * math.pi) / max(rows, 1) / 0.01)
    return min(MOST_ONE_WAY, max(LEAST_ONE_WAY, share))


def checked_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    """Raises InvalidInput unless there is a column and each has a cell."""
    if not len(sizes) or any(isinstance(s, bool) or int(s) != s or s < 1 for s in sizes):
        raise _bad("sizes", "must be whole numbers of at least 1, one for each column")
    return tuple(int(s) for s in sizes)


def _bad(name: str, what: str) -> InvalidInput:
    return InvalidInput(f"Option {name!r} {what}.", hint=what, errors=[Detail(("privacy", name), what)])
