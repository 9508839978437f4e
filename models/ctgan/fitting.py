"""From training rows to a trained CTGAN."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch

from models.ctgan.critic import Critic
from models.ctgan.model import Ctgan
from models.ctgan.network import ConditionalGenerator
from models.ctgan.plan import CtganPlan
from models.ctgan.settling import condition_shares
from models.ctgan.spans import Spans
from models.ctgan.trainer import Trainer
from models.ctgan.transform import fit_transform
from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding
from models.gan.parallel import torch_alone
from models.gan.plan import precision
from models.options import FitOptions
from models.progress import Progress
from models.rng import key
from models.table import Table


def fit_ctgan(
    train: Table,
    codes: Array,
    encoding: TableEncoding,
    plan: CtganPlan,
    options: FitOptions,
    *,
    on: torch.device,
    progress: Progress,
    checkpoint: Path | None,
    fingerprint: str,
) -> tuple[Ctgan, dict[str, Any]]:
    """train: the training rows; codes (N, S): their cells. -> model, facts for the manifest."""
    transform = fit_transform(train, encoding, progress)
    cells, scalars = transform.encode(train, codes, options.seed, progress)
    spans = Spans(transform.sizes, len(transform.numbers), transform.conditional)
    compute = precision(on)
    generator = ConditionalGenerator(spans, plan.noise, plan.hidden, plan.depth, compute)
    generator.initialise(torch.Generator().manual_seed(key(options.seed, "weights")))
    facts: dict[str, Any] = {"device": on.type, "precision": str(compute).removeprefix("torch.")}
    if not spans.width:
        shares = condition_shares(spans, torch.from_numpy(cells))
        return Ctgan(transform, generator.eval(), shares), {**facts, "curve": [], "steps": 0}
    critic = Critic(spans, plan.pac, plan.hidden, plan.depth, compute)
    critic.initialise(torch.Generator().manual_seed(key(options.seed, "critic")))
    trainer = Trainer(
        generator.to(on),
        critic.to(on),
        plan,
        torch.from_numpy(cells).to(on),
        torch.from_numpy(scalars).to(on),
        seed=options.seed,
        max_time=options.max_time,
    )
    seen = hashlib.sha256(fingerprint.encode() + cells.tobytes() + scalars.tobytes()).hexdigest()
    with torch_alone():
        trainer.run(progress, checkpoint, seen)
        trainer.finish(progress)
    state = trainer.state
    facts |= {"curve": state.curve, "seconds": round(state.seconds, 2), "steps": state.step}
    facts["critic_parameters"] = sum(p.numel() for p in critic.parameters())
    return Ctgan(transform, generator, trainer.shares), facts
