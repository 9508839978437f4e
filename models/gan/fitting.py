"""From encoded rows to a trained generator: likelihood first, then the adversarial phase where it helps."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding
from models.gan.adversarial import OUT_OF_TIME, Game, adversarial_phase
from models.gan.calibration import settle
from models.gan.network import Generator
from models.gan.orders import drawing_order
from models.gan.pairs import NO_PAIRS, find_pairs
from models.gan.plan import Plan, precision
from models.gan.smooth import smooth_basis
from models.gan.trainer import Rows, Trainer
from models.options import FitOptions
from models.progress import Progress
from models.rng import key, stream

FIXED = 0.5
"""Share of training rows whose known slots are a prefix of the plain drawing order."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """order: slots as drawn. frequencies (W,): training shares of the cells. facts: for the manifest. pairs (P, 2):
    impossible ones.
    """

    model: Generator
    order: tuple[int, ...]
    frequencies: Array
    facts: dict[str, Any]
    pairs: Array = field(default_factory=lambda: NO_PAIRS)


def fit_generator(
    codes: Array,
    encoding: TableEncoding,
    plan: Plan,
    options: FitOptions,
    *,
    on: torch.device,
    progress: Progress,
    checkpoint: Path | None,
    fingerprint: str,
) -> Fitted:
    """codes (N, S): cells of the training rows, of the smallest integer type."""
    layout = encoding.layout
    offsets = layout.offsets
    frequencies = np.concatenate(
        [np.bincount(codes[:, s], minlength=k) / len(codes) for s, k in enumerate(layout.sizes)] or [np.zeros(0)]
    ).astype(np.float32)
    basis = smooth_basis(layout).to(on)
    model = Generator(layout.width, len(layout.sizes), plan.hidden, plan.depth, plan.dropout, precision(on), basis)
    first = torch.Generator().manual_seed(key(options.seed, "weights"))
    model.initialise(torch.from_numpy(frequencies), first)
    order = drawing_order(encoding)
    if not layout.sizes:
        model.fold()
        return Fitted(model, order, frequencies, {"curve": []})
    model.to(on)
    shuffled = stream(options.seed, "validation").permutation(len(codes))
    held = min(4_096, round(len(codes) * plan.validation))
    on_device = torch.from_numpy(codes).to(on)
    shift = torch.from_numpy(offsets[:-1]).to(on)
    trainer = Trainer(
        model,
        layout,
        plan,
        Rows(on_device[torch.from_numpy(shuffled[held:]).to(on)], shift),
        Rows(on_device[torch.from_numpy(shuffled[:held]).to(on)], shift),
        torch.tensor(order),
        seed=options.seed,
        fixed=FIXED,
        max_time=options.max_time,
    )
    play = options.adversarial == "always" or (options.adversarial == "auto" and _worth(held, len(layout.sizes)))
    span = 0.8 if play else 1.0
    trainer.run(progress, checkpoint, fingerprint, span)
    left = math.inf if options.max_time is None else options.max_time - trainer.state.seconds
    deadline = time.monotonic() + left
    model.load_state_dict(trainer.best if plan.select == "validation" else trainer.ema, strict=False)
    model.fold()
    pairs = find_pairs(codes, layout, progress)
    settle(model, layout, order, torch.from_numpy(frequencies).to(on), options.seed, progress, pairs)
    adversarial: dict[str, Any] = {
        "played": False,
        "kept": False,
        "reason": "not asked for, or too few rows to judge it",
    }
    if play and time.monotonic() >= deadline:
        adversarial["reason"] = OUT_OF_TIME
    elif play:
        adversarial = adversarial_phase(
            trainer,
            order,
            Game(rows=min(8_192, len(codes) - held), batch=plan.batch),
            seed=options.seed,
            always=options.adversarial == "always",
            progress=progress,
            span=(span, 1.0),
            pairs=pairs,
            deadline=deadline,
        )
        if adversarial["kept"]:
            settle(model, layout, order, torch.from_numpy(frequencies).to(on), options.seed, progress, pairs)
    facts = {
        "device": on.type,
        "precision": str(model.compute).removeprefix("torch."),
        "curve": trainer.state.curve,
        "seconds": round(trainer.state.seconds, 2),
        "steps": trainer.state.step,
        "ended": "max_time" if left <= 0 else "patience" if trainer.state.step < plan.steps else "steps",
        "adversarial": adversarial,
        "impossible_pairs": len(pairs),
    }
    return Fitted(model, order, frequencies, facts, pairs)


def _worth(validation: int, slots: int) -> bool:
    """Whether there are enough held-out rows to judge the phase by, and few enough slots to draw pools quickly."""
    return validation >= 200 and slots <= 200
