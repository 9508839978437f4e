"""Conditions on columns of a sample: `age>=65`, `sex=Female`. No torch, no pandas: the service validates with it.

Grammar: models/condition_text.py. A condition is checked against the schema when it is read, so that one that no row
can meet is refused before any work starts. A condition on a column's values is met by present values only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from models.condition_text import Part, nearest, split_condition
from models.dates import plain_format
from models.errors import Detail, InvalidCondition
from models.schema import REPLACED, Column, Kind, Schema
from models.table import Table, parse_number

MAX_CONDITIONS = 1_000
_LAST_START = datetime(9998, 1, 1, tzinfo=UTC).timestamp()
"""Later months and years have no end that datetime can hold."""


@dataclass(frozen=True)
class Condition:
    """What the values of one column must meet.

    values: allowed labels of a labelled column, in the order of its categories. low, high: bounds of a number, or of a
    datetime in seconds since 1970; open ones are excluded (parsing moves the bounds of integers, and of datetimes whose
    format has an even grid, to the next value inside, so theirs are never open). numbers: allowed numbers, sorted, all
    within the bounds. excluded: numbers that are not allowed. missing: True: the cell is missing, False: it is present,
    None: either.
    """

    column: str
    values: tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    numbers: tuple[float, ...] | None = None
    excluded: tuple[float, ...] = ()
    missing: bool | None = None

    def accepts(self, numbers: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Which numbers (any shape; seconds for datetimes; NaN never) meet bounds, `numbers` and `excluded`."""
        ok = np.isfinite(numbers)
        if self.low is not None:
            ok &= numbers > self.low if self.low_open else numbers >= self.low
        if self.high is not None:
            ok &= numbers < self.high if self.high_open else numbers <= self.high
        if self.numbers is not None:
            ok &= np.isin(numbers, self.numbers)
        if self.excluded:
            ok &= ~np.isin(numbers, self.excluded)
        return np.asarray(ok, dtype=np.bool_)

    def matches(self, table: Table) -> npt.NDArray[np.bool_]:
        """Which rows of the table meet it: bool (N,)."""
        got = table.values(self.column)
        present = np.asarray(got.missing < 0)
        if self.missing:
            return ~present
        column = table.schema[self.column]
        if self.values is not None:
            allowed = np.isin(np.array(column.categories or ()), np.array(self.values))
            return np.asarray(present & np.append(allowed, False)[got.values], dtype=np.bool_)
        if (self.low, self.high, self.numbers, self.excluded) != (None, None, None, ()):
            return np.asarray(present & self.accepts(got.values), dtype=np.bool_)
        return present if self.missing is False else np.ones(len(present), dtype=np.bool_)


def parse_condition(text: str, schema: Schema) -> Condition:
    """One condition. Raises InvalidCondition naming the column, with the nearest names as hint; never a cell value."""
    name, parts = split_condition(text, schema.names)
    column = schema[name]
    if column.kind in REPLACED:
        raise _refused(
            column,
            f"is of kind {column.kind.value}, which is replaced by surrogates and cannot be conditioned on",
            "Condition on another column, or change its kind in the schema and train again.",
        )
    found = _from_part(parts[0], column)
    for part in parts[1:]:
        found = _both(found, _from_part(part, column))
    return _attainable(found, column)


def parse_conditions(texts: Sequence[str], schema: Schema) -> tuple[Condition, ...]:
    """Conditions that all hold, merged to one per column, in order of first mention.

    Raises InvalidCondition where one is malformed or two on one column contradict each other; `errors` name its place
    as ("where", index).
    """
    if len(texts) > MAX_CONDITIONS:
        raise InvalidCondition(f"More than {MAX_CONDITIONS} conditions.", hint="Use `in (...)` for several labels.")
    merged: dict[str, Condition] = {}
    for i, text in enumerate(texts):
        try:
            one = parse_condition(text, schema)
            if one.column in merged:
                one = combine(merged[one.column], one, schema[one.column])
        except InvalidCondition as error:
            places = [Detail(("where", i, *d.loc), d.msg, d.hint) for d in error.errors] or [
                Detail(("where", i), error.message, error.hint)
            ]
            raise InvalidCondition(error.message, hint=error.hint, errors=places) from None
        merged[one.column] = one
    return tuple(merged.values())


def combine(a: Condition, b: Condition, column: Column) -> Condition:
    """Both, on the same column. Raises InvalidCondition where no value of it can meet them."""
    return _attainable(_both(a, b), column)


def _refused(column: Column, what: str, hint: str) -> InvalidCondition:
    return InvalidCondition(
        f"Column {column.name!r} {what}.", hint=hint, errors=[Detail(("column", column.name), what, hint)]
    )


def _from_part(part: Part, column: Column) -> Condition:
    here = Condition(column.name, missing=False)
    if part.operator in ("missing", "not missing"):
        return replace(here, missing=part.operator == "missing")
    codes = [w for w in part.words if w in column.missing_codes and w not in (column.categories or ())]
    if codes:
        if part.operator == "=" and len(column.missing_codes) == 1:
            return replace(here, missing=True)
        if part.operator in ("!=", "not in") and len(codes) == len(part.words) == len(column.missing_codes):
            return here
        raise _refused(
            column,
            "is compared with a missing code",
            "Write `is missing` or `is not missing` as a condition of its own.",
        )
    return _labels(part, column, here) if column.labelled else _numbers(part, column, here)


def _labels(part: Part, column: Column, here: Condition) -> Condition:
    categories = column.categories or ()
    if part.operator in ("=", "in", "!=", "not in"):
        named = {_label(w, column) for w in part.words}
        keep = part.operator in ("=", "in")
        return replace(here, values=tuple(c for c in categories if (c in named) == keep))
    word = part.words[0]
    ranks: Iterable[float] = [parse_number(c) for c in categories]
    limit = parse_number(word)
    if not all(map(math.isfinite, [*ranks, limit])):
        if column.kind is not Kind.ORDINAL:
            raise _refused(
                column,
                "holds labels without an order, so `<` and `>` mean nothing",
                "Use = or `in (...)`, or declare its kind ordinal.",
            )
        ranks, limit = range(len(categories)), categories.index(_label(word, column))
    return replace(
        here, values=tuple(c for c, r in zip(categories, ranks, strict=True) if _holds(r, part.operator, limit))
    )


def _holds(left: float, operator: str, right: float) -> bool:
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]


def _label(word: str, column: Column) -> str:
    """The category that the word names: exactly, or but for case, or as an equal number."""
    categories = column.categories or ()
    if word in categories:
        return word
    alike = [c for c in categories if c.strip().lower() == word.lower()]
    number = parse_number(word)
    alike = alike or [c for c in categories if parse_number(c) == number]
    if len(alike) == 1:
        return alike[0]
    near = nearest(word, categories) or list(categories[:20])
    raise _refused(
        column, "has no such label", f"Its labels: {', '.join(near)}{' ...' if len(near) < len(categories) else ''}."
    )


def _numbers(part: Part, column: Column, here: Condition) -> Condition:
    spans = [_span(w, column) for w in part.words]
    first, after = spans[0]
    match part.operator:
        case ">=":
            return replace(here, low=first)
        case ">":
            return replace(here, low=first, low_open=True) if after is None else replace(here, low=after)
        case "<":
            return replace(here, high=first, high_open=True)
        case "<=":
            return replace(here, high=first) if after is None else replace(here, high=after, high_open=True)
        case "=" if after is not None:
            return replace(here, low=first, high=after, high_open=True)
    if any(a is not None for _, a in spans):
        raise _refused(
            column,
            "has times finer than that date",
            "Give full times in its own format, or use = and ranges such as a<=x<b.",
        )
    points = tuple(sorted({s for s, _ in spans}))
    if part.operator in ("!=", "not in"):
        return replace(here, excluded=points)
    return replace(here, low=points[0], high=points[-1], numbers=points if len(points) > 1 else None)


def _span(word: str, column: Column) -> tuple[float, float | None]:
    """(number, None), or for a date coarser than the column's format its (first second, first second after it)."""
    if column.kind is not Kind.DATETIME:
        number = parse_number(word)
        if not math.isfinite(number):
            raise _refused(column, "holds numbers, and the condition compares it with none", "e.g. age>=65")
        return number, None
    form = column.datetime_format or "%Y-%m-%d"
    if (exact := _seconds(word, form)) is not None:
        return exact, None
    clock = any(f"%{c}" in plain_format(form) for c in "HIMSfTX")
    for iso in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"):
        if (exact := _seconds(word, iso)) is not None:
            return exact, None
    if (day := _seconds(word, "%Y-%m-%d")) is not None:
        return day, day + 86_400 if clock else None
    for iso, days in (("%Y-%m", 32), ("%Y", 370)):
        if (start := _seconds(word, iso)) is not None:
            later = datetime.fromtimestamp(min(start, _LAST_START), UTC) + timedelta(days=days)
            return start, (later.replace(day=1) if iso == "%Y-%m" else later.replace(month=1, day=1)).timestamp()
    raise _refused(
        column, f"holds dates of the format {form}, and the condition compares it with none", "e.g. 2015-07-01"
    )


def _seconds(word: str, form: str) -> float | None:
    try:
        moment = datetime.strptime(word, plain_format(form))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _both(a: Condition, b: Condition) -> Condition:
    """Both hold. Contradictions are found by _attainable."""
    if a.missing != b.missing:
        raise InvalidCondition(
            f"The conditions on {a.column!r} contradict each other.",
            hint="A cell cannot be missing and have a value.",
            errors=[Detail(("column", a.column), "missing and present at once")],
        )
    values = (
        b.values if a.values is None else a.values if b.values is None else tuple(v for v in a.values if v in b.values)
    )
    low, low_open = max(
        ((c.low, c.low_open) for c in (a, b) if c.low is not None), default=(None, False), key=lambda x: (x[0], x[1])
    )
    high, high_open = min(
        ((c.high, c.high_open) for c in (a, b) if c.high is not None),
        default=(None, False),
        key=lambda x: (x[0], not x[1]),
    )
    sets = [set(c.numbers) for c in (a, b) if c.numbers is not None]
    numbers = tuple(sorted(set.intersection(*sets))) if sets else None
    excluded = tuple(sorted({*a.excluded, *b.excluded}))
    return Condition(a.column, values, low, high, low_open, high_open, numbers, excluded, a.missing)


def _attainable(condition: Condition, column: Column) -> Condition:
    """The condition in normal form, or InvalidCondition if no value of the column can meet it."""
    if condition.missing:
        if not column.missing_codes:
            raise _refused(column, "is never missing in the schema", "Drop the condition.")
        return condition
    if column.labelled:
        if condition.values == ():
            raise _refused(
                column,
                "has no label that meets the condition",
                f"Its labels: {', '.join((column.categories or ())[:20])}.",
            )
        return condition
    if column.minimum is None and column.maximum is None and not column.numeric and not column.datetime_format:
        raise _refused(column, "has no value in the data", "Drop the condition.")
    minimum, maximum = bound_of(column.minimum, column), bound_of(column.maximum, column)
    found = _snapped(condition, column)
    if found.numbers is not None:
        kept = [n for n in found.numbers if found.accepts(np.array([n]))[0]]
        kept = [n for n in kept if (minimum is None or n >= minimum) and (maximum is None or n <= maximum)]
        if kept:
            found = replace(found, numbers=tuple(kept) if len(kept) > 1 else None, low=kept[0], high=kept[-1])
            found = replace(found, low_open=False, high_open=False, excluded=())
        possible = bool(kept)
    else:
        possible = _some_value(found, column, minimum, maximum)
    if not possible:
        raise _refused(
            column,
            "has no value that meets the condition",
            f"The schema allows {column.minimum} to {column.maximum}"
            + (", whole numbers only." if column.kind is Kind.INTEGER else "."),
        )
    return found


def bound_of(bound: float | str | None, column: Column) -> float | None:
    """A bound of the schema as a number: seconds since 1970 for a datetime."""
    if isinstance(bound, str):
        return _seconds(bound, column.datetime_format or "%Y-%m-%d")
    return None if bound is None else float(bound)


def _step(column: Column) -> Fraction | None:
    """Distance between neighbouring values, None where there is no even grid."""
    if column.kind is not Kind.DATETIME:
        return Fraction(1) if column.kind is Kind.INTEGER else Fraction(1, 10**column.decimals)
    form = plain_format(column.datetime_format or "")
    if any(c in form for c in ("%f", "%z", "%Z")) or not any(c in form for c in ("%d", "%j", "%x", "%c")):
        return None
    for codes, step in ((("%S", "%T", "%X", "%c"), 1), (("%M", "%R"), 60), (("%H", "%I"), 3_600)):
        if any(c in form for c in codes):
            return Fraction(step)
    return Fraction(86_400)


def _snapped(condition: Condition, column: Column) -> Condition:
    """Open and off-grid bounds moved to the next value inside, where the column is integer or a datetime on a grid."""
    step = _step(column) if column.kind in (Kind.INTEGER, Kind.DATETIME) else None
    if step is None:
        return condition
    low, high = _inside(condition, step)
    return replace(
        condition,
        low=None if low is None else float(low * step),
        high=None if high is None else float(high * step),
        low_open=False,
        high_open=False,
    )


def _inside(c: Condition, step: Fraction) -> tuple[int | None, int | None]:
    """Bounds as multiples of step, inclusive."""
    low = high = None
    if c.low is not None:
        ratio = Fraction(repr(c.low)) / step
        low = math.floor(ratio) + 1 if c.low_open else math.ceil(ratio)
    if c.high is not None:
        ratio = Fraction(repr(c.high)) / step
        high = math.ceil(ratio) - 1 if c.high_open else math.floor(ratio)
    return low, high


def _some_value(c: Condition, column: Column, minimum: float | None, maximum: float | None) -> bool:
    """Whether any value between the schema's bounds meets the condition."""
    bounds = Condition(c.column, low=minimum, high=maximum, missing=c.missing)
    both = _both(replace(c, numbers=None), bounds)
    step = _step(column)
    if step is None or both.low is None or both.high is None:
        return both.low is None or both.high is None or both.low < both.high or not (both.low_open or both.high_open)
    first, last = _inside(both, step)
    if first is None or last is None:  # pragma: no cover - both bounds are known here
        return True
    if last - first + 1 > len(both.excluded):
        return True
    grid = {Fraction(repr(n)) / step for n in both.excluded}
    return any(Fraction(k) not in grid for k in range(first, last + 1))
