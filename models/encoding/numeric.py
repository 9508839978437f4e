"""Numbers and datetimes as cells, decoded by a fitted monotone curve, never by emitting a stored value.

A column of few distinct values has a cell for each. Any other has coarse cells (quantile bins, with atoms for heavy
single values) and fine cells inside them, each decoded as low + (high - low) * u**power: it attains both ends, and
the power makes its mean the mean of the training values in it, so that long tails keep their moments. Values lie on
the column's grid (the greatest common step of the training values); rounder numbers than the grid asks for (multiples
of 10, 100, ...) keep their share in each cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.conditions import Condition
from models.encoding.cells import Array, need, plain
from models.schema import Column

HEAPS = (1000.0, 500.0, 100.0, 50.0, 10.0, 5.0)
"""Round numbers, in steps of the column's grid, coarsest first."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Leaf cells in ascending order of their values, L of them.

    low, high, power (L,): the curve in each; equal ends are an atom. coarse_of, fine_of (L,): the cells of each.
    heaps (L, 6): share of values on each step of HEAPS and on no coarser one. step: grid, 0 where there is none.
    ends: share of the first leaf that is its lower end, and of the last leaf that is its upper end.
    """

    column: Column
    low: Array
    high: Array
    power: Array
    coarse_of: Array
    fine_of: Array
    heaps: Array
    step: float
    decimals: int
    ends: tuple[float, float] = (0.0, 0.0)

    @property
    def fine(self) -> Array:
        return np.bincount(self.coarse_of)

    @property
    def exact(self) -> bool:
        return bool((self.low == self.high).all())

    def _leaf(self) -> Array:
        """Leaf of every cell: (coarse, max fine), -1 where there is none."""
        out = np.full((len(self.fine), int(self.fine.max(initial=1))), -1, np.int64)
        out[self.coarse_of, self.fine_of] = np.arange(len(self.low))
        return out

    def knows(self, values: Array) -> Array:
        return np.full(len(values), len(self.low) > 0)

    def encode(self, values: Array) -> Array:
        # The border between two leaves lies half-way between them: a value on the grid always finds its own.
        borders = (self.high[:-1] + self.low[1:]) / 2
        leaf = np.searchsorted(borders, values, side="right")
        return np.stack([self.coarse_of[leaf], self.fine_of[leaf]], 1)

    def decode(self, cells: Array, uniforms: Array, condition: Condition | None) -> Array:
        leaf = self._leaf()[cells[:, 0], cells[:, 1]]
        condition = plain(condition)
        low, high = self._ends(condition)
        first, last = self._reach(low, high)
        low, high = low[leaf], high[leaf]
        u = first[leaf] + uniforms[:, 0] * (last[leaf] - first[leaf])
        u = np.where((leaf == 0) & (u < self.ends[0]), 0.0, u)
        u = np.where((leaf == len(self.low) - 1) & (u > 1 - self.ends[1]), 1.0, u)
        half = self.step / 2
        span = self.high[leaf] - self.low[leaf] + 2 * half
        raw = self.low[leaf] - half + span * u ** self.power[leaf]
        value = np.clip(self._on_grid(raw), low, high)
        if self.step:
            value = self._heaped(value, low, high, leaf, uniforms[:, 1])
        value = np.round(value, self.decimals)
        if condition is not None and (condition.numbers is not None or condition.excluded):
            value = self._picked(value, condition, low, high)
        return value

    def at_end(self, cells: Array, uniforms: Array) -> Array:
        """Which cells (N, 2) are decoded by uniforms (N, 2) to the lower end of all values, or to the upper one."""
        leaf, u = self._leaf()[cells[:, 0], cells[:, 1]], uniforms[:, 0]
        return np.asarray(((leaf == 0) & (u < self.ends[0])) | ((leaf == len(self.low) - 1) & (u > 1 - self.ends[1])))

    def _on_grid(self, raw: Array) -> Array:
        return np.round(raw / self.step) * self.step if self.step else raw

    def _heaped(self, value: Array, low: Array, high: Array, leaf: Array, u: Array) -> Array:
        """Move values to rounder ones of the same leaf, as often as the training values of that leaf were round."""
        if not self.heaps.any():
            return value
        level = (u[:, None] >= np.cumsum(self.heaps, 1)[leaf]).sum(1)
        for i, heap in enumerate(HEAPS):
            at = np.flatnonzero(level == i)
            step = heap * self.step
            rounder = np.clip(
                np.round(value[at] / step), np.ceil(low[at] / step - 1e-9), np.floor(high[at] / step + 1e-9)
            )
            fits = np.ceil(low[at] / step - 1e-9) * step <= high[at]
            value[at] = np.where(fits, rounder * step, value[at])
        return value

    def _picked(self, value: Array, condition: Condition, low: Array, high: Array) -> Array:
        """Nearest allowed number of the same leaf."""
        if condition.numbers is not None:
            allowed = np.array(condition.numbers)
            right = np.clip(np.searchsorted(allowed, value), 0, len(allowed) - 1)
            left = np.maximum(right - 1, 0)
            left_out = (allowed[left] < low) | (
                (allowed[right] <= high) & (allowed[right] - value < value - allowed[left])
            )
            return allowed[np.where(left_out, right, left)]
        step = self.step or 10.0**-self.decimals
        for _ in range(len(condition.excluded) + 1):
            wrong = np.isin(value, condition.excluded)
            if not wrong.any():
                break
            up = np.round(value + step, self.decimals)
            value = np.where(wrong, np.where(up > high, np.round(low, self.decimals), up), value)
        return value

    def _ends(self, condition: Condition | None) -> tuple[Array, Array]:
        """Smallest and largest value of each leaf that meet the condition's bounds; low > high where none does."""
        low, high = self.low, self.high
        if condition is None:
            return low, high
        unit = self.step or 10.0**-self.decimals
        if condition.low is not None:
            bound = np.ceil(condition.low / unit - 1e-9) * unit
            bound = bound + unit if condition.low_open and bound <= condition.low + unit * 1e-9 else bound
            low = np.maximum(low, np.round(bound, self.decimals))
        if condition.high is not None:
            bound = np.floor(condition.high / unit + 1e-9) * unit
            bound = bound - unit if condition.high_open and bound >= condition.high - unit * 1e-9 else bound
            high = np.minimum(high, np.round(bound, self.decimals))
        return low, high

    def _reach(self, low: Array, high: Array) -> tuple[Array, Array]:
        """The uniforms at which each leaf's curve reaches its ends low and high: (L,), (L,)."""
        half = self.step / 2
        start, span = self.low - half, self.high - self.low + 2 * half
        with np.errstate(all="ignore"):
            first = np.where(span > 0, np.clip((low - half - start) / span, 0, 1) ** (1 / self.power), 0.0)
            last = np.where(span > 0, np.clip((high + half - start) / span, 0, 1) ** (1 / self.power), 1.0)
        return first, last

    def mass(self, condition: Condition) -> Array:
        low, high = self._ends(condition)
        first, last = self._reach(low, high)
        share = np.where(low > high, 0.0, np.where(self.low == self.high, 1.0, last - first))
        possible = np.maximum(1.0, np.round((high - low) / (self.step or 10.0**-self.decimals)) + 1)
        if condition.numbers is not None:
            numbers = np.array(condition.numbers)
            inside = np.searchsorted(numbers, high, "right") - np.searchsorted(numbers, low, "left")
            share = np.where(inside > 0, share * np.minimum(1, inside / possible), 0.0)
        if condition.excluded:
            excluded = np.sort(np.array(condition.excluded))
            inside = np.searchsorted(excluded, high, "right") - np.searchsorted(excluded, low, "left")
            share = share * np.clip(1 - inside / possible, 0, 1)
        leaf = self._leaf()
        return np.where(leaf >= 0, share[leaf], 0.0)

    def to_json(self) -> dict[str, Any]:
        return {"type": "curve", "step": self.step, "decimals": self.decimals, "ends": list(self.ends)}

    def tensors(self) -> dict[str, Array]:
        return {
            "curve": np.stack([self.low, self.high, self.power]).astype(np.float64),
            "cells": np.stack([self.coarse_of, self.fine_of]).astype(np.int32),
            "heaps": self.heaps.astype(np.float32),
        }


def curve_from(column: Column, raw: Mapping[str, Any], tensors: Mapping[str, Array]) -> Curve:
    """Inverse of to_json and tensors."""
    low, high, power = tensors["curve"]
    coarse_of, fine_of = tensors["cells"].astype(np.int64)
    step, decimals = float(need(raw, "step", (int, float))), int(need(raw, "decimals", int))
    ends = (float(need(raw, "ends", list)[0]), float(raw["ends"][1]))
    heaps = tensors["heaps"].astype(np.float64)
    return Curve(column, low, high, power, coarse_of, fine_of, heaps, step, decimals, ends)


def partition(counts: Array, bins: int, heavy: float) -> Array:
    """Groups of neighbouring distinct values: quantile bins, with values of more than `heavy` rows on their own.

    counts (K,): rows per distinct value, ascending values. -> group (K,), ascending from 0.
    """
    middle = (np.cumsum(counts) - counts / 2) / counts.sum()
    bin_of = np.minimum((middle * bins).astype(np.int64), bins - 1)
    atom = counts > heavy
    new = np.ones(len(counts), bool)
    new[1:] = (bin_of[1:] != bin_of[:-1]) | atom[1:] | atom[:-1]
    return np.cumsum(new) - 1


def fit_curve(
    values: Array, column: Column, *, bounds: tuple[float, float], decimals: int, direct: int, coarse: int, fine: int
) -> Curve:
    """values (N,): the present training values. bounds: the column's domain, attained by its end cells.

    direct: distinct values up to which each has its own cell. coarse, fine: quantile bins of the two stages.
    """
    distinct, counts = np.unique(values, return_counts=True)
    step = grid_step(distinct, decimals)
    if len(distinct) <= direct:
        ones, zeros = np.ones(len(distinct)), np.zeros(len(distinct), np.int64)
        return Curve(
            column,
            distinct,
            distinct,
            ones,
            np.arange(len(distinct)),
            zeros,
            np.zeros((len(distinct), 6)),
            step,
            decimals,
        )
    group = partition(counts, coarse, max(0.01 * len(values), MIN_LEAF - 1))
    leaf = np.zeros(len(distinct), np.int64)
    coarse_of: list[int] = []
    fine_of: list[int] = []
    for g in range(group[-1] + 1):
        a, b = np.searchsorted(group, [g, g + 1])
        rows = counts[a:b].sum()
        bins = int(np.clip(rows // MIN_LEAF, 1, fine))
        inner = partition(counts[a:b], bins, max(MIN_LEAF - 1, 0.5 * rows / fine))
        leaf[a:b] = len(coarse_of) + inner
        coarse_of += [g] * (inner[-1] + 1)
        fine_of += range(inner[-1] + 1)
    first, last = (np.searchsorted(leaf, np.arange(len(coarse_of)), side=s) for s in ("left", "right"))
    low, high = distinct[first], distinct[last - 1]
    rows = np.add.reduceat(counts, first)
    mean = np.add.reduceat(counts * distinct, first) / rows
    low, high = _widened(low, high, last - first, step, bounds)
    half = step / 2
    span = high - low + 2 * half
    with np.errstate(all="ignore"):
        power = np.where(high > low, np.clip(span / (mean - low + half) - 1, 1 / 50, 50), 1.0)
    heaps = _heap_shares(distinct, counts, leaf, len(coarse_of), step)
    # Two rows' worth of the outermost leaves, so that a sample as long as the table nearly always spans its range.
    ends = (min(0.5, 2 / rows[0]), min(0.5, 2 / rows[-1]))
    return Curve(column, low, high, power, np.array(coarse_of), np.array(fine_of), heaps, step, decimals, ends)


MIN_LEAF = 5
"""Rows that a fine cell rests on, so that its ends and mean are not one person's values."""


def _widened(low: Array, high: Array, distinct: Array, step: float, bounds: tuple[float, float]) -> tuple[Array, Array]:
    """Ends of the leaves: the outermost attain the bounds; without a grid, neighbours share the gap between them."""
    low, high = low.copy(), high.copy()
    if not step:
        spacing = np.where(distinct > 1, (high - low) / np.maximum(distinct - 1, 1), 0.0)
        gap = low[1:] - high[:-1]
        up, down = np.minimum(gap / 2, spacing[:-1]), np.minimum(gap / 2, spacing[1:])
        high[:-1] += up
        low[1:] -= down
    if distinct[0] > 1:
        low[0] = min(low[0], bounds[0])
    if distinct[-1] > 1:
        high[-1] = max(high[-1], bounds[1])
    return low, high


def grid_step(distinct: Array, decimals: int) -> float:
    """Greatest common step of the values, 0 where they are too fine to have one in float64."""
    scale = 10.0**decimals
    whole = np.round(distinct * scale)
    if decimals > 9 or np.abs(whole).max(initial=0) > 2**52:
        return 0.0
    common = int(np.gcd.reduce(whole.astype(np.int64)))
    return max(common, 1) / scale


def _heap_shares(distinct: Array, counts: Array, leaf: Array, leaves: int, step: float) -> Array:
    """Share of each leaf's rows on each step of HEAPS and on no coarser one; zeros where the column does not heap."""
    out = np.zeros((leaves, len(HEAPS)))
    if not step:
        return out
    units = np.round(distinct / step)
    level = np.full(len(units), len(HEAPS))
    for i in reversed(range(len(HEAPS))):
        level[units % HEAPS[i] == 0] = i
    total = counts.sum()
    if counts[units % 10 == 0].sum() < 0.15 * total and counts[units % 5 == 0].sum() < 0.3 * total:
        return out
    np.add.at(out, (leaf[level < len(HEAPS)], level[level < len(HEAPS)]), counts[level < len(HEAPS)])
    return out / np.bincount(leaf, counts, minlength=leaves)[:, None]
