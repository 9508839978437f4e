"""Likelihood training of the masked generator, resumable to the same weights."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.artifacts import read_bundle, write_bundle
from models.encoding.encoding import Layout
from models.errors import InvalidArtifact
from models.gan.flat import Flat, split
from models.gan.gradients import Given, Gradients, Grads
from models.gan.losses import Blocks, surprise
from models.gan.masks import Masks
from models.gan.network import Generator, pieces, shadow
from models.gan.parallel import Crew
from models.gan.picking import Picker
from models.gan.plan import Plan
from models.progress import Progress
from models.rng import key

CHECKPOINT_EVERY = 5.0
"""Seconds between checkpoints, or twenty times what the last one took, whichever is longer."""
EMA = 0.998
PARTS, SMALL = 2, 512
"""Parts of a batch that are drawn and learnt from at once on a processor; a smaller batch is one. Their number does not
depend on the threads, so that the weights do not either."""


@dataclass
class Rows:
    """Encoded rows on the device: codes (N, S) of the smallest integer type."""

    codes: Tensor
    offsets: Tensor

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, at: Tensor | slice) -> Tensor:
        """Rows as cell numbers of the whole table: (B, S) int64."""
        return self.codes[at].long() + self.offsets


@dataclass
class State:
    """What a checkpoint holds. best: weights of the lowest validation loss so far, with that loss."""

    step: int = 0
    seconds: float = 0.0
    waited: int = 0
    best_loss: float = math.inf
    curve: list[dict[str, float]] = field(default_factory=list)
    done: bool = False


class Trainer:
    """Trains `model` in place, whose parameters become views of one tensor; `ema` are the weights to use."""

    def __init__(
        self,
        model: Generator,
        layout: Layout,
        plan: Plan,
        rows: Rows,
        validation: Rows,
        order: Tensor,
        *,
        seed: int,
        fixed: float,
        target: int,
        max_time: float | None,
    ) -> None:
        self.model, self.layout, self.plan, self.rows, self.validation = model, layout, plan, rows, validation
        self.seed, self.max_time = seed, max_time
        self.device = rows.codes.device
        self.blocks = Blocks(layout, self.device)
        self.masks = Masks(layout, order, self.device, fixed, target)
        columns = [s for s, parent in enumerate(layout.parents) if parent < 0]
        self.picker = Picker(rows.codes, columns, layout.sizes)
        self.unknown = torch.arange(len(layout.sizes), device=self.device) + layout.width
        self.flat = Flat(model)
        self.average = self.flat.values.detach().clone()
        self.ema = split(self.average, dict(model.named_parameters()))
        self.best = self.ema
        self.gradients = Gradients(model, self.blocks)
        parts = 1 if self.device.type == "cuda" or plan.batch < SMALL else PARTS
        self.parts = [len(part) for part in torch.arange(plan.batch).tensor_split(parts)]
        self.state = State()
        self.optimizer = torch.optim.AdamW(
            [self.flat.values], plan.learning_rate, betas=(0.9, 0.99), weight_decay=plan.weight_decay, fused=True
        )

    def run(self, progress: Progress, checkpoint: Path | None = None, fingerprint: str = "", span: float = 1.0) -> None:
        """Train to the end of the plan; keeps the best weights in `best`. span: share of the step's fraction this
        is.
        """
        if checkpoint is not None:
            self._resume(checkpoint, fingerprint)
        began, saved = time.monotonic() - self.state.seconds, time.monotonic()
        wait = CHECKPOINT_EVERY
        running = math.nan
        with Crew(min(len(self.parts), torch.get_num_threads())) as crew:
            while not self.state.done:
                progress.check()
                step = self.state.step
                share = step / self.plan.steps
                if self.max_time is not None:
                    share = max(share, (time.monotonic() - began) / self.max_time)
                running = self._step(step, share, running, crew)
                self.state.step += 1
                self.state.seconds = time.monotonic() - began
                last = self.state.step >= self.plan.steps or share >= 1
                if self.state.step % self.plan.check_every == 0 or last:
                    self._validate(running)
                    last = last or self.state.waited >= self.plan.patience
                if self.state.step % 10 == 0 or last:
                    values = {"step": self.state.step, "loss": running} | self._validated()
                    message = f"step {self.state.step}, loss {running:.4g}"
                    progress.update(span * min(1.0, share), message, **values)
                self.state.done = last
                if checkpoint is not None and (last or time.monotonic() - saved > wait):
                    started = time.monotonic()
                    self._save(checkpoint, fingerprint)
                    progress.checkpoint(checkpoint, step=self.state.step)
                    saved = time.monotonic()
                    wait = max(CHECKPOINT_EVERY, 20 * (saved - started)) if CHECKPOINT_EVERY else 0.0

    def _step(self, step: int, share: float, running: float, crew: Crew) -> float:
        warm = min(1.0, (step + 1) / min(100, 1 + self.plan.steps // 10))
        rate = self.plan.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
        self.optimizer.param_groups[0]["lr"] = rate
        given = self.gradients.given()
        found = crew([partial(self._part, step, part, given) for part in range(len(self.parts))])
        gradient = self.flat.gradient
        self.gradients.put([grads for _, grads in found], self.flat.grads)
        gradient.mul_((1.0 / (gradient.norm() + 1e-6)).clamp_max(1.0))
        self.optimizer.step()
        self.average.lerp_(self.flat.values.detach(), 1 - min(EMA, (step + 1) / (step + 10)))
        if step % 10 and running == running:
            return running  # reading the loss makes a GPU wait: every tenth step is enough
        value = float(sum(loss for loss, _ in found))
        return value if running != running else 0.8 * running + 0.2 * value

    def _part(self, step: int, part: int, given: Given) -> tuple[Tensor, Grads]:
        """Nats of a part of a batch, in the mean of the whole batch, and their gradients. Parts draw for themselves."""
        rows, noise = self.parts[part], torch.Generator(self.device)
        noise.manual_seed(key(self.seed, "train", step, part))
        moved = round(rows * (1 - self.masks.fixed))
        at = torch.randint(len(self.rows), (rows,), generator=noise, device=self.device)
        at[:moved], first = self.picker.pick(moved, noise)
        batch = self.rows.take(at)
        known, weight = self.masks.draw(rows, noise, first)
        index = torch.where(known, batch, self.unknown)
        return self.gradients.learn(given, index, batch, weight / self.plan.batch, noise)

    @torch.no_grad()
    def _validate(self, running: float) -> None:
        """Loss of the averaged weights on the validation rows, the same masks every time."""
        if len(self.validation) == 0:
            self.best = self.ema
            self.state.curve.append(self._point(running, math.nan))
            return
        here = shadow(self.model)
        self.model.load_state_dict(self.ema, strict=False)
        total, rows, repeats = 0.0, 0, int(np.clip(512 // len(self.validation), 1, 16))
        for r in range(repeats):
            noise = torch.Generator(self.device).manual_seed(key(self.seed, "validate", r))
            for at in pieces(torch.arange(len(self.validation), device=self.device), 4_096):
                batch = self.validation.take(at)
                known, weight = self.masks.draw(len(at), noise)
                logits = self.model(torch.where(known, batch, self.unknown))
                total += float(surprise(logits, batch, weight, self.blocks)[0])
                rows += len(at)
        self.model.load_state_dict(here)
        value = total / rows
        self.state.curve.append(self._point(running, value))
        if value < self.state.best_loss or self.state.best_loss == math.inf:
            self.state.best_loss, self.state.waited = value, 0
            self.best = {k: v.clone() for k, v in self.ema.items()}
        else:
            self.state.waited += 1

    def _validated(self) -> dict[str, float]:
        """The latest validation loss, where there is one."""
        return {k: v for k, v in (self.state.curve or [{}])[-1].items() if k == "validation"}

    def _point(self, running: float, validation: float) -> dict[str, float]:
        point = {"step": self.state.step, "loss": running, "validation": validation, "seconds": self.state.seconds}
        return {k: round(v, 5) for k, v in point.items() if math.isfinite(v)}

    def _save(self, folder: Path, fingerprint: str) -> None:
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"ema.{k}": v for k, v in self.ema.items()} | {f"best.{k}": v for k, v in self.best.items()}
        slots = self.optimizer.state_dict()["state"].get(0, {})
        tensors |= {f"optimizer.{k}": v for k, v in slots.items()}
        arrays = {k: v.detach().cpu().numpy() for k, v in tensors.items()}
        best = None if math.isinf(self.state.best_loss) else self.state.best_loss
        write_bundle(folder, "checkpoint", {**vars(self.state), "best_loss": best, "of": fingerprint}, arrays)

    def _resume(self, folder: Path, fingerprint: str) -> None:
        """Continue from a checkpoint of the same data and options; any other is left to be overwritten."""
        if not (folder / "manifest.json").exists():
            return
        try:
            manifest, arrays = read_bundle(folder, "checkpoint")
        except InvalidArtifact:
            return  # damaged: training starts again and replaces it, which costs time but no correctness
        if manifest.get("of") != fingerprint:
            return
        tensors = {k: torch.from_numpy(np.array(v)).to(self.device) for k, v in arrays.items()}
        weights = _under(tensors, "model.")
        if {k: v.shape for k, v in weights.items()} != {k: v.shape for k, v in self.model.state_dict().items()}:
            return  # of another version of this program, as after an upgrade in mid-training
        moments = _under(tensors, "optimizer.")
        if "exp_avg" not in moments or moments["exp_avg"].shape != self.flat.values.shape:
            return  # too
        self.model.load_state_dict(weights)
        for name, average in self.ema.items():
            average.copy_(tensors[f"ema.{name}"])
        self.best = self.ema if manifest["best_loss"] is None else _under(tensors, "best.")
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": {0: moments}})
        fields: dict[str, Any] = {k: manifest[k] for k in vars(self.state)}
        fields["best_loss"] = math.inf if fields["best_loss"] is None else fields["best_loss"]
        self.state = State(**fields)


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
