"""The order in which unconditional rows are drawn."""

from __future__ import annotations

from models.encoding.encoding import TableEncoding


def drawing_order(encoding: TableEncoding) -> tuple[int, ...]:
    """Slots in the order of the table's columns, each fine cell right after its coarse cell."""
    return tuple(range(len(encoding.layout.sizes)))
