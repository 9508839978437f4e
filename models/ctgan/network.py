"""The generator of CTGAN (Xu et al. 2019, section 4.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ctgan.spans import Spans

ABSENT = -1e4
"""Logit of a place that stands for no cell."""


class ConditionalGenerator(nn.Module):
    """Noise and a condition -> scalars and logits of every span, in one pass.

    Each hidden layer (linear, batch norm, ReLU) sees noise, condition and all layers before it, as in the paper. The
    condition vector has a single one, so its product with a layer's weights is a row of `condition`: an embedding.

    Shape: noise (B, Z) float32, condition (B,) int64 -> (B, A + places) float32, before tanh and softmax.
    """

    padding: Tensor

    def __init__(self, spans: Spans, noise: int, hidden: int, depth: int, compute: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.spans, self.noise, self.hidden, self.depth, self.compute = spans, noise, hidden, depth, compute
        outs = [hidden] * depth + [spans.width]
        self.weights = nn.ParameterList(torch.empty(out, i * hidden + noise) for i, out in enumerate(outs))
        self.condition = nn.Parameter(torch.empty(spans.conditions, sum(outs)))
        self.bias = nn.Parameter(torch.zeros(spans.width))
        self.norms = nn.ModuleList(nn.BatchNorm1d(hidden) for _ in range(depth))
        outside = torch.cat([torch.zeros(spans.scalars, dtype=torch.bool), spans.padding()])
        self.register_buffer("padding", outside.float() * ABSENT, persistent=False)

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """As torch does linear layers. generator: on the CPU."""
        at = 0
        for weight in self.weights:
            bound = (weight.shape[1] + self.condition.shape[0]) ** -0.5
            weight.uniform_(-bound, bound, generator=generator)
            self.condition[:, at : at + len(weight)].uniform_(-bound, bound, generator=generator)
            at += len(weight)
        self.bias.zero_()

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        # Split rather than sliced: the gradient of a slice is a full table of zeros each.
        *given, last = torch.split(F.embedding(condition, self.condition), [len(w) for w in self.weights], 1)
        x = noise.to(self.compute)
        for weight, norm, here in zip(self.weights, self.norms, given, strict=False):
            h = F.linear(x, weight.to(self.compute)) + here
            x = torch.cat([F.relu(norm(h)).to(self.compute), x], 1)
        out: Tensor = F.linear(x, self.weights[self.depth].to(self.compute))
        return out + last + (self.bias + self.padding)

    @torch.no_grad()
    def trace(self, noise: Tensor, condition: Tensor) -> Trace:
        """As `forward` while training, keeping what `gradients` needs; running statistics stay as they are."""
        weights = [w.detach().to(self.compute) for w in self.weights]
        given = F.embedding(condition, self.condition.detach().to(self.compute))
        *before, last = torch.split(given, [len(w) for w in weights], 1)
        # Zeros: bfloat16 products of some of the columns read the next ones too, times 0, which is NaN for NaN.
        inputs = torch.zeros(len(noise), weights[-1].shape[1], dtype=self.compute, device=noise.device)
        first = inputs.shape[1] - self.noise  # the newest layer's outputs come first
        inputs[:, first:] = noise
        normed = []
        for weight, norm, here in zip(weights, self._norms(), before, strict=False):
            h = torch.addmm(here, inputs[:, first:], weight.T)
            out, mean, inverse = torch.native_batch_norm(h, norm.weight, norm.bias, None, None, True, 0.0, norm.eps)
            first -= self.hidden
            inputs[:, first : first + self.hidden] = out.relu_()
            normed.append((h, mean, inverse))
        raw = torch.addmm(last, inputs, weights[-1].T).to(self.bias.dtype).add_(self.bias + self.padding)
        return Trace(condition, weights, inputs, normed, raw)

    @torch.no_grad()
    def learn(self, trace: Trace, toward: Tensor, into: Mapping[str, Tensor]) -> None:
        """Put the gradients with respect to the parameters `into`, by name. toward (B, width): that with respect to
        trace.raw."""
        depth, hidden = self.depth, self.hidden
        torch.sum(toward, 0, out=into["bias"])
        here = toward.to(self.compute)
        given = [here]
        into[f"weights.{depth}"].copy_(here.T @ trace.inputs)
        below = here @ trace.weights[depth][:, : depth * hidden]  # with respect to what the hidden layers put out
        for i in reversed(range(depth)):
            first = (depth - 1 - i) * hidden
            out, inputs = trace.inputs[:, first : first + hidden], trace.inputs[:, first + hidden :]
            (h, mean, inverse), norm = trace.normed[i], self._norms()[i]
            slope = torch.ops.aten.threshold_backward(below[:, :hidden], out, 0)  # of the ReLU
            here, weight, bias = torch.ops.aten.native_batch_norm_backward(
                slope, h, norm.weight, None, None, mean, inverse, True, norm.eps, [True, True, True]
            )
            into[f"norms.{i}.weight"].copy_(weight)
            into[f"norms.{i}.bias"].copy_(bias)
            into[f"weights.{i}"].copy_(here.T @ inputs)
            given.insert(0, here)
            if i:
                below = torch.addmm(below[:, hidden:], here, trace.weights[i][:, : i * hidden])
        all_given = torch.cat(given, 1).to(self.condition.dtype)
        into["condition"].zero_().index_add_(0, trace.condition, all_given)

    def _norms(self) -> list[nn.BatchNorm1d]:
        return [m for m in self.norms if isinstance(m, nn.BatchNorm1d)]


@dataclass(frozen=True)
class Trace:
    """A batch on its way through the generator. weights: of the products, as they were multiplied; inputs (B, I): what
    the last layer sees, of which each layer before it sees the last columns; normed: what goes into each batch norm
    (B, H), and the mean and inverse deviation found there, (H,) each; raw (B, width): the output."""

    condition: Tensor
    weights: list[Tensor]
    inputs: Tensor
    normed: list[tuple[Tensor, Tensor, Tensor]]
    raw: Tensor
