"""Several reports beside each other -> what side.html lays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from service.reports.html.figures import cell
from service.reports.html.svg import group, picture, tag, text

LISTED = 300
"""Rows of the page's table beyond the headline; JSON and CSV have all."""
GLOSSARY = (
    ("Letters", "Each report has a letter, which marks it in tables and drawings."),
    ("Best", "The best value of a row is set in green. It may still miss its bar."),
    ("Bar", "What real rows that nothing was trained on read, as many as the sample has: it differs with the sample's "
    "number of rows, so the bar of each value decides its status, and not one bar for all."),
)  # fmt: skip
HOW = (
    "Read the summary: which sample misses the fewest bars.",
    "In the headline figures, compare the values of a row; an interval that holds another value says that the two may "
    "differ by chance.",
    "Then look at what the best sample still fails: its report names the problems and what to try.",
)


def letter(k: int) -> str:
    return chr(ord("A") + k)


def side(found: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of side.html."""
    rows: Sequence[Mapping[str, Any]] = found["rows"]
    failing = [row for row in rows if not row["headline"] and any(v.get("status") == "fail" for v in row["values"])]
    return {
        "found": found,
        "headline": [row for row in rows if row["headline"]] or rows[:20],
        "failing": failing[:LISTED],
        "unlisted": max(0, len(failing) - LISTED),
        "letter": letter,
        "dots": dots,
        "mark": found["edition"],
        "marking": found["marking"],
        "all": (),
        "glossary": GLOSSARY,
        "how": HOW,
    }


def dots(row: Mapping[str, Any]) -> Markup:
    """The values of a row on one line, better to the right, each as the letter of its report."""
    values = [(k, v["value"]) for k, v in enumerate(row["values"]) if v.get("value") is not None]
    if len(values) < 2:
        return Markup("")
    goal = row.get("goal")

    def worth(v: float) -> float:
        if row["direction"] == "target" and goal is not None:
            return -abs(v - float(goal))
        return -v if row["direction"] == "lower" else v

    every = [worth(v) for _, v in values]
    wide = max(max(every) - min(every), 1e-9)
    places: dict[int, list[int]] = {}
    for k, v in values:
        x = round(14 + 132 * (worth(v) - min(every)) / wide)
        near = next((place for place in places if abs(place - x) < 15), x)
        places.setdefault(near, []).append(k)
    shapes = [tag("rect", x=8, y=12, width=144, height=3, rx=1.5, class_="track")]
    for x, many in places.items():
        half = 4.5 + 3.5 * len(many)
        middle = min(max(x, half + 1), 159 - half)  # letters that would cover each other share a mark
        class_ = "synthetic" if set(many) & set(row["best"]) else "floor"
        words = ", ".join(f"{letter(k)}: {cell(row['values'][k]['value'], row['unit'])}" for k in many)
        mark = tag("rect", x=middle - half, y=6, width=2 * half, height=15, rx=7.5, class_=class_)
        named = text(middle, 17, "".join(letter(k) for k in many), "letter", "middle")
        shapes.append(group([tag("title", words), mark, named], class_="point"))
    said = ", ".join(f"{letter(k)} {cell(v, row['unit'])}" for k, v in values)
    return picture(160, 27, f"{said}; better to the right", shapes)
