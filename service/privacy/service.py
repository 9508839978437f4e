"""What a custodian does with a dataset's privacy budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from models.errors import Conflict, Detail, Forbidden, InvalidInput, InvalidPrivacy, NotFound
from service import audit
from service.datasets import service as datasets
from service.db.session import Database
from service.db.tables import LedgerHead, PrivacyBudget
from service.paging import Page, number_cursor
from service.privacy import export, ledger, repository
from service.privacy import spent as sums
from service.privacy.errors import no_budget
from service.privacy.plans import unit_of
from service.privacy.requests import check_column, check_delta, check_epsilon
from service.privacy.schemas import BudgetIn, BudgetOut, LedgerLine
from service.privacy.spent import Spent
from service.privacy.views import budget_out, line_out
from service.security.principal import Principal

CUSTODIANS = frozenset({"custodian", "admin"})
"""Roles of keys that may say how much of a dataset is given away."""


def set_budget(database: Database, caller: Principal, dataset_id: str, wanted: BudgetIn) -> BudgetOut:
    """A new budget in the place of the one before, if any; what was spent stays spent, and is added up at its delta.

    It may be smaller than what is spent: then nothing more fits. Raises NotFound, Conflict (not ready, deleted, another
    unit than what was spent protects), Forbidden, InvalidPrivacy.
    """
    if caller.role not in CUSTODIANS:
        raise Forbidden("Only a custodian's key may set a budget.", hint="Ask whoever manages the keys for one.")
    check_epsilon(wanted.epsilon, ("body", "epsilon"))
    check_delta(wanted.delta, wanted.rows_at_most, ("body", "delta"))
    with database.read() as session:
        dataset = datasets.ready(session, caller, dataset_id)
        names = [column["name"] for column in (dataset.schema or {}).get("columns", [])]
        check_column(wanted.unit, names, ("body", "unit", "column"))
        _check_rows(wanted, dataset.row_count or 0)
        found = repository.head(session, caller.tenant_id, dataset_id)
    if found is not None:  # added up before the lock is taken: the sum is remembered, and most often still right
        sums.epsilon(Spent.from_json(found.spent).total, wanted.delta)
    with database.write() as session:
        datasets.find(session, caller, dataset_id)
        head = _head(session, caller.tenant_id, dataset_id)
        spent = Spent.from_json(head.spent)
        before = ledger.budget_of(session, dataset_id)
        if before is not None and spent.total and unit_of(before.unit_column, before.rows_per_unit) != wanted.unit:
            raise Conflict(
                "The unit cannot change: what is reserved and spent protects the one that there is.",
                hint="Keep the unit, or upload the table as another dataset.",
                errors=[Detail(("body", "unit"), "cannot change any more")],
                code="unit_in_use",
            )
        after = sums.epsilon(spent.total, wanted.delta)
        if after == float("inf"):
            raise InvalidPrivacy(
                f"At delta {wanted.delta:g} no epsilon covers what is spent already.",
                hint="Keep the delta, or choose a larger one.",
                errors=[Detail(("body", "delta"), "is too small")],
            )
        head.seq, head.epsilon = head.seq + 1, after
        budget = PrivacyBudget(
            tenant_id=caller.tenant_id,
            dataset_id=dataset_id,
            seq=head.seq,
            epsilon=wanted.epsilon,
            delta=wanted.delta,
            unit="key" if wanted.unit else "row",
            unit_column=wanted.unit.column if wanted.unit else None,
            rows_per_unit=wanted.unit.rows if wanted.unit else 1,
            rows_at_most=wanted.rows_at_most,
            epsilon_after=after,
            key_id=caller.key_id,
        )
        session.add(budget)
        audit.record(session, caller, "dataset.budget", dataset_id)
        session.flush()
        session.refresh(budget)
    return budget_out(head, budget)


def _check_rows(wanted: BudgetIn, rows: int) -> None:
    """Raises InvalidInput. It tells nobody but the custodian, who is shown the number of rows anyway."""
    if rows > wanted.rows_at_most:
        raise InvalidInput(
            "The table has more rows than `rows_at_most`.",
            hint="Declare a public upper bound of the number of rows.",
            errors=[Detail(("body", "rows_at_most"), "is less than the table has")],
        )


def _head(session: Session, tenant_id: str, dataset_id: str) -> LedgerHead:
    """The head, held; made if there is none. Raises Conflict if it is closed."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    new = {"dataset_id": dataset_id, "tenant_id": tenant_id, "seq": 0, "spent": Spent().to_json(), "epsilon": 0.0}
    session.execute(insert(LedgerHead).values(new).on_conflict_do_nothing())
    head = ledger.lock(session, dataset_id)
    if head is None or head.closed_at is not None:
        raise Conflict("The dataset was deleted: its ledger is closed.", hint="GET /v1/datasets lists those there are.")
    return head


@dataclass(frozen=True)
class _Found:
    head: LedgerHead
    budget: PrivacyBudget


def _find(session: Session, caller: Principal, dataset_id: str) -> _Found:
    """Also of a dataset that was deleted. Raises NotFound."""
    head = repository.head(session, caller.tenant_id, dataset_id)
    budget = None if head is None else ledger.budget_of(session, dataset_id)
    if head is None or budget is None:
        datasets.find(session, caller, dataset_id)
        missing = no_budget(dataset_id)
        raise NotFound(missing.message, hint=missing.hint, code=missing.error_code)
    return _Found(head, budget)


def get_budget(database: Database, caller: Principal, dataset_id: str) -> BudgetOut:
    """Raises NotFound."""
    with database.read() as session:
        found = _find(session, caller, dataset_id)
    return budget_out(found.head, found.budget)


def lines(session: Session, caller: Principal, dataset_id: str, limit: int, cursor: str | None) -> Page[LedgerLine]:
    """Newest first. Raises NotFound, InvalidInput for a cursor that is none of ours."""
    found = _find(session, caller, dataset_id)
    rows = repository.newest(session, dataset_id, limit + 1, number_cursor(cursor))
    following = str(rows[limit - 1].seq) if len(rows) > limit else None
    return Page(total=found.head.seq, items=[line_out(r) for r in rows[:limit]], next_cursor=following)


def exported(database: Database, caller: Principal, dataset_id: str, format: export.Format) -> Iterator[str]:
    """The whole ledger as text. Raises NotFound before anything is streamed."""
    with database.read() as session:
        _find(session, caller, dataset_id)
    return export.pieces(database, dataset_id, format)
