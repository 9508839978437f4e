"""Utility: methods trained on the sample, beside the same trained on real rows, all tested on the real holdout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from models.classifiers import scores as score
from models.classifiers.base import Floats, Labels
from models.evaluation.context import FEW_ROWS, Context, Part, joined
from models.evaluation.result import Metric, finite
from models.evaluation.utility import importance, ranking, resampling, survey
from models.evaluation.utility.problem import Problem, problem_of
from models.evaluation.utility.resampling import Draws, Told
from models.evaluation.utility.training import FEWER, Learnt, name_of, train

NAMES = {True: ("utility_auc", "utility_macro_f1", "utility_accuracy"), False: ("utility_r2", "utility_mae")}
ROUNDS, ROUNDS_OF_MANY = 100, 40
"""Bootstrap draws of the test rows; of a target with more than two classes."""
LUCK = 0.004
"""Standard deviation of a score that the draw of the training rows adds to that of the test rows, per root of 1,000 /
rows: trees learn a little else from other rows of the same table."""
Rows = tuple[Floats, Labels, Floats]
"""Features, target and survey weights, 1 where there are none."""


@dataclass(frozen=True, eq=False)
class Lab:
    """What all methods have in common. sources: features, target and weights of the training rows, by where they
    are from."""

    context: Context
    problem: Problem
    sources: dict[str, Rows]
    test: Rows
    draws: Draws

    def scores(self, outputs: Floats, y: Labels, times: Draws) -> dict[str, Floats]:
        """Each score in each draw of the rows y."""
        of = resampling.class_scores if self.problem.task.classes else resampling.number_scores
        return of(y, outputs, times)

    def main(self, y: Labels, outputs: Floats, times: Draws) -> Floats:
        """The first score in each draw of the rows y."""
        return self.scores(outputs, y, times)[NAMES[self.problem.task.classes][0]]


def utility(context: Context) -> Part:
    """Of the target, and of each of the option `targets`: the first one's figures are the section's own, those of
    others bear the target in their subject, with their sections in `others`."""
    wanted = list(dict.fromkeys(t for t in (context.target, *context.options.targets) if t is not None))
    if not wanted:
        note = "No target was named: name the column that matters most (`target`) to measure utility."
        return Part([], {"utility": {"target": None, "note": note}})
    first, *others = (_judged(replace(context, target=t), t) for t in wanted)
    metrics = list(first.metrics)
    for target, part in zip(wanted[1:], others, strict=True):
        metrics += [replace(m, subject=joined(m.subject, target) if m.subject else target) for m in part.metrics]
    more = {"others": [part.sections["utility"] for part in others]} if others else {}
    return Part(metrics, {"utility": {**first.sections["utility"], **more}}, first.sizes)


def _judged(context: Context, target: str) -> Part:
    """Scores of every method for the target, with ROC, precision and recall, confusion and calibration; whether the
    methods rank alike, and whether they lean on the same columns."""
    column = context.names.index(target)
    problem = problem_of(column, context.real)
    rng = context.rng("utility")
    tables = {"real": context.real, "synthetic": context.synthetic, "holdout": context.holdout}
    sources = {role: problem.rows(matrix) for role, matrix in tables.items()}
    reason = _reason(sources, len(context.names))
    if reason:
        names = NAMES[problem.task.classes]
        label = name_of("boosting", problem.task)
        gone = [
            Metric(n, None, "utility", label, direction=_way(n), unit=_unit(n, problem), note=reason) for n in names
        ]
        return Part(gone, {"utility": {"target": target, "task": problem.task.value, "note": reason}})
    most = context.options.utility_rows
    rows = min(len(sources["real"][1]), len(sources["synthetic"][1]), most)
    test = _draw(*sources.pop("holdout"), most, rng)
    drawn = {s: _draw(*sources[s], rows, rng) for s in ("synthetic", "real")}
    rounds = ROUNDS_OF_MANY if len(problem.classes) > 2 else ROUNDS
    lab = Lab(context, problem, drawn, test, resampling.draws(len(test[1]), rounds, rng, test[2]))
    return _measured(lab, rows)


def _measured(lab: Lab, rows: int) -> Part:
    context, problem = lab.context, lab.problem
    x_test, y_test, _ = lab.test
    floor = _baseline(lab)
    metrics: list[Metric] = []
    entries: list[tuple[float, list[dict[str, Any]]]] = []
    mains: dict[str, dict[str, Floats]] = {"synthetic": {}, "real": {}}
    first = NAMES[problem.task.classes][0]
    leaned: dict[str, Learnt] = {}
    methods = [m for m in context.options.methods if m != "mlp" or context.options.mlp] or ["boosting"]
    leaning = "boosting" if "boosting" in methods else methods[0]
    for i, method in enumerate(methods):
        label = name_of(method, problem.task)
        learnt = {}
        for source in ("synthetic", "real"):
            context.progress.check()
            context.progress.update(
                0.55 + 0.2 * i / len(methods), f"predicting {context.target} by {label}, {source} rows"
            )
            learnt[source] = train(method, problem, _mask(lab), context.seed, *lab.sources[source])
        outputs = {s: model.outputs(x_test) for s, model in learnt.items()}
        read = {s: lab.scores(out, y_test, lab.draws) for s, out in outputs.items()}
        apart = resampling.differences(read["synthetic"], read["real"])
        few = min(rows, FEWER.get(method, rows))
        note = _note(lab, few, rows) + survey.note(lab.problem.weight(context.real), method)
        few = min(survey.worth_of(w, few) for *_, w in lab.sources.values())
        metrics += [
            _metric(n, label, {s: resampling.told(read[s][n]) for s in read}, floor[n], apart[n], note, problem, few)
            for n in NAMES[problem.task.classes]
        ]
        for s in mains:
            mains[s][label] = read[s][first]
        entries.append((_known(read["real"][first][0]), _entries(lab, label, learnt, outputs, read, apart)))
        if method == leaning:
            leaned = learnt
    entries.sort(key=lambda e: -e[0])
    section: dict[str, Any] = {
        "target": context.target,
        "task": problem.task.value,
        "classes": list(problem.classes),
        "rows": {"training": rows, "holdout": len(y_test)},
        "fewer_rows": {name_of(m, problem.task): n for m, n in FEWER.items() if n < rows and m in methods},
        **survey.section(problem.weight(context.real), methods, problem.task),
        "baseline": floor,
        "models": [entry for _, pair in entries for entry in pair],
    }
    if (found := ranking.agreement(mains["synthetic"], mains["real"])) is not None:
        section["ranking"] = found
        metrics.append(_ranking_metric(found, len(y_test)))
    more, section["importance"] = _importance(lab, leaning, leaned)
    sizes = {"utility_rows": rows, "utility_holdout_rows": len(y_test)}
    return Part([*metrics, *more], {"utility": section}, sizes)


def _mask(lab: Lab) -> tuple[bool, ...]:
    return lab.problem.described(lab.context.real).categorical


def _draw(x: Floats, y: Labels, w: Floats, rows: int, rng: np.random.Generator) -> Rows:
    pick = rng.permutation(len(y))[:rows]
    return x[pick], y[pick], w[pick]


def _reason(sources: Mapping[str, Rows], columns: int) -> str:
    """Why the utility cannot be measured, or nothing."""
    if columns < 2:
        return "The target is the only modelled column: there is nothing to predict it from."
    for role, (_, y, _) in sources.items():
        if len(y) < FEW_ROWS:
            return f"Needs {FEW_ROWS} {role} rows with a target; there are {len(y)}."
        if role != "synthetic" and len(np.unique(y)) < 2:
            return f"The target is constant in the {role} rows: choose one that varies, or a larger holdout."
    return ""


def _note(lab: Lab, few: int, rows: int) -> str:
    less = f" ({few:,} of them: the method is slow)" if few < rows else ""
    floor = "the majority class" if lab.problem.task.classes else "the mean of the target"
    text = f"Trained on {rows:,} rows each{less}, tested on {len(lab.test[1]):,} holdout rows. "
    return f"{text}Ceiling: trained on real rows; floor: {floor}."


def _baseline(lab: Lab) -> dict[str, float | None]:
    """What predicting the majority class, or the mean, reads."""
    (_, y, w), y_test = lab.sources["real"], lab.test[1]
    if lab.problem.task.classes:
        share = np.bincount(y, w, len(lab.problem.classes)) / w.sum()
        outputs = np.tile(share, (len(y_test), 1))
    else:
        outputs = np.full(len(y_test), float(np.average(y, weights=w)))
    return {n: finite(float(v[0])) for n, v in lab.scores(outputs, y_test, lab.draws[:1]).items()}


def _entries(
    lab: Lab,
    label: str,
    learnt: Mapping[str, Learnt],
    outputs: Mapping[str, Floats],
    read: Mapping[str, Mapping[str, Floats]],
    apart: Mapping[str, Told],
) -> list[dict[str, Any]]:
    """Figures and curves of one method, one entry for each source; that of real rows also tested on synthetic ones."""
    out = []
    for source in ("real", "synthetic"):
        told = {n: resampling.told(v) for n, v in read[source].items()}
        entry: dict[str, Any] = {"model": label, "trained_on": source}
        entry["scores"] = {n: finite(t.value) for n, t in told.items()}
        entry["intervals"] = {n: [finite(t.low), finite(t.high)] for n, t in told.items()}
        if source == "synthetic":
            entry["differences"] = {n: [finite(t.value), finite(t.low), finite(t.high)] for n, t in apart.items()}
        else:
            x, y, w = (part[: len(lab.test[1])] for part in lab.sources["synthetic"])
            back = lab.scores(learnt["real"].outputs(x), y, w[None])
            entry["on_synthetic"] = {n: finite(float(v[0])) for n, v in back.items()}
        out.append({**entry, **_curves(lab.problem, lab.test, outputs[source])})
    return out


def _curves(problem: Problem, test: Rows, result: Floats) -> dict[str, Any]:
    """ROC, precision and recall (two classes), confusion and calibration; of numbers, means by predicted tenth."""
    k = len(problem.classes)
    _, y, w = test
    if not problem.task.classes:
        tenths = np.array_split(np.argsort(result, kind="stable"), min(10, len(y)))
        means = [[float(np.average(v[t], weights=w[t])) for v in (result, y)] for t in tenths]
        rows = [{"predicted": a, "observed": b, "rows": len(t)} for (a, b), t in zip(means, tenths, strict=True)]
        return {"calibration": rows}
    guess = result.argmax(axis=1)
    out: dict[str, Any] = {"confusion": np.rint(score.confusion(y, guess, k, w)).astype(np.int64)}
    if k == 2:
        out["roc"] = score.roc_curve(y == 1, result[:, 1], weights=w)
        out["pr"] = score.pr_curve(y == 1, result[:, 1], weights=w)
        out["calibration"] = score.calibration(y == 1, result[:, 1], weights=w)
    else:
        out["calibration"] = score.calibration(y == guess, result.max(axis=1), weights=w)
    return out


def _metric(
    name: str,
    subject: str,
    read: Mapping[str, Told],
    floor: float | None,
    apart: Told,
    note: str,
    problem: Problem,
    rows: int,
) -> Metric:
    """The score with its interval. Fresh real rows read what real rows read, but for the luck of the training rows:
    the two models differ on test rows as the paired draws tell, and by LUCK."""
    value, real = read["synthetic"], read["real"]
    scale = 1.0 if name != "utility_mae" else abs(real.value)
    spread = float(np.hypot(np.sqrt(2) * np.nan_to_num(apart.deviation), scale * LUCK * np.sqrt(1_000 / max(rows, 1))))
    way = f" Difference {apart.value:+.3g}, 95% interval {apart.low:+.3g} to {apart.high:+.3g} (paired)."
    return Metric(
        name,
        finite(value.value),
        "utility",
        subject,
        finite(real.value),
        None,
        floor,
        finite(value.low),
        finite(value.high),
        _way(name),
        None,
        _unit(name, problem),
        note + way,
        finite(real.value),
        finite(spread) if finite(real.value) is not None else None,
    )


def _way(name: str) -> str:
    return "lower" if name == "utility_mae" else "higher"


def _unit(name: str, problem: Problem) -> str:
    return {"utility_auc": "auc", "utility_mae": problem.unit or "target"}.get(name, "score")


def _known(value: float) -> float:
    return float(value) if np.isfinite(value) else -np.inf


def _ranking_metric(found: Mapping[str, Any], rows: int) -> Metric:
    note = (
        f"Kendall's tau over {found['methods']} methods, trained on the sample and on real rows, {rows:,} holdout "
        f"rows; best on real rows: {found['best_on_real']}, on the sample: {found['best_on_synthetic']}, which costs "
        f"{found['cost']:.3g}. Methods that are equally good change places by chance."
    )
    low, high = (finite(found[k]) for k in ("low", "high"))
    return Metric(
        "utility_ranking",
        finite(found["tau"]),
        "utility",
        low=low,
        high=high,
        direction="higher",
        unit="score",
        note=note,
    )


def _importance(lab: Lab, method: str, leaned: Mapping[str, Learnt]) -> tuple[list[Metric], dict[str, Any]]:
    """Agreement on the columns that matter, beside that of models of two halves of the real rows."""
    context, problem = lab.context, lab.problem
    described = problem.described(context.real)
    columns = problem.others(context.real)[: importance.COLUMNS]
    names = [context.names[j] for j in columns]
    x, y, w = (part[: importance.ROWS] for part in lab.test)

    times = resampling.draws(len(y), importance.DRAWS, context.rng("utility_importance"), w)

    def read(learnt: Learnt, times: Draws) -> Floats:
        context.progress.check()
        score = partial(lab.main, times=times)
        return importance.importances(learnt, x, y, described.sources, columns, score, context.seed)

    drawn = {s: read(learnt, times) for s, learnt in leaned.items()}
    found = {s: v[0] for s, v in drawn.items()}
    halves: list[Floats] = []
    rows = len(lab.sources["real"][1])
    if rows >= 4 * FEW_ROWS:
        for part in (slice(0, rows // 2), slice(rows // 2, rows)):
            data = tuple(a[part] for a in lab.sources["real"])
            halves.append(read(train(method, problem, _mask(lab), context.seed, *data), times[:1])[0])
    both = list(zip(drawn["real"], drawn["synthetic"], strict=True))
    same = resampling.told(np.array([importance.spearman(a, b) for a, b in both]))
    shared = resampling.told(np.array([importance.top_overlap(a, b) for a, b in both]))
    known: list[float | None] = [None, None]
    if halves:
        a, b = halves
        known = [importance.spearman(a, b), importance.top_overlap(a, b)]
    note = (
        f"Permutation importance of {len(columns)} columns for {name_of(method, problem.task)}, {len(y):,} holdout "
        "rows; ceiling: models of two halves of the real rows. Columns without importance are ranked by chance."
    )
    section: dict[str, Any] = {"method": name_of(method, problem.task), "note": note}
    section["columns"] = importance.table(names, {k: found[k] for k in ("real", "synthetic")})
    if len(columns) < 3:
        return [], section
    figures = (("utility_importance", same, known[0], "score"), ("utility_top", shared, known[1], "share"))
    metrics = [
        Metric(
            n,
            finite(v.value),
            "utility",
            "",
            finite(c),
            None,
            None,
            finite(v.low),
            finite(v.high),
            "higher",
            None,
            u,
            note,
        )
        for n, v, c, u in figures
    ]
    return metrics, section
