"""The critic of CTGAN (Xu et al. 2019, section 4.4) and its gradients, by hand.

Between its kinks the critic is linear, so the gradient of its score with respect to its input, which the penalty needs,
is a product of its weights, and so is the gradient of the penalty. Written out, a step takes a third of the operations
of automatic differentiation of a gradient, and it is exact: tests compare the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ctgan.spans import Spans

SLOPE = 0.2
PENALTY = 10.0


@dataclass(frozen=True)
class Judgement:
    """What a step of the critic tells, by the weights before it: the loss is penalty - distance."""

    distance: Tensor
    penalty: Tensor


class Critic(nn.Module):
    """Packs of rows, with the condition of each -> scores (PacGAN; Lin et al. 2018).

    Each hidden layer: linear, leaky ReLU, dropout. P packs of `pac` rows of `width` entries, so a pack is an input of
    D = pac * width entries. A condition vector has a single one: its product with the first layer's weights is a row
    of `condition`. H hidden units.
    """

    def __init__(self, spans: Spans, pac: int, hidden: int, depth: int, compute: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.spans, self.pac, self.depth, self.compute = spans, pac, depth, compute
        sizes = [pac * spans.width] + [hidden] * depth + [1]
        self.weights = nn.ParameterList(torch.empty(b, a) for a, b in pairwise(sizes))
        self.biases = nn.ParameterList(torch.zeros(b) for b in sizes[1:])
        self.condition = nn.Parameter(torch.empty(pac * spans.conditions, hidden))

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """As torch does linear layers; nothing comes from places that stand for no cell. generator: on the CPU."""
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            bound = (weight.shape[1] + (self.condition.shape[0] if i == 0 else 0)) ** -0.5
            weight.uniform_(-bound, bound, generator=generator)
            bias.uniform_(-bound, bound, generator=generator)
            if i == 0:
                self.condition.uniform_(-bound, bound, generator=generator)
        outside = torch.cat([torch.zeros(self.spans.scalars, dtype=torch.bool), self.spans.padding()])
        self.weights[0][:, outside.repeat(self.pac)] = 0

    def cast(self) -> list[Tensor]:
        """The weights in the type they are multiplied in."""
        return [w.detach().to(self.compute) for w in self.weights]

    def keep(self, packs: int, noise: torch.Generator) -> Tensor:
        """Dropout of half the units: what each of each hidden layer is multiplied by, 0 or 2: (depth, packs, H)."""
        shape = (self.depth, packs, len(self.biases[0]))
        # A bit of a random byte, which takes an eighth of the time of a uniform.
        words = torch.empty((math.prod(shape) + 7) // 8, dtype=torch.int64, device=self.condition.device)
        drawn = words.random_(generator=noise).view(torch.uint8)[: math.prod(shape)]
        return drawn.bitwise_and_(2).view(shape).to(self.compute)

    def places(self, condition: Tensor) -> Tensor:
        """Conditions (B,) -> rows of `condition`: (P, pac)."""
        offset = torch.arange(self.pac, device=condition.device) * self.spans.conditions
        return condition.view(-1, self.pac) + offset

    def given(self, places: Tensor) -> Tensor:
        """What the conditions add to the first layer, bias included: (P, H)."""
        out = F.embedding_bag(places, self.condition.detach(), mode="sum")
        return out.add_(self.biases[0].detach()).to(self.compute)

    def forward(self, sums: Tensor, weights: list[Tensor], keep: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """First-layer sums (R, H) -> scores (R,), and for each hidden layer its slopes (R, H), which are constants
        between kinks, and its outputs (R, H)."""
        slopes, outputs, h = [], [], sums
        for i in range(self.depth):
            slopes.append(torch.ops.aten.leaky_relu_backward(keep[i], h, SLOPE, False))
            outputs.append(h * slopes[i])
            h = torch.addmm(self.biases[i + 1].detach().to(self.compute), outputs[i], weights[i + 1].T)
        return h[:, 0].to(self.condition.dtype), slopes, outputs

    @staticmethod
    def back(of: Tensor, slopes: list[Tensor], weights: list[Tensor]) -> list[Tensor]:
        """Gradients of `of` (R,) times the scores with respect to the sums of each layer, the last one first given:
        depth + 1 tensors, (R, H) for a hidden layer and (R, 1) for the score."""
        out = [of[:, None].to(weights[0].dtype)]
        for slope, weight in zip(reversed(slopes), reversed(weights[1:]), strict=True):
            out.insert(0, (out[0] @ weight) * slope)
        return out

    @torch.no_grad()
    def judge(
        self, rows: Tensor, condition: Tensor, noise: torch.Generator, weights: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Generated rows (B, width) of these conditions (B,) -> the mean score of their packs, and its gradient with
        respect to the rows, (B, width). weights: those of `cast`."""
        packs = len(rows) // self.pac
        sums = F.linear(rows.view(packs, -1), weights[0]).add_(self.given(self.places(condition)))
        scores, slopes, _ = self.forward(sums, weights, self.keep(packs, noise))
        back = self.back(torch.full_like(scores, 1 / packs), slopes, weights)
        return scores.mean(), (back[0] @ weights[0]).view(rows.shape)

    @torch.no_grad()
    def learn(
        self,
        rows: Tensor,
        condition: Tensor,
        noise: torch.Generator,
        weights: list[Tensor],
        into: Mapping[str, Tensor],
    ) -> Judgement:
        """Put the gradients of penalty - distance `into`, by name of the parameter.

        rows (3B, width): B real ones, B generated ones that share their conditions (B,), and as much room again, which
        is written over; in the type that is computed in. weights: those of `cast`.

        distance: mean score of real packs, less that of generated ones. penalty: 10 (|g| - 1)^2, mean over packs, g
        (D,) the gradient of the score on the line between a real pack and a generated one, one random place for each
        (Gulrajani et al. 2017), so that the critic is 1-Lipschitz in the rows for each condition.
        """
        packs = len(condition) // self.pac
        inputs = rows.view(3 * packs, -1)
        places = self.places(condition)
        sums = F.linear(inputs[: 2 * packs], weights[0]).view(2, packs, -1).add_(self.given(places))
        mix = torch.rand(packs, 1, generator=noise, device=rows.device)
        # The first layer is linear: its sums between two inputs lie between theirs.
        sums = torch.cat([sums.view(2 * packs, -1), torch.lerp(sums[1], sums[0], mix.to(sums.dtype))])
        scores, slopes, outputs = self.forward(sums, weights, self.keep(3 * packs, noise))
        of = scores.new_ones(3 * packs)
        of[:packs], of[packs : 2 * packs] = -1 / packs, 1 / packs
        back = self.back(of, slopes, weights)

        slope = back[0][2 * packs :] @ weights[0]
        norm = torch.linalg.vector_norm(slope, dim=1, keepdim=True, dtype=scores.dtype).clamp_min_(1e-6)
        # d penalty / d slope, behind the rows: one product gives the gradients of all three.
        onto = torch.mul(slope, (2 * PENALTY / packs * (norm - 1) / norm).to(self.compute), out=inputs[2 * packs :])
        into["weights.0"].copy_(back[0].T.contiguous() @ inputs)
        for i in range(self.depth):
            # The penalty goes up the same products that the gradient came down by.
            onto = torch.mul(onto @ weights[i].T, slopes[i][2 * packs :], out=outputs[i][2 * packs :])
            into[f"weights.{i + 1}"].copy_(back[i + 1].T @ outputs[i])
        for i, here in enumerate(back):
            torch.sum(here[: 2 * packs], 0, dtype=self.condition.dtype, out=into[f"biases.{i}"])
        both = back[0][:packs].to(self.condition.dtype) + back[0][packs : 2 * packs]
        into["condition"].zero_().index_add_(0, places.flatten(), both.repeat_interleave(self.pac, 0))
        penalty = PENALTY * (norm - 1).square().mean()
        return Judgement(scores[:packs].mean() - scores[packs : 2 * packs].mean(), penalty)
