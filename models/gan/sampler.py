"""Rows from a trained generator, slot after slot, under conditions on any columns.

Row i is made from its own uniforms (a counter-based stream of seed and i), so shards of a sample can be drawn apart.
Under conditions, the conditioned columns come first: each is drawn among the cells that meet its condition, and the
row is accepted with the probability p of meeting it given the columns before (rejection sampling on the conditioned
columns alone, so the accepted rows follow the generator's own distribution under the conditions, without bias). The
mass of the first column is the same for all rows and needs no rejection; neither do columns pinned to one cell, which
therefore go first.

The generator knows rows best in its plain drawing order. Where conditions make another order necessary, a row is chosen
among CANDIDATES, each with its likelihood in the plain order over its likelihood in the order that it was drawn in
(sampling importance resampling: Rubin 1987, comment on Tanner and Wong, JASA 82).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.encoding.cells import Array
from models.encoding.encoding import Layout
from models.gan.draws import BLOCK, GROUP, Draws, independent, pick, strata
from models.gan.network import Generator, pieces
from models.gan.pairs import NO_PAIRS, PairMask
from models.gan.weighing import POOL, Weigher, choose
from models.progress import SILENT, Progress
from models.rng import key, stream

CANDIDATES = 4
"""Candidates of a row that is not drawn in the plain order."""
PIECE = 1_024
"""Rows that pass through the network together: what they take stays in a core's cache."""
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
    """first: the slots that are drawn under rejection, in order; all pinned ones are among them. moved: whether they
    would not come first without conditions.
    """

    first: tuple[int, ...] = ()
    by_slot: Mapping[int, Pin] = field(default_factory=dict)
    moved: bool = False

    def to(self, device: torch.device) -> Pins:
        return replace(self, by_slot={s: replace(p, mass=p.mass.to(device)) for s, p in self.by_slot.items()})


NONE = Pins()


class Sampler:
    """Draws cells.

    order: slots in the order in which unconditional rows are drawn. frequencies (W,): where given, samples without
    conditions keep to these shares of missing cells. pairs (P, 2): impossible ones. weigher: of candidates that rows
    are chosen from.
    """

    piece = PIECE

    def __init__(
        self,
        model: Generator,
        layout: Layout,
        order: Sequence[int],
        progress: Progress = SILENT,
        frequencies: Array | None = None,
        pairs: Array = NO_PAIRS,
        weigher: Weigher | None = None,
    ) -> None:
        self.weigher = weigher
        self.model, self.layout, self.order, self.progress = model, layout, list(order), progress
        device = model.embed.device
        self.device = device
        self.pairs = PairMask(pairs, layout, device)
        self.goal: list[float] | None = None
        if frequencies is not None and any(layout.missing):
            ends = layout.offsets[1:]
            self.goal = [float(frequencies[e - m : e].sum()) for e, m in zip(ends, layout.missing, strict=True)]
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
                model.head_bias[offsets[s] : offsets[s + 1]].detach(),
            )
            for s in range(len(layout.sizes))
        ]
        self.steps = [
            (b.norm, b.linear.weight.detach().to(t), b.linear.bias.detach().to(t)) for b in model.stack.blocks()
        ]
        # Factors of the fine cells given the coarse one, 0 where it has no such cell.
        self.valid: list[Tensor | None] = []
        for size, fine in zip(layout.sizes, layout.fine, strict=True):
            ok = None if fine is None else torch.arange(size)[None, :] < torch.tensor(fine)[:, None]
            self.valid.append(None if ok is None else ok.float().to(device))
        for tail in model.tails:
            self.valid[tail.slot] = tail.factors(device)

    @torch.no_grad()
    def probabilities(self, h: Tensor, slot: int, coarse: Tensor | None) -> Tensor:
        """First-layer sums (B, H) -> probabilities of the slot's cells (B, K) float32, given its coarse cell (B,)."""
        if len(h) > self.piece and h.device.type == "cpu":
            known = None if coarse is None else list(pieces(coarse, self.piece))
            parts = enumerate(pieces(h, self.piece))
            return torch.cat([self.probabilities(p, slot, None if known is None else known[i]) for i, p in parts])
        own = False  # h is the caller's until a step has made another
        for norm, weight, bias in self.steps:
            h = F.linear(F.silu(norm(h), inplace=True).to(weight.dtype), weight, bias).float().add_(h)
            own = True
        weight, bias = self.head[slot]
        p = F.linear(F.silu(h, inplace=own).to(weight.dtype), weight).float().add_(bias).softmax(1)
        valid = self.valid[slot]
        if valid is not None and coarse is not None:
            p *= valid.index_select(0, coarse)
            p /= p.sum(1, keepdim=True).clamp_min(1e-30)
        return p

    @torch.no_grad()
    def _walk(
        self,
        slots: Sequence[int],
        h: Tensor,
        cells: Tensor,
        draw: Callable[[Tensor, int], Tensor],
        pins: Mapping[int, Pin],
        drawn: Sequence[int] = (),
    ) -> tuple[Tensor, Tensor]:
        """Draw these slots in place, given first-layer sums h (B, H) and the cells of the slots drawn before; draw:
        (masses (B, K), slot) -> cells (B,).

        -> product of the accepted masses, less the first; sum of the logarithms of the masses of the cells drawn.
        """
        weight = torch.ones(len(h), device=self.device)
        log = torch.zeros(len(h), device=self.device)
        free = True  # nothing random has been drawn yet: masses are the same for all rows
        for i, slot in enumerate(slots):
            self.progress.check()
            parent = self.layout.parents[slot]
            coarse = cells[:, parent] if parent >= 0 else None
            p = self.probabilities(h, slot, coarse)
            pin, within = pins.get(slot), None
            if pin is not None:
                within = pin.mass.amax(1) > 0 if coarse is None and pin.partner >= 0 else _mass(pin, coarse)
            p = self.pairs.apply(p, slot, cells, [*drawn, *slots[:i]], within)
            if pin is not None and not free:
                weight = weight * p.sum(1)
            cells[:, slot] = draw(p, slot)
            log += p.gather(1, cells[:, slot, None])[:, 0].clamp_min(1e-30).log()
            if pin is None or int((p[:1] > 0).sum()) != 1:
                free = False
            h += self.entry[slot].index_select(0, cells[:, slot])
        return weight, log

    def block(
        self, number: int, first: int, last: int, seed: int, uniforms: int, pins: Pins = NONE
    ) -> tuple[Array, Array]:
        """Rows first..last of a block -> cells (N, S) int64 and `uniforms` further uniforms (N, U) for decoding."""
        begin, end = first // GROUP * GROUP, -(-last // GROUP) * GROUP
        if self.weigher is None or pins.moved:
            cells, u = self._candidate(number, begin, end, seed, uniforms, pins)
        else:
            pool = [
                self._candidate(number, begin, end, key(seed, "pool", i), uniforms, pins, weigh=False)
                for i in range(POOL)
            ]
            cells, u = torch.cat([c for c, _ in pool]), np.concatenate([u for _, u in pool])
            log = self.weigher(cells, u).view(POOL, -1, GROUP).transpose(0, 1)
            marks = stream(seed, "chosen", number).random((BLOCK // GROUP, POOL * GROUP + 1))
            group, place = np.divmod(choose(log, marks[begin // GROUP : end // GROUP]), POOL * GROUP)
            at = place // GROUP * (end - begin) + group * GROUP + place % GROUP
            cells, u = cells[torch.from_numpy(at).to(self.device)], u[at]
        return cells[first - begin : last - begin].cpu().numpy(), u[first - begin : last - begin]

    def _candidate(
        self, number: int, begin: int, end: int, seed: int, uniforms: int, pins: Pins, *, weigh: bool = True
    ) -> tuple[Tensor, Array]:
        """Rows begin..end of a block, both multiples of GROUP -> cells (N, S), further uniforms (N, U)."""
        draw = Draws.of(seed, number, self.layout, self.device, None if pins.first else self.goal)
        step = self.piece if self.device.type == "cpu" else BLOCK
        u = strata(seed, number, uniforms)
        parts = [
            self._rows(number, np.arange(a, b), draw.part(a, b), seed, pins, u[a:b] if weigh else None)
            for a, b in ((a, min(a + step, end)) for a in range(begin, end, step))
        ]
        return torch.cat(parts), u[begin:end]

    def again(
        self, number: int, rows: Array, attempt: int, seed: int, uniforms: int, pins: Pins = NONE
    ) -> tuple[Array, Array]:
        """Another draw of some rows (N,) of a block, each by itself: as `block` answers, other for each attempt."""
        if self.weigher is None or pins.moved:
            return self._other(number, rows, attempt, seed, uniforms, pins)
        # Of two candidates each, by twice their log weights: to first order, what many candidates would give.
        found = [self._other(number, rows, attempt, key(seed, "pool", i), uniforms, pins) for i in range(2)]
        log = torch.stack([self.weigher(torch.from_numpy(c), u) for c, u in found], 1)
        v = stream(seed, "chosen", number, attempt).random(BLOCK, dtype=np.float32)[rows]
        chosen = pick((2 * (log - log.amax(1, keepdim=True))).exp().cpu(), torch.from_numpy(v)).numpy()
        at = np.arange(len(rows))
        cells, u = (np.stack(parts)[chosen, at] for parts in zip(*found, strict=True))
        return cells, u

    def _other(
        self, number: int, rows: Array, attempt: int, seed: int, uniforms: int, pins: Pins
    ) -> tuple[Array, Array]:
        slots, own = len(self.layout.sizes), key(seed, "again", attempt)
        u = stream(own, "rows", number).random((BLOCK, slots + uniforms), dtype=np.float32)[rows]
        draw = independent(torch.from_numpy(u[:, :slots]).to(self.device))
        return self._rows(number, rows, draw, own, pins, u[:, slots:]).cpu().numpy(), u[:, slots:]

    def _rows(
        self,
        number: int,
        at: Array,
        draw: Callable[[Tensor, int], Tensor],
        seed: int,
        pins: Pins,
        uniforms: Array | None = None,
    ) -> Tensor:
        """Rows `at` (N,) of a block -> cells (N, S). uniforms (N, U): of their decoding, if they are to be weighed."""
        if not pins.moved:
            return self._drawn(number, at, draw, seed, pins)[0]
        found, odds = [], []
        for candidate in range(CANDIDATES):
            own = key(seed, "candidate", candidate)
            u = stream(own, "cells", number).random((BLOCK, len(self.layout.sizes)), dtype=np.float32)[at]
            cells, log = self._drawn(number, at, independent(torch.from_numpy(u).to(self.device)), own, pins)
            found.append(cells)
            weight = 0.0 if self.weigher is None or uniforms is None else self.weigher(cells, uniforms)
            odds.append(self._plainly(cells, pins) - log + weight)
        total = torch.stack(odds, 1)
        u = stream(seed, "choice", number).random(BLOCK, dtype=np.float32)[at]
        chosen = pick((total - total.amax(1, keepdim=True)).exp(), torch.from_numpy(u).to(self.device))
        return torch.stack(found, 1)[torch.arange(len(at), device=self.device), chosen]

    def _drawn(
        self, number: int, at: Array, draw: Callable[[Tensor, int], Tensor], seed: int, pins: Pins
    ) -> tuple[Tensor, Tensor]:
        """As _rows, in one go -> cells (N, S), log-likelihood (N,) but for a constant, in the order drawn in."""
        cells = torch.zeros(len(at), len(self.layout.sizes), dtype=torch.int64, device=self.device)
        h = self.start.expand(len(at), -1).clone()
        if len(pins.first) > 1:
            before = self._accept(pins.first, pins.by_slot, number, at, seed, cells)
            for slot in pins.first:
                h += self.entry[slot].index_select(0, cells[:, slot])
        else:
            before = self._walk(pins.first, h, cells, draw, pins.by_slot)[1]
        done = set(pins.first)
        after = self._walk([s for s in self.order if s not in done], h, cells, draw, {}, pins.first)[1]
        return cells, before + after

    def _plainly(self, cells: Tensor, pins: Pins) -> Tensor:
        """Log-likelihood (N,) of cells (N, S) in the plain order, but for the same constant."""
        h = self.start.expand(len(cells), -1).clone()
        return self._walk(self.order, h, cells.clone(), lambda p, slot: cells[:, slot], pins.by_slot)[1]

    def _accept(
        self,
        head: Sequence[int],
        pins: Mapping[int, Pin],
        number: int,
        at: Array,
        seed: int,
        cells: Tensor,
    ) -> Tensor:
        """Fill the conditioned slots of rows `at` (N,) of a block with the first accepted candidate of each.

        -> log-likelihood (N,) of these slots, but for a constant.
        """
        slots = len(self.layout.sizes)
        log = torch.zeros(len(cells), device=self.device)
        pending = torch.arange(len(cells), device=self.device)
        for attempt in range(ROUNDS):
            tries = 2**attempt
            left: list[Tensor] = []
            for rows in pieces(pending, max(1, 2 * BLOCK // tries)):
                u = self._candidates(seed, number, attempt, at[rows.cpu().numpy()], tries, slots)
                found = torch.zeros(len(rows) * tries, slots, dtype=torch.int64, device=self.device)
                h = self.start.expand(len(found), -1).clone()
                weight, logs = self._walk(head, h, found, independent(u), pins)
                accepted = (u[:, slots] < weight).view(-1, tries)
                hit = accepted.any(1)
                # In the last round a row that has none yet takes one of its candidates by their weights.
                best = accepted.float().argmax(1)
                if attempt == ROUNDS - 1:
                    cdf = weight.view(-1, tries).double().cumsum(1)
                    drawn = torch.searchsorted(cdf, u.view(-1, tries, slots + 1)[:, 0, slots:].double() * cdf[:, -1:])
                    best = torch.where(hit, best, drawn[:, 0].clamp_max(tries - 1))
                    hit = torch.ones_like(hit)
                take = torch.arange(len(rows), device=self.device) * tries + best
                for slot in head:
                    cells[rows[hit], slot] = found[take[hit], slot]
                log[rows[hit]] = logs[take[hit]]
                left.append(rows[~hit])
            pending = torch.cat(left)
            if not len(pending):
                break
        return log

    def _candidates(self, seed: int, number: int, attempt: int, rows: Array, tries: int, slots: int) -> Tensor:
        """Uniforms (rows * tries, S + 1): each row's own, whichever rows are pending with it."""
        if tries <= 4:
            whole = stream(seed, "try", number, attempt).random((BLOCK, tries, slots + 1), dtype=np.float32)
            u = whole[rows]
        else:
            u = np.stack(
                [
                    stream(seed, "try", number, attempt, int(r)).random((tries, slots + 1), dtype=np.float32)
                    for r in rows
                ]
            )
        return torch.from_numpy(u.reshape(-1, slots + 1)).to(self.device)


def _mass(pin: Pin, coarse: Tensor | None) -> Tensor:
    return pin.mass[:, 0] if coarse is None else pin.mass[coarse]
