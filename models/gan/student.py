"""Fast mode: a small network distilled from the generator draws rows in the plain order.

The student is a generator without hidden layers: each slot's logits are one product of the sum of the embeddings
before it (NADE: Larochelle and Murray 2011, "The neural autoregressive distribution estimator"). It learns the
generator's own probabilities (Hinton, Vinyals and Dean 2015, "Distilling the knowledge in a neural network") along rows
that the generator draws, and sees no row of the data; after that its rows are settled to the same shares.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.encoding.cells import Array
from models.encoding.encoding import Layout
from models.gan.calibration import settle
from models.gan.draws import BLOCK, Draws
from models.gan.network import Generator, follow, pieces
from models.gan.parallel import in_order
from models.gan.sampler import NONE, PIECE, Pins, Sampler
from models.gan.smooth import smooth_basis
from models.gan.tails import tails_of
from models.progress import SILENT, Progress
from models.rng import key

HIDDEN = 128
DRAWN_CELLS = 1_200_000
"""Cells of the rows that the student learns from."""
STEPS, BATCH, RATE, EMA = 512, 512, 8e-3, 0.99
HELD_BYTES = 192 * 1024**2
"""Probabilities in memory at a time, in bytes."""


class FastSampler(Sampler):
    """Draws by the student what is drawn in the plain order; rows whose conditioned columns must come first are drawn
    by the full generator.
    """

    piece = 4 * PIECE

    def __init__(self, student: Generator, full: Sampler, frequencies: Array, pairs: Array) -> None:
        super().__init__(student, full.layout, full.order, full.progress, frequencies, pairs)
        self.full = full

    def _rows(
        self,
        number: int,
        at: Array,
        draw: Callable[[Tensor, int], Tensor],
        seed: int,
        pins: Pins,
        uniforms: Array | None = None,
    ) -> Tensor:
        if pins.moved:
            return self.full._rows(number, at, draw, seed, pins, uniforms)
        return super()._rows(number, at, draw, seed, pins)


@dataclass(frozen=True, eq=False)
class Lesson:
    """Rows that the generator drew: cells (N, S) int16, and the probabilities (N, W) bfloat16 they were drawn by."""

    cells: Tensor
    soft: Tensor

    def __len__(self) -> int:
        return len(self.cells)


def distil(
    full: Sampler,
    frequencies: Array,
    pairs: Array,
    seed: int,
    workers: int = 1,
    progress: Progress = SILENT,
    fraction: float = 0.0,
) -> tuple[Generator, dict[str, Any]]:
    """A student of the generator, and facts for the manifest: what it costs (kl: nats per row off the generator, on
    rows that it did not learn from).

    frequencies (W,): training shares. pairs (P, 2): impossible ones. workers: threads.
    fraction: what progress says meanwhile of the step that this is part of.
    """
    began = time.monotonic()
    layout, device = full.layout, full.device
    basis, tails = smooth_basis(layout).to(device), tails_of(layout)
    for tail, known in zip(tails, full.model.tails, strict=True):
        tail.log.copy_(known.log)
        tail.goal = F.normalize(known.factors(torch.device("cpu")), p=1.0)
    size = (layout.width, len(layout.sizes), HIDDEN, 0)
    student = Generator(*size, compute=full.model.compute, basis=basis, tails=tails)
    shares = torch.from_numpy(np.array(frequencies, np.float32))
    student.initialise(shares, torch.Generator().manual_seed(key(seed, "student")))
    student.to(device)
    blocks = max(2, math.ceil(DRAWN_CELLS / len(layout.sizes) / BLOCK))
    window = max(1, min(blocks, HELD_BYTES // (2 * BLOCK * layout.width)))
    windows = [range(a, min(a + window, blocks)) for a in range(0, blocks, window)]
    learning = _Learning(student, full)
    for numbers in windows:
        lesson = _lesson(full, numbers, seed, workers)
        last = round(STEPS * numbers.stop / blocks)
        rows = len(lesson)
        while learning.step < last:
            progress.check()
            first = learning.step * BATCH % rows
            learning.learn(lesson, slice(first, min(first + BATCH, rows)))
            progress.update(fraction, f"fast mode: step {learning.step} of {STEPS}")
    student.load_state_dict(learning.ema, strict=False)
    student.fold()
    settle(student, layout, full.order, shares.to(device), key(seed, "student"), progress, pairs)
    test = _lesson(full, range(blocks, blocks + 1), seed, workers)
    with torch.no_grad():
        kl = sum(_off(student, full, test, slice(a, a + PIECE)) for a in range(0, len(test), PIECE)) / len(test)
    facts = {
        "hidden": HIDDEN,
        "rows": blocks * BLOCK,
        "kl": round(kl, 4),
        "seconds": round(time.monotonic() - began, 1),
    }
    return student, facts


def student_from(tensors: Mapping[str, Array], layout: Layout) -> Generator | None:
    """The student among the tensors of an artifact, None where it has none. Raises ValueError, RuntimeError where it
    does not fit the layout.
    """
    weights = {k.removeprefix("student."): v for k, v in tensors.items() if k.startswith("student.")}
    if not weights:
        return None
    hidden = weights["bias"].shape[0]
    if any(not np.isfinite(v).all() for v in weights.values()):
        raise ValueError("a student of numbers that are none")
    if len(weights["embed"]) != layout.width + len(layout.sizes):
        raise ValueError("a student of other cells")
    student = Generator(layout.width, len(layout.sizes), hidden, 0, tails=tails_of(layout))
    student.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()})
    return student


class _Learning:
    """Training of a student. ema: its averaged weights."""

    def __init__(self, student: Generator, full: Sampler) -> None:
        self.student, self.full, self.step = student, full, 0
        self.optimizer = torch.optim.AdamW(student.parameters(), RATE, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
        self.ema = {k: v.detach().clone() for k, v in student.named_parameters()}

    def learn(self, lesson: Lesson, rows: slice) -> None:
        warm = min(1.0, (self.step + 1) / 20)
        self.optimizer.param_groups[0]["lr"] = RATE * warm * 0.5 * (1 + math.cos(math.pi * self.step / STEPS))
        loss = _loss(self.student, self.full, lesson, rows).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step()
        follow(self.ema, self.student, min(EMA, (self.step + 1) / (self.step + 10)))
        self.step += 1


def _lesson(full: Sampler, numbers: range, seed: int, workers: int) -> Lesson:
    """Rows of these blocks."""
    own, rows, device = key(seed, "lesson"), len(numbers) * BLOCK, full.device
    soft = torch.empty(rows, full.layout.width, dtype=torch.bfloat16, device=device)
    tasks = [
        partial(_block, full, number, own, part) for number, part in zip(numbers, pieces(soft, BLOCK), strict=True)
    ]
    return Lesson(torch.cat(list(in_order(tasks, workers))), soft)


@torch.no_grad()
def _block(full: Sampler, number: int, seed: int, soft: Tensor) -> Tensor:
    """Cells (BLOCK, S) of a block; soft (BLOCK, W): filled with the probabilities that they were drawn by."""
    layout = full.layout
    whole = Draws.of(seed, number, layout, full.device, full.goal)
    cells = []
    step = PIECE if full.device.type == "cpu" else BLOCK
    for a in range(0, BLOCK, step):
        draws, part = whole.part(a, a + step), soft[a : a + step]

        def draw(p: Tensor, slot: int, draws: Draws = draws, part: Tensor = part) -> Tensor:
            part[:, layout.offsets[slot] : layout.offsets[slot + 1]] = p / p.sum(1, keepdim=True)
            return draws(p, slot)

        cells.append(full._rows(number, np.arange(a, a + step), draw, seed, NONE).short())
    return torch.cat(cells)


def _off(student: Generator, full: Sampler, lesson: Lesson, rows: slice) -> float:
    """Kullback-Leibler divergence of these rows, summed, in nats."""
    soft = lesson.soft[rows].float()
    return float(_loss(student, full, lesson, rows).sum()) + float((soft * soft.clamp_min(1e-30).log()).sum())


def _loss(student: Generator, full: Sampler, lesson: Lesson, rows: slice) -> Tensor:
    """Cross-entropy (B,) of the student's probabilities against the generator's, slot after slot in drawing order."""
    layout, cells, soft = full.layout, lesson.cells[rows].long(), lesson.soft[rows]
    embed, head = student.tables()
    offsets, before = layout.offsets, list(full.order[:-1])
    unknown = embed[len(embed) - len(layout.sizes) :]
    start = unknown.sum(0) + student.bias
    shift = torch.from_numpy(offsets[before]).to(cells.device)
    added = F.embedding((cells[:, before] + shift).t(), embed) - unknown[before][:, None]
    x = F.silu(torch.cat([start.expand(1, len(cells), -1), start + added.cumsum(0)])).to(student.compute)
    weights, tails = head.to(student.compute), {tail.slot: tail for tail in student.tails}
    total = torch.zeros(len(cells), device=cells.device)
    for place, slot in enumerate(full.order):
        a, b = offsets[slot], offsets[slot + 1]
        logits = F.linear(x[place], weights[a:b]).float() + student.head_bias[a:b]
        fine = layout.fine[slot]
        if fine is not None:
            coarse = cells[:, layout.parents[slot]]
            if slot in tails:
                logits = logits + tails[slot].log[coarse]
            count = torch.from_numpy(np.asarray(fine)).to(cells.device)[coarse]
            logits = logits.masked_fill(torch.arange(b - a, device=cells.device) >= count[:, None], -1e9)
        total = total - (soft[:, a:b].float() * logits.log_softmax(1)).sum(1)
    return total
