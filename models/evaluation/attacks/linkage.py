"""Linkability, and unique combinations that the sample repeats."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from models.evaluation.attacks.rates import Rate, passing, risk
from models.evaluation.attacks.setting import Finding, Setting, keys, multiplicity
from models.evaluation.attacks.space import Space, affordable
from models.evaluation.matrix import Matrix, sample
from models.evaluation.result import Metric


def linkability(s: Setting) -> tuple[list[Finding], dict[str, Any]]:
    """Someone who holds two files on the same people, each with half of the columns, links two entries that have the
    same nearest synthetic row (Giomi et al. 2023, section 4.2)."""
    columns = s.rng("halves").permutation(len(s.context.names))
    if not s.enough or len(columns) < 2:
        why = "Needs two modelled columns." if len(columns) < 2 else s.lack()
        return [Finding(Metric("linkability", None, "disclosure", status="unavailable", note=why))], {}
    halves = [np.sort(columns[: len(columns) // 2]).tolist(), np.sort(columns[len(columns) // 2 :]).tolist()]
    most = affordable(len(s.members) + len(s.controls), len(s.synthetic), len(columns)) // 2
    rates = linked(s.context.real, s.synthetic, [m.take(np.arange(min(most, len(m)))) for m in (s.members, s.controls)],
                   halves)  # fmt: skip
    excess = risk(*rates)
    note = (
        f"The columns are split in two; both halves of a person have the same nearest synthetic row for {rates[0]} "
        f"training rows and for {rates[1]} holdout rows. The figure is (attack - control) / (1 - control)."
    )
    metric = Metric("linkability", excess.value, "disclosure", "", None, 0.0, None, max(-1.0, excess.low), excess.high,
                    goal=0.0, note=note)  # fmt: skip
    section = {"halves": [s.names(h) for h in halves], "training": rates[0].value, "holdout": rates[1].value}
    return [Finding(metric, excess)], {"linkability": section}


def linked(real: Matrix, synthetic: Matrix, targets: list[Matrix], halves: list[list[int]]) -> list[Rate]:
    """How many targets are linked, per group of targets."""
    spaces = [Space(real, half, "range") for half in halves]
    places = [space.place(synthetic) for space in spaces]
    out = []
    for group in targets:
        first, second = (sp.nearest(sp.place(group), pl)[0] for sp, pl in zip(spaces, places, strict=True))
        out.append(Rate(int((first == second).sum()), len(group)))
    return out


def uniques(s: Setting) -> tuple[list[Finding], dict[str, Any]]:
    """Replicated uniques (repU of Raab, Nowok and Dibben 2024, arXiv:2406.16826): people who are alone in the training
    part with their combination of the columns they are looked up by, and whose combination occurs once in the sample.

    The control: as many training rows as there are holdout rows, and the holdout, each with the uniques among itself.
    """
    if not s.enough or not s.coarse:
        why = s.lack() if s.coarse else "Needs a column that is known."
        return [Finding(Metric("replicated_uniques", None, "disclosure", status="unavailable", note=why))], {}
    context = s.context
    theirs = keys(context.synthetic, s.coarse)
    mine, held = (keys(m, s.coarse) for m in (context.real, context.holdout))
    unique = mine[multiplicity(mine, mine) == 1]
    times = multiplicity(unique, theirs)
    both = float((times == 1).sum()) / len(mine)
    section = {
        "columns": s.names(s.coarse),
        "unique_in_training": len(unique) / len(mine),
        "in_sample": float((times > 0).sum()) / len(mine),
        "unique_in_sample": both,
        "below": [{"k": k, "training": _small(mine, k), "synthetic": _small(theirs, k)} for k in (2, 3, 5, 10)],
    }
    rows = min(len(mine), len(held))
    pick = keys(sample(context.real, rows, s.rng("uniques")), s.coarse)
    control = keys(sample(context.holdout, rows, s.rng("uniques")), s.coarse)
    rates = []
    for group in (pick, control):
        alone = group[multiplicity(group, group) == 1]
        rates.append(Rate(int((multiplicity(alone, theirs) == 1).sum()), len(alone)))
    if min(r.rows for r in rates) < 30:
        note = (
            f"{rates[0].rows} of {rows:,} training rows and {rates[1].rows} of as many holdout rows are unique in "
            f"{', '.join(s.names(s.coarse)[:12])}; needs 30 of each."
        )
        return [Finding(Metric("replicated_uniques", None, "disclosure", note=note, status="unavailable"))], {
            "uniques": section
        }
    excess = replace(risk(*rates), bar=lambda chance: passing(rates[0].rows, rates[1], chance) / rates[0].rows)
    low, high = rates[0].interval
    note = (
        f"Of the rows that are unique among {rows:,} training rows in {len(s.coarse)} columns, {rates[0]} occur "
        f"once in the sample; of the uniques of as many holdout rows, {rates[1]}. Of all {len(mine):,} training rows "
        f"{100 * both:.2f}% are unique in both tables (repU)."
    )
    metric = Metric("replicated_uniques", rates[0].value, "disclosure", "", None, rates[1].value, None, low, high,
                    goal=rates[1].value, note=note)  # fmt: skip
    return [Finding(metric, excess)], {"uniques": section}


def _small(group: np.ndarray, k: int) -> float:
    """Share of rows whose combination fewer than k rows have."""
    return float((multiplicity(group, group) < k).mean())
