"""Does the data bear the schema out? Asked before anything is trained under a schema that someone has changed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.errors import Detail, InvalidSchema
from models.rules import check_rules
from models.schema import Column, Kind
from models.table import Table, Values, parse_datetimes, read_values

_MOST = 20


def check_schema(table: Table) -> None:
    """Raises InvalidSchema where the data contradicts the schema: columns, kinds, categories, bounds, missing codes; or
    where its rules are wrong. Rows that break a rule are for the profile to count.

    `errors` holds one finding per column (20 at most), with the line of the first cell that contradicts (the header is
    line 1) and what to change; never the cell's content.
    """
    _check_names(table)
    check_rules(table.schema)
    found: list[Detail] = []
    for column in table.schema.columns:
        if detail := _check_column(table.data.column(column.name), column):
            found.append(detail)
        if len(found) == _MOST:
            break
    if found:
        more = f" {len(found) - 1} more column(s) contradict it too." if len(found) > 1 else ""
        raise InvalidSchema(
            f"The data contradicts the schema. Column {found[0].loc[1]!r}: {found[0].msg}.{more}",
            hint=found[0].hint,
            errors=found,
        )


def _check_names(table: Table) -> None:
    declared, held = table.schema.names, table.data.column_names
    if declared == held:
        return
    absent = [n for n in declared if n not in held]
    extra = [n for n in held if n not in declared]
    hint = "Name exactly the columns of the table, in its order."
    details = [Detail(("column", n), "in the schema but not in the data", hint) for n in absent[:_MOST]]
    details += [Detail(("column", n), "in the data but not in the schema", hint) for n in extra[:_MOST]]
    if not details:
        wrong = next(n for n, m in zip(declared, held, strict=True) if n != m)
        details = [Detail(("column", wrong), "stands in another place in the data", hint)]
    raise InvalidSchema(
        f"The schema does not name the table's columns. Column {details[0].loc[1]!r} is {details[0].msg}.",
        hint=hint,
        errors=details,
    )


def _check_column(raw: pa.ChunkedArray, column: Column) -> Detail | None:
    both = sorted(set(column.categories or ()) & set(column.missing_codes))
    if both:
        hint = "A spelling is either a label or a missing code: take it out of one of them."
        return Detail(("column", column.name), f"{len(both)} label(s) are missing codes too", hint)
    if not column.modelled:
        return None
    try:
        values = read_values(raw, column)
    except InvalidSchema as error:
        detail = error.errors[0]
        return Detail(("column", column.name), detail.msg, error.hint)
    if column.numeric or column.kind is Kind.DATETIME:
        return _check_bounds(values, column)
    return None


def _check_bounds(values: Values, column: Column) -> Detail | None:
    limits = []
    for key in ("minimum", "maximum"):
        bound = getattr(column, key)
        if isinstance(bound, str):
            seconds = float(parse_datetimes(pa.array([bound]), column.datetime_format or "%Y-%m-%d")[0])
            if not np.isfinite(seconds):
                hint = f"Write it in the format {column.datetime_format}."
                return Detail(("column", column.name), f"its {key} is no date of its format", hint)
            bound = seconds
        limits.append(bound)
    low, high = limits
    slack = 0.0 if column.kind is Kind.DATETIME else 0.5 * 10.0**-column.decimals * (column.decimals > 0)
    if low is not None and high is not None and low > high:
        return Detail(("column", column.name), "its minimum is above its maximum", "Exchange them.")
    for key, outside in (
        ("below its minimum", None if low is None else values.values < low - slack),
        ("above its maximum", None if high is None else values.values > high + slack),
    ):
        if outside is not None and outside.any():
            line = int(np.argmax(outside)) + 2
            what = f"{int(outside.sum())} value(s) are {key} (first at line {line})"
            return Detail(
                ("column", column.name), what, "Widen the bound, or name a code for missing in `missing_codes`."
            )
    return None
