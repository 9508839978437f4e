"""What details.html lays out: sections that a report may lack, and values that older ones do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.reports.html.standing import worst_first

SECTIONS = (
    "coverage",
    "missingness",
    "subgroups",
    "associations",
    "relations",
    "dates",
    "texts",
    "weights",
    "k_marginal",
    "k_marginal_areas",
)
K_MARGINAL = ("k_marginal", "k_marginal_subsample")
WEIGHTED_PAIRS = 100
"""Of the page's table, the worst; the JSON form has all."""


def details(sections: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Variables of the template."""
    return {
        "details": {name: sections.get(name) for name in SECTIONS},
        "of_pairs": [m for m in metrics if m["name"] in K_MARGINAL],
        "of_areas": areas(sections.get("k_marginal_areas") or {}),
        "weighed": weighed(sections, metrics),
    }


def weighed(sections: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Figures that count rows with their weights: of the whole table, of columns and of pairs (beside what counting
    rows reads), worst first, and triples. None without weights."""
    about: Mapping[str, Any] = sections.get("weights") or {}
    found = [m for m in metrics if m["section"] == "weights"]
    if not found and not about.get("means"):
        return None
    more: Mapping[str, Any] = sections.get("weighted") or {}
    trend = {m["subject"]: m["value"] for m in metrics if m["name"] == "trend"}

    def of(name: str, counted: Mapping[str, Any]) -> list[dict[str, Any]]:
        own = [m for m in found if m["name"] == name and m["subject"]]
        return [{**m, "counted": counted.get(m["subject"])} for m in worst_first(own)]

    # Older reports have columns where groups are now.
    return {
        "whole": [m for m in found if not m["subject"]],
        "groups": [row for row in about.get("rows") or [] if "real_total" in row],
        "columns": of("weighted_shape", more.get("rows") or {}),
        "pairs": of("weighted_trend", trend)[:WEIGHTED_PAIRS],
        "triples": more.get("triples") or [],
    }


def areas(section: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Areas as figures, the worst first; those with too few rows last, with the reason."""
    how = {"name": "k_marginal_area", "unit": "points", "direction": "higher", "goal": 1000.0, "floor": None}
    return [{**how, **row, "label": row["subject"], "subject": ""} for row in section.get("rows", ())]
