"""Pairs of cells, matched: a second critic whose best answer is known in closed form.

A critic that is quadratic in the rows tells real from generated ones by their second moments alone: how often two cells
meet, and the mean of a scalar where a cell is. Its best answer is the difference of these moments (maximum mean
discrepancy with a polynomial kernel of degree 2; Gretton et al. 2012, section 2.2), so it needs no training, and says
which pairs are off from the first step on, when the other critic has learnt little. Once pairs are right it is silent.

Given noise and condition, spans are drawn independently by the softmax of their logits: the mean product of two
probabilities is the probability of the pair, exactly and without drawing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.ctgan.losses import softmax, softmax_back
from models.ctgan.settling import place_shares
from models.ctgan.spans import Spans

STRENGTH = 1.0
KEEP = 0.98
"""Of the moments of generated rows, each step: those of a single batch are mostly chance."""
FLOOR = 0.02
"""Added to the share of a cell where errors are measured by it: those of rare pairs are mostly chance."""
MOST = 512
"""Entries of a row that are looked at, at most: scalars, then the most frequent cells."""
ROWS = 131_072
"""Training rows whose moments they are, evenly spread, at most."""
CHUNK = 8_192


class Pairs(nn.Module):
    """Second moments (K, K) of K entries of a row: `real` of the training rows; `made` of the rows generated of late,
    which is what a checkpoint keeps. weight: how much an error counts; 0 between cells of one span.

    cells (N, T), scalars (N, A): the training rows.
    """

    made: Tensor
    real: Tensor
    weight: Tensor
    at: Tensor

    def __init__(self, spans: Spans, cells: Tensor, scalars: Tensor) -> None:
        super().__init__()
        self.spans = spans
        every = max(1, -(-len(cells) // ROWS))
        cells, scalars = cells[::every], scalars[::every]
        sizes = torch.cat([scalars.square().mean(0), place_shares(spans, cells) + FLOOR])
        rank = torch.cat([torch.full_like(scalars[0], torch.inf), place_shares(spans, cells)])
        at = rank.argsort(descending=True, stable=True)[:MOST].sort().values
        scale = sizes[at].where(at >= spans.scalars, sizes[at].sqrt()).clamp_min(1e-3)
        owner = torch.cat([-1 - torch.arange(spans.scalars), spans.owners()]).to(at.device)[at]
        apart = (owner[:, None] != owner) | (at < spans.scalars)
        self.register_buffer("at", at, persistent=False)
        self.register_buffer("weight", apart / (scale[:, None] * scale), persistent=False)
        self.register_buffer("real", self._moments(cells, scalars), persistent=False)
        self.register_buffer("made", torch.zeros_like(self.real))

    def _moments(self, cells: Tensor, scalars: Tensor) -> Tensor:
        starts = torch.tensor(self.spans.starts, device=cells.device)
        rows = torch.empty(min(CHUNK, len(cells)), self.spans.width, device=cells.device)
        out = torch.zeros(len(self.at), len(self.at), device=cells.device)
        for some, beside in zip(torch.split(cells, CHUNK), torch.split(scalars, CHUNK), strict=True):
            seen = self.spans.one_hot(some.long(), beside, starts, rows[: len(some)])[:, self.at]
            out += seen.T @ seen
        return out / len(cells)

    @torch.no_grad()
    def learn(self, raw: Tensor, scalars: Tensor, step: int, toward: Tensor) -> Tensor:
        """Generated rows -> how far their moments are off; its gradient with respect to raw is added to `toward`.

        raw, toward (B, width); scalars (B, A): tanh of raw's. The gradient takes these rows to be all that moves the
        moments, as they stand after them.
        """
        first = self.spans.scalars
        soft = softmax(raw[:, first:], self.spans)
        rows = torch.cat([scalars, soft], 1)
        seen = rows if len(self.at) == self.spans.width else rows[:, self.at]
        self.made.lerp_(seen.T @ seen / len(raw), 1 - min(KEEP, step / (step + 9)))
        off = self.made - self.real
        slope = off * self.weight
        onto = (seen @ slope).mul_(STRENGTH / len(raw))
        if seen is not rows:
            onto = torch.zeros_like(rows).index_copy_(1, self.at, onto)
        toward[:, :first] += onto[:, :first] * (1 - scalars * scalars)
        toward[:, first:] += softmax_back(soft, onto[:, first:], self.spans)
        return (slope * off).sum() * (STRENGTH / 4)
