"""Rules in every row of a sample: rows that break one are drawn again, whole, until they break none.

Rejection gives the generator's own distribution under the rules, and nothing else moves. A row is drawn again from
numbers of its own, whichever rows are pending with it, so that shards of a sample are the rows of the whole. After
ROUNDS draws a row is drawn once more under conditions that leave no rule to break; `Costs` tells how often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from models.conditions import Condition
from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding, restrictions_by_column
from models.errors import InvalidCondition
from models.rules import Rule, Undecided, reconcile, refused
from models.schema import Schema
from models.table import Table

ROUNDS = 48
"""Draws of a row by chance alone; one row in a thousand of those that keep the rules once in seven still breaks one."""


@dataclass
class Costs:
    """What rules cost a sample. rows: of the sample; broken: of them, those that broke a rule when first drawn, by its
    text; redrawn: those that broke any; draws: further draws made; conditioned: rows that conditions had to keep.
    """

    rows: int = 0
    broken: dict[str, int] = field(default_factory=dict)
    redrawn: int = 0
    draws: int = 0
    conditioned: int = 0

    def first(self, rules: Sequence[Rule], masks: Array) -> None:
        """masks (R, N): rows as first drawn that break each rule."""
        self.rows += masks.shape[1]
        self.redrawn += int(masks.any(0).sum())
        for rule, mask in zip(rules, masks, strict=True):
            self.broken[rule.text] = self.broken.get(rule.text, 0) + int(mask.sum())

    def add(self, other: Costs) -> None:
        """Those of further rows."""
        for text, count in other.broken.items():
            self.broken[text] = self.broken.get(text, 0) + count
        for name in ("rows", "redrawn", "draws", "conditioned"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def to_json(self) -> dict[str, Any]:
        rows = max(1, self.rows)
        return {
            "rows": self.rows,
            "redrawn_share": round(self.redrawn / rows, 6),
            "draws_per_row": round(1 + self.draws / rows, 6),
            "conditioned_rows": self.conditioned,
            "rules": [{"rule": text, "redrawn_share": round(n / rows, 6)} for text, n in self.broken.items()],
        }


def broken(rules: Sequence[Rule], data: pa.Table, schema: Schema) -> Array:
    """Which rows of stored form break which rule: bool (R, N)."""
    table = Table(schema, data)
    return np.stack([rule.broken(table) for rule in rules]) if rules else np.zeros((0, len(table)), bool)


def keep_rules(
    data: pa.Table,
    rules: Sequence[Rule],
    schema: Schema,
    again: Callable[[Array, int], pa.Table],
    last: Callable[[Array], pa.Table] | None,
    costs: Costs,
) -> pa.Table:
    """Rows as first drawn -> rows that keep the rules.

    again: positions (M,) and attempt -> other draws of these rows; last: draws that cannot break a rule. Raises
    InvalidCondition where rows break one to the last.
    """
    masks = broken(rules, data, schema)
    costs.first(rules, masks)
    wrong = masks.any(0)
    if not wrong.any():
        return data
    parts, places = [data.filter(pa.array(~wrong))], [np.flatnonzero(~wrong)]
    pending = np.flatnonzero(wrong)
    for attempt in range(ROUNDS + 1):
        if not len(pending):
            break
        resort = attempt == ROUNDS and last is not None
        drawn = last(pending) if resort and last is not None else again(pending, attempt)
        costs.draws += len(pending)
        costs.conditioned += len(pending) * resort
        good = ~broken(rules, drawn, schema).any(0)
        parts.append(drawn.filter(pa.array(good)))
        places.append(pending[good])
        pending = pending[~good]
    if len(pending):
        raise refused("no row that keeps them could be drawn")
    order = np.argsort(np.concatenate(places), kind="stable")
    return pa.concat_tables(parts).take(pa.array(order)).combine_chunks()


def last_resort(
    rules: Sequence[Rule], encoding: TableEncoding, conditions: Sequence[Condition]
) -> tuple[Condition, ...] | None:
    """Conditions under which no row can break a rule, those asked for among them; None if it takes too long to find
    some.

    Raises InvalidCondition where there are none: the rules contradict the conditions, or what was learnt.
    """

    def possible(found: Sequence[Condition]) -> bool:
        try:
            restrictions_by_column(encoding, found)
        except InvalidCondition:
            return False
        return True

    try:
        found = reconcile(rules, encoding.schema, conditions, possible)
    except Undecided:
        return None
    if found is None:
        raise refused("they cannot hold together with the conditions" if conditions else "they contradict the data")
    return found
