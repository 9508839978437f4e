"""How much of the training rows stands behind a sample under conditions, and the warnings where it is little.

The synthesizer holds no rows, so counts are estimated from what it holds: of one condition by the training shares of
the cells that meet it (exact where cells are single values), of several together, or of a finely cut number, by the
generator (the mean mass that meets them, over rows drawn under them), times the number of training rows. Warnings name
bounds, never counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from models.balance import Balance
from models.conditions import Condition
from models.ctgan.model import Ctgan
from models.dp.one_pass import OnePass
from models.encoding.cells import Restriction
from models.gan.draws import pick
from models.gan.restrict import pins_of
from models.gan.sampler import Pin
from models.rng import stream
from models.synthesize import Synthesizer, sampler_of, streams_of

FEW = 50
"""Training rows that should meet all conditions of a sample."""
RARE = 20
"""Training rows that should meet each condition by itself."""
DRAWS = 4_096
NAMED = 5


@dataclass(frozen=True)
class Warned:
    """code: rare_condition (one by itself), rare_conditions (all together), rare_shares (values of a balance),
    fast_mode, or drawn_in_full (by the full generator, where fast mode cannot meet the conditions)."""

    code: str
    message: str
    hint: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def warnings_of(
    synthesizer: Synthesizer,
    where: Sequence[str | Condition] = (),
    balance: str | Mapping[str, Any] | Balance | None = None,
    mode: str = "full",
) -> tuple[Warned, ...]:
    """What the reader of such a sample should know. Raises InvalidCondition, InvalidInput as `sample` does.

    Nothing is known of a synthesizer of model ctgan.
    """
    if isinstance(synthesizer.model, Ctgan):
        return ()
    if isinstance(synthesizer.model, OnePass):  # public, or a noisy number
        rows, mode = synthesizer.model.rows, "full"
    else:
        rows = int(synthesizer.manifest["split"]["train_rows"])
    out = []
    if where:
        [plain] = streams_of(synthesizer, where, None)
        rare = [n for n, r in plain.restrictions.items() if rows * _alone(synthesizer, n, r) < RARE]
        for name in rare:
            out.append(
                Warned(
                    "rare_condition",
                    f"Fewer than {RARE} training rows meet the condition on {name!r}, or about so many.",
                    "The rows of the sample repeat what these few had in common. Widen the condition.",
                )
            )
        if not rare and rows * _together(synthesizer, plain.restrictions) < FEW:
            out.append(
                Warned(
                    "rare_conditions",
                    f"Fewer than about {FEW} training rows meet all conditions together.",
                    "The sample shows what the generator makes of it more than what the data support. "
                    "Widen or drop a condition.",
                )
            )
    if balance is not None:
        found = streams_of(synthesizer, where, balance)
        few = [s.label for s in found if rows * _together(synthesizer, s.restrictions) < FEW]
        if few:
            named = ", ".join(few[:NAMED]) + (" ..." if len(few) > NAMED else "")
            out.append(
                Warned(
                    "rare_shares",
                    f"Fewer than about {FEW} training rows stand behind each of {len(few)} of the {len(found)} "
                    f"balanced values ({named}).",
                    "Their rows are variations of few real ones. Give them smaller shares, or leave them out.",
                )
            )
    if mode == "fast":
        out += _of_fast_mode(synthesizer, where, balance)
    return tuple(out)


def _of_fast_mode(
    synthesizer: Synthesizer, where: Sequence[str | Condition], balance: str | Mapping[str, Any] | Balance | None
) -> list[Warned]:
    off = synthesizer.manifest.get("fast", {}).get("kl")
    measured = "" if off is None else f", {off:.2f} nats a row off it"
    out = [
        Warned(
            "fast_mode",
            f"The rows were drawn in fast mode, by a small network distilled from the generator{measured}.",
            "Draw in mode full what is to be released or analysed in detail.",
        )
    ]
    if any(s.pins.moved for s in streams_of(synthesizer, where, balance)):
        out.append(
            Warned(
                "drawn_in_full",
                "Rows under these conditions were drawn by the full generator: the fast mode cannot meet them.",
                "They are as good, and take as long, as in mode full.",
            )
        )
    return out


def _alone(synthesizer: Synthesizer, name: str, restriction: Restriction) -> float:
    """Share of the training rows that meet one restriction: by the shares of the cells, where a column has one slot."""
    encoding = synthesizer.encoding
    at, offsets = range(len(encoding.layout.sizes))[encoding.slots[name]], encoding.layout.offsets
    if not at:
        return float(restriction.mass.max())
    if len(at) == 1:
        shares = synthesizer.frequencies[offsets[at[0]] : offsets[at[0] + 1]]
        return float((shares * restriction.mass[:, 0]).sum())
    return _mean_mass(synthesizer, {name: restriction})


def _together(synthesizer: Synthesizer, restrictions: Mapping[str, Restriction]) -> float:
    """Share of the rows that meet all restrictions."""
    if len(restrictions) == 1:
        return _alone(synthesizer, *next(iter(restrictions.items())))
    return _mean_mass(synthesizer, restrictions)


@torch.no_grad()
def _mean_mass(synthesizer: Synthesizer, restrictions: Mapping[str, Restriction]) -> float:
    """Share of the generator's rows that meet the restrictions, without bias by sequential importance sampling: their
    slots are drawn one after the other among the cells that meet them, and the masses found there are multiplied.
    """
    sampler = sampler_of(synthesizer)
    if sampler is None:
        return 1.0
    pins = pins_of(synthesizer.encoding, restrictions, sampler.device)
    layout, device = sampler.layout, sampler.device
    u = torch.from_numpy(stream(0, "support").random((DRAWS, len(layout.sizes)))).to(device)
    cells = torch.zeros(DRAWS, len(layout.sizes), dtype=torch.int64, device=device)
    h = sampler.start.expand(DRAWS, -1).clone()
    weight = torch.ones(DRAWS, dtype=torch.float64, device=device)
    for slot in (s for s in sampler.order if s in pins):
        coarse = cells[:, layout.parents[slot]] if layout.parents[slot] >= 0 else None
        p = sampler.probabilities(h, slot, coarse).double() * _met(pins[slot], coarse)
        weight *= p.sum(1)
        cells[:, slot] = pick(p, u[:, slot])
        h += sampler.entry[slot][cells[:, slot]]
    return float(weight.mean())


def _met(pin: Pin, coarse: Tensor | None) -> Tensor:
    """What a pin leaves of its slot's cells; all of a coarse cell that its fine cells restrict further."""
    if coarse is not None:
        return pin.mass[coarse]
    return pin.mass.amax(1) > 0 if pin.partner >= 0 else pin.mass[:, 0]
