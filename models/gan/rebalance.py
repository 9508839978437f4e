"""Rows of a sample in order: those of one stream, or those of several parts, each under a condition of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from models.balance import Balance, allot, parts, values_of
from models.conditions import Condition
from models.encoding.cells import Array, Restriction
from models.encoding.encoding import TableEncoding, restrictions_by_column
from models.encoding.numeric import Curve
from models.errors import Detail, InvalidCondition, InvalidInput
from models.gan.draws import BLOCK, strata
from models.gan.parallel import in_order
from models.gan.restrict import make_pins
from models.gan.ruling import Costs, keep_rules, last_resort
from models.gan.sampler import Pins, Sampler
from models.rng import key
from models.rules import Rule, parse_rules

WINDOW = 32
"""Blocks of rows of several streams that are drawn at once, at most."""


@dataclass(frozen=True, eq=False)
class Stream:
    """Rows under conditions. conditions: what decoded values must meet, by modelled column; share: of the sample;
    restrictions: what the conditions leave of the cells, by modelled column; label: the value of the balanced column;
    rules: of the schema; resort: the stream of rows that cannot break one, where there are rules.
    """

    conditions: Mapping[str, Condition]
    pins: Pins
    share: float
    restrictions: Mapping[str, Restriction]
    label: str = ""
    rules: tuple[Rule, ...] = ()
    resort: Stream | None = None

    def to(self, device: torch.device) -> Stream:
        return replace(self, pins=self.pins.to(device), resort=None if self.resort is None else self.resort.to(device))


def streams(
    encoding: TableEncoding,
    conditions: Sequence[Condition],
    balance: Balance | None,
    shares: Tensor,
    order: Sequence[int],
) -> tuple[Stream, ...]:
    """One stream of a sample under conditions, or one for each value of the balanced column.

    shares (W,): training shares of the cells. Raises InvalidCondition where no row that was learnt from comes near what
    is asked or that keeps the schema's rules, InvalidInput where equal shares are asked of too many values.
    """
    if balance is None:
        return (_ruled(encoding, conditions, 1.0, shares, order),)
    found = parts(balance, encoding.schema, conditions, () if balance.shares else _values(encoding, balance.column))
    others = [c for c in conditions if c.column != balance.column]
    out = []
    for part in found:
        try:
            stream = _ruled(encoding, [part.condition, *others], part.share, shares, order)
            out.append(replace(stream, label=part.label))
        except InvalidCondition:
            if balance.shares or (part is found[-1] and not out):
                raise
    return tuple(out if balance.shares else (replace(s, share=1 / len(out)) for s in out))


def _ruled(
    encoding: TableEncoding, conditions: Sequence[Condition], share: float, shares: Tensor, order: Sequence[int]
) -> Stream:
    stream = _stream(encoding, conditions, share, shares, order)
    rules = parse_rules(encoding.schema)
    if not rules:
        return stream
    found = last_resort(rules, encoding, conditions)
    resort = None if found is None else _stream(encoding, found, share, shares, order)
    return replace(stream, rules=rules, resort=resort)


def _stream(
    encoding: TableEncoding, conditions: Sequence[Condition], share: float, shares: Tensor, order: Sequence[int]
) -> Stream:
    found = restrictions_by_column(encoding, conditions)
    decoded = {name: r.condition for name, r in found.items() if r.condition is not None}
    return Stream(decoded, make_pins(encoding, found, shares, order), share, found)


def _values(encoding: TableEncoding, name: str) -> tuple[Condition, ...]:
    """The values of a column that equal shares may go to. Raises InvalidInput where they have no cells of their own."""
    column = encoding.schema[name]
    if column.labelled:
        return values_of(column, np.arange(len(column.categories or ())))
    derived = {d.column.name: d for d in encoding.derived}
    while (follows := derived.get(name)) is not None:
        if follows.lookup is not None:
            return values_of(column, np.unique(follows.lookup.values[follows.lookup.missing == -1]))
        name = follows.source
    codec = encoding.cells(name).codec
    if not codec.exact or not isinstance(codec, Curve):
        what = "has too many values for equal shares"
        raise InvalidInput(
            f"Column {column.name!r} {what}.",
            hint=f"Name the shares of the values wanted, e.g. {column.name}:1=0.5,2=0.5, or balance another column.",
            errors=[Detail(("balance",), what)],
            code="invalid_balance",
        )
    return values_of(column, codec.low)


def rows_of(
    encoding: TableEncoding,
    sampler: Sampler | None,
    found: Sequence[Stream],
    seed: int,
    start: int,
    rows: int,
    costs: Costs | None = None,
    workers: int = 1,
) -> Iterator[pa.RecordBatch]:
    """Rows start .. start + rows - 1 of a sample, in batches of at most BLOCK rows. sampler: None without slots.

    costs: where it is added up what the rules cost. workers: threads that draw blocks of rows apart.
    """
    drawing = Drawing(encoding, sampler, costs or Costs(), workers)
    if sampler is not None:
        found = [s.to(sampler.device) for s in found]
    if len(found) == 1:
        for table in drawing.tables(found[0], seed, start, np.arange(start, start + rows)):
            yield from table.to_batches()
        return
    # Windows so long that each stream fills its blocks.
    step = min(len(found), WINDOW) * BLOCK
    for first in range(start, start + rows, step):
        part, earlier = allot([s.share for s in found], first, min(step, start + rows - first))
        yield from _window(drawing, found, seed, first, part, earlier)


def _window(
    drawing: Drawing,
    found: Sequence[Stream],
    seed: int,
    first: int,
    part: Array,
    earlier: Array,
) -> Iterator[pa.RecordBatch]:
    """Consecutive rows of all streams. part (rows,): the stream of each; earlier: rows of each stream before these."""
    places: list[Array] = []
    tables: list[pa.Table] = []
    for k, stream in enumerate(found):
        place = np.flatnonzero(part == k)
        places.append(place)
        # Numbers of the rows in the whole sample, so that identifiers stay unique.
        tables += drawing.tables(stream, key(seed, "balance", k), int(earlier[k]), first + place)
    order = np.argsort(np.concatenate(places), kind="stable")
    whole = pa.concat_tables(tables).take(pa.array(order))
    yield from whole.combine_chunks().to_batches(max_chunksize=BLOCK)


@dataclass(frozen=True, eq=False)
class Drawing:
    """Draws and decodes rows of a stream. sampler: None where no column has a slot."""

    encoding: TableEncoding
    sampler: Sampler | None
    costs: Costs
    workers: int = 1

    def tables(self, stream: Stream, seed: int, start: int, numbers: Array) -> Iterator[pa.Table]:
        """Rows start .. of the stream, block by block. numbers (N,): of the rows in the whole sample."""
        tasks = self._tasks(stream, seed, start, numbers)
        for table, costs in in_order(tasks, min(self.workers, -(-len(numbers) // BLOCK))):
            self.costs.add(costs)
            yield table

    def _tasks(
        self, stream: Stream, seed: int, start: int, numbers: Array
    ) -> Iterator[Callable[[], tuple[pa.Table, Costs]]]:
        done = 0
        while done < len(numbers):
            block, first = divmod(start + done, BLOCK)
            last = min(BLOCK, first + len(numbers) - done)
            yield partial(self._table, stream, seed, block, first, last, numbers[done : done + last - first])
            done += last - first

    def _table(self, stream: Stream, seed: int, block: int, first: int, last: int, at: Array) -> tuple[pa.Table, Costs]:
        """Rows first..last of a block, which are rows `at` of the sample, and what the rules cost."""
        costs = Costs()
        table = self._decoded(stream, *self._cells(stream, block, first, last, seed), at)
        if stream.rules:
            again = partial(self._again, stream, block, first, seed, at)
            own = key(seed, "resort")
            resort = partial(self._again, stream.resort, block, first, own, at) if stream.resort else None
            table = keep_rules(table, stream.rules, self.encoding.schema, again, resort, costs)
        return table, costs

    def _cells(self, stream: Stream, block: int, first: int, last: int, seed: int) -> tuple[Array, Array]:
        """Cells (N, S) and uniforms for decoding (N, U)."""
        if self.sampler is None:
            return np.zeros((last - first, 0), np.int64), strata(seed, block, self.encoding.uniforms)[first:last]
        return self.sampler.block(block, first, last, seed, self.encoding.uniforms, stream.pins)

    def _again(
        self, stream: Stream, block: int, first: int, seed: int, numbers: Array, rows: Array, attempt: int = 0
    ) -> pa.Table:
        """Other draws of these rows of a block, counted from its row `first`."""
        if self.sampler is None:
            cells, u = self._cells(stream, block, 0, len(rows), seed)
        else:
            cells, u = self.sampler.again(block, first + rows, attempt, seed, self.encoding.uniforms, stream.pins)
        return self._decoded(stream, cells, u, numbers[rows])

    def _decoded(self, stream: Stream, cells: Array, uniforms: Array, numbers: Array) -> pa.Table:
        u = uniforms.astype(np.float64)
        return self.encoding.decode(cells, u, numbers, stream.conditions).combine_chunks()
