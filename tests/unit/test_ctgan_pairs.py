"""Pairs of cells that the generator of CTGAN is held to."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.ctgan import pairs
from models.ctgan.critic import Critic
from models.ctgan.network import ConditionalGenerator
from models.ctgan.pairs import STRENGTH, Pairs
from models.ctgan.plan import make_plan
from models.ctgan.spans import Spans
from models.ctgan.trainer import Trainer
from models.options import FitOptions
from models.progress import SILENT

SPANS = Spans((3, 2, 5, 4), 2, (0, 1))
"""Widths 3, 2, 5 and 5: the last span has a place of padding."""


def training_rows(rows: int = 2_000) -> tuple[Tensor, Tensor]:
    """The second span follows the first, the third the fourth, and the first scalar the second span."""
    draw = torch.Generator().manual_seed(0)
    first, last = (torch.randint(k, (rows,), generator=draw) for k in (3, 4))
    cells = torch.stack([first, (first > 0).long(), last + (first == 2), last], 1)
    noise = torch.rand(rows, 2, generator=draw) / 4
    return cells.to(torch.uint8), noise + torch.stack([cells[:, 1] / 2, torch.zeros(rows)], 1)


def joint(raw: Tensor) -> Tensor:
    """Rows as they are on average, given the network's output."""
    return torch.cat([raw[:, :2].tanh(), *(view.softmax(2).flatten(1) for view in SPANS.views(raw[:, 2:]))], 1)


@pytest.mark.parametrize("most", [512, 6])
def test_the_gradient_is_that_of_automatic_differentiation(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MOST", most)
    cells, scalars = training_rows()
    held = Pairs(SPANS, cells, scalars)
    assert len(held.at) == min(most, SPANS.width)
    raw = torch.randn(300, SPANS.width, generator=torch.Generator().manual_seed(1))
    raw[:, 2:][:, SPANS.padding()] = -1e4
    raw.requires_grad_()
    seen = joint(raw)[:, held.at]
    want = STRENGTH / 4 * (held.weight * (seen.T @ seen / 300 - held.real).square()).sum()
    want.backward()
    before = torch.randn(raw.shape)
    toward = before.clone()
    found = held.learn(raw.detach(), raw.detach()[:, :2].tanh(), 0, toward)
    torch.testing.assert_close(found, want.detach())
    torch.testing.assert_close(toward - before, raw.grad, atol=1e-6, rtol=1e-3)


def test_only_pairs_that_are_off_count() -> None:
    cells, scalars = training_rows()
    rows = torch.empty(len(cells), SPANS.width)
    SPANS.one_hot(cells.long(), scalars, torch.tensor(SPANS.starts), rows)
    raw = torch.cat([rows[:, :2].atanh(), 40 * rows[:, 2:] - 20], 1)

    def off(raw: Tensor) -> float:
        return float(Pairs(SPANS, cells, scalars).learn(raw, raw[:, :2].tanh(), 0, torch.zeros_like(raw)))

    assert off(raw) < 1e-6
    shuffled = raw.clone()
    start = 2 + SPANS.starts[3]
    shuffled[:, start : start + 5] = raw[torch.randperm(len(raw)), start : start + 5]
    assert off(shuffled) > 0.01  # every column as before, one of them in an order of its own


def test_moments_of_one_batch_are_smoothed_over_those_before() -> None:
    held = Pairs(SPANS, *training_rows())
    batches = torch.randn(400, 50, SPANS.width, generator=torch.Generator().manual_seed(2))
    for step, raw in enumerate(batches):
        held.learn(raw, raw[:, :2].tanh(), step, torch.zeros_like(raw))
    seen = joint(batches.view(-1, SPANS.width))
    apart = (held.made - seen.T @ seen / len(seen)).abs().mean()
    last = joint(batches[-1])
    assert apart < (last.T @ last / 50 - seen.T @ seen / len(seen)).abs().mean() / 4


def test_the_generator_learns_pairs_within_a_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    cells, scalars = training_rows()
    plan = make_plan(
        len(cells), FitOptions(model="ctgan", epochs=8, batch=100, hidden=32, noise=16, learning_rate=1e-3)
    )

    def error(strength: float) -> float:
        """Mean total variation of the pairs of spans, after training."""
        monkeypatch.setattr(pairs, "STRENGTH", strength)
        generator, critic = ConditionalGenerator(SPANS, plan.noise, plan.hidden, 2), Critic(SPANS, plan.pac, 32, 2)
        generator.initialise(torch.Generator().manual_seed(0))
        critic.initialise(torch.Generator().manual_seed(1))
        trainer = Trainer(generator, critic, plan, cells, scalars, seed=0, max_time=None)
        trainer.run(SILENT)
        apart = (trainer.pairs.made - trainer.pairs.real).abs() * (trainer.pairs.weight > 0)
        return float(apart[2:, 2:].sum()) / 4 / 6

    assert error(STRENGTH) < error(0.0) / 2
