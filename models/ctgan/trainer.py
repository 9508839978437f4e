"""Training of generator and critic, resumable to the same weights.

Conditions (training by sampling; Xu et al. 2019, section 4.3). Each row of a batch is a row of the data, met once per
epoch; its condition names one of its own labelled columns, drawn evenly. So conditions follow the data's frequencies,
real rows given a condition need no search, and what the critic compares is the data's own distribution. The `ctgan`
package draws categories by the logarithm of their frequency in training, but by frequency when it samples: its rows
come from a generator that was fitted to other ones. Measured on Adult, 10 epochs, before shares are set right, the
package's draw against this one: shape 4.6 against 2.1%, trend 10.6 against 8.2%, 3-way TVD 19.8 against 17.0%.

The critic steps first, then the generator by what the new critic says of the same rows: they are what it still
makes, so only the critic is passed again. Stepping both at once, by the old critic, is quicker by a tenth and learns
dependence later. `pairs` tells the generator of the dependence that the critic learns last.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import torch
from torch import Tensor

from models.ctgan.checkpoints import State, resume, save
from models.ctgan.critic import Critic
from models.ctgan.losses import activate, activate_back, condition_loss
from models.ctgan.network import ConditionalGenerator
from models.ctgan.pairs import Pairs
from models.ctgan.plan import CtganPlan
from models.ctgan.settling import condition_shares, free_rows, settle
from models.gan.flat import Flat, split
from models.progress import Progress
from models.rng import key

CHECKPOINT_EVERY = 5.0
"""Seconds between checkpoints, or twenty times what the last one took, whichever is longer."""
EMA = 0.98
NAMED = 5.0
"""Weight of the condition's cross-entropy: at 1, beside `pairs`, a named rare category comes a quarter as often."""
BETAS = (0.5, 0.9)
SETTLE = 100
"""Batches from which the averaged generator's batch norm takes its statistics."""


class Trainer:
    """Trains `generator` against `critic`; `finish` leaves the averaged weights in `generator`.

    cells (N, T) of the smallest integer type and scalars (N, A): the training rows, on the device.
    """

    def __init__(
        self,
        generator: ConditionalGenerator,
        critic: Critic,
        plan: CtganPlan,
        cells: Tensor,
        scalars: Tensor,
        *,
        seed: int,
        max_time: float | None,
    ) -> None:
        self.generator, self.critic, self.plan = generator, critic, plan
        self.pairs = Pairs(generator.spans, cells, scalars)
        self.models = {"generator": generator, "critic": critic, "pairs": self.pairs}
        self.cells, self.scalars, self.seed, self.max_time = cells, scalars, seed, max_time
        spans, here = generator.spans, cells.device
        self.starts = torch.tensor(spans.starts, device=here)
        self.named = torch.tensor(spans.conditional or (0,), device=here)
        self.named_places, self.named_outside = (part.to(here) for part in spans.named())
        self.condition_starts = torch.tensor(spans.condition_starts or (0,), device=here)
        self.shares = condition_shares(spans, cells)
        self.flats = {name: Flat(self.models[name]) for name in ("generator", "critic")}
        self.average = self.flats["generator"].values.detach().clone()
        self.ema = split(self.average, dict(generator.named_parameters()))
        self.noise = torch.Generator(here)
        self.order: tuple[int, Tensor] | None = None
        self.multiplied: list[Tensor] = []
        self.state = State()
        self.optimizers = {
            "generator": self._adam(self.flats["generator"], plan.learning_rate),
            "critic": self._adam(self.flats["critic"], plan.critic_learning_rate),
        }

    def _adam(self, flat: Flat, rate: float) -> torch.optim.Adam:
        return torch.optim.Adam([flat.values], rate, betas=BETAS, weight_decay=self.plan.weight_decay, fused=True)

    def run(self, progress: Progress, checkpoint: Path | None = None, fingerprint: str = "") -> None:
        """Train to the end of the plan or of its time."""
        if checkpoint is not None:
            self.state = resume(checkpoint, fingerprint, self.models, self.ema, self.optimizers) or self.state
        began, saved = time.monotonic() - self.state.seconds, time.monotonic()
        wait = CHECKPOINT_EVERY
        per_epoch = max(1, self.plan.steps // self.plan.epochs)
        point = max(10, self.plan.steps // 300)
        self.generator.train()
        while not self.state.done:
            progress.check()
            losses = self.step(self.state.step)
            self.state.step += 1
            self.state.seconds = time.monotonic() - began
            share = self.state.step / self.plan.steps
            if self.max_time is not None:
                share = max(share, self.state.seconds / self.max_time)
            last = share >= 1
            if self.state.step % point == 0 or last:
                self.state.curve.append(self._point(*losses))
            if self.state.step % 10 == 0 or last:
                values = {"step": self.state.step, "loss": float(losses[0])}
                progress.update(min(1.0, share), f"epoch {1 + (self.state.step - 1) // per_epoch}", **values)
            self.state.done = last
            if checkpoint is not None and (last or time.monotonic() - saved > wait):
                started = time.monotonic()
                save(checkpoint, fingerprint, self.state, self.models, self.ema, self.optimizers)
                progress.checkpoint(checkpoint, step=self.state.step)
                saved = time.monotonic()
                wait = max(CHECKPOINT_EVERY, 20 * (saved - started)) if CHECKPOINT_EVERY else 0.0

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Real rows with their conditions as in `conditions`. -> (3B, width), the real ones first, see Critic.learn."""
        per_epoch = max(1, self.plan.steps // self.plan.epochs)
        epoch, number = divmod(step, per_epoch)
        if self.order is None or self.order[0] != epoch:
            shuffle = torch.Generator(self.cells.device).manual_seed(key(self.seed, "epoch", epoch))
            self.order = epoch, torch.randperm(len(self.cells), generator=shuffle, device=self.cells.device)
        at = self.order[1][number * self.plan.batch : (number + 1) * self.plan.batch]
        cells = self.cells[at].long()
        condition, which, cell = self.conditions(cells)
        spans = self.generator.spans
        rows = torch.empty(3 * len(at), spans.width, dtype=self.critic.compute, device=cells.device)
        spans.one_hot(cells, self.scalars[at], self.starts, rows[: len(at)])
        return rows, condition, which, cell

    def conditions(self, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows (B, T) -> entry of the condition vector, conditional column and its cell of each: (B,), (B,), (B,)."""
        which = torch.randint(len(self.named), (len(cells),), generator=self.noise, device=cells.device)
        cell = cells.gather(1, self.named[which, None])[:, 0]
        named = bool(self.generator.spans.conditional)
        return self.condition_starts[which] + cell if named else torch.zeros_like(cell), which, cell

    @torch.no_grad()
    def step(self, step: int) -> tuple[Tensor, Tensor]:
        """One step of the critic, then one of the generator on the same rows. -> losses of generator and critic."""
        self.noise.manual_seed(key(self.seed, "train", step))
        noise, spans, batch = self.noise, self.generator.spans, self.plan.batch
        rows, condition, which, cell = self.batch(step)
        z = torch.randn(batch, self.plan.noise, generator=noise, device=rows.device)
        trace = self.generator.trace(z, condition)
        scalars, soft = activate(trace.raw, spans, noise)
        rows[batch : 2 * batch] = torch.cat([scalars, soft], 1)
        weights = self.multiplied or self.critic.cast()
        found = self.critic.learn(rows, condition, noise, weights, self.flats["critic"].grads)
        self.optimizers["critic"].step()
        self.multiplied = self.critic.cast()  # for the next step as well
        score, toward = self.critic.judge(rows[batch : 2 * batch], condition, noise, self.multiplied)
        toward = activate_back(scalars, soft, -toward.to(soft.dtype), spans)
        matched = self.pairs.learn(trace.raw, scalars, step, toward)
        if spans.conditional:
            named = self.named_places[which], self.named_outside[which], cell
            matched += condition_loss(trace.raw, *named, toward, NAMED)
        self.generator.learn(trace, toward, self.flats["generator"].grads)
        self.optimizers["generator"].step()
        self.average.lerp_(self.flats["generator"].values.detach(), 1 - min(EMA, (step + 1) / (step + 10)))
        return matched - score, found.penalty - found.distance

    @torch.no_grad()
    def finish(self, progress: Progress) -> None:
        """Put the averaged weights into the generator, with batch norm statistics and shares of their own."""
        self.generator.load_state_dict(self.ema, strict=False)
        norms = [m for m in self.generator.modules() if isinstance(m, torch.nn.BatchNorm1d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over batches
        self.generator.train()
        for i in range(SETTLE if norms else 0):
            progress.check()
            self._free(f"norms {i}", self.plan.batch)
        self.generator.eval()
        progress.check()
        settle(self.generator, self._free("shares", free_rows(self.generator.spans.width)), self.cells)

    def _free(self, label: str, rows: int) -> Tensor:
        """What the generator puts out for so many rows, as they are drawn without conditions: (rows, width)."""
        here = self.cells.device
        self.noise.manual_seed(key(self.seed, "finish", label))
        # Conditions in their exact proportions: chance would show in the rare ones.
        edges = self.shares.cumsum(0) / self.shares.sum()
        places = (torch.arange(rows, device=here) + 0.5) / rows
        condition = torch.searchsorted(edges, places).clamp_max(len(edges) - 1)
        z = torch.randn(rows, self.plan.noise, generator=self.noise, device=here)
        out: Tensor = self.generator(z, condition)
        return out

    def _point(self, loss: Tensor, critic: Tensor) -> dict[str, float]:
        point = {"step": self.state.step, "loss": float(loss), "critic": float(critic), "seconds": self.state.seconds}
        return {k: round(v, 5) for k, v in point.items() if math.isfinite(v)}
