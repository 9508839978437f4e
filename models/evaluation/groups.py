"""Columns that divide a table into groups whose people are told apart: areas first, then others of few labels."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np

from models.evaluation.charts import write_numbers
from models.evaluation.context import Context
from models.evaluation.matrix import Floats, Matrix
from models.schema import Column, Kind

AREA = re.compile(
    r"(^|[^a-z])(puma|area|region|state|county|district|country|city|town|municipality|province|ward|tract|borough|"
    r"nuts\d?|lad|msoa|lsoa|zip|postcode|geography|location)([^a-z]|$)",
    re.IGNORECASE,
)
"""Names of columns that hold places; a schema does not mark them."""
PERSON = re.compile(
    r"(^|[^a-z])(sex|gender|rac\d?p?|race|ethnic\w*|hisp\w*|origin|religion|nationality|citizen\w*|disab\w*|marital)([^a-z]|$)",
    re.IGNORECASE,
)
"""Names of columns that say who somebody is: groups that are to be treated alike."""
LEVELS = (2, 60)
"""Fewest and most labels of a column that divides."""
FEW = 50
"""Real rows of a group that is looked at by itself."""
CHOSEN = 5


def is_area(name: str) -> bool:
    """Whether a column's name says that it holds places (camel case and underscores are word borders)."""
    return bool(AREA.search(re.sub(r"([a-z])([A-Z])", r"\1_\2", name)))


def _order(name: str) -> int:
    return 0 if is_area(name) else 1 if PERSON.search(name) else 2


def dividing(real: Matrix) -> list[int]:
    """Columns that could divide: areas first, then who somebody is, then those with the most groups, and even ones. At
    least two groups of FEW rows."""
    found: list[tuple[int, float, int]] = []
    for j, column in enumerate(real.columns):
        if not _short(column):
            continue
        counts = levels(real, j)
        large = counts[counts >= FEW]
        if len(large) >= LEVELS[0] and large.sum() >= 0.5 * len(real):
            shares = counts[counts > 0] / max(len(real), 1)
            found.append((_order(column.name), float(np.sum(shares * np.log(shares))), j))
    return [j for _, _, j in sorted(found)]


def chosen(context: Context, asked: Sequence[str] = ()) -> list[int]:
    """The columns asked for, or the first CHOSEN of `dividing`."""
    if asked:
        return [context.names.index(name) for name in asked if name in context.names]
    return dividing(context.real)[:CHOSEN]


def area_of(context: Context) -> int | None:
    """The column of areas, if there is one."""
    return next((j for j in dividing(context.real) if is_area(context.names[j])), None)


def levels(matrix: Matrix, j: int) -> np.ndarray:
    """Rows of each label, missing codes last."""
    column = matrix.columns[j]
    size = len(column.categories or ()) + len(column.missing_codes)
    return np.bincount(codes(matrix, j), minlength=size)


def codes(matrix: Matrix, j: int) -> np.ndarray:
    """Label of each row (N,), missing codes as further labels."""
    state = matrix.missing[:, j].astype(np.int64)
    first = len(matrix.columns[j].categories or ())
    return np.where(state < 0, np.nan_to_num(matrix.values[:, j]).astype(np.int64), first + state)


def names_of(column: Column) -> list[str]:
    """Labels in the order of `codes`."""
    return [*(column.categories or ()), *(f"missing: {code or 'blank'}" for code in column.missing_codes)]


def group_names(column: Column, edges: Floats | None) -> list[str]:
    """Labels, or of a number or date the ranges between these edges, missing codes last."""
    if edges is None:
        return names_of(column)
    shown = write_numbers(edges, column)
    between = [f"{a} to {b}" for a, b in itertools.pairwise(shown)]
    inner = [f"below {shown[0]}", *between, f"from {shown[-1]}"] if shown else ["any"]
    return [*inner, *(f"missing: {code or 'blank'}" for code in column.missing_codes)]


def _short(column: Column) -> bool:
    """Labels, and not too many of them."""
    return column.kind in (Kind.CATEGORICAL, Kind.ORDINAL, Kind.BOOLEAN) and (
        LEVELS[0] <= len(column.categories or ()) + len(column.missing_codes) <= LEVELS[1]
    )
