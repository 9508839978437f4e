"""One sentence for each drawing: where to look, and what the furthest off reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.reports.html.figures import cell, percent, short
from service.reports.html.series import at

Facts = Mapping[str, Any]


def column(found: Facts) -> str:
    """Of a column's shares: the value that is furthest off."""
    real, synthetic = found.get("real") or [], found.get("synthetic") or []
    if not real or not synthetic:
        return "Look for dots that leave the bars."
    gaps = [abs((s or 0.0) - (r or 0.0)) for r, s in zip(real, synthetic, strict=True)]
    k = max(range(len(gaps)), key=gaps.__getitem__)
    if gaps[k] < 0.0005:
        return "No dot leaves its bar by more than 0.05 points."
    return f"Furthest off: {short(found['labels'][k], 40)}, {percent(synthetic[k])} instead of {percent(real[k])}."


def pairs(found: Facts) -> str:
    """Of the heat map: the column that most of the furthest pairs share."""
    worst = [[str(c) for c in p["columns"]] for p in found.get("worst") or []][:10]
    counts: dict[str, int] = {}
    for names in worst:
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    if not counts:
        return "Look for dark rows or columns: they point at one culprit."
    name, times = max(counts.items(), key=lambda item: item[1])
    if times < 3:
        return "Look for dark rows or columns: they point at one culprit. Here no column stands out."
    return f"Look for dark rows or columns: {short(name)} is in {times} of the {len(worst)} pairs furthest off."


def roc(curve: Facts) -> str:
    """Of ROC curves: the largest gap between a model and its twin trained on real rows."""
    gaps = []
    for name, class_, xs, ys in curve["lines"]:
        model = name.rpartition(", trained on ")[0]
        twin = next((line for line in curve["lines"] if line[0] == f"{model}, trained on real rows"), None)
        if "dashed" not in class_ and twin:
            gaps += [(at(k / 100, twin[2], twin[3]) - at(k / 100, xs, ys), k / 100, model) for k in range(2, 101)]
    if not gaps:
        return "The nearer a line is to the upper left corner, the better."
    gap, where, model = max(gaps)
    if gap < 0.01:
        return "Each line should cover its dashed twin, trained on real rows, and it does."
    return (
        f"Each line should cover its dashed twin, trained on real rows. The widest gap is {100 * gap:.0f} points, of "
        f"{model} at a false positive rate of {percent(where, 0)}."
    )


def calibration(curve: Facts) -> str:
    """Of calibration curves: the point furthest from the diagonal among models trained on the sample."""
    read = [
        (abs(y - x), x, y, name)
        for name, class_, xs, ys in curve["lines"]
        if "dashed" not in class_
        for x, y in zip(xs, ys, strict=True)
    ]
    if not read:
        return "On the diagonal, what is predicted is what happens."
    _, x, y, name = max(read)
    write = percent if curve.get("shares") else (lambda v: cell(v, "score"))
    model = name.rpartition(", trained on ")[0]
    return (
        f"On the diagonal, what is predicted is what happens. Furthest off: {model} predicts {write(x)} "
        f"where {write(y)} is observed."
    )


def distances(found: Facts) -> str:
    """Of distances to the closest training row: the lowest percentile beside its control."""
    names: Sequence[str] = found["names"]
    percentile, values = found["rows"][0]
    if "Sample" not in names or "Holdout (control)" not in names:
        return "The sample should lie no further to the left than real rows that were not trained on."
    mine, control = values[names.index("Sample")], values[names.index("Holdout (control)")]
    nearer = "nearer than" if mine < control else "no nearer than"
    return (
        f"The sample should lie no further left than the control. Its nearest {percentile}% of rows lie within "
        f"{cell(mine, 'distance')}, the control's within {cell(control, 'distance')}: {nearer} real rows."
    )


def two_way(found: Facts) -> str:
    """Of a two-way table: the cell that is furthest off."""
    cells = [
        (abs(s - r), r, s, i, j)
        for i, (real, synthetic) in enumerate(zip(found["real"], found["synthetic"], strict=True))
        for j, (r, s) in enumerate(zip(real, synthetic, strict=True))
    ]
    if not cells:
        return "No cell has rows."
    _, r, s, i, j = max(cells)
    first, second = short(found["labels"][0][i], 30), short(found["labels"][1][j], 30)
    return f"Furthest off: {first} with {second}, {percent(s)} of the sample instead of {percent(r)}."
