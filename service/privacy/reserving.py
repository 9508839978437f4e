"""Work that needs a reservation: the sum is done outside of any transaction, the reservation made inside the work's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy.orm import Session

from models.errors import Conflict
from service.db.session import Database
from service.privacy import ledger
from service.privacy.errors import StaleQuote
from service.privacy.ledger import Quote
from service.privacy.spent import Shares


class Plan(Protocol):
    """What is to be done, and what it spends."""

    @property
    def dataset_id(self) -> str | None: ...

    @property
    def shares(self) -> Shares: ...


P = TypeVar("P", bound=Plan)
Answer = TypeVar("Answer")
TRIES = 5
"""How often the sum is done outside of the lock while others change the ledger; after that, it is done under it."""


def with_reservation(
    database: Database, make: Callable[[Session], P], work: Callable[[Session, P, Quote, bool], Answer]
) -> Answer:
    """`work` on the plan that `make` answers, in a transaction of its own. It is given the quote that it passes on to
    `ledger.reserve`, with the last argument as `insist`. Both may be called several times; only the last transaction is
    committed. `work` may raise StaleQuote if the plan no longer holds.

    Raises what both raise, NoBudget, BudgetExceeded.
    """
    for tried in range(TRIES + 1):
        with database.read() as session:
            plan = make(session)
            state = ledger.read(session, str(plan.dataset_id))
        quote = ledger.price(state, plan.shares)
        try:
            with database.write() as session:
                return work(session, plan, quote, tried == TRIES)
        except StaleQuote:
            continue
    raise Conflict("The dataset changes all the time.", hint="Send the request again.", code="busy")
