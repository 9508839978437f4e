"""Rules of a schema: what holds in every row of a sample. No torch: the service validates with it.

    age < 16 -> marital_status = single
    sex = M and age >= 16 -> pregnancies is missing
    first_job <= last_job

Each side holds conditions (models/conditions.py) that all hold, or comparisons of two columns. A comparison says
nothing of a row where one of its cells is missing: after the arrow it holds, before it the rule does not apply.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.condition_text import COMPARISON, leading_column, quoted_word
from models.conditions import Condition, bound_of, combine, parse_condition
from models.errors import Detail, InvalidCondition, InvalidSchema
from models.schema import Column, Kind, Schema
from models.table import Table, Values

HOLDS = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "=": np.equal,
    "!=": np.not_equal,
}
_NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "="}
_NODES = 2_000
"""Steps of the search for conditions under which all rules hold."""
_THRESHOLDS = 9
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Comparison:
    """Two columns of numbers, or two of dates: left operator right."""

    left: str
    operator: str
    right: str

    def matches(self, table: Table) -> Mask:
        """Rows where both are present and it holds: bool (N,)."""
        a, b = table.values(self.left), table.values(self.right)
        return np.asarray(_present(a, b) & HOLDS[self.operator](a.values, b.values), np.bool_)

    def silent(self, table: Table) -> Mask:
        """Rows where one is missing."""
        return ~_present(table.values(self.left), table.values(self.right))


def _present(a: Values, b: Values) -> Mask:
    return np.asarray((a.missing < 0) & (b.missing < 0), np.bool_)


@dataclass(frozen=True)
class Rule:
    """Where all of `when` hold, all of `then` hold. text: as written."""

    text: str
    when: tuple[Condition | Comparison, ...]
    then: tuple[Condition | Comparison, ...]

    def broken(self, table: Table) -> Mask:
        """Rows that break it: bool (N,)."""
        applies = np.ones(len(table), np.bool_)
        for part in self.when:
            applies &= part.matches(table)
        kept = np.ones(len(table), np.bool_)
        for part in self.then:
            kept &= part.matches(table) | (part.silent(table) if isinstance(part, Comparison) else False)
        return applies & ~kept

    @property
    def columns(self) -> tuple[str, ...]:
        parts = [(p.left, p.right) if isinstance(p, Comparison) else (p.column,) for p in (*self.when, *self.then)]
        return tuple(dict.fromkeys(name for names in parts for name in names))


def parse_rules(schema: Schema) -> tuple[Rule, ...]:
    """The schema's rules. Raises InvalidSchema naming the place of one that is malformed, names an unknown or
    replaced column, or that no value of the column's domain can meet; never a cell value.
    """
    rules = []
    for i, text in enumerate(schema.rules):
        sides = []
        for side, items in (("if", text.when), ("then", text.then)):
            parts: list[Condition | Comparison] = []
            for j, item in enumerate(items):
                try:
                    parts += _parts(item, schema)
                except InvalidCondition as error:
                    message = f"Rule {i + 1} ({text.text()[:200]}): {error.message}"
                    places = [Detail(("rules", i, side, j, *d.loc), d.msg, d.hint) for d in error.errors]
                    places = places or [Detail(("rules", i, side, j), error.message, error.hint)]
                    raise InvalidSchema(message, hint=error.hint, errors=places) from None
            sides.append(tuple(parts))
        rules.append(Rule(text.text(), *sides))
    return tuple(rules)


def check_rules(schema: Schema) -> None:
    """Raises InvalidSchema where a rule is wrong, or where the rules contradict one another."""
    rules = parse_rules(schema)
    if _contradictory(rules, schema, ()):
        places = [Detail(("rules", i), "cannot hold together with the others") for i in range(len(rules))]
        raise InvalidSchema(
            "The rules contradict each other: no row can meet them all.",
            hint="Look for two rules that apply to the same rows and ask for different values.",
            errors=places[:20],
        )


def check_conditions(schema: Schema, conditions: Sequence[Condition]) -> None:
    """Raises InvalidCondition where no row can meet the conditions and the schema's rules."""
    if conditions and _contradictory(parse_rules(schema), schema, conditions):
        raise refused("they cannot hold together with the conditions")


def refused(what: str) -> InvalidCondition:
    """That the rules cannot be kept."""
    return InvalidCondition(
        f"The rules of the schema cannot be kept: {what}.",
        hint="Change the conditions, or the rules of the schema and train again.",
        errors=[Detail(("rules",), what)],
    )


def _contradictory(rules: Sequence[Rule], schema: Schema, given: Sequence[Condition]) -> bool:
    try:
        return bool(rules) and reconcile(rules, schema, given) is None
    except Undecided:
        return False


def _parts(text: str, schema: Schema) -> list[Condition | Comparison]:
    """One item of a side: a condition, a comparison, or several joined by `and`."""
    try:
        return [_part(text, schema)]
    except InvalidCondition:
        pieces = list(_joined(text))
        if len(pieces) < 2:
            raise
        return [_part(piece, schema) for piece in pieces]


def _joined(text: str) -> Iterator[str]:
    """The text cut at every `and` outside quotes and brackets."""
    start = 0
    for match in re.finditer(r"'[^']*'|\"[^\"]*\"|\([^)]*\)|\s+and\s+", text, re.IGNORECASE):
        if match[0].strip().lower() == "and":
            yield text[start : match.start()]
            start = match.end()
    yield text[start:]


def _part(text: str, schema: Schema) -> Condition | Comparison:
    found = leading_column(text.strip(), schema.names)
    operator = re.match(rf"\s*({COMPARISON})\s*", found[1]) if found else None
    if found and operator:
        left, right = schema[found[0]], _column(found[1][operator.end() :].strip(), schema)
        if right is not None and not left.labelled and left.modelled and right.modelled:
            return _compared(left, {"==": "=", "<>": "!="}.get(operator[1], operator[1]), right)
    return parse_condition(text, schema)


def _column(word: str, schema: Schema) -> Column | None:
    quoted = quoted_word(word)
    bare = quoted[0] if quoted and not quoted[1].strip() else word
    return next((c for c in schema.columns if c.name == bare), None)


def _compared(left: Column, operator: str, right: Column) -> Comparison:
    if left.name == right.name or right.labelled or (left.kind is Kind.DATETIME) != (right.kind is Kind.DATETIME):
        what = f"cannot be compared with {right.name!r}"
        raise InvalidCondition(
            f"Column {left.name!r} {what}.",
            hint="Compare two columns of numbers, or two of dates.",
            errors=[Detail(("column", left.name), what)],
        )
    return Comparison(left.name, operator, right.name)


class Undecided(Exception):
    """Whether all rules can hold takes too long to find out."""


Check = Callable[[Sequence[Condition]], bool]


def reconcile(
    rules: Sequence[Rule], schema: Schema, given: Sequence[Condition], possible: Check = lambda _: True
) -> tuple[Condition, ...] | None:
    """Conditions that include the given ones and under which every rule holds; None if there are none.

    possible: whether rows can be drawn under conditions. The ends of rules are tried before what keeps them from
    applying, so that rules which nearly every row falls under stay in force. Raises Undecided where the search grows
    too long.
    """
    steps = 0

    def search(i: int, found: dict[str, Condition]) -> dict[str, Condition] | None:
        nonlocal steps
        steps += 1
        if steps > _NODES:
            raise Undecided
        if not possible(list(found.values())):
            return None
        if i == len(rules):
            return found
        for more in _ways(rules[i], schema, found):
            merged = _merged(found, more, schema)
            if merged is not None and (done := search(i + 1, merged)) is not None:
                return done
        return None

    start = _merged({}, given, schema)
    done = None if start is None else search(0, start)
    return None if done is None else tuple(done.values())


def _merged(found: dict[str, Condition], more: Sequence[Condition], schema: Schema) -> dict[str, Condition] | None:
    out = dict(found)
    for condition in more:
        name = condition.column
        try:
            out[name] = combine(out.get(name, condition), condition, schema[name])
        except InvalidCondition:
            return None
    return out


def _ways(rule: Rule, schema: Schema, found: Mapping[str, Condition]) -> Iterator[list[Condition]]:
    """Conditions of which each list alone makes the rule hold, beside those found."""
    yield from _all(rule.then, schema, found)
    for part in rule.when:
        if isinstance(part, Comparison):
            yield from _all((replace(part, operator=_NEGATED[part.operator]),), schema, found)
            names = (part.left, part.right)
            yield from ([Condition(n, missing=True)] for n in names if schema[n].missing_codes)
        else:
            yield from ([c] for c in _opposites(part, schema[part.column]))


def _all(
    parts: Sequence[Condition | Comparison], schema: Schema, found: Mapping[str, Condition]
) -> Iterator[list[Condition]]:
    """Lists of conditions that make all parts hold; a comparison holds on both sides of a threshold."""
    plain = [p for p in parts if isinstance(p, Condition)]
    compared = [p for p in parts if isinstance(p, Comparison)]
    if not compared:
        yield plain
        return
    for cut in np.linspace(0.5, 0.5 + (_THRESHOLDS - 1) / _THRESHOLDS, _THRESHOLDS) % 1:
        lists = [_around(c, schema, found, float(cut)) for c in compared]
        if all(x is not None for x in lists):
            yield [*plain, *(c for x in lists for c in x or ())]
    for comparison in compared[:1]:
        rest = [p for p in parts if p is not comparison]
        for name in (comparison.left, comparison.right):
            if schema[name].missing_codes:
                yield from ([*more, Condition(name, missing=True)] for more in _all(rest, schema, found))


def _around(
    comparison: Comparison, schema: Schema, found: Mapping[str, Condition], cut: float
) -> list[Condition] | None:
    """left <= t and t <= right, for a threshold t between the bounds of the two columns; None where they have none."""
    ends = [Condition(n, missing=False) for n in (comparison.left, comparison.right)]
    bounds = [_bounds(schema[c.column], found.get(c.column, c)) for c in ends]
    if any(b is None for b in bounds):
        return None
    lows, highs = [b[0] for b in bounds if b], [b[1] for b in bounds if b]
    low, high = max(lows), min(highs)
    digits = min(schema[c.column].decimals for c in ends)
    t = round(low + cut * (high - low), digits) if high > low else min(max(low, highs[0]), highs[1])
    left, right = ends
    match comparison.operator:
        case "<" | "<=":
            return [replace(left, high=t), replace(right, low=t, low_open=comparison.operator == "<")]
        case ">" | ">=":
            return [replace(left, low=t, low_open=comparison.operator == ">"), replace(right, high=t)]
        case "=":
            return [replace(left, low=t, high=t), replace(right, low=t, high=t)]
    return [replace(left, high=t), replace(right, low=t, low_open=True)]


def _bounds(column: Column, condition: Condition) -> tuple[float, float] | None:
    lows = [b for b in (bound_of(column.minimum, column), condition.low) if b is not None]
    highs = [b for b in (bound_of(column.maximum, column), condition.high) if b is not None]
    return (max(lows), min(highs)) if lows and highs else None


def _opposites(condition: Condition, column: Column) -> Iterator[Condition]:
    """Conditions of which each excludes this one."""
    here = Condition(condition.column, missing=False)
    if condition.missing:
        yield here
        return
    if condition.values is not None:
        rest = tuple(c for c in column.categories or () if c not in condition.values)
        if rest:
            yield replace(here, values=rest)
    if condition.low is not None:
        yield replace(here, high=condition.low, high_open=not condition.low_open)
    if condition.high is not None:
        yield replace(here, low=condition.high, low_open=not condition.high_open)
    if condition.numbers is not None:
        yield replace(here, excluded=condition.numbers)
    if condition.excluded:
        yield replace(here, low=min(condition.excluded), high=max(condition.excluded), numbers=condition.excluded)
    if column.missing_codes:
        yield replace(here, missing=True)


def counts(rules: Sequence[Rule], table: Table) -> list[int]:
    """Rows that break each rule. A rule on columns that the table does not have counts none."""
    held = set(table.names)
    return [int(r.broken(table).sum()) if held.issuperset(r.columns) else 0 for r in rules]


def joined_costs(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What rules cost a sample (models.gan.ruling.Costs as JSON), from what they cost its parts."""
    rows = sum(p["rows"] for p in parts)

    def mean(values: Sequence[float]) -> float:
        total = sum(v * float(p["rows"]) for v, p in zip(values, parts, strict=True))
        return round(total / max(1.0, float(rows)), 6)

    each = [p["rules"] for p in parts if p["rows"]]
    told = [{r["rule"]: r["redrawn_share"] for r in p["rules"]} for p in parts]
    names = [r["rule"] for r in each[0]] if each else []
    return {
        "rows": rows,
        "redrawn_share": mean([p["redrawn_share"] for p in parts]),
        "draws_per_row": mean([p["draws_per_row"] for p in parts]),
        "conditioned_rows": sum(p["conditioned_rows"] for p in parts),
        "rules": [{"rule": n, "redrawn_share": mean([t.get(n, 0.0) for t in told])} for n in names],
    }
