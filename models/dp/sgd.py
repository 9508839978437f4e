"""One step of DP-SGD: a Poisson sample, clipped gradients, noise. Nothing else here or above reads a row.

What is proved (docs/privacy.md, "DP-SGD"). A step gives (sum over the sample of vectors of norm at most clip, plus
sigma clip N(0, I)) / batch, batch the size that is expected: which units are in the sample, how many they are, their
norms and losses stay here. It is a sampled Gaussian mechanism of rate `plan.rate` and noise `plan.sigma` under adding
or removing a unit, if `summed` is a sum over units of vectors of norm at most clip, each a function of its unit, of
public numbers and of random ones that are independent for each unit and secret.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.dp.stream import Stream
from models.privacy.sgd import SgdPlan

Array = npt.NDArray[Any]
PIECE = 512
"""Units whose gradients are summed at once: memory does not grow with the batch."""


class Exhausted(RuntimeError):
    """More steps were asked for than the plan pays for."""


class Steps:
    """Noisy gradients, at most as many as the plan pays for. done: how many were drawn already."""

    def __init__(self, plan: SgdPlan, count: int, units: int, *, done: int = 0, stream: Stream | None = None) -> None:
        """count: how many units there are; confidential. units: the same, as it is public or was released. stream: of
        noise and samples; one of its own, left out."""
        self.plan, self.done, self.batch = plan, done, max(1.0, plan.rate * units)
        self._count, self._stream = count, stream or Stream()

    @property
    def left(self) -> int:
        return self.plan.steps - self.done

    def gradient(self, size: int, summed: Callable[[Array, int], Tensor], piece: int = PIECE) -> Tensor:
        """The next step's noisy mean gradient (size,) float32, on the CPU.

        summed: (numbers of some units (M,), M <= piece; a secret seed of what is random in them) -> the sum of their
        clipped gradients (size,). Raises Exhausted.
        """
        if self.left < 1:
            raise Exhausted(f"all {self.plan.steps} steps of DP-SGD were taken")
        self.done += 1
        taken = np.flatnonzero(self._stream.poisson_mask(self._count, self.plan.rate))
        noise = torch.from_numpy(self._stream.normal(size))
        total = torch.zeros(size)
        for first in range(0, len(taken), piece):
            seed = int.from_bytes(self._stream.bytes(8), "little") >> 1
            total += summed(taken[first : first + piece], seed).cpu()
        return total.add_(noise, alpha=self.plan.sigma * self.plan.clip).div_(self.batch)
