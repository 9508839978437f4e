"""Impossible pairs: cells never seen together in the training rows although both are frequent. They are masked while
rows are drawn, as likelihood leaves each a little mass and a row has many chances to meet one.

A pair counts as impossible if EXPECTED training rows would hold it were its two columns independent, and none does: at
a tenth of that rate it would be missing by chance once in exp(EXPECTED / 10). The present values of a column count
together as well, and so do its missing codes: what is never answered by some, or always. Fine cells take no part, as
they mean nothing without their coarse ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.encoding.cells import Array
from models.encoding.encoding import Layout
from models.errors import InvalidArtifact
from models.progress import SILENT, Progress

EXPECTED = 30
WORK = 1_000_000_000
"""Rows times pairs of slots that are counted; of more, fewer rows, evenly spread."""
NO_PAIRS: Array = np.zeros((0, 2), np.int32)
MOST = 16_000_000
"""Entries of all masks; where there would be more, pairs must be expected more often."""


def find_pairs(codes: Array, layout: Layout, progress: Progress = SILENT, expected: float = EXPECTED) -> Array:
    """codes (N, S): cells of the training rows -> impossible pairs (P, 2), as cell numbers of the whole width."""
    slots = [s for s, parent in enumerate(layout.parents) if parent < 0]
    together = list(combinations(slots, 2))
    if not len(codes) or not together:
        return NO_PAIRS
    rows = codes[:: max(1, -(-len(codes) * len(together) // WORK))]
    columns = {s: np.ascontiguousarray(rows[:, s], np.int32) for s in slots}
    counts = {s: np.bincount(columns[s], minlength=layout.sizes[s]).astype(np.float64) for s in slots}
    found: list[Array] = []
    odds: list[Array] = []
    for a, b in together:
        progress.check()
        if counts[a].max() * counts[b].max() < expected * len(rows):
            continue
        wide = layout.sizes[b]
        seen = np.bincount(columns[a] * wide + columns[b], minlength=layout.sizes[a] * wide).reshape(-1, wide)
        chance = np.outer(counts[a], counts[b]) / len(rows)
        chance = _together(seen, chance, _groups(layout, a), _groups(layout, b))
        x, y = np.nonzero(chance >= expected)
        found.append(np.stack([x + layout.offsets[a], y + layout.offsets[b]], 1))
        odds.append(chance[x, y])
    if not found:
        return NO_PAIRS
    pairs, chance = np.concatenate(found), np.concatenate(odds)
    while _entries(pairs, layout) > MOST:
        expected *= 2
        pairs, chance = pairs[chance >= expected], chance[chance >= expected]
    return pairs.astype(np.int32)


def _groups(layout: Layout, slot: int) -> list[slice]:
    """Cells of a slot that are judged together: the present ones and the missing ones, where there are both."""
    size, missing = layout.sizes[slot], layout.missing[slot] if layout.missing else 0
    return [slice(0, size - missing), slice(size - missing, size)] if 0 < missing < size else []


def _together(seen: Array, chance: Array, above: list[slice], beside: list[slice]) -> Array:
    """Rows seen and expected by chance (K, L) -> rows expected of each pair that is never seen, or of the largest
    group around it of which none is; 0 of pairs that are seen.
    """
    out = np.where(seen == 0, chance, 0.0)
    for rows in [None, *above]:
        for columns in [None, *beside]:
            if rows is None and columns is None:
                continue
            part = (rows or slice(None), columns or slice(None))
            axes = tuple(i for i, g in enumerate((rows, columns)) if g is not None)
            none = seen[part].sum(axes, keepdims=True) == 0
            out[part] = np.maximum(out[part], none * chance[part].sum(axes, keepdims=True))
    return out


def _slots(cells: Array, layout: Layout) -> Array:
    return np.searchsorted(layout.offsets, cells, side="right") - 1


def _entries(pairs: Array, layout: Layout) -> int:
    sizes = np.array(layout.sizes)
    return 2 * int(np.prod(sizes[np.unique(_slots(pairs, layout), axis=0)], axis=1).sum())


def check_pairs(pairs: Array, layout: Layout) -> Array:
    """The pairs, read from an artifact. Raises InvalidArtifact where they do not fit the layout."""
    good = pairs.ndim == 2 and pairs.shape[1] == 2 and np.issubdtype(pairs.dtype, np.integer)
    if good and len(pairs):
        good = pairs.min() >= 0 and pairs.max() < layout.width
    if good and len(pairs):
        slots = _slots(pairs, layout)
        good = (np.array(layout.parents)[slots] < 0).all() and (slots[:, 0] != slots[:, 1]).all()
    if not good:
        raise InvalidArtifact("The synthesizer's impossible pairs do not fit its cells.", hint="Train again.")
    return pairs


@dataclass(frozen=True, eq=False)
class _Mask:
    """partners: slots with impossible pairs with this one; start: row of each one's first cell in `forbidden`.

    forbidden (cells of the partners, K): 1 where a pair is impossible. possible: by partner, 0 there and else 1.
    """

    partners: tuple[int, ...]
    start: tuple[int, ...]
    forbidden: Tensor
    possible: tuple[Tensor, ...]


class PairMask:
    """Takes impossible cells out of a slot's probabilities, given the cells drawn before."""

    def __init__(self, pairs: Array, layout: Layout, device: torch.device) -> None:
        both = np.concatenate([pairs, pairs[:, ::-1]]).astype(np.int64)
        slots = _slots(both, layout)
        local = both - layout.offsets[slots]
        self.masks: dict[int, _Mask] = {}
        self.unmasked = 0
        """Draws of which nothing would have been left, and which were made without the mask."""
        for slot in np.unique(slots[:, 1]):
            mine = slots[:, 1] == slot
            partners = np.unique(slots[mine, 0])
            sizes = np.array(layout.sizes)[partners]
            start = np.cumsum(sizes) - sizes
            forbidden = torch.zeros(int(sizes.sum()), layout.sizes[slot])
            row = start[np.searchsorted(partners, slots[mine, 0])] + local[mine, 0]
            forbidden[torch.from_numpy(row), torch.from_numpy(local[mine, 1])] = 1.0
            forbidden = forbidden.to(device)
            possible = (1 - forbidden).split(sizes.tolist())  # type: ignore[no-untyped-call]
            self.masks[int(slot)] = _Mask(tuple(partners.tolist()), tuple(start.tolist()), forbidden, possible)

    def allowed(self, slot: int, cells: Tensor, drawn: Sequence[int], known: Tensor | None = None) -> Tensor | None:
        """Cells (B, S) of which the slots `drawn` are known -> which cells of this slot go with them, bool (B, K).

        known (B, S): where given, the cells that count.
        """
        mask = self.masks.get(slot)
        if mask is None:
            return None
        there = set(drawn)
        at = [(p, s) for p, s in zip(mask.partners, mask.start, strict=True) if p in there]
        if not at:
            return None
        index = cells[:, [p for p, _ in at]] + torch.tensor([s for _, s in at], device=cells.device)
        counted = None if known is None else known[:, [p for p, _ in at]].to(mask.forbidden.dtype)
        return F.embedding_bag(index, mask.forbidden, mode="sum", per_sample_weights=counted) == 0

    def apply(
        self,
        p: Tensor,
        slot: int,
        cells: Tensor,
        drawn: Sequence[int],
        within: Tensor | None = None,
        known: Tensor | None = None,
    ) -> Tensor:
        """Probabilities p (B, K) without the impossible cells, times within (a condition's mass).

        Rows of which nothing would be left keep p times within.
        """
        if within is None and known is None:
            return self._without(p, slot, cells, drawn)
        free = p if within is None else p * within
        allowed = self.allowed(slot, cells, drawn, known)
        if allowed is None:
            return free
        total = (p * allowed).sum(1, keepdim=True)
        masked = free * allowed / total.clamp_min(1e-30)
        left = (total > 1e-12) & (masked.sum(1, keepdim=True) > 0)
        self.unmasked += int((~left).sum())
        return torch.where(left, masked, free)

    def _without(self, p: Tensor, slot: int, cells: Tensor, drawn: Sequence[int]) -> Tensor:
        """As apply, where all cells drawn count and no condition falls on the slot."""
        mask, there = self.masks.get(slot), set(drawn)
        if mask is None or there.isdisjoint(mask.partners):
            return p
        masked = p
        for partner, possible in zip(mask.partners, mask.possible, strict=True):
            if partner in there:
                masked = masked * possible.index_select(0, cells[:, partner])
        total = masked.sum(1, keepdim=True)
        masked = masked.div_(total.clamp_min(1e-30))
        left = total > 1e-12
        lost = len(p) - int(left.sum())
        self.unmasked += lost
        return torch.where(left, masked, p) if lost else masked
