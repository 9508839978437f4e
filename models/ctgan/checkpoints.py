"""Training as it stands, on disk and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.artifacts import read_bundle, write_bundle
from models.errors import InvalidArtifact


@dataclass
class State:
    """What a checkpoint holds beside the tensors."""

    step: int = 0
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)
    done: bool = False


def save(
    folder: Path,
    fingerprint: str,
    state: State,
    models: Mapping[str, nn.Module],
    ema: Mapping[str, Tensor],
    optimizers: Mapping[str, torch.optim.Optimizer],
) -> None:
    """Replace the checkpoint in `folder`. fingerprint: of the data and options that it belongs to."""
    tensors = {f"{name}.{k}": v for name, model in models.items() for k, v in model.state_dict().items()}
    tensors |= {f"ema.{k}": v for k, v in ema.items()}
    for name, optimizer in optimizers.items():
        for i, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{name}.{i}.{k}": v for k, v in slots.items()}
    arrays = {k: v.detach().cpu().numpy() for k, v in tensors.items()}
    write_bundle(folder, "checkpoint", {**vars(state), "of": fingerprint}, arrays)


def resume(
    folder: Path,
    fingerprint: str,
    models: Mapping[str, nn.Module],
    ema: Mapping[str, Tensor],
    optimizers: Mapping[str, torch.optim.Optimizer],
) -> State | None:
    """Put a checkpoint of the same data and options into models, ema and optimizers; any other is left to be
    overwritten."""
    if not (folder / "manifest.json").exists():
        return None
    try:
        manifest, arrays = read_bundle(folder, "checkpoint")
    except InvalidArtifact:
        return None  # damaged: training starts again and replaces it, which costs time but no correctness
    if manifest.get("of") != fingerprint:
        return None
    device = next(iter(ema.values())).device
    tensors = {k: torch.from_numpy(np.array(v)).to(device) for k, v in arrays.items()}
    weights = {name: _under(tensors, f"{name}.") for name in models}
    slots: dict[str, dict[int, dict[str, Tensor]]] = {name: {} for name in optimizers}
    for name in optimizers:
        for place, tensor in _under(tensors, f"adam.{name}.").items():
            i, slot = place.split(".")
            slots[name].setdefault(int(i), {})[slot] = tensor
    fits = all(_shapes(weights[name]) == _shapes(model.state_dict()) for name, model in models.items())
    if not fits or any(len(slots[k]) != len(o.param_groups[0]["params"]) for k, o in optimizers.items()):
        return None  # of another version of this program, as after an upgrade in mid-training
    for name, model in models.items():
        model.load_state_dict(weights[name])
    for name, value in _under(tensors, "ema.").items():
        ema[name].copy_(value)
    for name, optimizer in optimizers.items():
        optimizer.load_state_dict({**optimizer.state_dict(), "state": slots[name]})
    fields: dict[str, Any] = {k: manifest[k] for k in vars(State())}
    return State(**fields)


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {k: v.shape for k, v in tensors.items()}
