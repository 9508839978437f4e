"""The discriminator on whole rows, and the held-out verdict by which the adversarial phase is judged."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.encoding.cells import Array
from models.gan.network import Stack
from models.progress import SILENT, Progress
from models.rng import key


class Discriminator(nn.Module):
    """Row of cells -> logit that it is real.

    Shape: index (B, S) int64, cell numbers 0..W-1 -> (B,).
    """

    def __init__(self, width: int, hidden: int, depth: int = 2, dropout: float = 0.3) -> None:
        super().__init__()
        self.dropout = dropout
        self.embed = nn.Parameter(torch.zeros(width, hidden))
        self.stack = Stack(hidden, depth)
        self.out = nn.Linear(hidden, 1)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """generator: on the CPU."""
        self.embed.copy_(torch.randn(self.embed.shape, generator=generator) * 0.1)
        for block in self.stack.blocks():
            block.initialise(generator)
        self.out.weight.zero_()
        self.out.bias.zero_()

    def forward(self, index: Tensor, noise: torch.Generator | None = None) -> Tensor:
        """noise: of the dropout; None leaves dropout out."""
        h = F.embedding_bag(index, self.embed, mode="sum")
        for block in self.stack.blocks():
            step = F.silu(block.linear(block.norm(h)))
            if noise is not None:
                step = step * (torch.rand(step.shape, generator=noise, device=step.device) >= self.dropout)
                step = step / (1 - self.dropout)
            h = h + step
        logit: Tensor = self.out(h)[:, 0]
        return logit


def teach(
    discriminator: Discriminator,
    optimizer: torch.optim.Optimizer,
    real: Tensor,
    fake: Tensor,
    *,
    steps: int,
    batch: int,
    noise: torch.Generator,
    progress: Progress = SILENT,
) -> float:
    """Logistic loss on real (N, S) against generated (M, S) cell numbers. -> mean loss of the last steps (ln 2:
    blind).
    """
    late = []
    for step in range(steps):
        progress.check()
        at = torch.randint(len(real), (batch,), generator=noise, device=real.device)
        of = torch.randint(len(fake), (batch,), generator=noise, device=real.device)
        logits = discriminator(torch.cat([real[at], fake[of]]), noise)
        loss = (F.softplus(-logits[:batch]) + F.softplus(logits[batch:])).mean() / 2
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step >= steps - 10:
            late.append(float(loss.detach()))
    return sum(late) / max(1, len(late))


def reliability(real: Tensor, fake: Tensor, steps: int = 25) -> float:
    """Slope of the logistic regression of real (1) against generated (0) on a discriminator's logits for rows it has
    not seen (Platt 1999): 1 where its odds can be taken at their word, near 0 where it has only memorised.

    Shape: real (N,), fake (M,) logits -> 0..1.
    """
    x = torch.cat([real, fake]).double()
    y = torch.cat([torch.ones_like(real), torch.zeros_like(fake)]).double()
    w = torch.where(y == 1, 0.5 / len(real), 0.5 / len(fake))
    design = torch.stack([x, torch.ones_like(x)], 1)
    beta = torch.zeros(2, dtype=torch.float64, device=x.device)
    for _ in range(steps):  # Newton with a ridge, as the classes may be separable
        p = torch.sigmoid(design @ beta)
        gradient = design.T @ (w * (y - p)) - 1e-4 * beta
        curvature = (design * (w * p * (1 - p))[:, None]).T @ design + 1e-4 * torch.eye(2).to(x)
        beta = beta + torch.linalg.solve(curvature, gradient)
    return float(beta[0].clamp(0, 1))


def verdict(real: Array, fake: Array, real_test: Array, fake_test: Array, seed: int) -> float:
    """Held-out AUC of gradient boosting that tells generated rows from real ones: 0.5 where it cannot.

    Cells (N, S) of each; the boosting learns from the first two and judges the others. It is another kind of model
    than the discriminator in training, so that the generator cannot win by fooling that one alone (Lopez-Paz and
    Oquab 2017).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    x = np.concatenate([real, fake])
    y = np.r_[np.ones(len(real)), np.zeros(len(fake))]
    balance = np.where(y == 1, len(y) / (2 * len(real)), len(y) / (2 * len(fake)))
    state = key(seed, "verdict") % 2**31
    model = HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.12, max_leaf_nodes=16, early_stopping=False, random_state=state
    )
    with threadpool_limits(torch.get_num_threads()):
        model.fit(x, y, sample_weight=balance)
    p = model.predict_proba(np.concatenate([real_test, fake_test]))[:, 1]
    return float(roc_auc_score(np.r_[np.ones(len(real_test)), np.zeros(len(fake_test))], p))
