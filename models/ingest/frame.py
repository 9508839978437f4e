"""A pandas DataFrame as a table: what `models.synthesize.fit` takes from Python users."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from models.errors import Detail, InvalidData
from models.ingest.csv_reading import check_rows, check_size, too_wide
from models.ingest.inference import infer_schema
from models.ingest.limits import Limits
from models.ingest.parquet_reading import refuse_nested, spell
from models.ingest.sniffing import check_header
from models.schema import Dialect
from models.table import Table


def table_from_frame(frame: Any, *, limits: Limits | None = None) -> Table:
    """DataFrame (any dtypes that fit into cells; NaN, NaT and None are missing) -> Table with an inferred schema.

    The index is left out. Raises InvalidData and TooLarge as read_upload does.
    """
    limits = limits or Limits()
    names = [str(n) for n in frame.columns]
    if len(names) > limits.max_columns:
        raise too_wide(len(names), limits)
    if not names:
        raise InvalidData("The table has no column.", hint="Pass a DataFrame with at least one column.")
    check_header(tuple(names))
    check_size(len(frame), len(names), limits)
    check_rows(len(frame), limits)
    columns: dict[str, pa.ChunkedArray] = {}
    storages: dict[str, str] = {}
    for i, name in enumerate(names):
        columns[name], storages[name] = spell(name, _typed(name, frame.iloc[:, i]))
    data = pa.table(columns)
    return Table(infer_schema(data, Dialect("parquet"), storages), data)


def _typed(name: str, series: Any) -> pa.ChunkedArray:
    """Series -> Arrow column. Objects of mixed types become texts."""
    try:
        array = pa.Array.from_pandas(series)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        if series.map(lambda v: isinstance(v, list | dict | set | tuple | bytes)).any():
            raise InvalidData(
                f"Column {name!r} holds objects that do not fit into a cell.",
                hint="Flatten it into plain columns: numbers, texts, dates.",
                errors=[Detail(("column", name), "nested objects")],
            ) from None
        array = pa.array([None if v is None or v != v else str(v) for v in series], pa.string())
    column = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    refuse_nested(name, column.type)
    return column
