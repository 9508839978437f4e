"""A private fit by steps of DP-SGD: what `models.dp.fitting` calls for the mechanisms hybrid and dpsgd."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.accounting import History
from models.ctgan.model import Ctgan
from models.dp.ctgan import CtganSgdOptions, fit_dp_ctgan
from models.dp.one_pass import FitPlan, OnePass, fit
from models.dp.pairs import MAX_SLICES
from models.dp.raking import to_json
from models.dp.refine import RefineOptions, columns_alone, refine
from models.dp.release import Release
from models.encoding.cells import Array
from models.encoding.encoding import TableEncoding
from models.gan.network import Generator
from models.gan.orders import drawing_order
from models.gan.parallel import torch_alone
from models.options import FitOptions
from models.privacy.options import PrivacyOptions
from models.privacy.sgd import settings_of
from models.progress import Progress

__all__ = ["by_steps", "columns_alone"]

FROM_NOTHING = 4e-3
"""Learning rate of steps that start from single columns."""


@dataclass(frozen=True, eq=False)
class Stepped:
    """model, order, frequencies, one_pass: as Synthesizer has them. facts: for the manifest."""

    model: Generator | Ctgan
    order: tuple[int, ...]
    frequencies: Array
    facts: dict[str, Any]
    one_pass: OnePass | None = None


def by_steps(
    codes: Array,
    units: Array | None,
    encoding: TableEncoding,
    release: Release,
    paid: History,
    options: FitOptions,
    privacy: PrivacyOptions,
    progress: Progress,
    checkpoint: Path | None,
) -> Stepped:
    """release: the noisy tables; paid: for them and the steps. Raises InvalidArtifact where the checkpoint holds steps
    that cannot be gone on from."""
    clip = settings_of(privacy.mechanism, privacy.options).clip
    how: dict[str, Any] = {"units": units, "seed": options.seed, "progress": progress, "checkpoint": checkpoint}
    if options.model == "ctgan":
        model, facts = fit_dp_ctgan(codes, encoding, paid, release, options=CtganSgdOptions(clip=clip), **how)
        return Stepped(model, (), np.zeros(0), {**facts, "parameters": model.parameters()})
    own = encoding.slots[options.target] if options.target is not None else slice(0, 0)
    taught = [s for s in range(own.start, own.stop) if encoding.layout.sizes[s] <= MAX_SLICES]
    how |= {"order": drawing_order(encoding, options.target), "target": len(taught)}
    one_pass = None
    if privacy.mechanism == "hybrid":
        how["options"] = replace(RefineOptions(), clip=clip)
        with torch_alone():
            one_pass = fit(release, FitPlan(), options.seed, progress)
        fitted = refine(codes, encoding.layout, paid, one_pass, **how)
    else:
        how["options"] = replace(RefineOptions(), clip=clip, masks=2, learning_rate=FROM_NOTHING)
        fitted = refine(codes, encoding.layout, paid, release, **how)
    size = sum(p.numel() for p in fitted.model.parameters())
    facts = {**fitted.facts, **({} if one_pass is None else {"raked": to_json()}), "parameters": size}
    return Stepped(fitted.model, fitted.order, fitted.frequencies, facts, one_pass)
