"""The critic of CTGAN (Xu et al. 2019, section 4.4) and its gradients, by hand.

Between its kinks the critic is linear, so the gradient of its score with respect to its input, which the penalty needs,
is a product of its weights, and so is the gradient of the penalty. Written out, a step takes a third of the operations
of automatic differentiation of a gradient, and it is exact: tests compare the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.ctgan.spans import Spans

SLOPE = 0.2
DROPOUT = 0.5
PENALTY = 10.0


@dataclass(frozen=True)
class Judgement:
    """What a step of the critic tells. score: mean of the generated packs; toward (B, width): its gradient with respect
    to the generated rows, by the weights before the step."""

    distance: Tensor
    penalty: Tensor
    score: Tensor
    toward: Tensor


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
        """Dropout: what each unit of each hidden layer is multiplied by, 0 or 1 / (1 - DROPOUT): (depth, packs, H)."""
        shape = (self.depth, packs, len(self.biases[0]))
        drawn = torch.rand(shape, generator=noise, device=self.condition.device)
        return (drawn + (1 - DROPOUT)).floor_().to(self.compute).div_(1 - DROPOUT)

    def places(self, condition: Tensor) -> Tensor:
        """Conditions (B,) -> rows of `condition`: (P, pac)."""
        offset = torch.arange(self.pac, device=condition.device) * self.spans.conditions
        return condition.view(-1, self.pac) + offset

    def given(self, places: Tensor) -> Tensor:
        """What the conditions add to the first layer, bias included: (P, H) float32."""
        out: Tensor = F.embedding_bag(places, self.condition.detach(), mode="sum")
        return out.add_(self.biases[0].detach())

    def forward(self, sums: Tensor, weights: list[Tensor], keep: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """First-layer sums (R, H) -> scores (R,), and for each hidden layer its slopes (R, H), which are constants
        between kinks, and its outputs (R, H)."""
        slopes, outputs, h = [], [], sums
        for i in range(self.depth):
            slope = h.sign().clamp_(SLOPE, 1).to(self.compute).mul_(keep[i])
            out = h.to(self.compute) * slope
            slopes.append(slope)
            outputs.append(out)
            h = F.linear(out, weights[i + 1]) + self.biases[i + 1].detach()
        return h[:, 0], slopes, outputs

    @staticmethod
    def back(of: Tensor, slopes: list[Tensor], weights: list[Tensor]) -> list[Tensor]:
        """Gradients of `of` (R,) times the scores with respect to the sums of each layer, the last one first given:
        depth + 1 tensors, (R, H) for a hidden layer and (R, 1) for the score."""
        out = [of[:, None].to(weights[0].dtype)]
        for slope, weight in zip(reversed(slopes), reversed(weights[1:]), strict=True):
            out.insert(0, (out[0] @ weight) * slope)
        return out

    @torch.no_grad()
    def learn(self, real: Tensor, fake: Tensor, condition: Tensor, noise: torch.Generator) -> Judgement:
        """Put the gradients of penalty - distance into the parameters' `grad`.

        real, fake (B, width): rows that share their conditions (B,). distance: mean score of real packs, less that of
        generated ones. penalty: 10 (|g| - 1)^2, mean over packs, g (D,) the gradient of the score on the line between
        a real pack and a generated one, one random place for each (Gulrajani et al. 2017), so that the critic is
        1-Lipschitz in the rows for each condition.
        """
        weights, packs = self.cast(), len(real) // self.pac
        rows = torch.cat([real.to(self.compute), fake.to(self.compute)]).view(2 * packs, -1)
        places = self.places(condition)
        sums = F.linear(rows, weights[0]).view(2, packs, -1) + self.given(places)
        mix = torch.rand(packs, 1, generator=noise, device=rows.device)
        # The first layer is linear: its sums between two inputs lie between theirs.
        sums = torch.cat([sums.view(2 * packs, -1), torch.lerp(sums[1], sums[0], mix.to(sums.dtype))])
        scores, slopes, outputs = self.forward(sums, weights, self.keep(3 * packs, noise))
        of = scores.new_ones(3 * packs)
        of[:packs], of[packs : 2 * packs] = -1 / packs, 1 / packs
        back = self.back(of, slopes, weights)

        toward, slope = torch.split(back[0][packs:] @ weights[0], packs)
        norm = (slope.float().square().sum(1, keepdim=True) + 1e-12).sqrt()
        onto = slope * (2 * PENALTY / packs * (norm - 1) / norm).to(self.compute)  # d penalty / d slope
        self._grad(0, back[0], torch.cat([rows, onto]), 2 * packs)
        for i in range(self.depth):
            # The penalty goes up the same products that the gradient came down by.
            onto = (onto @ weights[i].T) * slopes[i][2 * packs :]
            outputs[i][2 * packs :] = onto
            self._grad(i + 1, back[i + 1], outputs[i], 2 * packs)
        both = (back[0][:packs] + back[0][packs : 2 * packs]).to(self.condition.dtype)
        self.condition.grad = torch.zeros_like(self.condition)
        self.condition.grad.index_add_(0, places.flatten(), both.repeat_interleave(self.pac, 0))
        penalty = PENALTY * (norm - 1).square().mean()
        score = scores[packs : 2 * packs].mean()
        return Judgement(scores[:packs].mean() - score, penalty, score, toward.to(fake.dtype).view(fake.shape))

    def _grad(self, layer: int, back: Tensor, inputs: Tensor, scored: int) -> None:
        """Of one layer. back (R, out), inputs (R, in); the first `scored` rows are those whose scores count."""
        self.weights[layer].grad = (back.T @ inputs).to(self.condition.dtype)
        self.biases[layer].grad = back[:scored].to(self.condition.dtype).sum(0)
