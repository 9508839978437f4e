"""Layers, activations, losses and optimizers of the core against those of torch, scikit-learn and numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import nn
from torch.autograd import gradcheck

from models.classifiers.activations import ACTIVATIONS, activation
from models.classifiers.batches import Rows, loader
from models.classifiers.embeddings import Periodic, Piecewise, embedding
from models.classifiers.layers import BatchNorm, Beside, Conv1d, Linear, MaxPool, Windows
from models.classifiers.losses import LOSSES, loss_of
from models.classifiers.network import convolution, perceptron
from models.classifiers.optimizers import OPTIMIZERS, optimizer, schedule
from models.classifiers.summary import layers_of, summary_of
from models.errors import InvalidInput

DOUBLE = {"dtype": torch.float64}


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


REFERENCES = {
    "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(0.01),
    "prelu": nn.PReLU(init=0.25, **DOUBLE),
    "elu": nn.ELU(),
    "silu": nn.SiLU(),
    "swish": nn.SiLU(),
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
    "softmax": nn.Softmax(dim=-1),
    "softplus": nn.Softplus(),
    "linear": nn.Identity(),
}


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_equal_torchs_and_their_gradients_are_right(name: str) -> None:
    layer = activation(name, members=2).double()
    x = drawn(2, 5, 6).requires_grad_()
    if name == "maxout":
        assert torch.equal(layer(x), torch.maximum(x[..., ::2], x[..., 1::2]))
    else:
        assert torch.allclose(layer(x), REFERENCES[name](x), atol=1e-12)
    assert gradcheck(layer, (x,))


def test_every_network_side_by_side_equals_torchs_layers_alone() -> None:
    x = drawn(3, 7, 5)
    ours = Linear(3, 5, 4).double()
    for m in range(3):
        alone = nn.functional.linear(x[m], ours.weight[m].T, ours.bias[m, 0])
        assert torch.allclose(ours(x)[m], alone)
    assert not torch.equal(ours.weight[0], ours.weight[1])
    assert gradcheck(ours, (x.requires_grad_(),))


def test_batch_normalisation_equals_torchs_while_training_and_after() -> None:
    ours, theirs = BatchNorm(2, 4).double(), [nn.BatchNorm1d(4, **DOUBLE) for _ in range(2)]
    for step in range(3):
        x = drawn(2, 9, 4, seed=step) * 3 + 1
        assert torch.allclose(ours(x), torch.stack([norm(rows) for norm, rows in zip(theirs, x, strict=True)]))
    assert torch.allclose(ours.variance, torch.stack([norm.running_var for norm in theirs]))
    ours.eval()
    assert torch.allclose(ours(x), torch.stack([norm.eval()(rows) for norm, rows in zip(theirs, x, strict=True)]))
    assert gradcheck(BatchNorm(2, 4).double(), (x.requires_grad_(),))


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_convolution_and_pooling_equal_torchs(kernel: int) -> None:
    x = drawn(2, 2, 5, 3)
    ours = Conv1d(2, 3, 2, kernel).double()
    for m in range(2):
        weight = ours.weight[m].T.reshape(2, 3, kernel)
        alone = nn.functional.conv1d(x[m].transpose(1, 2), weight, ours.bias[m, 0], padding=kernel // 2)
        assert torch.allclose(ours(x)[m], alone.transpose(1, 2))
        pooled = nn.functional.max_pool1d(x[m].transpose(1, 2), 3, ceil_mode=True).transpose(1, 2)
        assert torch.equal(MaxPool(3)(x)[m], pooled)
    assert gradcheck(ours, (x.requires_grad_(),))


def test_columns_become_steps_channel_by_channel() -> None:
    x = torch.arange(6.0).view(1, 1, 6)
    assert Windows(2)(x).tolist() == [[[[0, 3], [1, 4], [2, 5]]]]
    beside = Beside(nn.ReLU(), np.array([4, 1]), 6)
    assert beside(-x).tolist() == [[[0, 0, 0, -2, -3, -5]]]


P = torch.softmax(drawn(6, 4), -1)
Q = torch.softmax(drawn(6, 4, seed=1), -1)
CODES = torch.tensor([0, 3, 1, 2, 2, 0])
ONES = nn.functional.one_hot(CODES, 4).double()
BITS = (drawn(6, 4, seed=2) > 0).double()
POSITIVE, TRUE = drawn(6, 4, seed=3).abs(), drawn(6, 4, seed=4).abs()
MARGINS = drawn(6, 4, seed=5)
SIGNS = 2 * BITS[:, 0].numpy() - 1
VALUES = [
    ("mse", POSITIVE, TRUE, metrics.mean_squared_error(TRUE, POSITIVE)),
    ("mae", POSITIVE, TRUE, metrics.mean_absolute_error(TRUE, POSITIVE)),
    ("msle", POSITIVE, TRUE, metrics.mean_squared_log_error(TRUE, POSITIVE)),
    ("binary_crossentropy", P, BITS, nn.functional.binary_cross_entropy(P, BITS).item()),
    ("multilabel_crossentropy", P, BITS, np.mean([metrics.log_loss(BITS[:, j], P[:, j]) for j in range(4)])),
    ("categorical_crossentropy", P, ONES, metrics.log_loss(CODES, P)),
    ("sparse_categorical_crossentropy", P, CODES, metrics.log_loss(CODES, P)),
    ("kl_divergence", P, Q, nn.functional.kl_div(P.log(), Q, reduction="batchmean").item()),
    ("kl_divergence", P, ONES, metrics.log_loss(CODES, P)),
    ("hinge", MARGINS, CODES, metrics.hinge_loss(CODES, MARGINS)),
    ("hinge", MARGINS[:, :1], BITS[:, :1], metrics.hinge_loss(BITS[:, 0], MARGINS[:, 0])),
    (
        "squared_hinge",
        MARGINS[:, :1],
        BITS[:, :1],
        (1 - (2 * BITS - 1) * MARGINS)[:, 0].clamp(0).square().mean().item(),
    ),
]


@pytest.mark.parametrize(("name", "outputs", "targets", "expected"), VALUES, ids=[v[0] for v in VALUES])
def test_losses_equal_references(name: str, outputs: torch.Tensor, targets: torch.Tensor, expected: float) -> None:
    costs = loss_of(name).of_outputs(outputs, targets)
    assert costs.shape == (6,)
    assert costs.mean().item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_before_and_behind_their_output_layer_agree_and_so_do_gradients(name: str) -> None:
    loss = LOSSES[name]
    raw = drawn(2, 6, 4, seed=7).requires_grad_()
    targets = {"codes": CODES, "shares": Q, "numbers": BITS if loss.natural == "sigmoid" else TRUE}[loss.targets]
    targets = targets.expand(2, *targets.shape)
    outputs = activation(loss.natural)(raw)
    assert torch.allclose(loss.of_raw(raw, targets), loss.of_outputs(outputs, targets), atol=1e-10)
    assert gradcheck(lambda r: loss.of_raw(r, targets), (raw,))
    assert gradcheck(lambda r: loss.of_outputs(activation(loss.natural)(r), targets), (raw,))


def test_losses_are_finite_where_probabilities_round_to_zero() -> None:
    sure = torch.tensor([[200.0, -200.0]])
    assert LOSSES["sparse_categorical_crossentropy"].of_raw(sure, torch.tensor([1])).item() == pytest.approx(400)
    assert LOSSES["binary_crossentropy"].of_raw(sure, torch.tensor([[0.0, 1.0]])).item() == pytest.approx(200)
    for name, y in (("categorical_crossentropy", [[0.0, 1.0]]), ("binary_crossentropy", [[0.0, 1.0]])):
        assert LOSSES[name].of_outputs(torch.tensor([[1.0, 0.0]]), torch.tensor(y)).isfinite().all()
    with pytest.raises(InvalidInput, match="Loss"):
        loss_of("magic")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_follow_their_published_updates(name: str) -> None:
    """Two steps on one weight of gradient 2w + 1, recomputed by hand."""
    w = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    opt = optimizer(name, [w], 0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    hand, first, second = 1.0, 0.0, 0.0
    for step in (1, 2):
        opt.zero_grad()
        (w.square() + w).sum().backward()
        opt.step()
        g = 2 * hand + 1 + (0 if name == "adamw" else 0.01 * hand)
        if name == "sgd":
            first = g if step == 1 else 0.9 * first + g
            hand -= 0.1 * (g + 0.9 * first)
        elif name == "adagrad":
            second += g * g
            hand -= 0.1 * g / (second**0.5 + 1e-10)
        elif name == "rmsprop":
            second = 0.99 * second + 0.01 * g * g
            hand -= 0.1 * g / (second**0.5 + 1e-8)
        else:
            hand *= 1 - 0.1 * 0.01 if name == "adamw" else 1
            first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g * g
            hand -= 0.1 * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)) ** 0.5 + 1e-8)
        assert w.item() == pytest.approx(hand, rel=1e-6)


def test_optimizers_and_schedules_refuse_what_they_do_not_know() -> None:
    w = [nn.Parameter(torch.zeros(1))]
    with pytest.raises(InvalidInput, match="Optimizer"):
        optimizer("magic", w, 0.1)
    with pytest.raises(InvalidInput, match="out of range"):
        optimizer("sgd", w, -0.1)
    with pytest.raises(InvalidInput, match="Schedule"):
        schedule("magic", 0.1, 10)
    rates = [schedule("cosine", 0.1, 100)(s) for s in range(100)]
    assert max(rates) == pytest.approx(0.1, rel=0.01)
    assert rates.index(max(rates)) <= 6
    assert rates[-1] < 1e-3
    assert schedule("constant", 0.1, 10)(9) == 0.1


def test_batches_hold_every_row_of_every_member_once() -> None:
    data = Rows(torch.arange(10.0)[:, None], torch.arange(10), None)
    rows = torch.stack([torch.arange(7), torch.arange(3, 10)])
    got = list(loader(data, rows, 3, torch.Generator().manual_seed(0)))
    assert [tuple(y.shape) for _, y, _ in got] == [(2, 3), (2, 2), (2, 2)]
    seen = torch.cat([y for _, y, _ in got], dim=1)
    assert torch.equal(seen.sort(dim=1).values, rows)
    assert all(torch.equal(x[..., 0], y.float()) for x, y, _ in got)
    assert not torch.equal(seen, rows)


def test_piecewise_embedding_places_numbers_in_their_bins() -> None:
    inputs = torch.stack([torch.arange(9.0), torch.zeros(9), torch.ones(9)], dim=1)
    layer = embedding("piecewise", inputs, 2, 4, 1)
    assert isinstance(layer, Piecewise)
    assert layer.added == 4
    assert layer(torch.tensor([[[5.0, 1.0, 1.0]]])).tolist() == [[[5, 1, 1, 1, 1, 0.5, 0]]]
    assert embedding("piecewise", inputs[:, 1:], 2, 4, 1) is None
    assert embedding("plain", inputs, 2, 4, 1) is None
    with pytest.raises(InvalidInput, match="not known"):
        embedding("magic", inputs, 2, 4, 1)


def test_periodic_embedding_has_right_gradients() -> None:
    layer = Periodic(2, 3).double()
    x = drawn(2, 4, 5).requires_grad_()
    assert layer(x).shape == (2, 4, 5 + layer.added)
    assert gradcheck(layer, (x,))


def test_networks_have_the_layers_they_are_asked_for() -> None:
    net = perceptron(5, (8, 4), 3, "tanh", 0.2)
    assert [type(m).__name__ for m in net] == ["Linear", "Tanh", "Dropout", "Linear", "Tanh", "Dropout", "Linear"]
    assert sum(p.numel() for p in net.parameters()) == 5 * 8 + 8 + 8 * 4 + 4 + 4 * 3 + 3
    assert net(torch.zeros(1, 2, 5)).shape == (1, 2, 3)
    maxout = perceptron(5, (8,), 3, "maxout", batch_norm=True, members=2)
    assert maxout(torch.zeros(2, 6, 5)).shape == (2, 6, 3)
    assert perceptron(5, (), 3)(torch.zeros(1, 2, 5)).shape == (1, 2, 3)
    front, width = convolution(3, 10, (8, 6), 3, 2, "relu", members=2)
    assert width == 6 * 3
    assert nn.Sequential(*front)(torch.zeros(2, 4, 30)).shape == (2, 4, 18)
    for bad in ({"hidden": (0,)}, {"hidden": (8,), "dropout": 1.0}, {"hidden": (8,) * 300}):
        with pytest.raises(InvalidInput):
            perceptron(5, outputs=3, **bad)
    with pytest.raises(InvalidInput, match="odd"):
        convolution(3, 10, (8,), 2, 2)


def test_summary_counts_parameters_of_one_network() -> None:
    net = perceptron(5, (8,), 3, "prelu", 0.1, batch_norm=True, members=4)
    layers, members = layers_of(net, 5)
    assert members == 4
    assert [(a.name, a.shape, a.parameters) for a in layers] == [
        ("Linear", (8,), 48),
        ("BatchNorm", (8,), 16),
        ("PReLU", (8,), 1),
        ("Dropout", (8,), 0),
        ("Linear", (3,), 27),
    ]
    assert summary_of(net, 5).endswith("92 parameters in each of 4 networks")
