"""From encoded rows to a trained generator: likelihood first, then the adversarial phase where it helps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding
from models.gan.network import Generator
from models.gan.orders import drawing_order
from models.gan.plan import Plan, precision
from models.gan.trainer import Rows, Trainer
from models.options import FitOptions
from models.progress import Progress
from models.rng import key, stream

FIXED = 0.5
"""Share of training rows whose known slots are a prefix of the drawing order."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """order: slots as drawn. frequencies (W,): training shares of the cells. facts: for the manifest."""

    model: Generator
    order: tuple[int, ...]
    frequencies: Array
    facts: dict[str, Any]


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
    model = Generator(layout.width, len(layout.sizes), plan.hidden, plan.depth, plan.dropout, precision(on))
    first = torch.Generator().manual_seed(key(options.seed, "weights"))
    model.initialise(torch.from_numpy(frequencies), first)
    order = drawing_order(encoding)
    if not layout.sizes:
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
    trainer.run(progress, checkpoint, fingerprint)
    model.load_state_dict(trainer.best if plan.select == "validation" else trainer.ema, strict=False)
    facts = {
        "device": on.type,
        "precision": str(model.compute).removeprefix("torch."),
        "curve": trainer.state.curve,
        "seconds": round(trainer.state.seconds, 2),
        "steps": trainer.state.step,
    }
    return Fitted(model, order, frequencies, facts)
