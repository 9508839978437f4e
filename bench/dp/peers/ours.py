"""This project: one release of noisy tables and the one-pass generator, on cells that are public."""

from __future__ import annotations

from typing import Any

from models.dp.marginals import FitPlan, MarginalOptions, OnePass, fit_marginals


def fit(data: Any, seed: int, settings: dict[str, Any]) -> OnePass:
    """settings: of MarginalOptions, and as `plan` of FitPlan. The number of rows is public, as it is to the others. The
    seed steers the fit; the noise is new each time."""
    given = {"target": data.target, "rows": len(data.codes), "seed": seed, **settings}
    given["plan"] = FitPlan(**given.get("plan", {}))
    return fit_marginals(data.codes, data.sizes, MarginalOptions(**given))


def draw(model: OnePass, rows: int, seed: int) -> Any:
    return model.sample(rows, seed)


def facts(model: OnePass) -> dict[str, float]:
    return {"residual": round(model.residual, 4), "strength": model.strength, "tables": len(model.release.counts)}
