"""What details.html lays out: sections that a report may lack, and values that older ones do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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


def details(sections: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Variables of the template."""
    return {
        "details": {name: sections.get(name) for name in SECTIONS},
        "of_pairs": [m for m in metrics if m["name"] in K_MARGINAL],
        "of_areas": areas(sections.get("k_marginal_areas") or {}),
    }


def areas(section: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Areas as figures, the worst first; those with too few rows last, with the reason."""
    how = {"name": "k_marginal_area", "unit": "points", "direction": "higher", "goal": 1000.0, "floor": None}
    return [{**how, **row, "label": row["subject"], "subject": ""} for row in section.get("rows", ())]
