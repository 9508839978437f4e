"""The drawings of a report. Each has its figures in a table beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from service.reports.html.figures import axis, cell, percent, short, shortened
from service.reports.html.histogram import histogram
from service.reports.html.svg import group, line, picture, tag, text
from service.reports.html.twoway import two_way

__all__ = ["bullet", "curves", "forest", "heat", "histogram", "ranked", "span", "two_way"]

KNOWN = (("floor", "worst known"), ("holdout", "real holdout"), ("ceiling", "best known"))
Line = tuple[str, str, Sequence[float], Sequence[float]]
"""(name, classes, x, y)"""
Mark = tuple[float, float | None, str, str]
"""(x, y of a dot or nothing, class, words): an upright line across the chart"""


def span(found: Mapping[str, Any], scale: float) -> Markup:
    """An interval of a share, from 0 to `scale`, with its estimate as a dot and what real rows read as a tick."""

    def place(v: float) -> float:
        return 4 + 152 * min(v, scale) / scale

    words = f"{percent(found['low'])} to {percent(found['high'])}"
    shapes = [tag("rect", x=4, y=9, width=152, height=4, rx=2, class_="track")]
    shapes.append(line([(place(found["low"]), 11), (place(found["high"]), 11)], "interval"))
    if found.get("ceiling") is not None:
        said = tag("title", f"real rows again: {percent(found['ceiling'])}")
        shapes.append(tag("rect", said, x=place(found["ceiling"]) - 1.5, y=4, width=3, height=14, class_="ceiling"))
    if found.get("estimate") is not None:
        said = tag("title", f"estimate: {percent(found['estimate'])}")
        shapes.append(tag("circle", said, cx=place(found["estimate"]), cy=11, r=4, class_="synthetic"))
    return picture(160, 22, words, shapes)


def bullet(metric: Mapping[str, Any]) -> Markup:
    """The value as a dot with its interval, yardsticks as ticks, what reaches the bar shaded; better is right."""
    known = [(name, words, float(metric[name])) for name, words in KNOWN if metric.get(name) is not None]
    value, goal, bar = metric.get("value"), metric.get("goal"), metric.get("bar")
    if value is None or not (known or bar is not None):
        return Markup("")
    ends = [float(metric[k]) for k in ("low", "high") if metric.get(k) is not None]

    def worth(v: float) -> float:
        """Higher is better, whatever the direction."""
        if metric["direction"] == "target" and goal is not None:
            return -abs(v - float(goal))
        return -v if metric["direction"] == "lower" else v

    every = [
        worth(v) for v in [float(value), *ends, *(v for _, _, v in known), *(x for x in (goal, bar) if x is not None)]
    ]
    high = max(every)
    # Tiny differences stay tiny: the scale spans at least two points.
    span = max(high - min(every), 0.02)

    def place(v: float) -> float:
        return 152 - 144 * (high - worth(v)) / span

    unit = str(metric["unit"])
    shapes = [tag("rect", x=4, y=9, width=152, height=4, rx=2, class_="track")]
    if bar is not None:
        shapes.append(tag("rect", x=place(bar) - 1, y=6, width=157 - place(bar), height=10, rx=2, class_="good"))
    for name, words, v in known:
        said = tag("title", f"{words}: {cell(v, unit)}")
        shapes.append(tag("rect", said, x=place(v) - 1.5, y=4, width=3, height=14, class_=name))
    if len(ends) == 2 and metric["direction"] != "target":
        shapes.append(line([(place(ends[0]), 11), (place(ends[1]), 11)], "interval"))
    said = tag("title", f"value: {cell(value, unit)}")
    shapes.append(tag("circle", said, cx=place(value), cy=11, r=5, class_="synthetic"))
    shown = ", ".join(f"{words} {cell(v, unit)}" for _, words, v in known)
    return picture(160, 22, f"{cell(value, unit)}; {shown}; better to the right", shapes)


def heat(pairs: Mapping[str, Any], most: int = 48) -> Markup:
    """Errors of pairs as a triangle of squares: the darker, the further off. Of more than `most` columns the worst."""
    known = [
        (i, j, v)
        for i, j, v in zip(pairs["first"], pairs["second"], pairs["trend"]["synthetic"], strict=True)
        if v is not None
    ]
    if not known:
        return Markup("")
    highest: dict[int, float] = {}
    for i, j, v in known:
        highest |= {i: max(v, highest.get(i, 0.0)), j: max(v, highest.get(j, 0.0))}
    kept = sorted(sorted(highest, key=lambda k: -highest[k])[:most])
    names, at = [str(pairs["columns"][k]) for k in kept], {k: place for place, k in enumerate(kept)}
    values = {(at[i], at[j]): v for i, j, v in known if i in at and j in at}
    side = 20 if len(names) <= 24 else 12
    left = 130
    top = max(max(values.values()), 0.05)
    shapes = []
    for (i, j), v in values.items():
        row, col = max(i, j), min(i, j)
        said = tag("title", f"{short(names[col])} × {short(names[row])}: {percent(v)}")
        place = {"x": left + col * side, "y": (row - 1) * side, "width": side - 1, "height": side - 1}
        opacity = max(0.04, min(1.0, v / top))
        shapes.append(tag("rect", said, **place, class_="heat", fill_opacity=opacity))
    for k, name in enumerate(names):
        if k:
            shapes.append(text(left - 6, (k - 1) * side + side * 0.7, short(name, 20), "label", "end"))
        if k < len(names) - 1:
            x, y = left + k * side + side * 0.35, (len(names) - 1) * side + 8
            label = tag("text", short(name, 16), transform=f"translate({x:.1f} {y}) rotate(55)", class_="label")
            shapes.append(label)
    size = (len(names) - 1) * side
    if len(names) >= 6:
        shapes += _scale(left + size, top)
    title = f"Errors of {len(values)} pairs, strongest {percent(top)}"
    return picture(left + size + 40, size + 96, title, shapes, "squares")


def _scale(right: float, top: float) -> list[Markup]:
    """What the shades mean, in the free corner."""
    steps = [
        tag("rect", x=right - 62 + k * 12, y=4, width=11, height=11, class_="heat", fill_opacity=max(0.04, k / 4))
        for k in range(5)
    ]
    return [*steps, text(right - 62, 28, "0", "label"), text(right - 2, 28, percent(top, 0), "label", "end")]


def ranked(rows: Sequence[Mapping[str, Any]], title: str, unit: str = "share", low: float = 0.0) -> Markup:
    """Figures of subjects below each other: the value as a bar, its yardsticks as ticks. rows: subject, value, and any
    of bar, expected, holdout. low: where the axis begins."""
    rows = [row for row in rows if row.get("value") is not None]
    if not rows:
        return Markup("")
    ticks = (("expected", "floor", "expected"), ("holdout", "holdout", "real holdout"), ("bar", "ceiling", "bar"))
    top = max(
        float(v) for row in rows for k in ("value", "bar", "expected", "holdout") if (v := row.get(k)) is not None
    )
    wide = max(top - low, 1e-9)

    def place(v: float) -> float:
        return 132 + 150 * min(1.0, max(0.0, (v - low) / wide))

    shapes = []
    for k, row in enumerate(rows):
        y, value = 4 + k * 18, float(row["value"])
        known = [(class_, words, float(row[key])) for key, class_, words in ticks if row.get(key) is not None]
        said = [f"{short(row['subject'], 80)}: {cell(value, unit)}", *(f"{w} {cell(v, unit)}" for _, w, v in known)]
        marks = [tag("title", ", ".join(said)), tag("rect", x=0, y=y - 2, width=340, height=18, class_="ground")]
        marks.append(tag("rect", x=132, y=y + 2, width=max(place(value) - 132, 1), height=10, class_="synthetic"))
        marks += [tag("rect", x=place(v) - 1, y=y - 1, width=2.5, height=16, class_=c) for c, _, v in known]
        marks.append(text(126, y + 11, shortened(row["subject"], 18), "label", "end"))
        marks.append(text(336, y + 11, cell(value, unit), "label", "end"))
        shapes.append(group(marks, class_="point"))
    return picture(340, 8 + 18 * len(rows), title, shapes, "ranked")


def forest(rows: Sequence[Mapping[str, Any]], title: str, unit: str, reference: float | None = None) -> Markup:
    """Values with their intervals below each other, and an upright line at `reference`. rows: subject, value, and maybe
    low, high, and other (value, low, high) of a second table, drawn below the first."""
    rows = [row for row in rows if row.get("value") is not None]
    ends = [
        float(v)
        for row in rows
        for o in (row, row.get("other") or {})
        for k in ("value", "low", "high")
        if (v := o.get(k)) is not None
    ]
    ends += [] if reference is None else [reference]
    if not rows or not ends:
        return Markup("")
    low, wide = min(ends), max(max(ends) - min(ends), 1e-9)

    def place(v: float) -> float:
        return 124 + 158 * (v - low) / wide

    height = 20 * len(rows) + 22
    shapes = []
    if reference is not None:
        shapes.append(line([(place(reference), 2), (place(reference), height - 18)], "mark"))
    for k, row in enumerate(rows):
        y = 12 + 20 * k
        said = [f"{short(row['subject'], 80)}: {_spanned(row, unit)}"]
        marks = [tag("rect", x=0, y=y - 9, width=340, height=19, class_="ground")]
        for shift, o, class_ in ((0.0, row, "synthetic"), (5.0, row.get("other") or {}, "holdout")):
            if o.get("value") is None:
                continue
            top = y + shift - (2.5 if row.get("other") else 0)
            if o.get("low") is not None and o.get("high") is not None:
                marks.append(line([(place(o["low"]), top), (place(o["high"]), top)], f"whisker {class_}-line"))
            marks.append(tag("circle", cx=place(float(o["value"])), cy=top, r=3.6, class_=class_))
        if row.get("other"):
            said.append(f"real: {_spanned(row['other'], unit)}")
        marks.append(text(118, y + 4, shortened(row["subject"], 18), "label", "end"))
        marks.append(text(336, y + 4, cell(float(row["value"]), unit), "label", "end"))
        shapes.append(group([tag("title", "; ".join(said)), *marks], class_="point"))
    shapes.append(text(124, height - 4, axis(low), "label"))
    shapes.append(text(282, height - 4, axis(low + wide), "label", "end"))
    return picture(340, height, title, shapes, "forest")


def _spanned(row: Mapping[str, Any], unit: str) -> str:
    words = cell(float(row["value"]), unit)
    if row.get("low") is None or row.get("high") is None:
        return words
    return f"{words} ({cell(float(row['low']), unit)} to {cell(float(row['high']), unit)})"


def curves(
    lines: Sequence[Line],
    title: str,
    x_label: str,
    y_label: str,
    unit_square: bool = False,
    diagonal: bool = True,
    height: int = 240,
    marks: Sequence[Mark] = (),
) -> Markup:
    """Lines on common axes; on the unit square with its diagonal. Classes of a line: colour, and `dashed`,
    or `dots`: its points, and no line between them."""
    xs = [x for _, _, many, _ in lines for x in many]
    ys = [y for _, _, _, many in lines for y in many]
    if not xs:
        return Markup("")
    (x0, x1), (y0, y1) = ((0.0, 1.0), (0.0, 1.0)) if unit_square else ((min(xs), max(xs)), (min(ys), max(ys)))
    base = height - 35

    def at(x: float, y: float) -> tuple[float, float]:
        return 46 + (x - x0) / ((x1 - x0) or 1) * 280, base - (y - y0) / ((y1 - y0) or 1) * (base - 20)

    shapes = [line([at(x0, y0), at(x1, y0)], "axis"), line([at(x0, y0), at(x0, y1)], "axis")]
    if unit_square and diagonal:
        shapes.append(line([at(0, 0), at(1, 1)], "diagonal"))
    for value, (x, y), anchor in ((x0, at(x0, y0), "middle"), (x1, at(x1, y0), "end")):
        shapes.append(text(x, y + 14, axis(value), "label", anchor))
    for value in (y0, y1):
        shapes.append(text(40, at(x0, value)[1] + 4, axis(value), "label", "end"))
    shapes.append(text(186, height - 8, x_label, "label", "middle"))
    turn = f"translate(11 {base / 2 + 10:g}) rotate(-90)"
    shapes.append(tag("text", y_label, transform=turn, class_="label", text_anchor="middle"))
    for name, class_, mx, my in lines:
        places = [at(x, y) for x, y in zip(mx, my, strict=True)]
        dots = [tag("circle", cx=x, cy=y, r=3) for x, y in places] if "dots" in class_.split() else []
        shapes.append(group([tag("title", name), line(places, class_), *dots], class_=f"series {class_.split()[0]}"))
    for x, height_of, class_, words in marks:
        place, side = at(x, y0)[0], "end" if x > (x0 + x1) / 2 else "start"
        shapes.append(line([(place, base), (place, 20)], f"mark {class_}"))
        shapes.append(text(place + (-5 if side == "end" else 5), 15, words, "label", side))
        if height_of is not None:
            said = tag("title", f"{words}: {axis(height_of)}")
            shapes.append(tag("circle", said, cx=place, cy=at(x, height_of)[1], r=4, class_=class_))
    scale = " ".join(f"{v:.10g}" for v in (x0, x1, y0, y1))
    return picture(340, height, title, shapes, "curves", data_scale=scale, data_base=base, data_x=x_label)
