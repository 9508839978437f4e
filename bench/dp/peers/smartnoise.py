"""DP-CTGAN and PATE-CTGAN (Rosenblatt et al. 2020) of the `smartnoise-synth` package, at its defaults.

Cells are its categories: nothing is left to infer, so that it spends nothing on a domain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from snsynth import Synthesizer

KINDS = {"dp-ctgan": "dpctgan", "pate-ctgan": "patectgan"}


def fit(data: Any, seed: int, settings: dict[str, Any]) -> Any:
    """settings: model, dp-ctgan or pate-ctgan; epsilon and delta; the rest is the synthesizer's."""
    np.random.seed(seed)
    torch.manual_seed(seed)
    rest = {name: value for name, value in settings.items() if name not in ("model", "epsilon")}
    names = [f"c{j}" for j in range(len(data.sizes))]
    model = Synthesizer.create(KINDS[settings["model"]], epsilon=settings["epsilon"], verbose=False, **rest)
    model.fit(pd.DataFrame(data.codes, columns=names), categorical_columns=names, preprocessor_eps=0.0)
    return model


def draw(model: Any, rows: int, seed: int) -> Any:
    return model.sample(rows).to_numpy().astype(np.int64)
