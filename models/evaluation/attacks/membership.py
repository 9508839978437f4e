"""Membership inference: can someone who holds a row tell whether it was trained on?"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.evaluation.attacks.rates import Excess, auc_excess, tpr_excess
from models.evaluation.attacks.setting import Finding, Setting
from models.evaluation.attacks.space import Space, affordable
from models.evaluation.context import FEW_ROWS
from models.evaluation.matrix import Floats
from models.evaluation.result import Metric

NEIGHBOURS = 5
SMALL = 1e-3
"""Distances are at least so large: a copy is very near, not infinitely so."""
RATES = ((0.01, "membership_tpr_1"), (0.001, "membership_tpr_01"))
BASE = {"membership_auc": 0.5, **{name: fpr for fpr, name in RATES}}
"""What an attacker reads who knows nothing."""
POINTS = 101


def membership(s: Setting) -> tuple[list[Finding], dict[str, Any]]:
    """Two attackers who hold the sample. distance: a row near a synthetic row was trained on (Chen et al. 2020,
    arXiv:1909.03935, "GAN-Leaks", black box). density: where synthetic rows are denser than real rows that were not
    trained on (van Breugel et al. 2023, arXiv:2302.12580, "DOMIAS"), by the distances to the 5 nearest of either
    (Loftsgaarden and Quesenberry 1965)."""
    if not s.enough:
        names = ["membership_auc", *(n for _, n in RATES)]
        missing = [Finding(_metric(n, None, "distance", note=s.lack())) for n in names]
        return missing, {}
    space = Space(s.context.real)
    synthetic = space.place(s.synthetic)
    most = affordable(len(s.members) + len(s.controls), len(synthetic), len(s.context.names)) // 2
    members, controls = (space.place(m).take(slice(0, most)) for m in (s.members, s.controls))
    k = min(NEIGHBOURS, len(synthetic))
    near = [np.maximum(space.closest(p, synthetic, k), SMALL) for p in (members, controls)]
    s.context.progress.check()
    scores: dict[str, tuple[Floats, Floats]] = {"distance": (-near[0][:, 0], -near[1][:, 0])}
    reference, judged = space.place(s.reference), slice(0, len(controls))
    if len(s.reference) < FEW_ROWS and len(controls) >= 2 * FEW_ROWS:
        half = len(controls) // 2
        reference, judged = controls.take(slice(half, len(controls))), slice(0, half)
    if len(reference) >= FEW_ROWS:
        reference = reference.take(slice(0, 10_000))
        other = [np.maximum(space.closest(p, reference, k), SMALL) for p in (members, controls.take(judged))]
        scores["density"] = (
            np.log(other[0]).mean(axis=1) - np.log(near[0]).mean(axis=1),
            np.log(other[1]).mean(axis=1) - np.log(near[1][judged]).mean(axis=1),
        )
    found, curves = [], []
    for name, (inside, outside) in scores.items():
        found += _judged(s, name, inside, outside)
        curves.append({"attack": name, **_roc(inside, outside)})
    if "density" not in scores:
        note = (
            f"Needs {2 * FEW_ROWS} holdout rows: half as the attacker's reference, half as the control. Hold out more."
        )
        found.append(Finding(_metric("membership_auc", None, "density", note=note)))
    return found, {"membership": curves}


def _judged(s: Setting, name: str, inside: Floats, outside: Floats) -> list[Finding]:
    sizes = f"{len(inside):,} training and {len(outside):,} holdout rows, {len(s.synthetic):,} synthetic"
    auc = auc_excess(inside, outside)
    note = f"Chance that a training row looks more like a member than a holdout row; {sizes}."
    found = [_finding("membership_auc", name, auc, note)]
    for fpr, metric in RATES:
        got = tpr_excess(inside, outside, fpr, s.rng(metric))
        if got is None:
            why = f"Needs {round(1 / fpr):,} holdout rows; there are {len(outside):,}. Hold out more before training."
            found.append(Finding(_metric(metric, None, name, note=why)))
            continue
        note = f"Share of training rows found where {100 * fpr:g}% of holdout rows are taken for members; {sizes}."
        found.append(_finding(metric, name, got, note))
    return found


def _finding(name: str, subject: str, excess: Excess, note: str) -> Finding:
    base = BASE[name]
    figures = (base + excess.value, subject, base + excess.low, base + excess.high)
    return Finding(_metric(name, *figures, note), excess)


def _metric(
    name: str, value: float | None, subject: str, low: float | None = None, high: float | None = None, note: str = ""
) -> Metric:
    goal = BASE[name]
    unit = "auc" if name == "membership_auc" else "share"
    status = "unavailable" if value is None else ""
    return Metric(name, value, "disclosure", subject, None, None if value is None else goal, None, low, high,
                  "target", goal, unit, note, status=status)  # fmt: skip


def _roc(inside: Floats, outside: Floats) -> dict[str, list[float]]:
    """True positive rate at POINTS false positive rates, evenly spaced; and at .001, .01 and .1, where it matters."""
    rates = np.unique(np.concatenate([np.linspace(0, 1, POINTS), [0.001, 0.01]]))
    bars = np.quantile(outside, 1 - rates, method="inverted_cdf")
    return {"fpr": rates.tolist(), "tpr": [float((inside >= b).mean()) for b in bars]}
