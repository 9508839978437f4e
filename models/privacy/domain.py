"""Domains: what is public of a schema, what is not, and what a job that needs it all refuses. Sees no rows.

A domain is the set of values that a column could hold: its labels, or its bounds (and the bins that numbers are cut
into). A schema that was inferred holds what was found in the rows, which is confidential until a custodian declares
otherwise (`Column.public`) or a share of the budget pays for finding it (models/dp/discovery.py).
"""

from __future__ import annotations

import math
from dataclasses import replace

from models.dates import seconds_of
from models.errors import Detail, InvalidPrivacy
from models.schema import Column, Kind, Schema

FEW = 64
"""Possible values of a number up to which each has a cell of its own."""


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
        'Or pay for finding it: give `shares` a domain share, e.g. {"domain": 0.1, "fit": 0.8, "evaluation": 0.1}.'
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


def public_part(schema: Schema) -> Schema:
    """The schema without anything that came from rows: evidence, dependencies, duplicates, and the categories, bounds
    and edges of columns that are not public. Rules stay: they are written by people.
    """
    columns = []
    for c in schema.columns:
        if not c.public or not c.modelled:
            c = replace(c, categories=None, minimum=None, maximum=None, edges=None)
        columns.append(replace(c, evidence={}))
    return replace(schema, columns=tuple(columns), dependencies=(), duplicates=())


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
        if c.public and c.modelled and c.labelled:
            parts.append(f"its {len(c.categories or ())} categories")
        elif c.public and c.modelled:
            ends = [str(end) for end in (c.minimum, c.maximum) if end is not None]
            parts += [f"bounds {' to '.join(ends)}"] if ends else []
            parts += [f"{len(c.edges)} edges of bins"] if c.edges else []
        lines.append(f"column {c.name!r}: {'; '.join(parts)}")
    return lines + [f"rule: {r.text()}" for r in schema.rules]
