"""Modes of numbers, spans, noise, losses and the critic of CTGAN."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.ctgan.critic import PENALTY, SLOPE, Critic
from models.ctgan.losses import activate, activate_back, condition_loss, soften, soften_back
from models.ctgan.mixture import fit_mixture
from models.ctgan.network import ConditionalGenerator
from models.ctgan.noise import normal, uniforms
from models.ctgan.plan import make_plan
from models.ctgan.settling import condition_shares, settle
from models.ctgan.spans import Spans
from models.ctgan.trainer import Trainer
from models.ctgan.transform import FEW, fit_transform
from models.encoding.encoding import Resolution, TableEncoding, fit_encoding
from models.errors import InvalidInput
from models.gan.flat import Flat
from models.options import FitOptions
from models.schema import Column, Kind, Schema
from models.table import Table

SPANS = Spans((3, 2, 5, 12), 2, (0, 1))


def mixed(rows: int = 4_000) -> Table:
    """A number of two humps with a spike and a missing code, one of few values, a label and a date."""
    rng = np.random.default_rng(1)
    x = np.where(rng.random(rows) < 0.5, rng.normal(-40, 2, rows), rng.normal(60, 9, rows)).round(2)
    x = np.where(rng.random(rows) < 0.2, 0.0, x)
    words = np.where(rng.random(rows) < 0.1, "N", np.char.mod("%.2f", x))
    columns = (
        Column("x", Kind.DECIMAL, minimum=float(x.min()), maximum=100, decimals=2, missing_codes=("N",)),
        Column("few", Kind.INTEGER, minimum=0, maximum=FEW - 1),
        Column("word", Kind.CATEGORICAL, categories=("a", "b", "c")),
        Column("day", Kind.DATETIME, datetime_format="%Y-%m-%d"),
    )
    data = {
        "x": words,
        "few": rng.integers(0, FEW, rows).astype(str),
        "word": rng.choice(["a", "b", "c"], rows),
        "day": (np.datetime64("2000-01-01") + rng.integers(0, 3_000, rows)).astype(str),
    }
    return Table(Schema(columns), pa.table({k: pa.array(v.tolist(), pa.string()) for k, v in data.items()}))


@pytest.fixture(scope="module")
def encoded() -> tuple[Table, TableEncoding]:
    table = mixed()
    return table, fit_encoding(table, Resolution(32, 16, 8), derive=False)


def test_a_mixture_finds_the_modes_and_their_shares() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-5, 0.5, 6_000), rng.normal(3, 1, 3_000), rng.normal(20, 2, 1_000)])
    found = fit_mixture(values, 0.0)
    for low, high, share, deviation in ((-8, -2, 0.6, 0.5), (-2, 10, 0.3, 1), (10, 30, 0.1, 2)):
        here = (found.mean > low) & (found.mean < high)
        assert found.share[here].sum() == pytest.approx(share, abs=0.01)
        spread = found.deviation[here] ** 2 + (found.mean[here] - np.average(found.mean[here])) ** 2
        assert np.sqrt(np.average(spread, weights=found.share[here])) == pytest.approx(deviation, rel=0.25)
    assert len(found.mean) <= 8  # modes that explain nothing died out
    modes = found.draw_modes(np.array([-5.0, 3.0, 20.0]), np.full(3, 0.5))
    assert (np.abs(found.mean[modes] - [-5, 3, 20]) < [1.5, 3, 6]).all()


@pytest.mark.parametrize("values", [[7.0], [7.0] * 50, [1.0, 1e9]])
def test_a_mixture_of_next_to_nothing(values: list[float]) -> None:
    found = fit_mixture(np.array(values), 0.0)
    assert (found.deviation > 0).all()
    assert found.share.sum() == pytest.approx(1)
    assert np.isfinite(found.mean).all()


def test_a_table_survives_the_way_there_and_back(encoded: tuple[Table, TableEncoding]) -> None:
    table, encoding = encoded
    transform = fit_transform(table, encoding)
    assert [encoding.columns[i].column.name for i in transform.numbers] == ["x", "day"]
    assert transform.numbers[0].spikes.tolist() == [0.0]
    assert [transform.columns[t] for t in transform.conditional] == [1, 2]
    spans, scalars = transform.encode(table, encoding.encode(table), seed=0)
    assert (spans < np.array(transform.sizes)).all()
    assert np.abs(scalars).max() <= 0.99
    uniforms_ = np.full((len(table), encoding.uniforms), 0.5)
    cells, u = transform.decode(spans, scalars, uniforms_)
    back = Table(table.schema, encoding.decode(cells, u, np.arange(len(table))))
    for name in ("few", "word"):
        assert back.data.column(name).equals(table.data.column(name))
    for name, least in (("x", 0.05), ("day", 86_400.0)):
        got, was = back.values(name), table.values(name)
        assert (got.missing == was.missing).all()
        off = np.abs(got.values - was.values)[was.missing < 0]
        assert np.quantile(off, 0.98) <= least  # but for values beyond four deviations, and round numbers


def test_whatever_the_network_says_decodes_within_the_schema(encoded: tuple[Table, TableEncoding]) -> None:
    table, encoding = encoded
    transform = fit_transform(table, encoding)
    rng = np.random.default_rng(0)
    rows = 5_000
    spans = np.stack([rng.integers(0, k, rows) for k in transform.sizes], 1)
    scalars = rng.choice([-1.0, 1.0, 0.3], (rows, len(transform.numbers)))
    cells, u = transform.decode(spans, scalars, rng.random((rows, encoding.uniforms)))
    made = Table(table.schema, encoding.decode(cells, u, np.arange(rows)))
    for name in table.schema.names:
        got, was = made.values(name), table.values(name)
        assert set(np.unique(got.missing)) <= set(np.unique(was.missing))
        present, real = got.values[got.missing < 0], was.values[was.missing < 0]
        low, high = (table.schema["x"].minimum, 100) if name == "x" else (real.min(), real.max())
        assert low <= present.min()
        assert present.max() <= high


def test_spans_share_buckets_and_cover_their_cells() -> None:
    spans = Spans((3, 2, 40, 30, 2, 600), 1, (0,))
    assert [(n, k) for _, n, k in spans.buckets] == [(2, 2), (1, 3), (2, 40), (1, 600)]
    assert spans.places == 7 + 80 + 600
    assert int((~spans.padding()).sum()) == sum(spans.sizes)
    cells = torch.tensor([[2, 1, 39, 29, 0, 599]])
    row = spans.one_hot(cells, torch.tensor([[0.5]]), torch.tensor(spans.starts), torch.ones(1, spans.width))
    assert row.shape == (1, spans.width)
    assert row[0, 0] == 0.5
    assert [int(v.sum()) for v in spans.views(row[:, 1:])] == [2, 1, 2, 1]
    assert row[:, 1:][:, spans.padding()].sum() == 0


def test_a_soft_draw_is_a_distribution_over_each_span_and_follows_its_logits() -> None:
    generator = ConditionalGenerator(SPANS, 8, 16, 2)
    generator.initialise(torch.Generator().manual_seed(0))
    raw = generator(torch.randn(20_000, 8), torch.zeros(20_000, dtype=torch.int64)).detach()
    raw[:, 2:] = raw[:1, 2:]
    scalars, soft = activate(raw, SPANS, torch.Generator().manual_seed(1))
    assert torch.equal(scalars, raw[:, :2].tanh())
    assert soft.shape == (20_000, SPANS.places)
    for view, logits in zip(SPANS.views(soft), SPANS.views(raw[:1, 2:]), strict=True):
        torch.testing.assert_close(view.sum(2), torch.ones(view.shape[:2]))
        share = F.one_hot(view.argmax(2), view.shape[2]).float().mean(0)
        torch.testing.assert_close(share, logits[0].softmax(1), atol=0.015, rtol=0)
    assert (soft[:, SPANS.padding()] == 0).all()


@pytest.mark.parametrize("small", [0, 10**9])
def test_the_softmax_of_spans_is_that_of_torch(small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.ctgan.spans.SMALL", small)
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(300, SPANS.places, generator=draw) * 8 + torch.where(SPANS.padding(), -1e4, 0)
    gumbel = torch.rand(logits.shape, generator=draw).clamp(1e-12, 1 - 1e-7).log().neg().log().neg()
    weight = torch.rand(logits.shape, generator=draw)
    theirs = logits.clone().requires_grad_()
    found = soften(logits, -gumbel.neg().exp(), SPANS)
    want = torch.cat([v.softmax(2).flatten(1) for v in SPANS.views((theirs + gumbel) / 0.2)], 1)
    (want * weight).sum().backward()
    torch.testing.assert_close(found, want, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(soften_back(found, weight, SPANS), theirs.grad, atol=1e-4, rtol=1e-3)


def test_gradients_go_through_scalars_and_spans() -> None:
    draw = torch.Generator().manual_seed(0)
    raw, weight, along = (torch.randn(40, SPANS.width, generator=draw, dtype=torch.float64) for _ in range(3))

    def made(step: float) -> tuple[Tensor, Tensor]:
        return activate(raw + step * along, SPANS, torch.Generator().manual_seed(1))

    rise = sum(((torch.cat(made(step), 1) * weight).sum() * step for step in (1e-6, -1e-6)), torch.zeros(())) / 2e-12
    found = (activate_back(*made(0), weight, SPANS) * along).sum()
    assert float(found) == pytest.approx(float(rise), rel=1e-5)


def test_the_condition_loss_is_cross_entropy_of_the_named_span_alone() -> None:
    raw = torch.randn(6, SPANS.width, requires_grad=True)
    which, cell = torch.tensor([0, 1, 0, 1, 1, 0]), torch.tensor([2, 1, 0, 0, 1, 1])
    starts = torch.tensor(SPANS.starts)[which] + SPANS.scalars
    sizes = torch.tensor(SPANS.sizes)[which]
    want = (
        torch.stack(
            [
                F.cross_entropy(raw[i : i + 1, a : a + k], cell[i : i + 1])
                for i, (a, k) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True))
            ]
        ).mean()
        * 3
    )
    want.backward()
    before = torch.randn(raw.shape)
    toward = before.clone()
    places, outside = SPANS.named()
    found = condition_loss(raw.detach(), places[which], outside[which], cell, toward, 3.0)
    torch.testing.assert_close(found, want.detach())
    torch.testing.assert_close(toward - before, raw.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_generators_gradients_are_those_of_automatic_differentiation(depth: int) -> None:
    generator = ConditionalGenerator(SPANS, 8, 16, depth, torch.float64).double().train()
    generator.initialise(torch.Generator().manual_seed(0))
    noise = torch.randn(30, 8, dtype=torch.float64)
    condition = torch.randint(SPANS.conditions, (30,))
    toward = torch.randn(30, SPANS.width, dtype=torch.float64)
    raw = generator(noise, condition)
    raw.backward(toward)
    trace = generator.trace(noise, condition)
    torch.testing.assert_close(trace.raw, raw.detach(), atol=1e-10, rtol=1e-8)
    found = {k: torch.full_like(v, torch.nan) for k, v in generator.named_parameters()}
    generator.learn(trace, toward, found)
    for name, parameter in generator.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, atol=1e-8, rtol=1e-6)


def test_what_memory_held_before_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = ConditionalGenerator(SPANS, 128, 8, 2, torch.bfloat16)
    generator.initialise(torch.Generator().manual_seed(0))
    noise, condition = torch.randn(40, 128, generator=torch.Generator().manual_seed(1)), torch.zeros(40).long()
    monkeypatch.setattr(torch, "empty", lambda *shape, **how: torch.full(shape, torch.nan, **how))
    assert torch.isfinite(generator.trace(noise, condition).raw).all()


def test_parameters_in_one_piece_are_the_same_and_learn_the_same() -> None:
    one, other = (ConditionalGenerator(SPANS, 8, 16, 2) for _ in range(2))
    for model in (one, other):
        model.initialise(torch.Generator().manual_seed(0))
    names = {k: v.clone() for k, v in other.state_dict().items()}
    flat = Flat(other)
    for name, value in other.state_dict().items():
        assert torch.equal(value, names[name])
    optimizers = torch.optim.Adam(one.parameters(), 0.1), torch.optim.Adam([flat.values], 0.1)
    for _ in range(2):
        for name, parameter in one.named_parameters():
            parameter.grad = torch.randn(parameter.shape)
            flat.grads[name].copy_(parameter.grad)
        for optimizer in optimizers:
            optimizer.step()
    for name, parameter in other.named_parameters():
        torch.testing.assert_close(parameter, dict(one.named_parameters())[name])
        assert not torch.equal(parameter, names[name])


def made_critic(pac: int = 5, depth: int = 3) -> Critic:
    critic = Critic(SPANS, pac, 16, depth, torch.float64).double()
    critic.initialise(torch.Generator().manual_seed(0))
    return critic


def plainly(critic: Critic, rows: Tensor, condition: Tensor, keep: Tensor) -> Tensor:
    """Scores of packs by torch's own layers."""
    entries = F.one_hot(critic.places(condition), len(critic.condition)).sum(1).double()
    h = F.linear(rows, critic.weights[0], critic.biases[0]) + entries @ critic.condition
    for i in range(critic.depth):
        h = F.linear(F.leaky_relu(h, SLOPE) * keep[i], critic.weights[i + 1], critic.biases[i + 1])
    return h[:, 0]


def test_the_critics_gradients_are_those_of_automatic_differentiation() -> None:
    critic, packs = made_critic(), 4
    draw = torch.Generator().manual_seed(3)
    real, fake = (torch.rand(20, SPANS.width, generator=draw, dtype=torch.float64) for _ in range(2))
    condition = torch.randint(SPANS.conditions, (20,), generator=draw)
    ours = {k: torch.full_like(v, torch.nan) for k, v in critic.named_parameters()}
    room = torch.full_like(real, torch.nan)
    noise = torch.Generator().manual_seed(5)
    found = critic.learn(torch.cat([real, fake, room]), condition, noise, critic.cast(), ours)
    again = torch.Generator().manual_seed(5)
    mix, keep = torch.rand(packs, 1, generator=again), critic.keep(3 * packs, again)
    a, b = real.view(packs, -1), fake.view(packs, -1)
    scores = [plainly(critic, x, condition, keep[:, i * packs : (i + 1) * packs]) for i, x in enumerate((a, b))]
    between = torch.lerp(b, a, mix.double()).requires_grad_()
    score = plainly(critic, between, condition, keep[:, 2 * packs :]).sum()
    slope = torch.autograd.grad(score, between, create_graph=True)[0]
    theirs = PENALTY * (slope.norm(dim=1) - 1).square().mean() - (scores[0].mean() - scores[1].mean())
    theirs.backward()
    assert float(found.penalty - found.distance) == pytest.approx(float(theirs.detach()), abs=1e-5)
    for name, parameter in critic.named_parameters():
        # The score's own bias cancels between real and generated packs.
        want = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
        torch.testing.assert_close(ours[name], want, atol=1e-5, rtol=1e-4)

    generated = b.clone().requires_grad_()
    again = torch.Generator().manual_seed(6)
    plainly(critic, generated, condition, critic.keep(packs, again)).mean().backward()
    score, toward = critic.judge(fake, condition, torch.Generator().manual_seed(6), critic.cast())
    scored = plainly(critic, b, condition, critic.keep(packs, torch.Generator().manual_seed(6))).mean()
    assert float(score) == pytest.approx(float(scored.detach()), abs=1e-6)
    torch.testing.assert_close(toward.view(packs, -1), generated.grad, atol=1e-6, rtol=1e-4)


def test_the_penalty_of_a_known_critic() -> None:
    """Of a critic that adds up three entries, units kept by dropout doubled: |gradient| is 2 sqrt(3) or 0."""
    critic = Critic(SPANS, 1, 1, 1)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.zero_()
        critic.weights[0][0, [0, 3, 5]] = 1
        critic.biases[0].fill_(10)  # above the kink
        critic.weights[1].fill_(1)
    rows = torch.rand(400, SPANS.width)
    condition = torch.zeros(400, dtype=torch.int64)
    into = {k: torch.empty_like(v) for k, v in critic.named_parameters()}
    three = torch.cat([rows, rows.flip(0), rows])
    penalty = critic.learn(three, condition, torch.Generator().manual_seed(0), critic.cast(), into).penalty
    again = torch.Generator().manual_seed(0)
    torch.rand(400, 1, generator=again)
    kept = float((critic.keep(1_200, again)[0, 800:] > 0).float().mean())
    want = PENALTY * (kept * (2 * 3**0.5 - 1) ** 2 + (1 - kept))
    assert float(penalty) == pytest.approx(want, rel=1e-4)


def test_a_pack_is_one_input_and_padding_gives_nothing() -> None:
    critic = made_critic(pac=5, depth=2)
    assert critic.weights[0].shape == (16, 5 * SPANS.width)
    assert critic.condition.shape == (5 * SPANS.conditions, 16)
    condition = torch.tensor([0, 1, 2, 3, 4, 0, 0, 0, 0, 0])
    assert critic.places(condition).tolist() == [[0, 6, 12, 18, 24], [0, 5, 10, 15, 20]]
    places = critic.weights[0].view(16, 5, SPANS.width)[:, :, SPANS.scalars :]
    assert (places[:, :, SPANS.padding()] == 0).all()
    assert (places[:, :, ~SPANS.padding()] != 0).all()
    rows = torch.rand(10, SPANS.width, dtype=torch.float64)
    _, toward = critic.judge(rows, condition, torch.Generator().manual_seed(0), critic.cast())
    assert toward.shape == rows.shape
    assert (toward[:, SPANS.scalars :][:, SPANS.padding()] == 0).all()


def test_noise_is_uniform_and_belongs_to_row_and_attempt() -> None:
    rows = torch.arange(3_000)
    u = uniforms(7, rows, torch.zeros_like(rows), 40)
    assert torch.equal(uniforms(7, rows[500:510], torch.zeros(10, dtype=torch.int64), 40), u[500:510])
    assert torch.equal(uniforms(7, rows, torch.zeros_like(rows), 10), u[:, :10])
    others = (uniforms(8, rows, torch.zeros_like(rows), 40), uniforms(7, rows, torch.ones_like(rows), 40))
    assert all(float((o == u).float().mean()) < 1e-3 for o in others)
    assert ((u > 0) & (u < 1)).all()
    share = np.histogram(u.numpy(), 50, (0, 1))[0] / u.numel()
    assert np.abs(share - 0.02).max() < 5 * np.sqrt(0.02 / u.numel())
    assert np.abs(np.corrcoef(u.numpy().T) - np.eye(40)).max() < 0.1
    assert abs(np.corrcoef(u[1:, 0], u[:-1, 0])[0, 1]) < 0.07
    z = normal(u)
    assert torch.isfinite(z).all()
    assert float(z.mean()) == pytest.approx(0, abs=0.02)
    assert float(z.std()) == pytest.approx(1, abs=0.02)


def test_a_plan_has_the_packages_defaults() -> None:
    plan = make_plan(32_561, FitOptions(model="ctgan"))
    assert (plan.epochs, plan.batch, plan.pac, plan.noise, plan.hidden, plan.depth) == (300, 500, 10, 128, 256, 2)
    assert (plan.learning_rate, plan.critic_learning_rate, plan.weight_decay) == (2e-4, 2e-4, 1e-6)
    assert plan.steps == 300 * 65
    assert make_plan(97, FitOptions(model="ctgan")).batch == 90
    with pytest.raises(InvalidInput, match="pac"):
        make_plan(10, FitOptions(model="ctgan", pac=20))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"model": "ctgan", "adversarial": "always"}, "adversarial"),
        ({"model": "ctgan", "coarse": 8}, "coarse"),
        ({"model": "ctgan", "steps": 100}, "steps"),
        ({"model": "ctgan", "batch": 55}, "batch"),
        ({"model": "ctgan", "depth": 0}, "depth"),
        ({"model": "masked", "epochs": 10}, "epochs"),
        ({"pac": 10}, "pac"),
        ({"model": "gan"}, "model"),
    ],
)
def test_options_of_the_other_model_are_refused(options: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidInput, match=f"'{named}'"):
        FitOptions.from_json(options)
    assert FitOptions.from_json(FitOptions(model="ctgan", epochs=3).to_json()).epochs == 3


def test_training_meets_every_row_once_an_epoch_and_names_its_own_cells_as_often_as_they_are() -> None:
    draw = torch.Generator().manual_seed(0)
    rows = 3_000
    rare = (torch.arange(rows) % 100 == 0).long()
    cells = torch.stack([torch.randint(3, (rows,), generator=draw), rare, rare * 4, rare * 11], 1).to(torch.uint8)
    scalars = torch.arange(2 * rows, dtype=torch.float32).view(rows, 2)
    plan = make_plan(rows, FitOptions(model="ctgan", epochs=40, batch=300))
    critic = Critic(SPANS, plan.pac, 8, 1)
    trainer = Trainer(ConditionalGenerator(SPANS, 4, 8, 1), critic, plan, cells, scalars, seed=1, max_time=None)
    seen, named, steps = [], [], plan.steps // plan.epochs
    for step in range(plan.steps):
        trainer.noise.manual_seed(step)
        batch, condition, which, cell = trainer.batch(step)
        real = batch[: plan.batch]
        seen.append(real[:, 0])
        named.append(condition)
        at = (real[:, 0] / 2).long()
        assert torch.equal(cell, cells[at, which].long())
        assert torch.equal(condition, torch.tensor([0, 3])[which] + cell)
    for epoch in range(plan.epochs):
        met = torch.cat(seen[epoch * steps : (epoch + 1) * steps])
        assert torch.equal(met.sort().values, scalars[:, 0])
    assert not torch.equal(seen[0], seen[steps])
    share = torch.bincount(torch.cat(named), minlength=5) / (rows * plan.epochs)
    want = condition_shares(SPANS, cells) / 2
    assert torch.allclose(want[3:], torch.tensor([0.495, 0.005]))
    assert ((share - want).abs() < 5 * (want / (rows * plan.epochs)).sqrt()).all()


def test_shares_are_set_right() -> None:
    generator = ConditionalGenerator(SPANS, 8, 16, 2)
    generator.initialise(torch.Generator().manual_seed(0))
    draw = torch.Generator().manual_seed(1)
    raw = generator(torch.randn(8_000, 8, generator=draw), torch.zeros(8_000, dtype=torch.int64)).detach()
    cells = torch.stack([(torch.rand(900, generator=draw) ** 1.4 * k).long() for k in SPANS.sizes], 1)
    before = generator.bias.detach().clone()
    settle(generator, raw, cells)
    shift = generator.bias.detach() - before
    assert (shift[: SPANS.scalars] == 0).all()
    for t, (start, size) in enumerate(zip(SPANS.starts, SPANS.sizes, strict=True)):
        at = slice(SPANS.scalars + start, SPANS.scalars + start + size)
        share = torch.bincount(cells[:, t], minlength=size) / 900
        mean = (raw[:, at] + shift[at]).softmax(1).mean(0)
        torch.testing.assert_close(mean, share, atol=0.01, rtol=0)
        assert (raw[:, at].softmax(1).mean(0) - share).abs().max() > 0.03
