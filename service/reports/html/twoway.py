"""The drawing of a pair's joint table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from service.reports.html.figures import percent, short
from service.reports.html.svg import group, picture, tag, text

SIDE, LEFT = 34, 110


def two_way(table: Mapping[str, Any]) -> Markup:
    """The size of a square is the larger share, its colour by how much the sample's is above or below the real one."""
    rows, columns = table["labels"]
    cells = [
        (i, j, r, s)
        for i, (real, synthetic) in enumerate(zip(table["real"], table["synthetic"], strict=True))
        for j, (r, s) in enumerate(zip(real, synthetic, strict=True))
    ]
    most = max((max(r, s) for _, _, r, s in cells), default=0.0)
    gap = max((abs(s - r) for _, _, r, s in cells), default=0.0)
    if not most:
        return Markup("")
    shapes = [text(LEFT - 6, (i + 0.6) * SIDE, short(row, 16), "label", "end") for i, row in enumerate(rows)]
    for i, j, r, s in cells:
        x, y, half = LEFT + (j + 0.5) * SIDE, (i + 0.5) * SIDE, SIDE / 2 * (max(r, s) / most) ** 0.5
        words = f"{short(rows[i], 40)}, {short(columns[j], 40)}: real {percent(r)}, sample {percent(s)}"
        shade = max(0.08, min(1.0, abs(s - r) / max(gap, 0.005)))
        marks = [
            tag("title", words),
            tag("rect", x=x - SIDE / 2, y=y - SIDE / 2, width=SIDE, height=SIDE, class_="cell"),
            tag(
                "rect", x=x - half, y=y - half, width=2 * half, height=2 * half,
                class_="over" if s >= r else "under", fill_opacity=shade,
            ),
        ]  # fmt: skip
        shapes.append(group(marks, class_="point"))
    for j, column in enumerate(columns):
        place = f"translate({LEFT + (j + 0.35) * SIDE:.1f} {len(rows) * SIDE + 10}) rotate(40)"
        shapes.append(tag("text", short(column, 16), transform=place, class_="label"))
    title = f"{short(table['columns'][0], 40)} by {short(table['columns'][1], 40)}: sample against real"
    return picture(LEFT + len(columns) * SIDE + 60, len(rows) * SIDE + 90, title, shapes, "two-way-chart")
