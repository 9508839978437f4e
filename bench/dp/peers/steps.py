"""This project's mechanisms with steps of DP-SGD, hybrid and dpsgd, on cells that are public."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.dp.marginals import MarginalOptions
from models.dp.one_pass import FitPlan
from models.dp.one_pass import fit as fit_tables
from models.dp.pairs import MAX_SLICES
from models.dp.raking import RakedSampler
from models.dp.refine import RefineOptions, columns_alone, refine
from models.dp.release import release_for
from models.dp.selection import released
from models.dp.stepping import FROM_NOTHING
from models.encoding.encoding import Layout
from models.gan.draws import BLOCK
from models.gan.sampler import Sampler
from models.privacy.sgd import events, settings_of


def fit(data: Any, seed: int, settings: dict[str, Any]) -> Sampler:
    """settings: mechanism, epsilon, delta, and what models.privacy.sgd takes. The number of rows is public. The seed
    steers the fit; the noise is new each time."""
    given = dict(settings)
    mechanism, epsilon, delta = given.pop("mechanism"), given.pop("epsilon"), given.pop("delta")
    sizes, target, slots = tuple(data.sizes), data.target, len(data.sizes)
    sgd = settings_of(mechanism, given)
    history = events(sgd, epsilon, delta)
    layout = Layout(sizes, (-1,) * slots, (None,) * slots, (0,) * slots, (0,) * slots)
    order = (*(c for c in range(slots) if c != target), target)
    how: dict[str, Any] = {"order": order, "target": int(sizes[target] <= MAX_SLICES), "seed": seed}
    if mechanism == "dpsgd":
        tables = release_for(data.codes, columns_alone(sizes), history[0], rows=len(data.codes))
        options = RefineOptions(clip=sgd.clip, masks=2, learning_rate=FROM_NOTHING)
        fitted = refine(data.codes, layout, history, tables, options=options, **how)
        return Sampler(fitted.model, layout, fitted.order)
    asked = MarginalOptions(epsilon, delta, target=target, rows=len(data.codes))
    workload = asked.workload(sizes)
    one_pass = fit_tables(released(data.codes, workload, history[0], rows=len(data.codes)), FitPlan(), seed)
    fitted = refine(data.codes, layout, history, one_pass, options=RefineOptions(clip=sgd.clip), **how)
    return RakedSampler(fitted.model, one_pass, layout, fitted.order)


def draw(model: Sampler, rows: int, seed: int) -> Any:
    blocks = [model.block(b, 0, min(BLOCK, rows - b * BLOCK), seed, 0)[0] for b in range(-(-rows // BLOCK))]
    return np.concatenate(blocks)
