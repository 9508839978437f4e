"""A trained CTGAN as parts of a synthesizer: what is stored, and how it is read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.ctgan.network import ConditionalGenerator
from models.ctgan.spans import Spans
from models.ctgan.transform import Transform, transform_from
from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding

PREFIX = "ctgan."


@dataclass(frozen=True, eq=False)
class Ctgan:
    """shares (C,): training share of each entry of the condition vector."""

    transform: Transform
    generator: ConditionalGenerator
    shares: Tensor

    def to(self, device: torch.device, compute: torch.dtype) -> Ctgan:
        """The same, on this device and multiplying in this type. The generator is moved, not copied."""
        self.generator.to(device).compute = compute
        return Ctgan(self.transform, self.generator, self.shares.to(device))

    def parameters(self) -> int:
        return sum(p.numel() for p in self.generator.parameters())

    def to_json(self) -> dict[str, Any]:
        shape = {k: getattr(self.generator, k) for k in ("noise", "hidden", "depth")}
        return {**self.transform.to_json(), **shape}

    def tensors(self) -> dict[str, Array]:
        out = {f"generator.{k}": v.detach().cpu().numpy() for k, v in self.generator.state_dict().items()}
        out |= {**self.transform.tensors(), "shares": self.shares.cpu().numpy()}
        return {PREFIX + k: v for k, v in out.items()}


def ctgan_from(encoding: TableEncoding, raw: Mapping[str, Any], tensors: Mapping[str, Array]) -> Ctgan:
    """Inverse of to_json and tensors. Raises Key-, Index-, Type-, Value- or RuntimeError on parts that do not fit."""
    mine = {k.removeprefix(PREFIX): v for k, v in tensors.items() if k.startswith(PREFIX)}
    transform = transform_from(encoding, raw, mine)
    spans = Spans(transform.sizes, len(transform.numbers), transform.conditional)
    generator = ConditionalGenerator(spans, int(raw["noise"]), int(raw["hidden"]), int(raw["depth"]))
    weights = {k.removeprefix("generator."): v for k, v in mine.items() if k.startswith("generator.")}
    generator.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()})
    shares = torch.from_numpy(np.array(mine["shares"]))
    if len(shares) != spans.conditions:
        raise ValueError("the shares of its conditions")
    return Ctgan(transform, generator.eval(), shares)
