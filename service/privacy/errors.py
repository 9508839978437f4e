"""Refusals of the ledger."""

from __future__ import annotations

from models.errors import Conflict, Detail

LEAST = 1e-6
"""Less epsilon than this is nothing: what rounding leaves."""


class StaleQuote(Exception):
    """The ledger has moved since it was looked at: look again."""


class NoBudget(Conflict):
    """Nobody has said how much may be spent."""

    code, title = "no_budget", "The dataset has no privacy budget"


class BudgetExceeded(Conflict):
    """More than is left."""

    code, title = "budget_exceeded", "The privacy budget does not allow this"


def no_budget(dataset_id: str) -> NoBudget:
    return NoBudget(
        "The dataset has no privacy budget.",
        hint=f"Its custodian sets one: PUT /v1/datasets/{dataset_id}/budget, or `populace budget set`.",
    )


def budget_exceeded(dataset_id: str, after: float, cap: float, delta: float, largest: float) -> BudgetExceeded:
    """after: epsilon of everything, were the request granted. largest: that would still fit."""
    fits = rounded_down(largest)
    left = f"At most epsilon {fits:g} more fits." if fits else "Nothing more fits."
    ask = f"Ask for epsilon {fits:g} or less" if fits else "Sample from the synthesizers there are, which is free"
    return BudgetExceeded(
        f"With this the dataset would have spent epsilon {after:.6g} of {cap:g} at delta {delta:g}. {left}",
        hint=f"{ask}, wait for a waiting job to give its share back (GET /v1/datasets/{dataset_id}/ledger), "
        "or have the custodian raise the budget.",
        errors=[Detail(("body", "privacy", "epsilon"), f"at most {fits:g} fits")],
    )


def rounded_down(epsilon: float) -> float:
    """To four digits, so that it fits when it is asked for; 0 for what only rounding leaves."""
    if epsilon < LEAST:
        return 0.0
    near = float(f"{epsilon:.4g}")
    return near if near <= epsilon else float(f"{epsilon * (1 - 5e-4):.4g}")
