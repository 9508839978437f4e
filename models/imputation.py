"""What can be imputed, checked before any work is done. No torch: the service validates with it."""

from __future__ import annotations

from collections.abc import Sequence

from models.errors import Detail, InvalidInput
from models.schema import Schema


def check_columns(schema: Schema, names: Sequence[str], columns: Sequence[str] | None) -> None:
    """schema: of the synthesizer; names: of the table's columns. Raises InvalidInput where the table has other columns,
    or where one of `columns`, those to impute, is not modelled.
    """
    if set(names) != set(schema.names):
        lacking = [n for n in schema.names if n not in names]
        foreign = [n for n in names if n not in schema]
        parts = [f"lacks {', '.join(map(repr, lacking[:10]))}"] if lacking else []
        parts += [f"has {', '.join(map(repr, foreign[:10]))} beside"] if foreign else []
        raise InvalidInput(
            f"The table's columns are not those of the synthesizer: it {' and '.join(parts)}.",
            hint="Impute a table with the columns that the synthesizer was trained on.",
            errors=[Detail(("column", n), "differs") for n in (*lacking, *foreign)[:30]],
        )
    for name in columns or ():
        what = None
        if name not in schema:
            what = "is no column of the table"
        elif not schema[name].modelled:
            what = f"is of kind {schema[name].kind.value}, which is not modelled"
        if what:
            modelled = ", ".join(c.name for c in schema.modelled[:30])
            raise InvalidInput(
                f"Column {name!r} cannot be imputed: it {what}.",
                hint=f"Columns: {modelled}.",
                errors=[Detail(("columns", name), what)],
            )
