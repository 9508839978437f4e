"""CTGAN under DP-SGD: clipped gradients of the critic, and what its generator is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.ctgan.critic import Critic
from models.ctgan.network import ConditionalGenerator
from models.ctgan.plan import CtganPlan
from models.ctgan.spans import Spans
from models.dp.ctgan import PrivateTrainer, stand_ins
from models.dp.sgd import Steps
from models.dp.sgd_state import Kept
from models.gan.flat import split
from models.privacy.sgd import SgdPlan
from models.progress import SILENT

SIZES = (3, 5, 2)
SHARES = (np.array([0.5, 0.3, 0.2]), np.full(5, 0.2), np.array([0.9, 0.1]))


def table(rows: int = 300) -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(0, k, rows) for k in SIZES], 1)


def trainer(codes: np.ndarray[Any, Any], units: np.ndarray[Any, Any] | None = None, seed: int = 0) -> PrivateTrainer:
    spans = Spans(SIZES, 0, (0, 1, 2))
    generator, critic = ConditionalGenerator(spans, 8, 16, 1), Critic(spans, 1, 16, 2)
    for i, model in enumerate((generator, critic)):
        model.initialise(torch.Generator().manual_seed(i))
    plan = CtganPlan(1, 50, 1, 8, 16, 1, 1e-3, 1e-3, 1e-6, 10)
    return PrivateTrainer(generator, critic, plan, stand_ins(SHARES), codes, units, seed)


def by_torch(critic: Critic, row: Tensor, place: Tensor, keep: Tensor) -> Tensor:
    """Gradient of one row's score by automatic differentiation: (parameters,)."""
    h = critic.weights[0] @ row + critic.condition[place[0]] + critic.biases[0]
    for i in range(critic.depth):
        h = critic.weights[i + 1] @ (torch.nn.functional.leaky_relu(h, 0.2) * keep[i]) + critic.biases[i + 1]
    return torch.cat([g.flatten() for g in torch.autograd.grad(h[0], list(critic.parameters()))])


def given(own: PrivateTrainer, count: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    noise = torch.Generator().manual_seed(5)
    cells = torch.from_numpy(table(count))
    rows = torch.empty(count, own.generator.spans.width)
    own.generator.spans.one_hot(cells, torch.zeros(count, 0), own.starts, rows)
    return rows, own._named(cells, noise)[0], own.critic.keep(count, noise)


def test_the_critics_clipped_sums_are_exact_and_no_row_counts_for_more() -> None:
    own = trainer(table())
    rows, condition, keep = given(own)
    places = own.critic.places(condition)
    wanted = torch.stack([by_torch(own.critic, rows[i], places[i], keep[:, i]) for i in range(len(rows))])
    norms = wanted.norm(dim=1)
    own.clip = float(norms.median())
    scaled = (wanted * (own.clip / norms).clamp_max(1)[:, None]).sum(0)
    torch.testing.assert_close(own.clipped(rows, condition, keep), scaled, rtol=1e-4, atol=1e-5)
    for i in range(len(rows)):
        one = slice(i, i + 1)
        assert float(own.clipped(rows[one], condition[one], keep[:, one]).double().norm()) <= own.clip * (1 + 1e-6)


def test_a_row_whose_gradient_is_not_finite_counts_for_nothing_and_harms_no_other() -> None:
    own = trainer(table())
    rows, condition, keep = given(own)
    kept = torch.arange(len(rows)) != 3
    wanted = own.clipped(rows[kept], condition[kept], keep[:, kept])
    rows[3] = torch.inf
    torch.testing.assert_close(own.clipped(rows, condition, keep), wanted)


def test_without_rows_in_the_sample_the_critic_learns_generated_rows_and_noise_alone() -> None:
    """Two tables, no unit in any sample, no noise: the same weights, however they differ."""
    plan = SgdPlan(1e-6, 3, 1.0, 1e-9)
    found = []
    for codes in (table(), np.zeros((4, 3), dtype=np.int64)):
        own = trainer(codes)
        own.take(Steps(plan, len(codes), 10**9), SILENT, Kept(None, ""), None)
        own.finish(SILENT)
        found.append(torch.cat([p.detach().flatten() for p in own.generator.parameters()]))
    torch.testing.assert_close(found[0], found[1])


def test_the_critic_stays_within_its_norms() -> None:
    own = trainer(table())
    own.take(Steps(SgdPlan(0.5, 5, 1.0, 50.0), 300, 300), SILENT, Kept(None, ""), None)
    assert max(float(torch.linalg.matrix_norm(w.detach(), 2)) for w in own.critic.weights) <= 1 + 1e-5


def test_conditions_and_shares_are_those_of_the_noisy_tables() -> None:
    own = trainer(np.zeros((50, 3), dtype=np.int64))  # the rows say otherwise
    torch.testing.assert_close(own.shares, torch.from_numpy(np.concatenate(SHARES)).float(), atol=1e-4, rtol=0)
    own.take(Steps(SgdPlan(0.5, 5, 1.0, 5.0), 50, 50), SILENT, Kept(None, ""), None)
    own.finish(SILENT)
    raw = own._free("shares", 4_000)[:, own.generator.spans.scalars :]
    start = own.generator.spans.starts[2]
    assert float(raw[:, start : start + 2].softmax(1)[:, 0].mean()) == pytest.approx(0.9, abs=0.03)


def test_a_unit_of_several_rows_counts_by_one_of_them() -> None:
    codes = np.repeat(table(4), 5, axis=0)
    own = trainer(codes, np.repeat(np.arange(4), 5))
    own.clip = 1e-3
    named = dict(own.critic.named_parameters())
    assert sum(float(p.square().sum()) for p in split(own._summed(np.array([2]), 7), named).values()) <= 1.01e-6


def test_generated_rows_are_clipped_as_real_ones_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unclipped they would outweigh the real ones, and the critic learn to dislike everything."""
    seen = []
    own = trainer(table())
    monkeypatch.setattr(own.optimizers["critic"], "step", lambda: seen.append(own.flats["critic"].gradient.clone()))
    steps = Steps(SgdPlan(1e-6, 1, 1e-3, 1e-9), 300, 10**9)  # no unit in the sample, no noise
    own.take(steps, SILENT, Kept(None, ""), None)
    assert 0 < float(seen[0].norm()) <= 1e-3 * (1 + 1e-5)
