"""Adversarial random forests (Watson et al. 2023) of the `arfpy` package."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from arfpy import arf


def fit(data: Any, seed: int, settings: dict[str, Any]) -> Any:
    np.random.seed(seed)
    threads = int(os.environ["OMP_NUM_THREADS"])
    model = arf.arf(data.frame, **{"verbose": False, "n_jobs": threads, "random_state": seed, **settings})
    model.forde()
    return model


def draw(model: Any, rows: int, seed: int) -> Any:
    np.random.seed(seed)
    return model.forge(n=rows)
