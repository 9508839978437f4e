"""Attribute inference: does the sample tell more about a column of people it was trained on than of others?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from models.evaluation.attacks.rates import Excess, Rate, risk
from models.evaluation.attacks.setting import Finding, Setting, cell_keys
from models.evaluation.attacks.space import Space, affordable
from models.evaluation.features import features
from models.evaluation.intervals import Z
from models.evaluation.matrix import Cells, Floats, Ints, Keys, Matrix
from models.evaluation.result import Metric

CLOSE, SHARE = 0.05, 0.01
"""A number counts as guessed within 5% of it, or within 1% of the range of the middle nine tenths."""
TREES = 20
MODEL_ROWS = 50_000
BINS = 20
GUESSERS = {"inference_neighbour": "nearest synthetic row", "inference_model": "randomised trees trained on the sample"}


@dataclass(frozen=True, eq=False)
class Secret:
    """One sensitive column: its values (N,) of a matrix, missing codes as values of their own below all others."""

    index: int
    labelled: bool
    tolerance: float

    @staticmethod
    def of(real: Matrix, j: int) -> Secret:
        present = real.values[real.missing[:, j] < 0, j]
        spread = np.quantile(present, (0.05, 0.95)) if len(present) else np.zeros(2)
        return Secret(j, real.columns[j].labelled, SHARE * float(spread[1] - spread[0]))

    def read(self, matrix: Matrix) -> Floats:
        missing = matrix.missing[:, self.index].astype(np.float64)
        return np.where(missing >= 0, -1e15 * (1 + missing), matrix.values[:, self.index])

    def hits(self, guessed: Floats, truth: Floats, timed: bool) -> Rate:
        """How many guesses are right; numbers within a tolerance."""
        allowed = np.zeros(len(truth))
        if not self.labelled:
            allowed = np.maximum(self.tolerance, 0.0 if timed else CLOSE * np.abs(truth))
            allowed = np.where(truth <= -1e15, 0.0, allowed)
        return Rate(int((np.abs(guessed - truth) <= allowed + 1e-9).sum()), len(truth))


def inference(s: Setting) -> tuple[list[Finding], dict[str, Any]]:
    """For each sensitive column two guessers who know the other columns of a person (`known`) and hold the sample: the
    value of the nearest synthetic row, and a model trained on the sample (Giomi et al. 2023, section 4.3); and CAP, the
    share of the synthetic rows with equal known cells that have the person's value (Elliot 2014; Taub et al. 2018)."""
    if not s.enough or not s.sensitive or not s.known:
        why = "Needs a sensitive column and one that is known." if s.enough else s.lack()
        names = [*GUESSERS, "cap"]
        return [Finding(Metric(n, None, "disclosure", status="unavailable", note=why)) for n in names], {}
    space = Space(s.context.real, s.known, "range")
    place = space.place(s.synthetic)
    most = affordable(len(s.members) + len(s.controls), len(place), len(s.known)) // 2
    members, controls = (m.take(np.arange(min(most, len(m)))) for m in (s.members, s.controls))
    near = [space.nearest(space.place(m), place)[0] for m in (members, controls)]
    cells = Cells.fit(s.context.real, BINS)
    known = [cell_keys(cells.codes(m), s.coarse) for m in (members, controls, s.synthetic)]
    found, rows = [], []
    for j in s.sensitive:
        s.context.progress.check()
        secret = Secret.of(s.context.real, j)
        timed = s.context.real.columns[j].kind == "datetime"
        truth = [secret.read(m) for m in (members, controls)]
        values = secret.read(s.synthetic)
        lucky = s.rng("guess").choice(values, len(truth[0]))
        guessed = {
            "inference_neighbour": [values[at] for at in near],
            "inference_model": _modelled(s, secret, values, (members, controls)),
        }
        base = secret.hits(lucky, truth[0], timed)
        rates = {k: [secret.hits(g, t, timed) for g, t in zip(v, truth, strict=True)] for k, v in guessed.items()}
        name = s.context.names[j]
        found += [_finding(k, name, v[0], v[1], base) for k, v in rates.items()]
        cap = _cap(known, [cells.codes(m)[:, j] for m in (members, controls, s.synthetic)])
        found.append(_cap_finding(name, *cap))
        rows.append(
            {
                "column": name,
                "guess": base.value,
                **{k: {"training": v[0].value, "holdout": v[1].value} for k, v in rates.items()},
                "cap": {"training": _mean(cap[0]), "holdout": _mean(cap[1])},
                "tcap": _tcap(known, [cells.codes(m)[:, j] for m in (members, controls, s.synthetic)]),
            }
        )
    section = {
        "known": s.names(s.known),
        "coarse": s.names(s.coarse),
        "sensitive": s.names(s.sensitive),
        "columns": rows,
    }
    return found, {"inference": section}


def _finding(name: str, column: str, attack: Rate, control: Rate, base: Rate) -> Finding:
    excess = risk(attack, control)
    note = (
        f"Guessed by the {GUESSERS[name]}: right for {attack} training rows and for {control} holdout rows; a value "
        f"drawn from the sample is right for {base}. The figure is the share of what the control leaves: (attack - "
        "control) / (1 - control)."
    )
    low, high = max(-1.0, excess.low), excess.high
    return Finding(
        Metric(
            name, excess.value, "disclosure", column, None, 0.0, None, min(low, excess.value), high, goal=0.0, note=note
        ),
        excess,
    )


def _modelled(s: Setting, secret: Secret, values: Floats, targets: Sequence[Matrix]) -> list[Floats]:
    """Guesses of extremely randomised trees grown to the end (Geurts et al. 2006), which learn rows by heart."""
    rows = np.arange(min(MODEL_ROWS, len(values)))
    x = _inputs(s.synthetic.take(rows), s.known)
    y = values[rows]
    kind = ExtraTreesClassifier if secret.labelled else ExtraTreesRegressor
    model = kind(TREES, random_state=s.context.seed, n_jobs=1)
    if secret.labelled:
        classes, codes = np.unique(y, return_inverse=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of many classes: they are labels all the same
            model.fit(x, codes)
        return [classes[model.predict(_inputs(t, s.known))] for t in targets]
    model.fit(x, y)
    return [np.asarray(model.predict(_inputs(t, s.known)), np.float64) for t in targets]


def _inputs(matrix: Matrix, known: Sequence[int]) -> Floats:
    return np.nan_to_num(features(matrix, known).x, nan=-1e9)


def _groups(known: Keys, values: Ints) -> tuple[Keys, Floats, Keys, Floats]:
    """Distinct keys with their counts, and distinct (key, value) with theirs."""
    single, times = np.unique(known, return_counts=True)
    both, joint = np.unique(_joined(known, values), return_counts=True)
    return single, times.astype(float), both, joint.astype(float)


def _joined(known: Keys, values: Ints) -> Keys:
    return (known ^ (values.astype(np.uint64) + np.uint64(1))) * np.uint64(0xBF58476D1CE4E5B9)


def _look(keys: Keys, sorted_keys: Keys, times: Floats) -> Floats:
    at = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return np.where(sorted_keys[at] == keys, times[at], 0.0)


def _cap(known: Sequence[Keys], values: Sequence[Ints]) -> tuple[Floats, Floats]:
    """CAP of each matched training row and of each matched holdout row; rows without a match are left out."""
    single, times, both, joint = _groups(known[2], values[2])
    out = []
    for k in (0, 1):
        total = _look(known[k], single, times)
        right = _look(_joined(known[k], values[k]), both, joint)
        out.append(right[total > 0] / total[total > 0])
    return out[0], out[1]


def _tcap(known: Sequence[Keys], values: Sequence[Ints]) -> dict[str, float | None]:
    """Share of right guesses where all synthetic rows with the known cells agree (Taub and Elliot 2019: TCAP)."""
    single, times, both, joint = _groups(known[2], values[2])
    agreed = _look(_joined(known[2], values[2]), both, joint) == _look(known[2], single, times)
    sure = np.unique(known[2][agreed])
    out: dict[str, float | None] = {}
    for k, role in enumerate(("training", "holdout")):
        chosen = np.isin(known[k], sure)
        out[role] = _mean((_look(_joined(known[k], values[k]), both, joint) > 0)[chosen].astype(float))
    return out


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _cap_finding(column: str, inside: Floats, outside: Floats) -> Finding:
    if min(len(inside), len(outside)) < 30:
        note = (
            f"Only {len(inside):,} training and {len(outside):,} holdout rows have their known cells in the sample; "
            "needs 30 of each. Name fewer known columns, or hold out more rows."
        )
        return Finding(Metric("cap", None, "disclosure", column, unit="share", note=note, status="unavailable"))
    value, control = float(inside.mean()), float(outside.mean())
    spread = float(np.sqrt(inside.var(ddof=1) / len(inside) + outside.var(ddof=1) / len(outside)))
    own = Z * float(inside.std(ddof=1)) / np.sqrt(len(inside))
    gap = value - control
    free = min(len(inside), len(outside)) - 1
    p = float(student.sf(gap / spread, free)) if spread > 0 else 1.0
    excess = Excess(gap, gap - Z * spread, gap + Z * spread, p,
                    lambda chance: control + float(student.isf(chance, free)) * spread)  # fmt: skip
    note = (
        f"Mean share of the synthetic rows with equal known cells that have the person's value: {value:.3f} over "
        f"{len(inside):,} training rows, {control:.3f} over {len(outside):,} holdout rows whose known cells occur in "
        "the sample."
    )
    low, high = max(0.0, value - float(own)), min(1.0, value + float(own))
    return Finding(Metric("cap", value, "disclosure", column, None, control, None, low, high, goal=control, note=note),
                   excess)  # fmt: skip
