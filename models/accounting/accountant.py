"""epsilon of a history at a delta, and the reverse, under adding or removing one unit."""

from __future__ import annotations

import math

from models.accounting import analytic, pld, rdp
from models.accounting.events import History, check_delta, check_epsilon
from models.accounting.terms import collect
from models.errors import Detail, InvalidInput

ACCOUNTANTS = ("pld", "rdp")


def epsilon(history: History, delta: float, accountant: str = "pld") -> float:
    """Smallest epsilon for which the whole history is proved (epsilon, delta)-DP; infinity where there is none.

    accountant: "pld", privacy loss distributions, tight to about a part in a thousand; "rdp", closed forms, looser.
    Both are upper bounds. Raises InvalidInput.
    """
    check_delta(delta)
    terms, exact = collect(history), _known(accountant) == "pld"
    if terms.empty:
        return 0.0
    if exact and terms.only_gaussian:
        return analytic.epsilon(terms.mu, delta)
    bound = pld.epsilon(terms, delta) if exact else math.inf
    # Beyond any useful epsilon the grid may become too coarse to prove anything.
    return bound if bound < 100 else min(bound, rdp.epsilon(terms, delta))


def delta(history: History, epsilon: float, accountant: str = "pld") -> float:
    """Smallest delta for which the whole history is proved (epsilon, delta)-DP. Raises InvalidInput."""
    check_epsilon(epsilon)
    terms, exact = collect(history), _known(accountant) == "pld"
    if terms.empty:
        return 0.0
    if exact and terms.only_gaussian:
        return analytic.delta(terms.mu, epsilon)
    return pld.delta(terms, epsilon) if exact else rdp.delta(terms, epsilon)


def _known(accountant: str) -> str:
    if accountant not in ACCOUNTANTS:
        what = f"must be one of {', '.join(ACCOUNTANTS)}"
        raise InvalidInput(f"The accountant {what}.", hint=what, errors=[Detail(("privacy", "accountant"), what)])
    return accountant
