"""NRGBoost (Bravo 2025), energy-based boosted trees, at the settings that its documentation shows."""

from __future__ import annotations

from typing import Any

from nrgboost import Dataset, NRGBooster

SHOWN = {"num_trees": 200, "shrinkage": 0.15, "max_leaves": 256, "max_ratio_in_leaf": 2, "num_model_samples": 80_000}
SHOWN |= {"p_refresh": 0.1, "num_chains": 16, "burn_in": 100}
GIBBS_STEPS = 100


def fit(data: Any, seed: int, settings: dict[str, Any]) -> Any:
    frame = data.frame.astype(dict.fromkeys(data.discrete, "category"))
    return NRGBooster.fit(Dataset(frame), {**SHOWN, **settings}, seed=seed)


def draw(model: Any, rows: int, seed: int) -> Any:
    return model.sample(rows, num_steps=GIBBS_STEPS, seed=seed)
