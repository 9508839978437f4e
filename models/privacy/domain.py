"""Domains: what is public of a schema, what is not, and what a job that needs it all refuses. Sees no rows.

A domain is the set of values that a column could hold: its labels, or its bounds (and the bins that numbers are cut
into). A schema that was inferred holds what was found in the rows, which is confidential until a custodian declares
otherwise (`Column.public`) or a share of the budget pays for finding it (models/dp/discovery.py).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

from models.accounting import History, approximate, calibrate, gaussian
from models.dates import seconds_of
from models.errors import Detail, InvalidPrivacy
from models.privacy.points import points_of
from models.schema import ADOPTED, Column, Kind, Schema

FEW = 64
"""Possible values of a number up to which each has a cell of its own."""
PARTS = ("categories", "minimum", "maximum", "edges")
"""Of a column's domain."""
THRESHOLD = 0.1
"""Part of delta for labels that only one unit has."""
WEIGHTS = {"labels": 1.0, "heavy": 0.25, "magnitudes": 0.5, "quantiles": 1.0}
"""Parts of the domain's budget of one column."""


def number(value: float | str | None, column: Column) -> float | None:
    """A bound or edge as a number, seconds since 1970 for a datetime; None where there is none that is finite."""
    if value is None:
        return None
    found = seconds_of(value, column.datetime_format or "%Y-%m-%d") if isinstance(value, str) else float(value)
    return found if math.isfinite(found) else None


def bounds(column: Column) -> tuple[float, float] | None:
    """Smallest and largest value of a public number or datetime: as declared, or else the outermost edges. None where
    the schema does not say, or the column is not public.
    """
    if not column.public or column.labelled or not column.modelled:
        return None
    edges = column.edges or (None,)
    low = number(column.minimum if column.minimum is not None else edges[0], column)
    high = number(column.maximum if column.maximum is not None else edges[-1], column)
    return None if low is None or high is None or low > high else (low, high)


def lacking(column: Column) -> tuple[str, ...]:
    """What is not known publicly of a column: () where its cells follow from the schema alone."""
    if not column.modelled:
        return ()
    if column.labelled:
        return () if column.public and column.categories else ("categories",)
    if bounds(column) is not None:
        return ()
    if not column.public:
        return ("minimum", "maximum")
    ends = {"minimum": column.minimum, "maximum": column.maximum}
    return tuple(name for name, end in ends.items() if number(end, column) is None) or tuple(ends)


def check_domain(schema: Schema, discover: bool) -> None:
    """Every modelled column's domain is public, or will be found under differential privacy (`discover`).

    Raises InvalidPrivacy naming each column that lacks something, and the two remedies.
    """
    if not schema.modelled:
        raise InvalidPrivacy(
            "No column of the table can be modelled.",
            hint="Texts and identifiers are replaced by surrogates; set the kind of at least one other column.",
            errors=[Detail(("schema", "columns"), "none can be modelled")],
        )
    without = [(c, lacking(c)) for c in schema.modelled if lacking(c)]
    if discover or not without:
        return
    # What a reader of this message would have to write; no value of the schema is repeated, they are not public.
    parts = [f"{c.name!r} lacks {' and '.join(lack)}" for c, lack in without]
    more = f"; and {len(parts) - 20} more" if len(parts) > 20 else ""
    first = without[0][0]
    example = '"categories": ["a", "b"]' if first.labelled else '"minimum": 0, "maximum": 120'
    if first.kind is Kind.DATETIME:
        example = '"minimum": "...", "maximum": "..."'
    remedy = (
        "Either declare what is public knowledge, such as a code book's labels and bounds, in the schema: "
        f'{{"columns": [{{"name": "{first.name}", "public": true, {example}}}]}} '
        "(PATCH /v1/datasets/{id}/schema, populace datasets schema ID --set FILE, populace synth --schema FILE). "
        'Or pay for finding it: give `shares` a domain share, e.g. {"domain": 0.3, "fit": 0.7}.'
    )
    raise InvalidPrivacy(
        f"{len(parts)} column(s) have no public domain: {'; '.join(parts[:20])}{more}.",
        hint=remedy,
        errors=[
            Detail(("schema", "columns", c.name), f"lacks public {' and '.join(lack)}", "Declare it, or pay for it.")
            for c, lack in without
        ],
        code="domain_unknown",
    )


def found_in(parts: Collection[str]) -> dict[str, list[str]]:
    """The evidence of a column of which these parts were found under differential privacy."""
    return {"found": [part for part in PARTS if part in parts]} if parts else {}


def found_of(column: Column) -> tuple[str, ...]:
    """Which parts of a public column's domain were found under differential privacy, and not declared."""
    told = column.evidence.get("found", ())
    told = told if column.public and isinstance(told, list | tuple) else ()
    return tuple(part for part in PARTS if part in told)


def public_part(schema: Schema) -> Schema:
    """The schema without anything that came from rows: evidence, dependencies, duplicates, and the categories, bounds
    and edges of columns that are not public. Rules stay: they are written by people. What was found under differential
    privacy stays, and that it was (`found_of`).
    """
    columns = []
    for c in schema.columns:
        if not c.public or not c.modelled:
            c = replace(c, categories=None, minimum=None, maximum=None, edges=None)
        columns.append(replace(c, evidence={**found_in(found_of(c)), **_adopted_by(c)}))
    return replace(schema, columns=tuple(columns), dependencies=(), duplicates=())


def _adopted_by(column: Column) -> dict[str, list[str]]:
    """Which parts of a public column's domain its custodian declared public without writing them: what they are was
    read from the rows (`models.schema.ADOPTED`)."""
    told = column.evidence.get(ADOPTED, ())
    parts = [part for part in PARTS if part in told] if column.public and isinstance(told, list | tuple) else []
    return {ADOPTED: parts} if parts else {}


def assumed_public(schema: Schema) -> list[str]:
    """What a private job takes for public knowledge of the table, one line each: for the manifest, and for whoever has
    to judge whether it is.
    """
    d = schema.dialect
    lines = [
        f"the number, names and order of the columns ({len(schema.columns)})",
        f"how the file is written: {d.format}, delimiter {d.delimiter!r}, {d.encoding}, decimal point "
        f"{d.decimal_point!r}, {d.quoting} quoting",
    ]
    for c in schema.columns:
        parts = [f"kind {c.kind.value}", f"stored as {c.storage}"]
        if c.numeric:
            parts.append(f"{c.decimals} decimals" + (" always" if c.fixed_decimals else ""))
        if c.datetime_format:
            parts.append(f"format {c.datetime_format}")
        if c.missing_codes:
            parts.append(f"missing codes {', '.join(map(repr, c.missing_codes))}")
        if c.public and c.modelled:
            found = found_of(c)
            said = {
                "categories": f"its {len(c.categories or ())} categories" if c.labelled else "",
                "minimum": f"minimum {c.minimum}" if c.minimum is not None else "",
                "maximum": f"maximum {c.maximum}" if c.maximum is not None else "",
                "edges": f"{len(c.edges)} edges of bins" if c.edges else "",
            }
            adopted = _adopted_by(c).get(ADOPTED, ())
            how = {part: " (as read from the file, declared public)" if part in adopted else "" for part in said}
            parts += [text + how[part] for part, text in said.items() if text and part not in found]
        lines.append(f"column {c.name!r}: {'; '.join(parts)}")
    return lines + [f"rule: {r.text()}" for r in schema.rules]


@dataclass(frozen=True)
class Needs:
    """Names of the columns whose labels, bounds, or edges of bins have to be found."""

    labels: tuple[str, ...]
    bounds: tuple[str, ...]
    edges: tuple[str, ...]

    def weights(self) -> tuple[float, float]:
        """Of the first release (labels, heavy values, magnitudes) and of the second (quantiles)."""
        w = WEIGHTS
        first = len(self.labels) * w["labels"] + len(self.edges) * w["heavy"] + len(self.bounds) * w["magnitudes"]
        return first, len(self.edges) * w["quantiles"]


def needs(schema: Schema) -> Needs:
    """What discovery has to find: what is not public, and good bins for public numbers that have no edges."""
    without = [c for c in schema.modelled if lacking(c)]
    edges = []
    for c in schema.modelled:
        found = None if c.labelled else bounds(c)
        if c.labelled or (found and c.edges):
            continue
        points = points_of(c)
        if found is None or not points.grid or points.last(found[1]) - points.first(found[0]) >= FEW:
            edges.append(c.name)
    return Needs(
        tuple(c.name for c in without if c.labelled), tuple(c.name for c in without if not c.labelled), tuple(edges)
    )


HEAVY, NEW, QUANTILES = "labels, heavy values and magnitudes", "labels that one unit has", "quantiles"
"""Labels of the events."""


def discovery(schema: Schema, epsilon: float, delta: float, *, spent: History = (), rows_per_unit: int = 1) -> History:
    """What finding the domain will cost: with `spent` at most (epsilon, delta). () where there is nothing to find.

    Three events at most (docs/privacy.md, "Domain"): one Gaussian release, the threshold's chance to let a label
    through that one unit has, and a second Gaussian release. rows_per_unit changes the noise within, not the events.
    """
    first, second = needs(schema).weights()
    total = first + second
    if not total:
        return ()
    if isinstance(rows_per_unit, bool) or not isinstance(rows_per_unit, int) or rows_per_unit < 1:
        what = "must be a whole number of at least 1"
        raise InvalidPrivacy(f"rows_per_unit {what}.", hint=what, errors=[Detail(("privacy", "rows_per_unit"), what)])

    def events(scale: float) -> History:
        found: History = (gaussian(scale * math.sqrt(total / first), label=HEAVY),) if first else ()
        found += (approximate(1e-12, THRESHOLD * delta, label=NEW),) if first else ()
        return found + ((gaussian(scale * math.sqrt(total / second), label=QUANTILES),) if second else ())

    return events(calibrate(events, epsilon, delta, spent=spent))
