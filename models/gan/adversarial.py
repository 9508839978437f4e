"""The adversarial phase: the generator learns from a discriminator on whole rows what likelihood has left.

Cells are discrete, so the gradient is the score function's (Williams 1992): rows drawn by the generator are made more
or less likely by the discriminator's log odds that they are real, less their mean. That is the gradient of
KL(generator || data) as far as the discriminator knows it, and it punishes impossible rows, which likelihood hardly
sees. A term of likelihood on real rows stays on as the anchor. Every pool of rows is judged before the discriminator
learns from it, so no row is judged by a discriminator that has seen it; and its odds are scaled by how far they can be
trusted on rows it has not seen, so one that has merely memorised moves nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.encoding.cells import Array
from models.gan.discriminator import Discriminator, reliability, teach, verdict
from models.gan.draws import BLOCK
from models.gan.losses import cross_entropy
from models.gan.network import follow, pieces, shadow
from models.gan.pairs import NO_PAIRS
from models.gan.sampler import Sampler
from models.gan.trainer import Rows, Trainer
from models.progress import Progress
from models.rng import key

EDGE = 0.53
"""Held-out AUC below which there is too little to learn, and the phase is left out unless it is asked for."""
GAIN = 0.002
"""Fall of the held-out AUC that counts as an improvement."""
ROUNDS = 9
OUT_OF_TIME = "the training time was over"
EMA = 0.98


@dataclass(frozen=True)
class Game:
    """rows: of a pool. steps of generator and discriminator per round; rate: learning rate of the generator."""

    rows: int
    batch: int
    generator_steps: int = 40
    discriminator_steps: int = 100
    hidden: int = 128
    rate: float = 1.5e-4
    anchor: float = 1.0
    strength: float = 1.0
    rounds: int = ROUNDS


class Adversary:
    """Plays generator against discriminator. The trainer brings the generator, its rows and its likelihood."""

    def __init__(
        self,
        trainer: Trainer,
        order: Sequence[int],
        game: Game,
        seed: int,
        progress: Progress,
        pairs: Array = NO_PAIRS,
    ) -> None:
        self.pairs = pairs
        self.trainer, self.order, self.game, self.seed = trainer, list(order), game, seed
        self.progress = progress
        self.model, self.device = trainer.model, trainer.device
        self.discriminator = Discriminator(trainer.layout.width, game.hidden)
        self.discriminator.initialise(torch.Generator().manual_seed(key(seed, "discriminator")))
        self.discriminator.to(self.device)
        self.noise = torch.Generator(self.device)
        self.judge = torch.optim.AdamW(
            self.discriminator.parameters(), 1e-3, betas=(0.5, 0.9), weight_decay=0.1, fused=True
        )
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), game.rate, betas=(0.5, 0.95), weight_decay=trainer.plan.weight_decay, fused=True
        )
        self.place = torch.empty(len(self.order), dtype=torch.int64, device=self.device)
        self.place[torch.tensor(self.order, device=self.device)] = torch.arange(len(self.order), device=self.device)

    def pool(self, label: str, rows: int) -> Tensor:
        """Rows drawn by the generator as it stands: (rows, S) cell numbers."""
        sampler = Sampler(self.model, self.trainer.layout, self.order, self.progress, pairs=self.pairs)
        seed = key(self.seed, "pool", label)
        parts = [sampler.block(b, 0, min(BLOCK, rows - b * BLOCK), seed, 0)[0] for b in range(math.ceil(rows / BLOCK))]
        return torch.from_numpy(np.concatenate(parts)).to(self.device) + self.trainer.rows.offsets

    def verdict(self, label: str, test: Rows) -> float:
        """Held-out AUC of fresh rows against real ones that the generator was not trained on."""
        rows = self.trainer.rows
        self.noise.manual_seed(key(self.seed, "verdict"))
        at = torch.randperm(len(rows), generator=self.noise, device=self.device)[: self.game.rows]
        fake = (self.pool(f"verdict-{label}", 2 * len(at)) - rows.offsets).cpu().numpy()
        real, unseen = rows.codes[at].cpu().numpy(), test.codes.cpu().numpy()
        return verdict(real, fake[: len(at)], unseen, fake[len(at) :], self.seed)

    def round(self, number: int) -> dict[str, float]:
        """One round: draw a pool, let it be judged, move the generator, then teach the discriminator."""
        pool = self.pool(f"round-{number}", self.game.rows)
        self.noise.manual_seed(key(self.seed, "game", number))
        found = {}
        if number:
            with torch.no_grad():
                odds = torch.cat([self.discriminator(part) for part in pieces(pool, BLOCK)])
                unseen = self.discriminator(self.trainer.validation.take(slice(None)))
            found["reliability"] = reliability(unseen, odds)
            odds = found["reliability"] * odds.clamp(-5, 5)
            self._move(pool, odds - odds.mean())
        rows = self.trainer.rows
        real = rows.take(torch.randperm(len(rows), generator=self.noise, device=self.device)[: len(pool)])
        found["discriminator"] = teach(
            self.discriminator,
            self.judge,
            real,
            pool,
            steps=self.game.discriminator_steps * (1 if number else 2),
            batch=min(self.game.batch, len(pool)),
            noise=self.noise,
            progress=self.progress,
        )
        return found

    def _move(self, pool: Tensor, advantage: Tensor) -> None:
        """Score-function steps on one pool of advantage (N,), with likelihood as the anchor."""
        trainer, slots = self.trainer, len(self.order)
        for _ in range(self.game.generator_steps):
            self.progress.check()
            at = torch.randint(len(pool), (self.game.batch,), generator=self.noise, device=self.device)
            batch = pool[at]
            count = torch.randint(slots, (len(batch), 1), generator=self.noise, device=self.device)
            logits = self.model(torch.where(self.place < count, batch, trainer.unknown))
            surprise = (cross_entropy(logits, batch, trainer.blocks) * (self.place == count)).sum(1) * slots
            loss = self.game.strength * (advantage[at] * surprise).mean()
            real = torch.randint(len(trainer.rows), (self.game.batch,), generator=self.noise, device=self.device)
            loss = loss + self.game.anchor * trainer.loss(trainer.rows.take(real), self.noise, dropout=False)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            follow(trainer.ema, self.model, EMA)


def adversarial_phase(
    trainer: Trainer,
    order: Sequence[int],
    game: Game,
    *,
    seed: int,
    always: bool,
    progress: Progress,
    span: tuple[float, float],
    pairs: Array = NO_PAIRS,
    deadline: float = math.inf,
) -> dict[str, Any]:
    """Play, and leave in the trainer's model the weights that the held-out verdict likes best, those from before
    included. No round begins after the deadline on time.monotonic().

    span: what part of the step's fraction this is. pairs (P, 2): impossible ones, which pools are drawn without. ->
    facts for the manifest: verdict before and after, whether it was kept.
    """
    adversary = Adversary(trainer, order, game, seed, progress, pairs)
    model = trainer.model
    before = adversary.verdict("before", trainer.validation)
    facts: dict[str, Any] = {"auc_before": round(before, 4), "played": False, "kept": False, "curve": []}
    if before < EDGE and not always:
        return facts | {"reason": f"a held-out discriminator's AUC is below {EDGE} already"}
    best = (before - GAIN, shadow(model))
    trainer.ema = {k: v.detach().clone() for k, v in model.named_parameters()}
    better = True
    for number in range(game.rounds):
        progress.check()
        if time.monotonic() >= deadline:
            facts["cut"] = OUT_OF_TIME
            break
        found = adversary.round(number)
        if number % 2 == 0 and number:
            here = shadow(model)
            model.load_state_dict(trainer.ema, strict=False)
            found["auc"] = adversary.verdict(str(number), trainer.validation)
            better = found["auc"] < best[0]
            if better:
                best = (found["auc"], shadow(model))
            model.load_state_dict(here)
        facts["curve"].append({"round": number} | {k: round(v, 5) for k, v in found.items()})
        progress.update(span[0] + (span[1] - span[0]) * (number + 1) / game.rounds, f"round {number + 1}", **found)
        if not better:
            break
    model.load_state_dict(best[1])
    kept = best[0] != before - GAIN
    reason = "the held-out AUC fell" if kept else "the held-out AUC did not fall: the weights from before were kept"
    return facts | {"played": True, "kept": kept, "auc_after": round(best[0] if kept else before, 4), "reason": reason}
