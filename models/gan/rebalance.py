"""Rows of a sample in order: those of one stream, or those of several parts, each under a condition of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from torch import Tensor

from models.balance import Balance, allot, parts, values_of
from models.conditions import Condition
from models.encoding.cells import Array, Restriction
from models.encoding.encoding import TableEncoding, restrictions_by_column
from models.encoding.numeric import Curve
from models.errors import Detail, InvalidCondition, InvalidInput
from models.gan.restrict import make_pins
from models.gan.sampler import BLOCK, Pins, Sampler, strata
from models.rng import key

WINDOW = 32
"""Blocks of rows of several streams that are drawn at once, at most."""


@dataclass(frozen=True, eq=False)
class Stream:
    """Rows under conditions. conditions: what decoded values must meet, by modelled column; share: of the sample;
    restrictions: what the conditions leave of the cells, by modelled column; label: the value of the balanced column.
    """

    conditions: Mapping[str, Condition]
    pins: Pins
    share: float
    restrictions: Mapping[str, Restriction]
    label: str = ""


def streams(
    encoding: TableEncoding,
    conditions: Sequence[Condition],
    balance: Balance | None,
    shares: Tensor,
    order: Sequence[int],
) -> tuple[Stream, ...]:
    """One stream of a sample under conditions, or one for each value of the balanced column.

    shares (W,): training shares of the cells. Raises InvalidCondition where no row that was learnt from comes near what
    is asked, InvalidInput where equal shares are asked of too many values.
    """
    if balance is None:
        return (_stream(encoding, conditions, 1.0, shares, order),)
    found = parts(balance, encoding.schema, conditions, () if balance.shares else _values(encoding, balance.column))
    others = [c for c in conditions if c.column != balance.column]
    out = []
    for part in found:
        try:
            stream = _stream(encoding, [part.condition, *others], part.share, shares, order)
            out.append(replace(stream, label=part.label))
        except InvalidCondition:
            if balance.shares or (part is found[-1] and not out):
                raise
    return tuple(out if balance.shares else (replace(s, share=1 / len(out)) for s in out))


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
    encoding: TableEncoding, sampler: Sampler | None, found: Sequence[Stream], seed: int, start: int, rows: int
) -> Iterator[pa.RecordBatch]:
    """Rows start .. start + rows - 1 of a sample, in batches of at most BLOCK rows. sampler: None without slots."""
    if sampler is not None:
        found = [replace(s, pins=s.pins.to(sampler.device)) for s in found]
    if len(found) == 1:
        for cells, u, at in _cells(encoding, sampler, found[0].pins, seed, start, rows):
            yield from _decoded(encoding, cells, u, at, found[0].conditions).to_batches()
        return
    # Windows so long that each stream fills its blocks.
    step = min(len(found), WINDOW) * BLOCK
    for first in range(start, start + rows, step):
        part, earlier = allot([s.share for s in found], first, min(step, start + rows - first))
        yield from _window(encoding, sampler, found, seed, first, part, earlier)


def _window(
    encoding: TableEncoding,
    sampler: Sampler | None,
    found: Sequence[Stream],
    seed: int,
    first: int,
    part: Array,
    earlier: Array,
) -> Iterator[pa.RecordBatch]:
    """Consecutive rows of all streams. part (rows,): the stream of each; earlier: rows of each stream before these."""
    places, tables = [], []
    for k, stream in enumerate(found):
        place = np.flatnonzero(part == k)
        own, done = key(seed, "balance", k), 0
        for cells, u, at in _cells(encoding, sampler, stream.pins, own, int(earlier[k]), len(place)):
            here = place[done : done + len(at)]
            places.append(here)
            # Numbers of the rows in the whole sample, so that identifiers stay unique.
            tables.append(_decoded(encoding, cells, u, first + here, stream.conditions))
            done += len(at)
    order = np.argsort(np.concatenate(places), kind="stable")
    whole = pa.concat_tables(tables).take(pa.array(order))
    yield from whole.combine_chunks().to_batches(max_chunksize=BLOCK)


def _cells(
    encoding: TableEncoding, sampler: Sampler | None, pins: Pins, seed: int, start: int, rows: int
) -> Iterator[tuple[Array, Array, Array]]:
    """Block by block: cells (N, S), uniforms for decoding (N, U), row numbers (N,)."""
    done = 0
    while done < rows:
        number, first = divmod(start + done, BLOCK)
        last = min(BLOCK, first + rows - done)
        if sampler is None:
            cells = np.zeros((last - first, 0), np.int64)
            u = strata(seed, number, encoding.uniforms)[first:last]
        else:
            cells, u = sampler.block(number, first, last, seed, encoding.uniforms, pins)
        yield cells, u.astype(np.float64), np.arange(start + done, start + done + last - first)
        done += last - first


def _decoded(
    encoding: TableEncoding, cells: Array, uniforms: Array, at: Array, conditions: Mapping[str, Condition]
) -> pa.Table:
    return encoding.decode(cells, uniforms, at, conditions).combine_chunks()
