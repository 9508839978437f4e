"""The order in which unconditional rows are drawn."""

from __future__ import annotations

from models.encoding.encoding import TableEncoding


def drawing_order(encoding: TableEncoding, target: str | None = None) -> tuple[int, ...]:
    """Slots in the order of the table's columns, each fine cell right after its coarse cell; those of the target, if it
    has any, come last.
    """
    slots = range(len(encoding.layout.sizes))
    if target not in encoding.slots:
        return tuple(slots)
    own = encoding.slots[target]
    last = slots[encoding.link_slots.get(target, own.start) : own.stop]
    return (*(s for s in slots if s not in last), *last)
