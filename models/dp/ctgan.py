"""`model: ctgan` under DP-SGD: the classic DP-CTGAN, with nothing read that is not paid for.

    history = events(SETTINGS["dpsgd"], epsilon, delta)      # models.privacy.sgd: tables, then steps
    release = release_for(codes, columns_alone(sizes), history[0], ...)
    model, facts = fit_dp_ctgan(codes, encoding, history, release)

What differs from models/ctgan. Cells are those of the public domain: no mixture is fitted. Conditions of generated rows
and the shares that are set right at the end come from the noisy tables. A pack is one row. Of the critic's loss, mean
score of generated rows less that of real ones, only the second part reads rows: by steps of models/dp/sgd.py; the
gradients of the first are clipped alike, row by row, so that both parts weigh the same. In place
of the gradient penalty, which would need rows too, the weights of each layer are scaled to a spectral norm of at most
one after each step, which is post-processing (Miyato et al. 2018, "Spectral normalization"). The critic has no batch
norm; the generator's sees generated rows alone. The generator never sees rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from models.accounting import History, history_to_json
from models.ctgan.critic import Critic
from models.ctgan.losses import activate, activate_back, condition_loss
from models.ctgan.model import Ctgan
from models.ctgan.network import ConditionalGenerator
from models.ctgan.plan import CtganPlan
from models.ctgan.spans import Spans
from models.ctgan.trainer import EMA, Trainer
from models.ctgan.transform import Transform
from models.dp.consistency import consistent
from models.dp.gradients import Cells, Layer, Plain, Product, clip_factors
from models.dp.refine import grouped
from models.dp.release import Release
from models.dp.sgd import Steps
from models.dp.sgd_state import Kept, adam_state
from models.encoding.encoding import TableEncoding
from models.gan.flat import split
from models.gan.parallel import torch_alone
from models.privacy.sgd import plan_of
from models.progress import SILENT, Progress
from models.rng import key

Array = npt.NDArray[Any]
STAND_INS = 20_000
"""Rows of independent columns with the noisy shares, which stand in for the training rows wherever shares are read."""


@dataclass(frozen=True)
class CtganSgdOptions:
    """hidden, depth, noise: of the networks. batch: generated rows of a step. clip: norm of a unit's gradient."""

    hidden: int = 256
    depth: int = 2
    noise: int = 128
    batch: int = 500
    clip: float = 1.0
    learning_rate: float = 1e-3
    critic_learning_rate: float = 1e-3


def fit_dp_ctgan(
    codes: Array,
    encoding: TableEncoding,
    history: History,
    release: Release,
    *,
    units: Array | None = None,
    options: CtganSgdOptions = CtganSgdOptions(),
    seed: int = 0,
    progress: Progress = SILENT,
    checkpoint: Path | None = None,
) -> tuple[Ctgan, dict[str, Any]]:
    """CTGAN of codes (N, S), by the steps that `history` pays for; release: noisy tables of single columns. -> model,
    facts for the manifest. units, checkpoint, errors: as models.dp.refine.refine."""
    plan, agreed = plan_of(history, options.clip), consistent(release)
    transform = Transform(encoding, {})
    spans = Spans(transform.sizes, 0, transform.conditional)
    generator = ConditionalGenerator(spans, options.noise, options.hidden, options.depth)
    generator.initialise(torch.Generator().manual_seed(key(seed, "weights")))
    critic = Critic(spans, 1, options.hidden, options.depth)
    critic.initialise(torch.Generator().manual_seed(key(seed, "critic")))
    rates = (options.learning_rate, options.critic_learning_rate)
    shape = CtganPlan(
        1, options.batch, 1, options.noise, options.hidden, options.depth, *rates, weight_decay=1e-6, steps=plan.steps
    )
    trainer = PrivateTrainer(generator, critic, shape, stand_ins(agreed.one_way), codes, units, seed)
    facts = {"sizes": spans.sizes, "history": history_to_json(history), "options": asdict(options), "seed": seed}
    mark = hashlib.sha256(json.dumps(facts).encode() + b"".join(t.tobytes() for t in release.counts)).hexdigest()
    kept = Kept(None if checkpoint is None else checkpoint / "steps", mark)
    done = kept.read(trainer.everything())
    steps = Steps(plan, len(trainer.groups), max(1, round(agreed.rows / release.rows_per_unit)), done=done)
    with torch_alone():
        trainer.take(steps, progress, kept, checkpoint)
        trainer.finish(progress)
    sgd = {"rate": plan.rate, "steps": plan.steps, "sigma": plan.sigma, "clip": plan.clip}
    facts = {"mechanism": "dpsgd", "sgd": {**sgd, "noise": "floating point (docs/privacy.md, DP-SGD)"}}
    return Ctgan(transform, generator, trainer.shares), {**facts, "network": asdict(options)}


def stand_ins(one_way: tuple[Array, ...]) -> Tensor:
    """(STAND_INS, d) rows whose columns have these shares, as nearly as so many rows can; nothing joins them."""
    places = (np.arange(STAND_INS) + 0.5) / STAND_INS
    columns = [np.minimum(np.searchsorted(np.cumsum(p) / p.sum(), places), len(p) - 1) for p in one_way]
    return torch.from_numpy(np.stack(columns, 1).astype(np.int32))


class PrivateTrainer(Trainer):
    """Trains as Trainer does, on stand-ins; the critic sees real rows through noisy gradients alone."""

    def __init__(
        self,
        generator: ConditionalGenerator,
        critic: Critic,
        plan: CtganPlan,
        cells: Tensor,
        codes: Array,
        units: Array | None,
        seed: int,
    ) -> None:
        super().__init__(generator, critic, plan, cells, torch.zeros(len(cells), 0), seed=seed, max_time=None)
        sizes = generator.spans.sizes
        self.groups = grouped(units, len(codes))
        self.codes = np.stack([np.clip(codes[:, t], 0, k - 1) for t, k in enumerate(sizes)], 1).astype(np.int64)
        self.clip = 1.0
        self._project()

    def everything(self) -> dict[str, Tensor]:
        """All that a later step starts from."""
        out = {"average": self.average}
        for name, flat in self.flats.items():
            state = adam_state(self.optimizers[name], flat.values)
            out |= {f"{name}.{k}": v for k, v in {"values": flat.values.data, **state}.items()}
        return out

    def take(self, steps: Steps, progress: Progress, kept: Kept, folder: Path | None) -> None:
        """All steps that are left."""
        self.generator.train()
        self.clip = steps.plan.clip
        while steps.left:
            progress.check()
            self._step(steps)
            progress.update(steps.done / steps.plan.steps, f"step {steps.done} of {steps.plan.steps}", step=steps.done)
            if kept.write(steps.done, self.everything(), last=not steps.left) and folder is not None:
                progress.checkpoint(folder, step=steps.done)

    @torch.no_grad()
    def _step(self, steps: Steps) -> None:
        """One step of the critic, then one of the generator on the same rows."""
        step, noise, spans = steps.done, self.noise, self.generator.spans
        noise.manual_seed(key(self.seed, "train", step))
        seen = self.cells[torch.randint(len(self.cells), (self.plan.batch,), generator=noise)].long()
        condition, which, cell = self.conditions(seen)
        z = torch.randn(self.plan.batch, self.plan.noise, generator=noise)
        trace = self.generator.trace(z, condition)
        scalars, soft = activate(trace.raw, spans, noise)
        rows, flat = torch.cat([scalars, soft], 1), self.flats["critic"]
        # Generated rows are clipped as real ones are, or the critic would hear them louder and learn nothing else.
        own = self.clipped(rows, condition, self.critic.keep(len(rows), noise)) / self.plan.batch
        # Of -(mean score of real rows) + mean score of generated ones.
        flat.gradient.copy_(own - steps.gradient(len(own), self._summed))
        self.optimizers["critic"].step()
        self._project()
        _, toward = self.critic.judge(rows, condition, noise, self.critic.cast())
        toward = activate_back(scalars, soft, -toward, spans)
        if spans.conditional:
            condition_loss(trace.raw, self.named_places[which], self.named_outside[which], cell, toward)
        self.generator.learn(trace, toward, self.flats["generator"].grads)
        self.optimizers["generator"].step()
        self.average.lerp_(self.flats["generator"].values.detach(), 1 - min(EMA, (step + 1) / (step + 10)))

    def _summed(self, at: Array, secret: int) -> Tensor:
        """Sum of the clipped gradients of these units' scores: of one row of each, drawn evenly. The one function that
        reads rows."""
        noise = torch.Generator().manual_seed(secret)
        own = self.groups[at]
        u = torch.rand(len(own), generator=noise).numpy()
        row = own[np.arange(len(own)), (u * (own >= 0).sum(1)).astype(np.int64)]
        cells = torch.from_numpy(self.codes[row])
        condition, _, _ = self._named(cells, noise)
        rows = torch.empty(len(cells), self.generator.spans.width)
        self.generator.spans.one_hot(cells, torch.zeros(len(cells), 0), self.starts, rows)
        return self.clipped(rows, condition, self.critic.keep(len(rows), noise))

    @torch.no_grad()
    def clipped(self, rows: Tensor, condition: Tensor, keep: Tensor) -> Tensor:
        """Sum over rows (N, width) of the gradients of their scores, each clipped: (n,)."""
        layers = self.layers(rows, condition, keep)
        scale = clip_factors(layers.values(), self.clip)
        if not (good := scale > 0).all():
            layers, scale = self.layers(rows[good], condition[good], keep[:, good]), scale[good]
        return self._flat({name: layer.total(scale) for name, layer in layers.items()})

    def layers(self, rows: Tensor, condition: Tensor, keep: Tensor) -> dict[str, Layer]:
        """What the gradients of the scores of rows (N, width) under conditions (N,) are made of, by parameter. keep:
        of dropout, (depth, N, H)."""
        critic, weights = self.critic, self.critic.cast()
        places = critic.places(condition)
        sums = F.linear(rows, weights[0]).add_(critic.given(places))
        scores, slopes, outputs = critic.forward(sums, weights, keep)
        back = critic.back(torch.ones_like(scores), slopes, weights)
        out: dict[str, Layer] = {}
        for i, (taken, here) in enumerate(zip([rows, *outputs], back, strict=True)):
            out[f"weights.{i}"], out[f"biases.{i}"] = Product(taken[:, None], here[:, None]), Plain(here)
        out["condition"] = Cells(places[:, None], back[0][:, None], None, len(critic.condition))
        return out

    def _named(self, cells: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """As `conditions`, with random numbers of the caller's."""
        mine, self.noise = self.noise, noise
        try:
            return self.conditions(cells)
        finally:
            self.noise = mine

    def _flat(self, parts: Mapping[str, Tensor]) -> Tensor:
        named = dict(self.critic.named_parameters())
        out = torch.zeros(sum(p.numel() for p in named.values()))
        for name, where in split(out, named).items():
            where.copy_(parts[name])
        return out

    @torch.no_grad()
    def _project(self) -> None:
        """Scale each layer's weights to a spectral norm of at most one."""
        for weight in self.critic.weights:
            weight.div_(torch.linalg.matrix_norm(weight.detach(), 2).clamp_min(1.0))
