"""Conditions as restrictions on slots, in the order in which they are best drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from models.conditions import Condition
from models.encoding.cells import Restriction
from models.encoding.encoding import TableEncoding
from models.errors import Detail, InvalidCondition
from models.gan.sampler import Pin


def make_pins(encoding: TableEncoding, conditions: Mapping[str, Condition], shares: Tensor) -> list[Pin]:
    """conditions: by modelled column. shares (W,): marginal share of each cell, to draw rare sets first.

    Columns pinned to a single cell come first, the others by ascending mass: fewer rows are then rejected. Raises
    InvalidCondition where no cell of a column meets its condition.
    """
    ranked: list[tuple[float, list[Pin]]] = []
    offsets = encoding.layout.offsets
    for name, condition in conditions.items():
        restriction = encoding.cells(name).restrict(condition)
        if not restriction.mass.any():
            what = "no row that was learnt from comes near the condition"
            raise InvalidCondition(
                f"Column {name!r}: {what}.", hint="Widen the condition.", errors=[Detail(("column", name), what)]
            )
        at = range(len(encoding.layout.sizes))[encoding.slots[name]]
        if at:
            possible = torch.from_numpy(restriction.mass.max(1) > 0)
            share = float(shares[offsets[at[0]] : offsets[at[0] + 1]][possible].sum())
            single = int(possible.sum()) == 1 and (len(at) == 1 or int((restriction.mass > 0).sum()) == 1)
            ranked.append((0.0 if single else share, _pins(at, restriction, shares.device)))
    return [pin for _, pins in sorted(ranked, key=lambda r: r[0]) for pin in pins]


def _pins(slots: Sequence[int], restriction: Restriction, device: torch.device) -> list[Pin]:
    mass = torch.from_numpy(restriction.mass).float().to(device)
    if len(slots) == 1:
        return [Pin(slots[0], -1, mass)]
    return [Pin(slots[0], slots[1], mass), Pin(slots[1], slots[0], mass)]
