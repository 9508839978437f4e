"""Rows from a trained generator, slot after slot, under conditions on any columns.

Row i is made from its own uniforms (a counter-based stream of seed and i), so shards of a sample can be drawn apart.
Under conditions, the conditioned columns come first: each is drawn among the cells that meet its condition, and the
row is accepted with the probability p of meeting it given the columns before (rejection sampling on the conditioned
columns alone, so the accepted rows follow the generator's own distribution under the conditions, without bias). The
mass of the first column is the same for all rows and needs no rejection; neither do columns pinned to one cell, which
therefore go first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.encoding.cells import Array
from models.encoding.encoding import Layout
from models.gan.network import Generator, pieces
from models.progress import SILENT, Progress
from models.rng import stream

BLOCK = 8_192
"""Rows that share one stream: those of a block are drawn together."""
STRATA = 256
"""Rows over which the uniforms of a slot are spread evenly."""
ROUNDS = 12
"""Rounds of candidates for rows that have none yet; each round doubles the candidates of a row."""


@dataclass(frozen=True, eq=False)
class Pin:
    """A slot that a condition restricts. mass (coarse, fine): share of each cell that meets it; partner: coarse slot
    or -1.
    """

    slot: int
    partner: int
    mass: Tensor


@dataclass(frozen=True, eq=False)
class Pins:
    """first: the slots that are drawn under rejection, in order; all pinned ones are among them."""

    first: tuple[int, ...] = ()
    by_slot: Mapping[int, Pin] = field(default_factory=dict)

    def to(self, device: torch.device) -> Pins:
        return replace(self, by_slot={s: replace(p, mass=p.mass.to(device)) for s, p in self.by_slot.items()})


NONE = Pins()


class Sampler:
    """Draws cells. order: slots in the order in which unconditional rows are drawn."""

    def __init__(self, model: Generator, layout: Layout, order: Sequence[int], progress: Progress = SILENT) -> None:
        self.model, self.layout, self.order, self.progress = model, layout, list(order), progress
        device = model.embed.device
        self.device = device
        self.start = (model.embed[layout.width :].sum(0) + model.bias).detach()
        offsets = layout.offsets
        t = model.compute
        # What one slot adds to the first layer when its cell becomes known, and the slice of the head that draws it.
        self.entry = [
            (model.embed[offsets[s] : offsets[s + 1]] - model.embed[layout.width + s]).detach()
            for s in range(len(layout.sizes))
        ]
        self.head = [
            (
                model.head[offsets[s] : offsets[s + 1]].detach().to(t),
                model.head_bias[offsets[s] : offsets[s + 1]].detach().to(t),
            )
            for s in range(len(layout.sizes))
        ]
        self.steps = [
            (b.norm, b.linear.weight.detach().to(t), b.linear.bias.detach().to(t)) for b in model.stack.blocks()
        ]
        self.valid: list[Tensor | None] = []
        for size, fine in zip(layout.sizes, layout.fine, strict=True):
            ok = None if fine is None else torch.arange(size)[None, :] < torch.tensor(fine)[:, None]
            self.valid.append(None if ok is None else ok.float().to(device))

    @torch.no_grad()
    def probabilities(self, h: Tensor, slot: int, coarse: Tensor | None) -> Tensor:
        """First-layer sums (B, H) -> probabilities of the slot's cells (B, K) float32, given its coarse cell (B,)."""
        for norm, weight, bias in self.steps:
            h = h + F.linear(F.silu(norm(h)).to(weight.dtype), weight, bias).float()
        weight, bias = self.head[slot]
        p = F.linear(F.silu(h).to(weight.dtype), weight, bias).float().softmax(1)
        valid = self.valid[slot]
        if valid is not None and coarse is not None:
            p = p * valid[coarse]
            p = p / p.sum(1, keepdim=True).clamp_min(1e-30)
        return p

    @torch.no_grad()
    def _walk(
        self, slots: Sequence[int], h: Tensor, cells: Tensor, uniforms: Tensor, pins: Mapping[int, Pin]
    ) -> Tensor:
        """Draw these slots in place, given first-layer sums h (B, H). -> product of the accepted masses, less the
        first.
        """
        weight = torch.ones(len(h), device=self.device)
        free = True  # nothing random has been drawn yet: masses are the same for all rows
        for slot in slots:
            self.progress.check()
            parent = self.layout.parents[slot]
            coarse = cells[:, parent] if parent >= 0 else None
            p = self.probabilities(h, slot, coarse)
            pin = pins.get(slot)
            if pin is not None:
                p = p * (pin.mass.amax(1) > 0 if coarse is None and pin.partner >= 0 else _mass(pin, coarse))
                mass = p.sum(1)
                if not free:
                    weight = weight * mass
            cells[:, slot] = pick(p, uniforms[:, slot])
            if pin is None or int((p[:1] > 0).sum()) != 1:
                free = False
            h += self.entry[slot][cells[:, slot]]
        return weight

    def block(
        self, number: int, first: int, last: int, seed: int, uniforms: int, pins: Pins = NONE
    ) -> tuple[Array, Array]:
        """Rows first..last of a block -> cells (N, S) int64 and `uniforms` further uniforms (N, U) for decoding."""
        slots = len(self.layout.sizes)
        u = strata(seed, number, slots + uniforms)[first:last]
        cells = torch.zeros(last - first, slots, dtype=torch.int64, device=self.device)
        h = self.start.expand(last - first, -1).clone()
        if len(pins.first) > 1:
            self._accept(pins.first, pins.by_slot, number, first, seed, cells)
            for slot in pins.first:
                h += self.entry[slot][cells[:, slot]]
        else:
            self._walk(pins.first, h, cells, torch.from_numpy(u).to(self.device), pins.by_slot)
        done = set(pins.first)
        self._walk([s for s in self.order if s not in done], h, cells, torch.from_numpy(u).to(self.device), {})
        return cells.cpu().numpy(), u[:, slots:]

    def _accept(
        self,
        head: Sequence[int],
        pins: Mapping[int, Pin],
        number: int,
        first: int,
        seed: int,
        cells: Tensor,
    ) -> None:
        """Fill the conditioned slots of every row with its first accepted candidate."""
        slots = len(self.layout.sizes)
        pending = torch.arange(len(cells), device=self.device)
        for attempt in range(ROUNDS):
            tries = 2**attempt
            left: list[Tensor] = []
            for rows in pieces(pending, max(1, 2 * BLOCK // tries)):
                u = self._candidates(seed, number, attempt, first, rows, tries, slots)
                found = torch.zeros(len(rows) * tries, slots, dtype=torch.int64, device=self.device)
                weight = self._walk(head, self.start.expand(len(found), -1).clone(), found, u, pins)
                accepted = (u[:, slots] < weight).view(-1, tries)
                hit = accepted.any(1)
                # In the last round a row that has none yet takes one of its candidates by their weights.
                pick = accepted.float().argmax(1)
                if attempt == ROUNDS - 1:
                    cdf = weight.view(-1, tries).double().cumsum(1)
                    drawn = torch.searchsorted(cdf, u.view(-1, tries, slots + 1)[:, 0, slots:].double() * cdf[:, -1:])
                    pick = torch.where(hit, pick, drawn[:, 0].clamp_max(tries - 1))
                    hit = torch.ones_like(hit)
                take = torch.arange(len(rows), device=self.device) * tries + pick
                for slot in head:
                    cells[rows[hit], slot] = found[take[hit], slot]
                left.append(rows[~hit])
            pending = torch.cat(left)
            if not len(pending):
                return

    def _candidates(
        self, seed: int, number: int, attempt: int, first: int, rows: Tensor, tries: int, slots: int
    ) -> Tensor:
        """Uniforms (rows * tries, S + 1): each row's own, whichever rows are pending with it."""
        if tries <= 4:
            whole = stream(seed, "try", number, attempt).random((BLOCK, tries, slots + 1), dtype=np.float32)
            u = whole[first + rows.cpu().numpy()]
        else:
            u = np.stack(
                [
                    stream(seed, "try", number, attempt, first + int(r)).random((tries, slots + 1), dtype=np.float32)
                    for r in rows.cpu()
                ]
            )
        return torch.from_numpy(u.reshape(-1, slots + 1)).to(self.device)


def pick(p: Tensor, u: Tensor) -> Tensor:
    """Masses (B, K), any total, and uniforms (B,) -> cells (B,)."""
    cdf = p.cumsum(1)
    # Below the total, so that rounding never picks a cell of no mass behind the last one.
    goal = u[:, None] * cdf[:, -1:] * (1 - 1e-6)
    return torch.searchsorted(cdf, goal, right=True)[:, 0].clamp_max(p.shape[1] - 1)


def strata(seed: int, number: int, columns: int) -> Array:
    """Uniforms of a block (BLOCK, columns) float32. Every STRATA rows, those of a column fall one into each of STRATA
    equal strata.

    Each is uniform by itself; together they spread evenly, so shares of a sample, however short, scatter less than by
    independent draws (Latin hypercube sampling; McKay, Beckman and Conover 1979).
    """
    source = stream(seed, "rows", number)
    shape = (BLOCK // STRATA, STRATA, columns)
    ranks = np.argsort(source.random(shape, dtype=np.float32), axis=1)
    u = ((ranks + source.random(shape, dtype=np.float32)) / STRATA).astype(np.float32)
    return np.minimum(u, np.float32(1 - 2**-24)).reshape(BLOCK, columns)


def _mass(pin: Pin, coarse: Tensor | None) -> Tensor:
    return pin.mass[:, 0] if coarse is None else pin.mass[coarse]
