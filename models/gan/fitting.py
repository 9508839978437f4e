"""From encoded rows to a trained generator: likelihood first, then a discriminator where it helps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding
from models.gan.calibration import settle
from models.gan.discriminator import Discriminator, Features
from models.gan.draws import BLOCK
from models.gan.network import Generator
from models.gan.orders import drawing_order
from models.gan.pairs import NO_PAIRS, find_pairs
from models.gan.parallel import in_order
from models.gan.plan import MANY, Plan, plays, precision
from models.gan.sampler import Sampler
from models.gan.smooth import smooth_basis
from models.gan.tails import tails_of
from models.gan.trainer import Rows, Trainer
from models.gan.weighing import Rows as Real
from models.gan.weighing import boost
from models.options import FitOptions
from models.progress import Progress
from models.rng import key, stream

LOOKED_AT = 163_840
"""Training rows that the discriminator learns from, and is raked to, at most."""
FIXED = 0.5
"""Share of training rows whose known slots are a prefix of the plain drawing order."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """order: slots as drawn. frequencies (W,): training shares of the cells. facts: for the manifest. pairs (P, 2):
    impossible ones. discriminator: to choose rows by, where it helps.
    """

    model: Generator
    order: tuple[int, ...]
    frequencies: Array
    facts: dict[str, Any]
    pairs: Array = field(default_factory=lambda: NO_PAIRS)
    discriminator: Discriminator | None = None


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
    shape = (layout.width, len(layout.sizes), plan.hidden, plan.depth, plan.dropout)
    model = Generator(*shape, precision(on), basis, tails_of(layout, codes))
    first = torch.Generator().manual_seed(key(options.seed, "weights"))
    model.initialise(torch.from_numpy(frequencies), first)
    order = drawing_order(encoding, options.target)
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
        target=_taught(encoding, options.target),
        max_time=options.max_time,
    )
    play = plays(options, held, len(layout.sizes))
    span = 0.8 if play else 1.0
    trainer.run(progress, checkpoint, fingerprint, span)
    left = math.inf if options.max_time is None else options.max_time - trainer.state.seconds
    deadline = time.monotonic() + left
    model.load_state_dict(trainer.best if plan.select == "validation" else trainer.ema, strict=False)
    model.fold()
    pairs = find_pairs(codes, layout, progress)
    settle(model, layout, order, torch.from_numpy(frequencies).to(on), options.seed, progress, pairs)
    found, adversarial = None, {"played": False, "kept": False, "reason": "not asked for, or too few rows to judge it"}
    if play:
        progress.update(span, "discriminator")
        found, adversarial = boost(
            _pool(encoding, Sampler(model, layout, order, progress, frequencies, pairs), options.seed),
            Real(codes[shuffled[held:][:LOOKED_AT]], codes[shuffled[:held]]),
            Features(layout),
            seed=options.seed,
            always=options.adversarial == "always",
            progress=progress,
            deadline=deadline,
        )
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
    return Fitted(model, order, frequencies, facts, pairs, found)


def _taught(encoding: TableEncoding, target: str | None) -> int:
    """Slots of a target of labels. A number of many values is not taught more than others: it was memorised."""
    layout = encoding.layout
    own = range(len(layout.sizes))[encoding.slots.get(target or "", slice(0, 0))]
    number = any(layout.ordered[s] >= MANY or (layout.ordered[s] and s in layout.parents) for s in own[:1])
    return 0 if number else len(own)


def _pool(encoding: TableEncoding, sampler: Sampler, seed: int) -> Callable[[int, int], Array]:
    """What `boost` draws rows by."""

    def pool(number: int, rows: int) -> Array:
        own = key(seed, "pool", number)

        def part(block: int) -> Array:
            cells, u = sampler.block(block, 0, min(BLOCK, rows - block * BLOCK), own, encoding.uniforms)
            return encoding.canonical(cells, u)

        blocks = math.ceil(rows / BLOCK)
        return np.concatenate(list(in_order([partial(part, b) for b in range(blocks)], torch.get_num_threads())))

    return pool
