"""Conditions as restrictions on slots, in the order in which they are best drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from models.encoding.cells import Restriction
from models.encoding.encoding import TableEncoding
from models.gan.sampler import Pin, Pins

CHEAP = 1 / 8
"""Estimated acceptance from which conditioned columns are met where they stand in the drawing order."""


def make_pins(
    encoding: TableEncoding, restrictions: Mapping[str, Restriction], shares: Tensor, order: Sequence[int]
) -> Pins:
    """restrictions: by modelled column. shares (W,): marginal share of each cell. order: slots as drawn without
    conditions.

    Where enough rows will be accepted, the drawing order stays: it is learnt best. Else the conditioned columns come
    first: those pinned to a single cell, then the others by ascending mass, so that fewer candidates are rejected.
    """
    ranked: list[tuple[float, list[Pin]]] = []
    accepted = 1.0
    offsets = encoding.layout.offsets
    for name, restriction in restrictions.items():
        at = range(len(encoding.layout.sizes))[encoding.slots[name]]
        if at:
            possible = torch.from_numpy(restriction.mass.max(1) > 0)
            share = float(shares[offsets[at[0]] : offsets[at[0] + 1]][possible].sum())
            single = int(possible.sum()) == 1 and (len(at) == 1 or int((restriction.mass > 0).sum()) == 1)
            ranked.append((0.0 if single else share, _pins(at, restriction, shares.device)))
            accepted *= share if at[0] != order[0] else 1.0
    first = [pin.slot for _, pins in sorted(ranked, key=lambda r: r[0]) for pin in pins]
    if first and accepted >= CHEAP:
        first = list(order[: max(order.index(s) for s in first) + 1])
    moved = first != list(order[: len(first)])
    return Pins(tuple(first), {pin.slot: pin for _, pins in ranked for pin in pins}, moved)


def pins_of(encoding: TableEncoding, restrictions: Mapping[str, Restriction], device: torch.device) -> dict[int, Pin]:
    """The restrictions by slot."""
    slots = range(len(encoding.layout.sizes))
    return {
        p.slot: p
        for n, r in restrictions.items()
        if slots[encoding.slots[n]]
        for p in _pins(slots[encoding.slots[n]], r, device)
    }


def _pins(slots: Sequence[int], restriction: Restriction, device: torch.device) -> list[Pin]:
    mass = torch.from_numpy(restriction.mass).float().to(device)
    if len(slots) == 1:
        return [Pin(slots[0], -1, mass)]
    return [Pin(slots[0], slots[1], mass), Pin(slots[1], slots[0], mass)]
