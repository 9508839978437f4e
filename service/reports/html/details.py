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
)
K_MARGINAL = ("k_marginal", "k_marginal_subsample")


def details(sections: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Variables of the template."""
    return {
        "details": {name: sections.get(name) for name in SECTIONS},
        "of_pairs": [m for m in metrics if m["name"] in K_MARGINAL],
    }
