"""Shares asked of one column's values in a sample: `income`, or `income:<=50K=0.3,>50K=0.7`.

No torch, no pandas: the service validates with it. All other columns follow the generator's conditionals given that
one. Row numbers are allotted to values by a fixed rule, so that any range of rows has the asked shares but for a row or
two, and shards of a sample are the rows of the whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.condition_text import nearest, quoted_word
from models.conditions import Condition, combine, parse_condition
from models.errors import Detail, InvalidCondition, InvalidInput
from models.schema import Column, Schema
from models.table import Table

MAX_VALUES = 100
"""Values that a column is balanced over, at most."""
EXAMPLES = 'income, or "income:<=50K=0.3,>50K=0.7"'
TOLERANCE = 1e-3
"""By how much shares may miss 1 in sum: thirds cannot be written down."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Balance:
    """shares: (value as it is spelled, share) in order, summing to 1; () for equal shares of all values there are."""

    column: str
    shares: tuple[tuple[str, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"column": self.column, "shares": dict(self.shares)} if self.shares else {"column": self.column}


@dataclass(frozen=True)
class Part:
    """Rows of one value. condition: on the balanced column, all that is asked of it; share: of the sample."""

    condition: Condition
    share: float

    @property
    def label(self) -> str:
        """The value, for people."""
        c = self.condition
        return "missing" if c.missing else c.values[0] if c.values else f"{c.low:g}"


def parse_balance(raw: Any, schema: Schema, conditions: Sequence[Condition] = ()) -> Balance:
    """Balance from a text or untrusted JSON, checked against the schema and the conditions of the same sample.

    Raises InvalidInput where it is malformed, InvalidCondition where it names no value of the column or contradicts the
    conditions.
    """
    name, shares = _from_text(raw, schema) if isinstance(raw, str) else _from_json(raw)
    if name not in schema:
        near = nearest(name, schema.names) or schema.names[:30]
        raise _refused(f"There is no column {name[:60]!r}", f"Columns: {', '.join(near)}.")
    column = schema[name]
    if not column.modelled:
        raise _refused(
            f"Column {name!r} is of kind {column.kind.value}, which is not modelled", "Balance another column."
        )
    total = sum(share for _, share in shares)
    if shares and not abs(total - 1) <= TOLERANCE:
        raise _refused(f"The shares of column {name!r} sum to {total:g}, not to 1", "Name every value that is wanted.")
    if len(shares) > MAX_VALUES:
        raise _refused(
            f"More than {MAX_VALUES} shares are asked of column {name!r}", "Balance a column of fewer values."
        )
    balance = Balance(name, tuple((label, share / total) for label, share in shares))
    if balance.shares:
        parts(balance, schema, conditions, ())
    elif column.labelled:
        parts(balance, schema, conditions, values_of(column, np.arange(len(column.categories or ()))))
    return balance


def parts(
    balance: Balance, schema: Schema, conditions: Sequence[Condition], values: Sequence[Condition]
) -> tuple[Part, ...]:
    """The parts of a sample under conditions. values: those that equal shares go to, where they meet the conditions.

    Raises InvalidCondition where an asked value contradicts the conditions or none is left, InvalidInput where they are
    too many.
    """
    column = schema[balance.column]
    asked = next((c for c in conditions if c.column == balance.column), None)
    out: dict[Condition, Part] = {}
    if balance.shares:
        for label, share in balance.shares:
            one = _value(column, label)
            if asked is not None and share > 0:
                one = combine(asked, one, column)
            if one in out:
                raise _refused(f"The shares of column {column.name!r} name a value twice", "Name each value once.")
            out[one] = Part(one, share)
        return tuple(p for p in out.values() if p.share > 0)
    for one in values:
        try:
            one = one if asked is None else combine(asked, one, column)
        except InvalidCondition:
            continue
        out[one] = Part(one, 1.0)
    if not out:
        raise InvalidCondition(
            f"No value of column {column.name!r}, which is to be balanced, meets the conditions.",
            hint="Widen the conditions, or balance another column.",
            errors=[Detail(("balance",), "contradicts the conditions")],
        )
    if len(out) > MAX_VALUES:
        raise _refused(
            f"Column {column.name!r} has more than {MAX_VALUES} values to balance", "Name the shares of those wanted."
        )
    return tuple(replace(p, share=1 / len(out)) for p in out.values())


def values_of(column: Column, values: Array) -> tuple[Condition, ...]:
    """One condition for each value: codes of categories, or numbers."""
    if column.labelled:
        labels = column.categories or ()
        return tuple(Condition(column.name, values=(labels[int(v)],), missing=False) for v in values)
    return tuple(Condition(column.name, low=float(v), high=float(v), missing=False) for v in values)


def values_in(table: Table, name: str) -> tuple[Condition, ...]:
    """The values that a column has in a table; one more than MAX_VALUES where there are too many."""
    got = table.values(name)
    return values_of(table.schema[name], np.unique(got.values[got.missing < 0])[: MAX_VALUES + 1])


def allot(shares: Sequence[float], start: int, rows: int) -> tuple[Array, Array]:
    """-> part of each of the rows start .. start + rows - 1 (rows,), and how many earlier rows each part has (K,).

    The j-th row of a part of share s is due at (j - 1/2) / s, and rows come in the order in which they are due: the
    divisor method of Webster and Sainte-Lague (Balinski and Young 1982, "Fair representation"), row by row.
    """
    s = np.asarray(shares, np.float64)
    # Of rows due by then, no part has more than half a row over its share: all of them come before `start`.
    due = max(0.0, start - len(s))
    skipped = np.floor(due * s + 0.5).astype(np.int64)
    here = np.maximum(np.ceil((start + rows + len(s)) * s + 1.5).astype(np.int64) - skipped, 0)
    part = np.repeat(np.arange(len(s)), here)
    number = np.arange(len(part)) - np.repeat(np.cumsum(here) - here, here) + skipped[part]
    order = np.lexsort((part, (number + 0.5) / s[part]))
    before = start - int(skipped.sum())
    earlier = skipped + np.bincount(part[order[:before]], minlength=len(s))
    return part[order[before : before + rows]], earlier


def rebalanced(table: Table, found: Sequence[Part], rng: np.random.Generator) -> Table:
    """The largest part of a table that has the asked shares: rows are left out, none is repeated."""
    at = [np.flatnonzero(p.condition.matches(table)) for p in found]
    total = min((len(a) / p.share for a, p in zip(at, found, strict=True)), default=0.0)
    kept = [rng.permutation(a)[: round(total * p.share)] for a, p in zip(at, found, strict=True)]
    return table.take(np.sort(np.concatenate(kept)))


def _value(column: Column, label: str) -> Condition:
    word = label.replace('"', '""')
    name = column.name.replace('"', '""')
    return parse_condition(f'"{name}"="{word}"', Schema((column,)))


def _refused(what: str, hint: str) -> InvalidInput:
    return InvalidInput(f"{what}.", hint=hint, errors=[Detail(("balance",), what, hint)], code="invalid_balance")


def _from_json(raw: Any) -> tuple[str, list[tuple[str, float]]]:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("column"), str) or set(raw) - {"column", "shares"}:
        raise _refused("`balance` is no object with `column` and, if wanted, `shares`", f"e.g. {EXAMPLES}")
    shares = raw.get("shares")
    if shares is None:
        return raw["column"], []
    if not isinstance(shares, Mapping) or not shares:
        raise _refused("`shares` is no object of values and shares", 'e.g. {"<=50K": 0.3, ">50K": 0.7}')
    return raw["column"], [(str(k), _share(v)) for k, v in shares.items()]


def _share(raw: Any) -> float:
    try:
        share = float(raw[:-1]) / 100 if isinstance(raw, str) and raw.endswith("%") else float(raw)
    except (TypeError, ValueError):
        share = float("nan")
    if isinstance(raw, bool) or not 0 <= share <= 1:
        raise _refused("A share is no number from 0 to 1", f"e.g. {EXAMPLES}")
    return share


def _from_text(text: str, schema: Schema) -> tuple[str, list[tuple[str, float]]]:
    """`column` or `column:value=share,value=share`; values with commas in quotes."""
    text = text.strip()
    found = quoted_word(text)
    if found is not None and found[0] in schema:
        name, rest = found
    else:
        name = next(
            (n for n in sorted(schema.names, key=len, reverse=True) if re.match(rf"{re.escape(n)}\s*(:|$)", text)), ""
        )
        name, rest = (name, text[len(name) :]) if name else (text.partition(":")[0].strip(), "")
    rest = rest.strip().removeprefix(":").strip()
    shares = []
    while rest:
        word = quoted_word(rest)
        if word is not None:
            label, rest = word
            share, _, rest = rest.strip().removeprefix("=").partition(",")
        else:
            item, _, rest = rest.partition(",")
            label, equals, share = item.rpartition("=")
            if not equals:
                raise _refused("A share is not written VALUE=SHARE", f"e.g. {EXAMPLES}; quote values with commas")
        shares.append((label.strip() if word is None else label, _share(share.strip())))
        rest = rest.strip()
    return name, shares
