"""The state of DP-SGD between steps, kept so that a job that was lost goes on where it was.

A kept state is released (docs/privacy.md, "How a job pays"). So it is never left aside for a new beginning: steps taken
a second time from an earlier state would be charged for once and shown twice. Where a state is there and cannot be
used, the job fails; what it spent stays spent. Steps after the last kept state were shown to nobody, and are taken
again with fresh noise.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.artifacts import MANIFEST, read_bundle, write_bundle
from models.errors import InvalidArtifact

KIND = "private steps"
EVERY, OFTEN = 10.0, 10.0
"""Seconds between states that are kept, at least, and in multiples of what the last one took."""
_HINT = "Submit a new job: what this one spent stays spent."


class Kept:
    """folder: None keeps nothing. mark: of what is public or released and decides the steps."""

    def __init__(self, folder: Path | None, mark: str) -> None:
        self.folder, self.mark = folder, mark
        self._next = time.monotonic() + EVERY

    @property
    def there(self) -> bool:
        """Whether there is a state, good or not."""
        return self.folder is not None and (self.folder / MANIFEST).exists()

    def read(self, state: Mapping[str, Tensor]) -> int:
        """Put the kept state into `state`. -> steps it has taken; 0 without one. Raises InvalidArtifact where there is
        one that cannot be gone on from."""
        if self.folder is None or not self.there:
            return 0
        raw, tensors = read_bundle(self.folder, KIND)
        sizes, done = {name: t.numel() for name, t in state.items()}, raw.get("done")
        fits = raw.get("mark") == self.mark and {name: t.size for name, t in tensors.items()} == sizes
        if not fits or not isinstance(done, int) or done < 1:
            raise InvalidArtifact("The private steps that were kept are of another job or version.", hint=_HINT)
        for name, tensor in state.items():
            tensor.copy_(torch.from_numpy(np.array(tensors[name])).view(tensor.shape))
        return done

    def write(self, done: int, state: Mapping[str, Tensor], *, last: bool) -> bool:
        """Keep it, if it is time to. -> whether it was."""
        began = time.monotonic()
        if self.folder is None or (began < self._next and not last):
            return False
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}
        write_bundle(self.folder, KIND, {"mark": self.mark, "done": done}, arrays)
        self._next = time.monotonic() + max(EVERY, OFTEN * (time.monotonic() - began))
        return True


def adam_state(optimizer: torch.optim.Optimizer, values: torch.nn.Parameter) -> dict[str, Tensor]:
    """Adam's moments of `values` and its count of steps, made if it has taken none."""
    state: dict[str, Tensor] = optimizer.state[values]
    if not state:
        zero = torch.zeros_like(values.detach())
        state.update(step=torch.tensor(0.0), exp_avg=zero, exp_avg_sq=zero.clone())
    return state
