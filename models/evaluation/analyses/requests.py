"""Which regressions and tables an analyst wants compared: untrusted JSON, checked. No torch: the service reads it.

{"kind": "regression", "formula": "income ~ age + C(education)", "family": "gaussian"}
{"kind": "table", "columns": ["sex", "education"], "statistic": "mean", "of": "income"}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.errors import Detail, InvalidInput
from models.evaluation.analyses.formula import FUNCTIONS, Formula, parse_formula
from models.schema import Column, Kind

MOST, MOST_COLUMNS, MOST_TITLE = 20, 4, 200
FAMILIES = ("gaussian", "binomial", "poisson")
STATISTICS = ("count", "mean", "median", "share")
MISSING = ("drop", "level")
HINT = (
    '{"kind": "regression", "formula": "income ~ age", "family": "gaussian"} or {"kind": "table", "columns": ["sex"]}'
)


@dataclass(frozen=True)
class Regression:
    """A generalised linear model. event: the label that a binomial response counts (default: the second of two).
    missing: rows with a missing label are dropped, as R does, or missing is a level of its own; missing numbers drop.
    rare: levels below this share of the real rows become one level, "(other)".
    """

    formula: Formula
    family: str = "gaussian"
    event: str | None = None
    missing: str = "drop"
    rare: float = 0.0
    title: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return self.formula.columns

    @property
    def label(self) -> str:
        return self.title or self.formula.text

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"kind": "regression", "formula": self.formula.text, "family": self.family}
        out |= {"rare": self.rare} if self.rare else {}
        return out | _given(event=self.event, missing="" if self.missing == "drop" else self.missing, title=self.title)


@dataclass(frozen=True)
class CrossTable:
    """A statistic by the cells of columns. count: rows; share: of all rows, or, with `of`, of the cell's rows those
    with the label `event` of column `of`; mean, median: of the number `of`."""

    by: tuple[str, ...]
    statistic: str = "count"
    of: str | None = None
    event: str | None = None
    title: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.by, self.of) if self.of else self.by

    @property
    def label(self) -> str:
        if self.title:
            return self.title
        what = f"{self.statistic} of {self.of}" if self.of else self.statistic
        return f"{what} by {' × '.join(self.by)}"

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"kind": "table", "columns": list(self.by), "statistic": self.statistic}
        return out | _given(of=self.of, event=self.event, title=self.title)


Analysis = Regression | CrossTable


def _given(**values: str | None) -> dict[str, str]:
    return {k: v for k, v in values.items() if v}


@dataclass(frozen=True)
class _Reader:
    where: tuple[str | int, ...]
    raw: Mapping[str, Any] = field(repr=False)

    def bad(self, key: str, what: str, hint: str = HINT) -> InvalidInput:
        place = (*self.where, key) if key else self.where
        return InvalidInput(f"{'.'.join(map(str, place))}: {what}.", hint=hint, errors=[Detail(place, what, hint)])

    def known(self, *keys: str) -> None:
        for key in self.raw:
            if key not in keys:
                raise self.bad(str(key)[:50], "is not known here", f"Known: {', '.join(keys)}.")

    def text(self, key: str, default: str | None = None, most: int = 1_000) -> str | None:
        value = self.raw.get(key)
        if value is None:
            return default
        if not isinstance(value, str) or not value.strip() or len(value) > most:
            raise self.bad(key, f"must be a text of 1 to {most:,} characters")
        return value

    def one_of(self, key: str, choices: Sequence[str], default: str) -> str:
        value = self.raw.get(key, default)
        if value not in choices:
            raise self.bad(key, "is not known", f"One of {', '.join(choices)}.")
        return str(value)


def analyses_from_json(raw: Any, where: tuple[str | int, ...] = ("analyses",)) -> tuple[Analysis, ...]:
    """Analyses from untrusted JSON, a list of objects. Raises InvalidInput with the place.

    Whether a table has their columns is for `check_analyses`.
    """
    if not isinstance(raw, list | tuple) or len(raw) > MOST:
        raise _Reader(where, {}).bad("", f"must be a list of at most {MOST} analyses")
    return tuple(_one(item, (*where, i)) for i, item in enumerate(raw))


def _one(raw: Any, where: tuple[str | int, ...]) -> Analysis:
    if isinstance(raw, Regression | CrossTable):
        return raw
    if not isinstance(raw, Mapping):
        raise _Reader(where, {}).bad("", "must be an object")
    read = _Reader(where, raw)
    if read.one_of("kind", ("regression", "table"), "") == "regression":
        read.known("kind", "formula", "family", "event", "missing", "rare", "title")
        text = read.text("formula", most=10_000)
        if text is None:
            raise read.bad("formula", "is needed")
        formula = parse_formula(text, (*where, "formula"))
        family = read.one_of("family", FAMILIES, "gaussian")
        if family != "gaussian" and formula.response.how:
            raise read.bad("formula", f"has a transformed response, which family {family} does not take")
        event = read.text("event")
        if event is not None and family != "binomial":
            raise read.bad("event", "is for family binomial")
        rare = raw.get("rare", 0.0)
        if isinstance(rare, bool) or not isinstance(rare, int | float) or not 0 <= rare <= 0.5:
            raise read.bad("rare", "must be a share from 0 to 0.5")
        title = read.text("title", "", MOST_TITLE) or ""
        return Regression(formula, family, event, read.one_of("missing", MISSING, "drop"), float(rare), title)
    read.known("kind", "columns", "statistic", "of", "event", "title")
    return _table(read)


def _table(read: _Reader) -> CrossTable:
    by = read.raw.get("columns")
    proper = isinstance(by, list | tuple) and 1 <= len(by) <= MOST_COLUMNS
    if not proper or not all(isinstance(n, str) and n for n in by or ()) or len(set(by or ())) != len(by or ()):
        raise read.bad("columns", f"must be a list of 1 to {MOST_COLUMNS} different column names")
    statistic, of, event = read.one_of("statistic", STATISTICS, "count"), read.text("of"), read.text("event")
    if statistic == "count" and of is not None:
        raise read.bad("of", "is for mean, median and share")
    if statistic in ("mean", "median") and of is None:
        raise read.bad("of", f"is needed for a {statistic}", "Name the column of numbers.")
    if of is not None and of in (by or ()):
        raise read.bad("of", "is one of the columns that make the cells")
    if event is not None and (statistic != "share" or of is None):
        raise read.bad("event", "is for the share of a label", "Name the column in `of`.")
    return CrossTable(tuple(by or ()), statistic, of, event, read.text("title", "", MOST_TITLE) or "")


def check_analyses(analyses: Sequence[Analysis], columns: Sequence[Column]) -> None:
    """Raise InvalidInput, with the place, where an analysis does not suit the columns (modelled ones of a schema)."""
    known = {c.name: c for c in columns}
    for i, analysis in enumerate(analyses):
        read = _Reader(("analyses", i), {})
        for name in analysis.columns:
            if name not in known:
                where = "formula" if isinstance(analysis, Regression) else "columns"
                hint = f"Columns: {', '.join(list(known)[:30])}."
                raise read.bad(where, f"names {name!r}, which is no modelled column of the table", hint)
        if isinstance(analysis, Regression):
            _check_regression(analysis, known, read.bad)
        elif analysis.of is not None:
            of = known[analysis.of]
            if analysis.statistic == "share":
                _check_event(of, analysis.event, read.bad, "of")
            elif of.labelled:
                raise read.bad("of", f"is a column of labels: it has no {analysis.statistic}", "Take a share.")


def _check_regression(analysis: Regression, known: Mapping[str, Column], bad: Callable[..., InvalidInput]) -> None:
    response = known[analysis.formula.response.column]
    if analysis.family == "binomial":
        _check_event(response, analysis.event, bad, "event")
    elif response.labelled:
        hint = "Family binomial, with an `event` where there are more than two labels."
        raise bad("family", f"{analysis.family} needs a response of numbers; {response.name!r} holds labels", hint)
    for term in analysis.formula.terms:
        for factor in term:
            column = known[factor.column]
            if column.labelled and (factor.how in FUNCTIONS or factor.power > 1):
                raise bad("formula", f"takes {factor} of a column of labels", f"Write C({factor.column}).")
            if column.kind is Kind.DATETIME and factor.how in FUNCTIONS:
                raise bad("formula", f"takes {factor} of a date", "Dates enter as days.")


def _check_event(column: Column, event: str | None, bad: Callable[..., InvalidInput], key: str) -> None:
    labels = column.categories or ()
    if not column.labelled:
        if event is not None:
            raise bad(
                "event", f"is a label, but {column.name!r} holds numbers", "Leave it out: the larger of two values."
            )
    elif event is not None and event not in labels:
        raise bad("event", f"is no label of {column.name!r}", "Write it as the file does.")
    elif event is None and len(labels) != 2:
        raise bad(key, f"needs an `event`: {column.name!r} has {len(labels)} labels", "Name the label to count.")
