"""From a request for differential privacy to what it will release, which the ledger prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from models.errors import Detail, InvalidPrivacy
from models.schema import Schema
from service.privacy import ledger
from service.privacy import spent as sums
from service.privacy.errors import no_budget
from service.privacy.requests import Terms, check_no_search, check_request
from service.privacy.schemas import PrivacyRequest, Unit
from service.privacy.spent import Shares


def planner(request: PrivacyRequest, delta: float, schema: Schema, options: Mapping[str, Any]) -> Shares:
    """Every release that the job will make, by account. Equal arguments give equal releases; rows are not looked at.

    delta: the job's. options: of training. Raises InvalidPrivacy and InvalidInput naming the place in the body.
    """
    from models.options import FitOptions
    from models.privacy.plan import PrivacyOptions, plan

    try:
        wanted = PrivacyOptions.from_json({**request.model_dump(), "delta": delta})
        wanted.check_training(FitOptions.from_json(options))
        return plan(wanted, schema)
    except InvalidPrivacy as error:
        told = [Detail(("body", *d.loc), d.msg, d.hint) if d.loc[0] in PLACES else d for d in error.errors]
        raise InvalidPrivacy(error.message, hint=error.hint, errors=told, code=error.error_code) from None


PLACES = ("privacy", "options")
"""Parts of the body that errors of models.privacy name."""


@dataclass(frozen=True)
class Planned:
    """spec: the request, its delta filled in, with the releases that the job's process may make, and no others."""

    spec: Mapping[str, Any]
    shares: Shares


def planned(
    session: Session,
    request: PrivacyRequest,
    dataset_id: str,
    schema: Schema,
    options: Mapping[str, Any],
    options_from: str | None,
) -> Planned:
    """What the job would spend. Raises NoBudget, InvalidPrivacy; that it fits is for the ledger to say."""
    from models.privacy.plan import usual_shares

    check_no_search(options, options_from)  # before the budget is asked for: it would not help

    usual = usual_shares(schema)
    request = request.model_copy(update={"shares": request.shares.filled(usual.domain, usual.evaluation)})
    delta = check_request(request, terms_of(session, dataset_id), schema.names, options, options_from)
    shares = planner(request, delta, schema, options)
    history = {account: sums.to_json(releases) for account, releases in shares.items()}
    return Planned({**request.model_dump(), "delta": delta, "history": history}, shares)


def terms_of(session: Session, dataset_id: str) -> Terms:
    """Of the budget in force. Raises NoBudget."""
    budget = ledger.budget_of(session, dataset_id)
    if budget is None:
        raise no_budget(dataset_id)
    return Terms(budget.delta, budget.rows_at_most, unit_of(budget.unit_column, budget.rows_per_unit))


def unit_of(column: str | None, rows: int) -> Unit | None:
    return None if column is None else Unit(column=column, rows=rows)
