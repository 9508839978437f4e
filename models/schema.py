"""The schema: what each column is, in the words of DESIGN.md section 1. No torch, no pandas: the service imports it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from models.dates import seconds_of
from models.errors import Detail, InvalidSchema

VERSION = 1
MOST_RULES = 200
MOST_EDGES = 1_000
MOST = 1e300
"""Numbers of a domain, at most: differences of two are finite."""
RULE_HINT = 'e.g. "age < 16 -> marital_status = single", or {"if": ["age < 16"], "then": ["marital_status = single"]}'


class Kind(StrEnum):
    CATEGORICAL = "categorical"
    ORDINAL = "ordinal"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    WEIGHT = "weight"
    DATETIME = "datetime"
    TEXT = "text"
    IDENTIFIER = "identifier"


LABELLED = frozenset({Kind.CATEGORICAL, Kind.ORDINAL, Kind.BOOLEAN})
NUMERIC = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.WEIGHT})
REPLACED = frozenset({Kind.TEXT, Kind.IDENTIFIER})
"""Kinds whose values never enter the model; samples carry surrogates."""

STORAGES = ("string", "int64", "double", "timestamp", "date", "bool")


@dataclass(frozen=True)
class Column:
    """One column. Spellings (categories, missing codes, dates) are the source's own.

    categories: labels of a categorical, ordinal (in order) or boolean (false, true) column.
    minimum, maximum: bounds of a number; of a datetime, in its own format.
    decimals: digits after the point; fixed_decimals: always that many (12.50), else at most, and least_decimals at
    least (5.0 beside 5.25: one). datetime_format: in strptime notation; `%-d`: not padded, `%3f`: milliseconds.
    missing_codes: spellings that mean missing ("" is a blank cell or a Parquet null); proposed, the custodian decides.
    storage: its type in Parquet. public: the custodian declares that this column's domain, as it is written here
    (categories; minimum and maximum; edges), is public knowledge and owes nothing to the rows. edges: public borders of
    bins of a number or, in its own format, a datetime: each border belongs to the bin above it, the last one to the bin
    below, and a border that is written twice is a bin of its own for this one value.
    evidence: why the inference decided so (counts and names of rules).
    """

    name: str
    kind: Kind
    categories: tuple[str, ...] | None = None
    minimum: float | str | None = None
    maximum: float | str | None = None
    decimals: int = 0
    fixed_decimals: bool = False
    least_decimals: int = 0
    datetime_format: str | None = None
    missing_codes: tuple[str, ...] = ()
    storage: str = "string"
    public: bool = False
    edges: tuple[float | str, ...] | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def modelled(self) -> bool:
        return self.kind not in REPLACED

    @property
    def labelled(self) -> bool:
        return self.kind in LABELLED

    @property
    def numeric(self) -> bool:
        return self.kind in NUMERIC

    def to_json(self) -> dict[str, Any]:
        out = {k: v for k, v in asdict(self).items() if v not in (None, (), {}) or k in ("name", "kind")}
        return {
            **out,
            **{k: list(out[k]) for k in ("categories", "missing_codes", "edges") if k in out},
            "kind": self.kind.value,
        }


@dataclass(frozen=True)
class Dialect:
    """How the source file spells a table; samples are written the same way."""

    format: str = "csv"
    delimiter: str = ","
    encoding: str = "utf-8"
    quoting: str = "minimal"
    """`minimal`, `text` (every cell of a column that is no number in Parquet) or `all`; blank cells never."""
    decimal_point: str = "."
    """As the file writes numbers; the stored form always has a point."""


@dataclass(frozen=True)
class Dependency:
    """Functional dependency: the values of `determinants` fix the value of `dependent` in every row read."""

    determinants: tuple[str, ...]
    dependent: str


@dataclass(frozen=True)
class RuleText:
    """Where all conditions of `when` hold, all of `then` hold (models/rules.py reads them)."""

    when: tuple[str, ...]
    then: tuple[str, ...]

    def text(self) -> str:
        then = " and ".join(self.then)
        return f"{' and '.join(self.when)} -> {then}" if self.when else then

    def to_json(self) -> dict[str, Any]:
        return {"if": list(self.when), "then": list(self.then)}


@dataclass(frozen=True)
class Schema:
    columns: tuple[Column, ...]
    dialect: Dialect = Dialect()
    dependencies: tuple[Dependency, ...] = ()
    duplicates: tuple[tuple[str, str], ...] = ()
    """(column, the earlier column that it repeats)."""
    rules: tuple[RuleText, ...] = ()
    """What holds in every row of a sample."""

    def __post_init__(self) -> None:
        names = [c.name for c in self.columns]
        if len(set(names)) != len(names):
            raise InvalidSchema("Two columns have the same name.", hint="Column names must be unique.")

    def __getitem__(self, name: str) -> Column:
        for c in self.columns:
            if c.name == name:
                return c
        raise InvalidSchema(f"There is no column {name!r}.", hint=f"Columns: {', '.join(self.names[:30])}.")

    def __contains__(self, name: object) -> bool:
        return any(c.name == name for c in self.columns)

    @property
    def names(self) -> list[str]:
        return [c.name for c in self.columns]

    @property
    def modelled(self) -> list[Column]:
        return [c for c in self.columns if c.modelled]

    def with_column(self, column: Column) -> Schema:
        return replace(self, columns=tuple(column if c.name == column.name else c for c in self.columns))

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "dialect": asdict(self.dialect),
            "columns": [c.to_json() for c in self.columns],
            "dependencies": [
                {"determinants": list(d.determinants), "dependent": d.dependent} for d in self.dependencies
            ],
            "duplicates": [list(d) for d in self.duplicates],
            "rules": [r.to_json() for r in self.rules],
        }


def _text(value: Any) -> bool:
    return isinstance(value, str)


def column_from_json(raw: Any, where: tuple[str | int, ...]) -> Column:
    """Column from untrusted JSON. Raises InvalidSchema with the place."""

    def bad(key: str, msg: str, hint: str = "") -> InvalidSchema:
        return InvalidSchema(
            f"{'.'.join(map(str, (*where, key)))}: {msg}", hint=hint, errors=[Detail((*where, key), msg, hint)]
        )

    if not isinstance(raw, Mapping):
        raise bad("", "must be an object")
    known = {f.name for f in fields(Column)}
    for key in raw:
        if key not in known:
            raise bad(str(key), "is not a property of a column", f"Known: {', '.join(sorted(known))}.")
    if not _text(raw.get("name")) or not raw["name"]:
        raise bad("name", "must be a non-empty text")
    try:
        kind = Kind(str(raw.get("kind")))
    except ValueError:
        raise bad("kind", "is unknown", f"One of {', '.join(Kind)}.") from None
    values: dict[str, Any] = dict(raw, kind=kind)
    for key in ("categories", "missing_codes"):
        if values.get(key) is not None:
            if not isinstance(values[key], Sequence) or _text(values[key]) or not all(map(_text, values[key])):
                raise bad(key, "must be a list of texts", "Write numbers as texts too, in the file's own spelling.")
            if len(set(values[key])) != len(values[key]):
                raise bad(key, "names a value twice")
            values[key] = tuple(values[key])
    for key in ("minimum", "maximum"):
        v = values.get(key)
        if v is not None and (
            not _text(v) if kind is Kind.DATETIME else isinstance(v, bool) or not isinstance(v, int | float)
        ):
            raise bad(key, "must be " + ("a text in the column's format" if kind is Kind.DATETIME else "a number"))
    low, high = values.get("minimum"), values.get("maximum")
    if isinstance(low, int | float) and isinstance(high, int | float) and not low <= high:
        raise bad("minimum", "is above maximum")
    public = values.get("public", False)
    if not isinstance(public, bool):
        raise bad("public", "must be true or false", "True says that this column's domain is public knowledge.")
    decimals = values.get("decimals", 0)
    if isinstance(decimals, bool) or not isinstance(decimals, int) or not 0 <= decimals <= 17:
        raise bad("decimals", "must be a whole number from 0 to 17")
    least = values.get("least_decimals", 0)
    if isinstance(least, bool) or not isinstance(least, int) or not 0 <= least <= 17:
        raise bad("least_decimals", "must be a whole number from 0 to 17")
    if not isinstance(values.get("fixed_decimals", False), bool):
        raise bad("fixed_decimals", "must be true or false")
    if values.get("storage", "string") not in STORAGES:
        raise bad("storage", "is unknown", f"One of {', '.join(STORAGES)}.")
    if kind is Kind.DATETIME and not _text(values.get("datetime_format")):
        raise bad("datetime_format", "is needed for a datetime", "In strptime notation, e.g. %Y-%m-%d.")
    if kind in LABELLED and not values.get("categories"):
        raise bad("categories", "is needed for a labelled column", "List the labels, in order for an ordinal column.")
    if kind is Kind.BOOLEAN and len(values["categories"]) != 2:
        raise bad("categories", "must hold two labels, false then true")
    if values.get("edges") is not None:
        if kind not in NUMERIC and kind is not Kind.DATETIME:
            raise bad("edges", "are for numbers and datetimes", "Labels need no bins.")
        values["edges"] = _edges_from_json(values["edges"], values, bad)
    if public and kind not in REPLACED:
        _check_bounds(values, bad)
    if not isinstance(values.get("evidence", {}), Mapping):
        raise bad("evidence", "must be an object")
    return Column(**values)


def _number_of(value: Any, form: str | None) -> float:
    """A finite number of JSON, or the seconds of a datetime in this format; else NaN."""
    if isinstance(value, str):
        return seconds_of(value, form) if form else math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or form:
        return math.nan
    return float(value) if abs(value) <= MOST else math.nan


def _check_bounds(values: Mapping[str, Any], bad: Callable[..., InvalidSchema]) -> tuple[float, float]:
    """Bounds that a domain is made of, as numbers (infinite where there are none). Raises InvalidSchema unless they are
    finite, in the column's format, and in order."""
    found, form = [-math.inf, math.inf], values.get("datetime_format")
    for i, key in enumerate(("minimum", "maximum")):
        if values.get(key) is not None:
            found[i] = _number_of(values[key], form)
            if math.isnan(found[i]):
                raise bad(key, f"must be a {'date of the format ' + form if form else 'finite number'}")
    if found[0] > found[1]:
        raise bad("minimum", "is above maximum")
    return found[0], found[1]


def _edges_from_json(raw: Any, values: Mapping[str, Any], bad: Callable[..., InvalidSchema]) -> tuple[float | str, ...]:
    """Edges of bins. Raises InvalidSchema."""
    form = values.get("datetime_format")
    if not isinstance(raw, Sequence) or _text(raw) or not 2 <= len(raw) <= MOST_EDGES:
        raise bad("edges", f"must be a list of 2 to {MOST_EDGES:,} borders of bins", "e.g. [0, 18, 65, 120]")
    numbers = [_number_of(v, form) for v in raw]
    if any(map(math.isnan, numbers)):
        raise bad("edges", "must be " + (f"dates of the format {form}" if form else "finite numbers"))
    if any(a > b for a, b in itertools.pairwise(numbers)):
        raise bad("edges", "must ascend", "From the smallest to the largest.")
    if any(a == b for a, b in zip(numbers, numbers[2:], strict=False)):
        raise bad("edges", "name a border more than twice", "Twice makes a bin of this one value.")
    low, high = _check_bounds(values, bad)
    if numbers[0] < low or numbers[-1] > high:
        raise bad("edges", "must lie between minimum and maximum", "Or leave minimum and maximum out.")
    return tuple(raw)


def schema_from_json(raw: Any) -> Schema:
    """Schema from untrusted JSON. Raises InvalidSchema with the place."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("columns"), list):
        raise InvalidSchema(
            "A schema is an object with a list `columns`.", hint="Start from GET /v1/datasets/{id}/schema."
        )
    if raw.get("version", VERSION) != VERSION:
        raise InvalidSchema(
            f"Schema version {raw.get('version')!r} is not known.", hint=f"This release reads version {VERSION}."
        )
    columns = tuple(column_from_json(c, ("columns", i)) for i, c in enumerate(raw["columns"]))
    try:
        dialect = Dialect(**{k: str(v) for k, v in dict(raw.get("dialect", {})).items()})
        dependencies = tuple(
            Dependency(tuple(map(str, d["determinants"])), str(d["dependent"])) for d in raw.get("dependencies", [])
        )
        duplicates = tuple((str(a), str(b)) for a, b in raw.get("duplicates", []))
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidSchema(
            f"The schema is malformed: {error}.", hint="Start from GET /v1/datasets/{id}/schema."
        ) from None
    return Schema(columns, dialect, dependencies, duplicates, rules_from_json(raw.get("rules", [])))


def rules_from_json(raw: Any) -> tuple[RuleText, ...]:
    """Rules from untrusted JSON: texts `a -> b`, or {"if": [...], "then": [...]}. Raises InvalidSchema with the place.

    Whether their conditions suit the columns is for models.rules.check_rules.
    """
    if not isinstance(raw, list) or len(raw) > MOST_RULES:
        raise InvalidSchema(f"`rules` must be a list of at most {MOST_RULES} rules.", hint=RULE_HINT)
    return tuple(_rule_from_json(item, i) for i, item in enumerate(raw))


def _rule_from_json(raw: Any, i: int) -> RuleText:
    if _text(raw):
        left, arrow, right = raw.partition("->")
        raw = {"if": [left.strip()] if arrow else [], "then": [right.strip() if arrow else left.strip()]}
    sides = [raw.get("if", []), raw.get("then")] if isinstance(raw, Mapping) and set(raw) <= {"if", "then"} else []
    sides = [[side] if _text(side) else side for side in sides]
    proper = [isinstance(side, list) and all(_text(item) and item.strip() for item in side) for side in sides]
    if not sides or not all(proper) or not sides[1]:
        what = "must be a text, or an object with the lists `if` and `then`"
        raise InvalidSchema(f"rules.{i}: {what}.", hint=RULE_HINT, errors=[Detail(("rules", i), what, RULE_HINT)])
    return RuleText(tuple(sides[0]), tuple(sides[1]))


def merge_schema(current: Schema, patch: Any) -> Schema:
    """Override parts of a schema: {"columns": [{"name": "age", "kind": "ordinal", ...}]}; unnamed parts stay.
    `rules` replace those there were.

    A changed kind starts from the column's defaults, but numbers stay numbers and labels labels (`_outdated`).
    """
    if not isinstance(patch, Mapping) or not isinstance(patch.get("columns", []), list):
        raise InvalidSchema(
            "A schema patch is an object with a list `columns`, a list `rules`, or both.",
            hint='e.g. {"columns": [{"name": "x", "kind": "text"}]}',
        )
    merged = current if patch.get("rules") is None else replace(current, rules=rules_from_json(patch["rules"]))
    for i, change in enumerate(patch.get("columns", [])):
        if not isinstance(change, Mapping) or change.get("name") not in current:
            raise InvalidSchema(
                f"columns.{i} names no column of the table.",
                hint=f"Columns: {', '.join(current.names[:30])}.",
                errors=[Detail(("columns", i, "name"), "unknown column")],
            )
        old = merged[change["name"]]
        base = old.to_json()
        for key in _outdated(old.kind, str(change.get("kind", old.kind))):
            base.pop(key, None)
        new = column_from_json({**base, **change}, ("columns", i))
        merged = merged.with_column(_noting_what_is_adopted(old, new, change))
    return merged


ADOPTED = "adopted"
"""In a public column's evidence: which parts of its domain were read from the file, not written by a person."""


def _noting_what_is_adopted(old: Column, new: Column, change: Mapping[str, Any]) -> Column:
    before = old.evidence.get(ADOPTED, ()) if old.public else ("categories", "minimum", "maximum", "edges")
    kept = [part for part in before if part not in change and getattr(new, part, None) is not None]
    evidence = {k: v for k, v in new.evidence.items() if k != ADOPTED}
    return replace(new, evidence=evidence | ({ADOPTED: kept} if new.public and kept else {}))


def _outdated(old: Kind, new: str) -> tuple[str, ...]:
    """Properties that a column's new kind cannot take over: a decimal that turns out a weight keeps its bounds."""
    if new == old or (old in LABELLED and new in LABELLED):
        return ()
    if old in NUMERIC and new in NUMERIC:
        return ("decimals", "fixed_decimals", "least_decimals") if new == Kind.INTEGER else ()
    numbers = ("minimum", "maximum", "edges", "decimals", "fixed_decimals", "least_decimals")
    return ("public", "categories", "datetime_format", *numbers)
