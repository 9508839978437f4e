"""Figures as a reader sees them."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

NONE = "–"
REORDERING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Invisible characters that turn round the text after them (Unicode TR 9): a name must not rewrite the page."""


def visible(value: Any) -> Any:
    """Texts with reordering characters replaced by a visible one; anything else as it is."""
    return REORDERING.sub("\ufffd", value) if isinstance(value, str) and not isinstance(value, Markup) else value


def percent(value: float | None, digits: int = 1) -> str:
    return NONE if value is None else f"{100 * value:.{digits}f}%"


def number(value: float | None) -> str:
    """Three significant decimals, thousands apart."""
    if value is None:
        return NONE
    if value == int(value) and abs(value) >= 1000:
        return f"{int(value):,}"
    return f"{value:,.3f}" if abs(value) < 1000 else f"{value:,.1f}"


def cell(value: float | None, unit: str) -> str:
    """A metric's value in its unit."""
    if value is None:
        return NONE
    if unit == "share":
        return percent(value, 2 if abs(value) < 0.1 else 1)
    return number(value)


def short(text: Any, length: int = 40) -> str:
    """At most `length` characters, the end cut."""
    words = str(text)
    return words if len(words) <= length else words[: length - 1] + "…"


def shortened(text: Any, length: int) -> str:
    """At most `length` characters, the middle cut: of "column = value" both ends matter."""
    words = str(text)
    tail = length - length // 2
    return words if len(words) <= length else f"{words[: length // 2 - 1]}…{words[-tail:]}"


def axis(value: float) -> str:
    """The end of an axis, no longer than need be."""
    words = number(value)
    return words.rstrip("0").rstrip(".") if "." in words else words


def plain(value: Any) -> str:
    """A number as it is, six digits at most; a text (a date) as it is."""
    if value is None:
        return NONE
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
