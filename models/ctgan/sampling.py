"""Rows from a trained CTGAN, in one pass each; under conditions by rejection.

Row i is made from numbers that depend on the seed and i alone, and the network always sees PASS rows at once, so any
shard of a sample can be drawn apart. Free rows take their condition as in training: a column evenly, its category by
the training shares. Under conditions on labelled columns, the condition vector names the one that fewest rows meet,
with a category that meets it; then each row is the first of its candidates that meets all conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models.conditions import Condition
from models.ctgan.model import Ctgan
from models.ctgan.noise import normal, uniforms
from models.encoding.cells import Array, Restriction
from models.encoding.encoding import TableEncoding, restrictions_by_column
from models.errors import Detail, InvalidCondition
from models.gan.draws import pick
from models.gan.ruling import Costs, broken
from models.progress import SILENT, Progress
from models.rules import Rule, refused
from models.table import Table

BLOCK = 8_192
"""Rows of a batch, and candidates that are decoded together."""
PASS = 1_024
"""Rows that the network sees at once."""
PROBE = 32_768
"""Candidates from which the share of rows that meet the conditions is told before any is drawn."""
LEAST_MET = 16
"""Of the probe's candidates: fewer are refused."""
TRIES = 65_536
"""Candidates of one row."""


@dataclass(frozen=True, eq=False)
class Draw:
    """Draws from `model` under `conditions`, which all hold, as do `rules`. costs: where it is added up what they cost
    a sample without conditions.
    """

    model: Ctgan
    conditions: tuple[Condition, ...]
    seed: int
    progress: Progress = SILENT
    rules: tuple[Rule, ...] = ()
    costs: Costs = field(default_factory=Costs)

    @property
    def encoding(self) -> TableEncoding:
        return self.model.transform.encoding

    @cached_property
    def restrictions(self) -> Mapping[str, Restriction]:
        """What the conditions leave of the cells, by modelled column. Raises InvalidCondition where nothing is left."""
        return restrictions_by_column(self.encoding, self.conditions)

    @cached_property
    def weights(self) -> Tensor:
        """How often each entry of the condition vector is drawn: (C,), sum 1."""
        spans, shares = self.model.generator.spans, self.model.shares
        best, out = 1.0, shares / shares.sum()
        for t, start in zip(spans.conditional, spans.condition_starts, strict=True):
            name = self.encoding.columns[self.model.transform.columns[t]].column.name
            if name in self.restrictions:
                met = self.restrictions[name].mass.max(1) > 0
                here = torch.zeros_like(shares)
                here[start : start + len(met)] = shares[start : start + len(met)] * torch.from_numpy(met)
                if 0 < float(here.sum()) < best:
                    best, out = float(here.sum()), here / here.sum()
        return out

    @torch.no_grad()
    def spans(self, rows: Array, attempts: Array) -> tuple[Array, Array, Array]:
        """Row numbers and attempts (N,) -> span cells (N, T), scalars (N, A), uniforms (N, U) for decoding."""
        generator = self.model.generator
        spans, here = generator.spans, generator.bias.device
        size, later = generator.noise, self.encoding.uniforms
        out = torch.zeros(len(rows), len(spans.sizes), dtype=torch.int64)
        scalars = torch.zeros(len(rows), spans.scalars)
        rest = torch.zeros(len(rows), later)
        weights = self.weights.to(here)
        starts = [torch.tensor(s, device=here) for s in self._first_places]
        for first in range(0, len(rows), PASS):
            at = slice(first, min(first + PASS, len(rows)))
            full = torch.zeros(2, PASS, dtype=torch.int64, device=here)
            full[:, : at.stop - first] = torch.from_numpy(np.stack([rows[at], attempts[at]])).to(here)
            u = uniforms(self.seed, full[0], full[1], size + 1 + len(spans.sizes) + later)
            condition = pick(weights.expand(PASS, -1), u[:, size])
            raw = generator(normal(u[:, :size]), condition)
            drawn = torch.zeros(PASS, len(spans.sizes), dtype=torch.int64, device=here)
            v = u[:, size + 1 : size + 1 + len(spans.sizes)]
            views = spans.views(raw[:, spans.scalars :].float())
            for view, members in zip(views, starts, strict=True):
                cdf = view.softmax(2).cumsum(2)
                goal = v[:, members, None] * cdf[:, :, -1:] * (1 - 1e-6)
                drawn[:, members] = (cdf <= goal).sum(2)
            count = at.stop - first
            out[at], scalars[at] = drawn[:count].cpu(), raw[:count, : spans.scalars].tanh().cpu()
            rest[at] = u[:count, size + 1 + len(spans.sizes) :].cpu()
        return out.numpy(), scalars.numpy(), rest.numpy().astype(np.float64)

    @cached_property
    def _first_places(self) -> list[list[int]]:
        """Spans of each bucket, as they lie."""
        spans = self.model.generator.spans
        return [[t for t in spans.order if spans.padded[t] == size] for _, _, size in spans.buckets]

    def cells(self, rows: Array, attempts: Array) -> tuple[Array, Array]:
        """-> cells (N, S) that exist in the encoding, and uniforms (N, U) of TableEncoding.decode."""
        cells, u = self.model.transform.decode(*self.spans(rows, attempts))
        layout = self.encoding.layout
        for slot, (parent, fine) in enumerate(zip(layout.parents, layout.fine, strict=True)):
            if parent >= 0 and fine is not None:  # a tail group of fewer categories than the widest
                cells[:, slot] %= fine[cells[:, parent]]
        return cells, u

    def met(self, rows: Array, attempts: Array) -> tuple[Array, pa.Table]:
        """Candidates -> positions of those that meet all conditions and rules, and these as a stored table."""
        cells, u = self.cells(rows, attempts)
        ok = np.ones(len(rows), bool)
        for name, restriction in self.restrictions.items():
            mine = cells[:, self.encoding.slots[name]]
            full = np.zeros((len(rows), 2), np.int64)
            full[:, : mine.shape[1]] = mine
            ok &= restriction.mass[full[:, 0], full[:, 1]] > 0
        at = np.flatnonzero(ok)
        table = self.encoding.decode(cells[at], u[at], rows[at])
        if self.conditions or self.rules:
            # Judged by what is written: a value may only be right before it is rounded to its format.
            stored = Table(self.encoding.schema, table)
            kept = np.ones(len(at), bool)
            for condition in self.conditions:
                kept &= condition.matches(stored)
            masks = broken(self.rules, table, self.encoding.schema)
            kept &= ~masks.any(0)
            if not self.conditions:
                self.costs.first(self.rules, masks[:, attempts[at] == 0])
                self.costs.draws += int((attempts > 0).sum())
            at, table = at[kept], table.filter(pa.array(kept))
        return at, table

    def probe(self) -> None:
        """Raises InvalidCondition where too few rows of this model meet the conditions and rules."""
        if not self.conditions and not self.rules:
            return
        found = 0
        for first in range(0, PROBE, BLOCK):
            self.progress.check()
            rows = np.arange(first, first + BLOCK)
            found += len(self.met(rows, np.full(BLOCK, -1))[0])
            if found >= LEAST_MET:
                return
        raise self._refused(f"{found} of {PROBE} rows of this model meet them")

    def _refused(self, what: str) -> InvalidCondition:
        if not self.conditions:
            return refused(what)
        hint = "Widen the condition, or train with `model: masked`, which meets conditions by its cells."
        name = self._rarest()
        message = f"Column {name!r}: {what}, the conditions" + (" and rules." if self.rules else ".")
        return InvalidCondition(message, hint=hint, errors=[Detail(("column", name), what, hint)])

    def _rarest(self) -> str:
        """Column of the condition that fewest rows of the model meet."""
        alone = {}
        for condition in self.conditions:
            only = Draw(self.model, (condition,), self.seed)
            alone[condition.column] = len(only.met(np.arange(BLOCK), np.full(BLOCK, -1))[0])
        return min(alone, key=lambda name: alone[name])

    def block(self, rows: Array) -> pa.Table:
        """Row numbers (N,) -> these rows, in order."""
        if not self.conditions and not self.rules:
            return self.met(rows, np.zeros(len(rows), np.int64))[1]
        parts: list[pa.Table] = []
        places: list[Array] = []
        pending, tried = np.arange(len(rows)), 0
        while len(pending):
            self.progress.check()
            if tried >= TRIES:
                raise self._refused(f"a row met them in none of {tried} attempts")
            tries = min(1 << max(0, (BLOCK // len(pending)).bit_length() - 1), 1_024)
            at, table = self.met(np.repeat(rows[pending], tries), np.tile(tried + np.arange(tries), len(pending)))
            taken, first = np.unique(at // tries, return_index=True)  # the earliest attempt of each row
            parts.append(table.take(pa.array(first)))
            places.append(pending[taken])
            pending, tried = np.delete(pending, taken), tried + tries
        order = np.argsort(np.concatenate(places), kind="stable")
        return pa.concat_tables(parts).take(pa.array(order))


def draw_batches(draw: Draw, rows: int, start: int) -> Iterator[pa.RecordBatch]:
    """Rows start .. start + rows - 1 in batches of at most BLOCK rows."""
    for first in range(start, start + rows, BLOCK):
        draw.progress.check()
        last = min(first + BLOCK, start + rows)
        yield from draw.block(np.arange(first, last)).combine_chunks().to_batches()
        draw.progress.update((last - start) / rows, f"{last - start} rows", rows=last - start)
