"""How a network is trained: batches, an optimizer, penalties, a falling learning rate, averaging and early stopping."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.classifiers.batches import Rows, loader
from models.classifiers.optimizers import optimizer, schedule

Cost = Callable[[Tensor, Tensor], Tensor]
"""Raw outputs (M, B, O) and targets (M, B, ...) -> cost of each row (M, B)."""
FALL = 1e-5
"""By so much the validation loss must fall to count."""


@dataclass(frozen=True)
class Recipe:
    """l1, l2: added to the loss, times the sum of absolute or squared weights (biases are left alone). patience: epochs
    without a better validation loss after which a member stops and returns to its best weights. averaging: share of the
    moving average of the weights that is kept per step, 0 for none; the average is what is judged and kept."""

    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    batch: int = 256
    epochs: int = 40
    patience: int = 4
    schedule: str = "constant"
    averaging: float = 0.0


@dataclass(frozen=True)
class History:
    """Mean loss per epoch on training rows (while they were learnt from, penalties apart) and on validation rows, and
    the score there (accuracy or R2), as means over members; empty without validation rows. best_epochs: the one kept,
    by member."""

    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    best_epochs: list[int] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        return self.best_epochs[0]


def train(
    net: nn.Module,
    cost: Cost,
    data: Rows,
    first: Tensor,
    held: Tensor | None,
    recipe: Recipe,
    generator: torch.Generator,
    score: Cost | None = None,
) -> History:
    """Fit `net` in place. first (M, n), held (M, h): rows of `data` that each member learns from, and is judged by.

    score: as cost, but (M, B, O), targets -> (M,); higher is better; only recorded.
    """
    batches = loader(data, first, recipe.batch, generator)
    weights = [p for name, p in net.named_parameters() if name.endswith(("weight", "mix"))]
    opt = optimizer(
        recipe.optimizer,
        net.parameters(),
        recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )
    rate = schedule(recipe.schedule, recipe.learning_rate, recipe.epochs * len(batches))
    watch = _Watch(net, first.shape[0], recipe)
    history = History(best_epochs=watch.best_epochs)
    step = 0
    for epoch in range(recipe.epochs):
        net.train()
        total = 0.0
        for x, y, w in batches:
            for group in opt.param_groups:
                group["lr"] = rate(step)
            opt.zero_grad(set_to_none=True)
            value = (cost(net(x), y) * w).mean(dim=1)
            loss = value.sum() + penalty(weights, recipe)
            loss.backward()
            opt.step()
            watch.stepped(step)
            total += float(value.detach().mean()) * x.shape[1]
            step += 1
        history.training.append(total / first.shape[1])
        if held is None:
            continue
        with watch.averaged(), torch.no_grad():
            x, y, w = data[held]
            raw = net(x)
            losses = (cost(raw, y) * w).sum(dim=1) / w.sum(dim=1).clamp(min=1e-12)
            history.validation.append(float(losses.mean()))
            if score is not None:
                history.score.append(float(score(raw, y).mean()))
            if watch.judged(losses, epoch):
                break
    watch.finish(held is not None)
    if held is None:
        history.best_epochs[:] = [recipe.epochs - 1] * first.shape[0]
    net.eval()
    return history


def penalty(weights: list[nn.Parameter], recipe: Recipe) -> Tensor:
    """l1 times absolute plus l2 times squared weights, over all members."""
    total = torch.zeros(())
    if recipe.l1 > 0:
        total = total + recipe.l1 * torch.stack([w.abs().sum() for w in weights]).sum()
    if recipe.l2 > 0:
        total = total + recipe.l2 * torch.stack([w.square().sum() for w in weights]).sum()
    return total


class _Watch:
    """The moving average of the weights, and the best state of every member so far."""

    def __init__(self, net: nn.Module, members: int, recipe: Recipe) -> None:
        self.net, self.recipe = net, recipe
        self.parameters = list(net.parameters())
        running = [b for name, b in net.named_buffers() if name.endswith(("mean", "variance"))]
        self.state: list[Tensor] = [*self.parameters, *running]
        self.average = [p.detach().clone() for p in self.parameters] if recipe.averaging > 0 else []
        self.kept = [t.detach().clone() for t in self.state]
        self.best = torch.full((members,), torch.inf)
        self.best_epochs = [0] * members

    def stepped(self, step: int) -> None:
        if self.average:
            share = min(self.recipe.averaging, (1 + step) / (10 + step))
            with torch.no_grad():
                torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - share)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Averaged weights and prediction mode inside the block."""
        self.net.eval()
        self._swap()
        yield
        self._swap()

    def judged(self, losses: Tensor, epoch: int) -> bool:
        """Keep the members that are better than ever -> whether all have run out of patience."""
        better = losses < self.best - FALL
        if epoch == 0:
            better = torch.ones_like(better)  # a loss that is not a number must not keep the first weights for ever
        self.best = torch.where(better, losses, self.best)
        for kept, now in zip(self.kept, self.state, strict=True):
            kept.copy_(torch.where(better.view(-1, *[1] * (now.dim() - 1)), now, kept))
        for member in better.nonzero()[:, 0].tolist():
            self.best_epochs[member] = epoch
        return epoch - max(self.best_epochs) >= self.recipe.patience

    def finish(self, judged: bool) -> None:
        """Put the weights to keep in place."""
        with torch.no_grad():
            if judged:
                for now, kept in zip(self.state, self.kept, strict=True):
                    now.copy_(kept)
            else:
                self._swap()

    def _swap(self) -> None:
        for mine, other in zip(self.parameters, self.average, strict=False):
            mine.data, other.data = other.data, mine.data
