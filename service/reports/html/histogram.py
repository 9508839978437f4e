"""The drawing of one column: real rows as bars, synthetic rows as dots, the holdout as dashes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from service.reports.html.figures import percent, short
from service.reports.html.svg import group, line, picture, tag, text

WIDTH, HEIGHT, BASE, TALL = 320, 136, 112, 88
MOST = 24
BREAK = 3.5
"""A bar so many times as tall as the next one is cut, or it would flatten all others."""


def histogram(column: Mapping[str, Any]) -> Markup:
    """Shares by bin or category. At most MOST bins, the rest as one."""
    labels, real, synthetic, holdout = folded(column)
    heights = [max(r, s, h) for r, s, h in zip(real, synthetic, holdout or [0.0] * len(real), strict=True)]
    ranked = sorted(heights, reverse=True)
    cut = len(ranked) > 3 and ranked[0] > BREAK * ranked[1] > 0
    top = max(ranked[1] * 1.6 if cut else ranked[0], 1e-9)
    step = (WIDTH - 8) / max(1, len(labels))

    def place(share: float) -> float:
        return BASE - min(share / top, 1.0) * TALL

    shapes = []
    for i, label in enumerate(labels):
        left, x = 4 + i * step, 4 + (i + 0.5) * step
        said = [f"{short(label, 60)}: real {percent(real[i])}", f"synthetic {percent(synthetic[i])}"]
        words = ", ".join([*said, f"holdout {percent(holdout[i])}"] if holdout else said)
        y, wide = place(real[i]), step * 0.8
        marks = [tag("title", words)]
        marks.append(tag("rect", x=left + step * 0.1, y=y, width=wide, height=BASE - y, class_="real"))
        if cut and heights[i] == ranked[0]:
            marks += _cut(left, step, f"{percent(real[i])}, sample {percent(synthetic[i])}")
        if holdout:
            dash = [(left + step * 0.12, place(holdout[i])), (left + step * 0.88, place(holdout[i]))]
            marks.append(line(dash, "holdout-line"))
        marks.append(tag("circle", cx=x, cy=place(synthetic[i]), r=3.2, class_="synthetic"))
        values = " ".join(f"{v[i]:.5g}" for v in (real, synthetic, holdout) if v)
        shapes.append(group(marks, class_="point cut" if cut and heights[i] == ranked[0] else "point", data_v=values))
    shapes.append(line([(4, BASE), (WIDTH - 4, BASE)], "axis"))
    if cut and 4 + heights.index(ranked[0]) * step > WIDTH / 2:
        shapes.append(text(4, BASE - TALL - 8, f"others up to {percent(ranked[1])}", "label said"))
    elif cut:
        shapes.append(text(WIDTH - 4, BASE - TALL - 8, f"others up to {percent(ranked[1])}", "label said", "end"))
    else:
        shapes.append(text(WIDTH - 4, 11, percent(top, 0), "label said", "end"))
    shapes += _names(labels, step)
    title = f"Shares of {short(column['column'], 80)}, real against synthetic"
    return picture(WIDTH, HEIGHT, title, shapes, "histogram")


def _cut(left: float, step: float, words: str) -> list[Markup]:
    """A slanted gap in the bar, and its shares in words on its side, where they leave room for those on the other."""
    y, end = BASE - TALL + 16, left > WIDTH / 2
    at = max(left + step, WIDTH * 0.8) if end else min(left, WIDTH * 0.2)
    gap = line([(left - 1, y + 4), (left + step + 1, y - 4)], "gap")
    return [gap, text(at, BASE - TALL - 8, words, "label said", "end" if end else "start")]


def _names(labels: list[str], step: float) -> list[Markup]:
    """Every label under its bar where they fit, else the first and the last."""
    room = int(step / 6.2)
    if all(len(label) <= room for label in labels) or len(labels) <= 4:
        return [
            text(4 + (i + 0.5) * step, 127, short(s, max(room, 3)), "label", "middle") for i, s in enumerate(labels)
        ]
    return [text(4, 127, short(labels[0], 24), "label"), text(WIDTH - 4, 127, short(labels[-1], 24), "label", "end")]


def folded(column: Mapping[str, Any], most: int = MOST) -> tuple[list[str], list[float], list[float], list[float]]:
    """(labels, real, synthetic, holdout) with the smallest categories beyond `most` added up; missing ones stay."""
    labels = [str(v) for v in column["labels"]]
    lists = [[float(v or 0.0) for v in column.get(name) or []] for name in ("real", "synthetic", "holdout")]
    kept = len(labels) - int(column.get("missing_labels", 0))
    if len(labels) <= most:
        return labels, lists[0], lists[1], lists[2]
    if column["kind"] in ("categorical", "ordinal", "boolean"):
        # The evaluation's own "(other: …)" comes last and belongs to the rest.
        order = sorted(range(kept), key=lambda i: (labels[i].startswith("(other: "), -lists[0][i]))
        chosen, rest = sorted(order[: most - 1]), order[most - 1 :]
    else:
        chosen, rest = list(range(most - 1)), list(range(most - 1, kept))
    tail = list(range(kept, len(labels)))

    def fold(values: list[float]) -> list[float]:
        return (
            [*(values[i] for i in chosen), sum(values[i] for i in rest), *(values[i] for i in tail)] if values else []
        )

    names = [*(labels[i] for i in chosen), "all others", *(labels[i] for i in tail)]
    return names, fold(lists[0]), fold(lists[1]), fold(lists[2])
