"""Cells from a one-pass generator for the sampler's callers (rows under rules, conditions and balance; imputation).

A mixture of products conditions exactly: with m_c(cell) the share of a cell's values that meets the condition on column
c, latent row k has the weight prod_c sum_cell p_kc(cell) m_c(cell), and within it the conditioned columns are drawn by
p_kc m_c. Nothing is rejected.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from models.dp.drawing import BLOCK, Mixture
from models.dp.one_pass import OnePass
from models.encoding.cells import Array
from models.encoding.encoding import Layout
from models.errors import InvalidCondition
from models.gan.draws import strata
from models.gan.pairs import NO_PAIRS, PairMask
from models.gan.sampler import NONE, Pins, Sampler
from models.progress import SILENT, Progress
from models.rng import key, stream


class MixtureSampler(Sampler):
    """Draws cells of a mixture, evenly spread over its latent rows and in each (models/dp/drawing.py).

    In the words of Sampler, a row's first-layer sums are the logarithms of the latent rows' chances given its known
    cells, (B, K).
    """

    def __init__(self, model: OnePass, layout: Layout, progress: Progress = SILENT) -> None:
        self.layout, self.progress = layout, progress
        self.order = list(range(len(layout.sizes)))
        self.device = torch.device("cpu")
        self.pairs = PairMask(NO_PAIRS, layout, self.device)
        self.valid = [None] * len(layout.sizes)
        self._columns = [p.astype(np.float64) for p in model.columns()]
        self._target = model.target
        self._shares = [torch.from_numpy(p.astype(np.float32)) for p in self._columns]
        self.entry = [p.T.contiguous().clamp_min(1e-30).log() for p in self._shares]
        self.start = torch.zeros(len(model.probabilities))
        self._mixtures: WeakKeyDictionary[Pins, Mixture] = WeakKeyDictionary()

    @torch.no_grad()
    def probabilities(self, h: Tensor, slot: int, coarse: Tensor | None) -> Tensor:
        """Probabilities of the slot's cells (B, size) given what is known of the rows."""
        return h.softmax(1) @ self._shares[slot]

    def block(
        self, number: int, first: int, last: int, seed: int, uniforms: int, pins: Pins = NONE
    ) -> tuple[Array, Array]:
        """As Sampler.block. Raises InvalidCondition where no row of the mixture meets the conditions."""
        self.progress.check()
        cells = self._mixture(pins).block(number, seed)
        return cells[first:last], strata(seed, number, uniforms)[first:last]

    def again(
        self, number: int, rows: Array, attempt: int, seed: int, uniforms: int, pins: Pins = NONE
    ) -> tuple[Array, Array]:
        """As Sampler.again."""
        slots, own = 1 + len(self.layout.sizes), key(seed, "again", attempt)
        u = stream(own, "rows", number).random((BLOCK, slots + uniforms))[rows]
        return self._mixture(pins).alone(u[:, :slots]), u[:, slots:].astype(np.float32)

    def _mixture(self, pins: Pins) -> Mixture:
        found = self._mixtures.get(pins)
        if found is None:
            found = self._mixtures[pins] = self.under(pins)
        return found

    def under(self, pins: Pins) -> Mixture:
        """The mixture given the conditions, by Bayes' rule."""
        if not pins.by_slot:
            return Mixture(tuple(self._columns), target=self._target)
        columns, weights = under(self._columns, pins)
        # Under a condition on the target itself it is drawn as the mixture has it.
        own = None if self._target is not None and self._target.column in pins.by_slot else self._target
        return Mixture(tuple(columns), weights, own)


def under(columns: Sequence[Array], pins: Pins) -> tuple[list[Array], Array]:
    """A mixture's columns (K, size) given conditions, by Bayes' rule, each row of them summing to 1 or, in latent rows
    that have no weight, to 0; and the weights (K,) of its latent rows, summing to 1. Raises InvalidCondition where no
    row of the mixture meets the conditions."""
    found, log = list(columns), np.zeros(len(columns[0]))
    for slot, pin in pins.by_slot.items():
        met = found[slot] * pin.mass[:, 0].cpu().numpy().astype(np.float64)
        total = met.sum(1, keepdims=True)
        with np.errstate(divide="ignore"):
            log += np.log(total[:, 0])
        found[slot] = np.divide(met, total, out=np.zeros_like(met), where=total > 0)
    if not np.isfinite(log).any():
        raise InvalidCondition(
            "No row of this synthesizer meets the conditions together.", hint="Widen or drop a condition."
        )
    weights = np.exp(log - log.max())
    return found, weights / weights.sum()
