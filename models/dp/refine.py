"""`mechanism: hybrid | dpsgd`: the masked generator learns the data by DP-SGD, after what noisy tables tell for free.

hybrid: rows of the one-pass generator teach the network everything that the noisy tables tell; then come the steps.
dpsgd: the network starts from noisy tables of single columns and has the steps alone: the classic baseline.

    history = events(SgdSettings(), epsilon, delta)              # models.privacy.sgd: tables, then steps
    one_pass = fit(release_for(codes, workload, history[0], ...), ...)
    fitted = refine(codes, layout, history, one_pass, order=order, seed=1)

Codes are cells of a public domain. Rows are read in one place, the `summed` of `_Learner`, called by models/dp/sgd.py.
All else is post-processing: the rows learnt first, the average over steps, the shares that the biases are set to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.accounting import History, history_to_json
from models.dp.consistency import consistent
from models.dp.gradients import UnitGradients
from models.dp.one_pass import OnePass
from models.dp.pairs import POWER, Workload, checked_sizes
from models.dp.release import Release
from models.dp.sgd import Steps
from models.dp.sgd_state import Kept, adam_state
from models.encoding.encoding import Layout
from models.gan.calibration import settle
from models.gan.fitting import Fitted
from models.gan.flat import Flat
from models.gan.gradients import Gradients
from models.gan.losses import Blocks
from models.gan.masks import Masks
from models.gan.network import Generator
from models.gan.plan import Plan
from models.gan.smooth import smooth_basis
from models.gan.trainer import Rows, Trainer
from models.privacy.sgd import SgdPlan, plan_of
from models.progress import SILENT, Progress
from models.rng import key

Array = npt.NDArray[Any]
CPU = torch.device("cpu")
TOGETHER, PULLED = 2_048, 1_024
"""Rows of the network, masks counted, that pass through it at once; rows of the one-pass generator in a step."""


@dataclass(frozen=True)
class RefineOptions:
    """hidden, depth: of the network. free_rows, free_steps, free_rate: what it learns first. masks: under how many a
    unit's rows are seen in a step. fixed: share of masks in the plain drawing order. clip: norm of a unit's gradient.
    learning_rate, momentum: of Adam in the private steps. average: of the weights over steps. pull: how much rows of
    the one-pass generator still count in each of them. trained: parameters that the steps change, by the beginnings of
    their names; () for all."""

    hidden: int = 128
    depth: int = 2
    free_rows: int = 65_536
    free_steps: int = 600
    free_rate: float = 2e-3
    masks: int = 4
    fixed: float = 0.5
    clip: float = 1.0
    learning_rate: float = 1e-3
    momentum: float = 0.9
    average: float = 0.95
    pull: float = 0.0
    trained: tuple[str, ...] = ()


def columns_alone(sizes: Sequence[int]) -> Workload:
    """The tables of single columns, which mechanism dpsgd starts from."""
    sizes = checked_sizes(sizes)
    weights = [size**POWER for size in sizes]
    return Workload(sizes, tuple((c,) for c in range(len(sizes))), tuple(w / sum(weights) for w in weights))


def refine(
    codes: Array,
    layout: Layout,
    history: History,
    start: OnePass | Release,
    *,
    order: Sequence[int] | None = None,
    target: int = 0,
    units: Array | None = None,
    options: RefineOptions = RefineOptions(),
    seed: int = 0,
    progress: Progress = SILENT,
    checkpoint: Path | None = None,
) -> Fitted:
    """The masked generator, refined on codes (N, S) by the steps that `history` pays for.

    start: what it learns first, for free: rows of a one-pass generator, or the shares of single columns of a release.

    order: slots as drawn; target: how many, the last of it, are the target's. units (N,): the unit of each row, where
    it may have several; no more of them than are to count. seed: of weights and free steps, never of noise. checkpoint:
    a folder of this job alone. Raises InvalidInput; InvalidArtifact where the folder holds a state that does not fit.
    """
    free = start.sample(options.free_rows, seed=key(seed, "free rows")) if isinstance(start, OnePass) else None
    release = start.release if isinstance(start, OnePass) else start
    plan = plan_of(history, options.clip)
    agreed = consistent(release)
    frequencies = np.concatenate(agreed.one_way).astype(np.float32)
    places = tuple(range(len(layout.sizes))) if order is None else tuple(order)
    model = Generator(layout.width, len(layout.sizes), options.hidden, options.depth, 0.0, basis=smooth_basis(layout))
    model.initialise(torch.from_numpy(frequencies), torch.Generator().manual_seed(key(seed, "weights")))
    mark = _mark(layout, history, release, places, target, options, seed)
    kept = Kept(None if checkpoint is None else checkpoint / "steps", mark)
    if free is not None and not kept.there:
        _learn_freely(model, layout, places, target, free, options, seed, progress)
    learner = _Learner(model, layout, places, target, codes, grouped(units, len(codes)), options, free, seed)
    done = kept.read(learner.state())
    steps = Steps(plan, len(learner.groups), max(1, round(agreed.rows / release.rows_per_unit)), done=done)
    learner.run(steps, progress, kept, checkpoint)
    learner.finish()
    model.fold()
    settle(model, layout, places, torch.from_numpy(frequencies), seed, progress)
    return Fitted(model, places, frequencies, _facts(plan, options, free is not None))


def grouped(units: Array | None, rows: int) -> Array:
    """Row numbers of each unit (M, k), -1 where a unit has fewer than the k of the largest. units (rows,) or None:
    each row is one."""
    if units is None or not rows:
        return np.arange(rows)[:, None]
    _, unit, counts = np.unique(units, return_inverse=True, return_counts=True)
    order = np.argsort(unit, kind="stable")
    first = np.repeat(np.cumsum(counts) - counts, counts)
    out = np.full((len(counts), int(counts.max())), -1, dtype=np.int64)
    out[unit[order], np.arange(rows) - first] = order
    return out


class _Learner:
    """Takes the private steps. groups (M, k): rows of each unit."""

    def __init__(
        self,
        model: Generator,
        layout: Layout,
        order: Sequence[int],
        target: int,
        codes: Array,
        groups: Array,
        options: RefineOptions,
        free: Array | None = None,
        seed: int = 0,
    ) -> None:
        self.layout, self.options, self.groups, self.free, self.seed = layout, options, groups, free, seed
        self.codes = np.stack([np.clip(codes[:, s], 0, k - 1) for s, k in enumerate(layout.sizes)], 1)
        self.masks = Masks(layout, torch.tensor(order), CPU, options.fixed, target)
        names = [n for n, _ in model.named_parameters() if n.startswith(options.trained or "")]
        self.units = UnitGradients(model, Blocks(layout, CPU), names)
        self.flat = Flat(model)
        self.freely = Gradients(model, self.units.blocks)
        self.average = self.flat.values.detach().clone()
        rate, betas = options.learning_rate, (options.momentum, 0.99)
        self.optimizer = torch.optim.Adam([self.flat.values], rate, betas=betas)
        self.shift = torch.from_numpy(layout.offsets[:-1])
        self.unknown = torch.arange(len(layout.sizes)) + layout.width

    def run(self, steps: Steps, progress: Progress, kept: Kept, folder: Path | None) -> None:
        total, size = steps.plan.steps, self.flat.values.numel()
        piece = max(1, TOGETHER // (self.options.masks * max(1, self.groups.shape[1])))
        while steps.left:
            progress.check()
            gradient = steps.gradient(size, self._summed, piece)
            self.flat.gradient.copy_(gradient + self._pull(steps.done))
            self._update(steps.done - 1, total)
            # What a step saw is not told: no loss, no norm, no size of a sample.
            progress.update(steps.done / total, f"step {steps.done} of {total}", step=steps.done)
            if kept.write(steps.done, self.state(), last=not steps.left) and folder is not None:
                progress.checkpoint(folder, step=steps.done)

    def finish(self) -> None:
        self.flat.values.data.copy_(self.average)

    def state(self) -> dict[str, Tensor]:
        """Everything that a later step starts from."""
        moments = adam_state(self.optimizer, self.flat.values)
        return {"values": self.flat.values.data, "average": self.average, **moments}

    def _summed(self, at: Array, secret: int) -> Tensor:
        """Sum of the clipped gradients of these units. The one function that reads rows."""
        own, masks, slots = self.groups[at], self.options.masks, len(self.layout.sizes)
        rows = torch.from_numpy(self.codes[np.maximum(own, 0)].astype(np.int64)) + self.shift
        there = torch.from_numpy(own >= 0).float()
        # (M, k * masks, S): each row under several masks, of which its surprise is the mean.
        target = rows.repeat_interleave(masks, 1)
        index, weight = self._masked(target.view(-1, slots), secret)
        weight = weight.view(target.shape) * (there.repeat_interleave(masks, 1) / masks)[:, :, None]
        return self.units.clipped(index.view(target.shape), target, weight, self.options.clip)

    def _masked(self, target: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Cell numbers (B, S) -> them where they are known, under masks of this seed, and weights, (B, S) each."""
        known, weight = self.masks.draw(len(target), torch.Generator().manual_seed(seed))
        return torch.where(known, target, self.unknown), weight

    def _pull(self, step: int) -> Tensor | float:
        """Gradient (n,) of the surprise of rows of the one-pass generator: free."""
        if self.free is None or not self.options.pull:
            return 0.0
        noise = torch.Generator().manual_seed(key(self.seed, "pull", step))
        at = torch.randint(len(self.free), (PULLED,), generator=noise).numpy()
        target = torch.from_numpy(self.free[at].astype(np.int64)) + self.shift
        index, weight = self._masked(target, key(self.seed, "pull masks", step))
        _, grads = self.freely.learn(self.freely.given(), index, target, weight * (self.options.pull / PULLED), None)
        self.freely.put([grads], self.flat.grads)
        for name in set(self.flat.grads) - set(self.units.trained):
            self.flat.grads[name].zero_()
        return self.flat.gradient.clone()

    def _update(self, step: int, total: int) -> None:
        self.optimizer.param_groups[0]["lr"] = self.options.learning_rate * min(1.0, 2 * (1 - step / total) + 0.02)
        self.optimizer.step()
        self.average.lerp_(self.flat.values.detach(), 1 - min(self.options.average, (step + 1) / (step + 10)))


def _learn_freely(
    model: Generator,
    layout: Layout,
    order: Sequence[int],
    target: int,
    rows: Array,
    options: RefineOptions,
    seed: int,
    progress: Progress,
) -> None:
    """Likelihood of rows that are no data, by the trainer of the masked generator."""
    own = Plan(
        options.hidden, options.depth, 0.0, 1_024, options.free_steps, options.free_rate, 1e-4, 0.0, 10**6, 100, "last"
    )
    shift, cells = torch.from_numpy(layout.offsets[:-1]), torch.from_numpy(rows.astype(np.int32))
    seen, none = Rows(cells, shift), Rows(cells[:0], shift)
    how: dict[str, Any] = {"seed": seed, "fixed": options.fixed, "target": target, "max_time": None}
    trainer = Trainer(model, layout, own, seen, none, torch.tensor(order), **how)
    trainer.run(progress)
    model.load_state_dict(trainer.ema, strict=False)


def _mark(
    layout: Layout,
    history: History,
    release: Release,
    order: Sequence[int],
    target: int,
    options: RefineOptions,
    seed: int,
) -> str:
    """Hash of what the steps start from and are: all of it public or released."""
    facts = {"sizes": layout.sizes, "history": history_to_json(history), "order": order, "target": target}
    text = json.dumps({**facts, "options": asdict(options), "seed": seed}, default=int)
    return hashlib.sha256(text.encode() + b"".join(t.tobytes() for t in release.counts)).hexdigest()


def _facts(plan: SgdPlan, options: RefineOptions, hybrid: bool) -> dict[str, Any]:
    """For the manifest. Nothing in it was measured on rows."""
    steps = {"rate": plan.rate, "steps": plan.steps, "sigma": plan.sigma, "clip": plan.clip}
    return {
        "mechanism": "hybrid" if hybrid else "dpsgd",
        "sgd": {**steps, "noise": "floating point (docs/privacy.md, DP-SGD)"},
        "network": asdict(options),
    }
