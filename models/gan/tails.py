"""Columns of very many labels: how common each label is among those of its group.

Labels beyond the frequent ones share groups (models/encoding/categorical.py): the coarse cell is the group, the fine
cell the label in it. The shares inside every group are far more numbers than the network could learn by steps, so its
logits of the fine cells are added to their logarithms, and it learns only what the rest of the row changes about them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from models.encoding.cells import Array
from models.encoding.encoding import Layout

FLOOR = -30.0
"""Logit of cells that a group does not have."""


class Tail(nn.Module):
    """slot, parent: the fine slot and its coarse one. log (coarse, fine): logarithms of the shares inside each group.

    goal (coarse, fine): the shares in the training rows, where they are known.
    """

    log: Tensor

    def __init__(self, slot: int, layout: Layout, counts: Array | None = None) -> None:
        """counts (coarse, fine): training rows of each cell; without them, cells of a group are equally likely."""
        super().__init__()
        self.slot, self.parent = slot, layout.parents[slot]
        self.first = int(layout.offsets[self.parent])
        self.span = slice(int(layout.offsets[slot]), int(layout.offsets[slot + 1]))
        self.groups, fine = layout.sizes[self.parent], layout.sizes[slot]
        self.real = torch.arange(fine)[None, :] < torch.as_tensor(np.asarray(layout.fine[slot]))[:, None]
        self.goal: Tensor | None = None
        log = torch.zeros(self.groups, fine)
        if counts is not None:
            self.goal = torch.from_numpy(counts / np.maximum(counts.sum(1, keepdims=True), 1)).float()
            log = self.goal.clamp_min(1e-9).log()
        self.register_buffer("log", torch.where(self.real, log, torch.full((), FLOOR)))

    def add(self, logits: Tensor, index: Tensor) -> None:
        """To the logits (B, W), in place, where the group is known. index (B, S) as the generator is given it."""
        group = index[:, self.parent] - self.first
        table = torch.cat([self.log, self.log.new_zeros(1, self.log.shape[1])])
        logits[:, self.span] += table[group.clamp(max=self.groups)]

    def factors(self, device: torch.device) -> Tensor:
        """What the probabilities of the fine cells are multiplied by, given the group: (coarse, fine), 0 of no cell."""
        log = self.log.detach().nan_to_num(0.0).clamp(FLOOR, -FLOOR).to(device)
        return torch.where(self.real.to(device), log.exp(), log.new_zeros(()))


def tails_of(layout: Layout, codes: Array | None = None) -> list[Tail]:
    """One for each column of labels of two stages. codes (N, S): cells of the training rows."""
    out = []
    for slot, parent in enumerate(layout.parents):
        if parent < 0 or not layout.ordered or layout.ordered[slot]:
            continue
        counts = None
        if codes is not None:
            groups, fine = layout.sizes[parent], layout.sizes[slot]
            both = codes[:, parent].astype(np.int32) * np.int32(fine) + codes[:, slot]
            counts = np.bincount(both, minlength=groups * fine).reshape(groups, fine)
        out.append(Tail(slot, layout, counts))
    return out
