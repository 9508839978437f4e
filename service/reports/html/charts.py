"""The drawings of a report. Each has its figures in a table beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from service.reports.html.figures import axis, cell, percent, short
from service.reports.html.svg import group, line, picture, tag, text

KNOWN = (("floor", "independent columns"), ("holdout", "real holdout"), ("ceiling", "bootstrap of the real data"))


def bullet(metric: Mapping[str, Any]) -> Markup:
    """The value as a dot among its yardsticks as ticks, on a scale from the worst to the best of them."""
    known = [(name, metric[name]) for name, _ in KNOWN if metric.get(name) is not None]
    value = metric.get("value")
    if value is None or not known:
        return Markup("")
    every = [v for _, v in known] + [value] + ([metric["goal"]] if metric.get("goal") is not None else [])
    goal = metric.get("goal")

    def worth(v: float) -> float:
        """Higher is better, whatever the direction."""
        if metric["direction"] == "target" and goal is not None:
            return -abs(v - float(goal))
        return -v if metric["direction"] == "lower" else v

    high = max(map(worth, every))
    # Tiny differences stay tiny: the scale spans at least two points.
    span = max(high - min(map(worth, every)), 0.02)

    def place(v: float) -> float:
        return 152 - 144 * (high - worth(v)) / span

    unit = str(metric["unit"])
    shapes = [tag("rect", x=4, y=9, width=152, height=4, rx=2, class_="track")]
    for name, v in known:
        mark = tag(
            "rect", tag("title", f"{name}: {cell(v, unit)}"), x=place(v) - 1.5, y=4, width=3, height=14, class_=name
        )
        shapes.append(mark)
    shapes.append(
        tag("circle", tag("title", f"value: {cell(value, unit)}"), cx=place(value), cy=11, r=5, class_="synthetic")
    )
    shown = ", ".join(f"{name} {cell(v, unit)}" for name, v in known)
    return picture(160, 22, f"{cell(value, unit)} among {shown}; better to the right", shapes)


def histogram(column: Mapping[str, Any]) -> Markup:
    """Shares by bin or category: real as bars, synthetic and holdout as dots. At most 24 bins, the rest as one."""
    labels, real, synthetic, holdout = folded(column)
    top = max([*real, *synthetic, *holdout, 1e-9])
    width, height, base = 320, 132, 112
    step = (width - 8) / max(1, len(labels))
    shapes = [line([(4, base), (width - 4, base)], "axis")]
    for i, label in enumerate(labels):
        left, x = 4 + i * step, 4 + (i + 0.5) * step
        tall = real[i] / top * 92
        words = f"{label}: real {percent(real[i])}, synthetic {percent(synthetic[i])}"
        shapes.append(
            tag(
                "rect",
                tag("title", words),
                x=left + step * 0.1,
                y=base - tall,
                width=step * 0.8,
                height=tall,
                class_="real",
            )
        )
        if holdout:
            y = base - holdout[i] / top * 92
            shapes.append(line([(left + step * 0.15, y), (left + step * 0.85, y)], "holdout-line"))
        shapes.append(
            tag("circle", tag("title", words), cx=x, cy=base - synthetic[i] / top * 92, r=3.2, class_="synthetic")
        )
    shapes.append(text(4, 126, short(labels[0], 22), "label"))
    if len(labels) > 1:
        shapes.append(text(width - 4, 126, short(labels[-1], 22), "label", "end"))
    shapes.append(text(width - 4, 10, percent(top, 0), "label", "end"))
    return picture(width, height, f"Shares of {column['column']}, real against synthetic", shapes)


def folded(column: Mapping[str, Any], most: int = 24) -> tuple[list[str], list[float], list[float], list[float]]:
    """(labels, real, synthetic, holdout) with the smallest categories beyond `most` added up; missing ones stay."""
    labels = [str(v) for v in column["labels"]]
    lists = [[float(v or 0.0) for v in column.get(name) or []] for name in ("real", "synthetic", "holdout")]
    kept = len(labels) - int(column.get("missing_labels", 0))
    if len(labels) <= most:
        return labels, lists[0], lists[1], lists[2]
    if column["kind"] in ("categorical", "ordinal", "boolean"):
        order = sorted(range(kept), key=lambda i: -lists[0][i])
        chosen, rest = sorted(order[: most - 1]), order[most - 1 :]
    else:
        chosen, rest = list(range(most - 1)), list(range(most - 1, kept))
    tail = list(range(kept, len(labels)))

    def fold(values: list[float]) -> list[float]:
        return (
            [*(values[i] for i in chosen), sum(values[i] for i in rest), *(values[i] for i in tail)] if values else []
        )

    names = [*(labels[i] for i in chosen), f"{len(rest)} others", *(labels[i] for i in tail)]
    return names, fold(lists[0]), fold(lists[1]), fold(lists[2])


def heat(pairs: Mapping[str, Any], most: int = 48) -> Markup:
    """Errors of all pairs as a triangle of squares: the darker, the further off."""
    names = [str(n) for n in pairs["columns"]][:most]
    values = {
        (i, j): v
        for i, j, v in zip(pairs["first"], pairs["second"], pairs["trend"]["synthetic"], strict=True)
        if v is not None and i < len(names) and j < len(names)
    }
    if not values:
        return Markup("")
    side = 20 if len(names) <= 24 else 12
    left = 130
    top = max(max(values.values()), 0.05)
    shapes = []
    for (i, j), v in values.items():
        row, col = max(i, j), min(i, j)
        words = f"{names[col]} × {names[row]}: {percent(v)}"
        shapes.append(
            tag(
                "rect", tag("title", words), x=left + col * side, y=row * side, width=side - 1, height=side - 1,
                class_="heat", fill_opacity=max(0.04, min(1.0, v / top)),
            )
        )  # fmt: skip
    for k, name in enumerate(names):
        if k:
            shapes.append(text(left - 6, k * side + side * 0.7, short(name, 20), "label", "end"))
        if k < len(names) - 1:
            x, y = left + k * side + side * 0.35, len(names) * side + 8
            label = tag("text", short(name, 16), transform=f"translate({x:.1f} {y}) rotate(55)", class_="label")
            shapes.append(label)
    size = len(names) * side
    return picture(left + size + 40, size + 96, f"Errors of {len(values)} pairs, darkest {percent(top)}", shapes)


def curves(
    lines: Sequence[tuple[str, str, Sequence[float], Sequence[float]]], title: str, x_label: str, y_label: str,
    unit_square: bool = False,
) -> Markup:  # fmt: skip
    """Lines of (name, class, x, y) on common axes."""
    xs = [x for _, _, many, _ in lines for x in many]
    ys = [y for _, _, _, many in lines for y in many]
    if not xs:
        return Markup("")
    (x0, x1), (y0, y1) = ((0.0, 1.0), (0.0, 1.0)) if unit_square else ((min(xs), max(xs)), (min(ys), max(ys)))
    width, height = 340, 240

    def at(x: float, y: float) -> tuple[float, float]:
        return 46 + (x - x0) / ((x1 - x0) or 1) * 280, 205 - (y - y0) / ((y1 - y0) or 1) * 185

    shapes = [line([at(x0, y0), at(x1, y0)], "axis"), line([at(x0, y0), at(x0, y1)], "axis")]
    if unit_square:
        shapes.append(line([at(0, 0), at(1, 1)], "diagonal"))
    for value, (x, y) in ((x0, at(x0, y0)), (x1, at(x1, y0))):
        shapes.append(text(x, y + 14, axis(value), "label", "middle"))
    for value in (y0, y1):
        shapes.append(text(40, at(x0, value)[1] + 4, axis(value), "label", "end"))
    shapes.append(text(186, 232, x_label, "label", "middle"))
    shapes.append(tag("text", y_label, transform="translate(11 112) rotate(-90)", class_="label", text_anchor="middle"))
    shapes += [
        group([tag("title", name), line([at(x, y) for x, y in zip(mx, my, strict=True)], class_)])
        for name, class_, mx, my in lines
    ]
    return picture(width, height, title, shapes)
