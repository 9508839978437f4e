"""Rows -> answers."""

from __future__ import annotations

from service.db.tables import LedgerEntry, LedgerHead, PrivacyBudget
from service.paging import iso, iso_or_none
from service.privacy import spent as sums
from service.privacy.plans import unit_of
from service.privacy.schemas import AccountOut, BudgetOut, LedgerLine
from service.privacy.spent import ACCOUNTS, Spent


def budget_out(head: LedgerHead, budget: PrivacyBudget) -> BudgetOut:
    """Adds up: not for a transaction that others wait for."""
    spent, delta = Spent.from_json(head.spent), budget.delta

    def epsilon(state: sums.Shares, *accounts: str) -> float:
        return sums.epsilon(sums.joined(*(state.get(a, ()) for a in accounts)), delta)

    return BudgetOut(
        dataset_id=head.dataset_id,
        epsilon=budget.epsilon,
        delta=delta,
        rows_at_most=budget.rows_at_most,
        unit=unit_of(budget.unit_column, budget.rows_per_unit),
        spent=head.epsilon,
        settled=epsilon(spent.settled, *ACCOUNTS),
        remaining=0.0 if head.closed_at else sums.largest_epsilon(spent.total, budget.epsilon, delta),
        accounts={
            a: AccountOut(reserved=epsilon(spent.reserved, a), settled=epsilon(spent.settled, a)) for a in ACCOUNTS
        },
        entries=head.seq,
        set_by=budget.key_id,
        set_at=iso(budget.created_at),
        closed_at=iso_or_none(head.closed_at),
    )


def line_out(row: PrivacyBudget | LedgerEntry) -> LedgerLine:
    common = {"seq": row.seq, "delta": row.delta, "epsilon_after": row.epsilon_after, "key_id": row.key_id}
    common["created_at"] = iso(row.created_at)
    if isinstance(row, PrivacyBudget):
        return LedgerLine(
            **common,
            kind="budget",
            account=None,
            job_id=None,
            ends=None,
            epsilon=row.epsilon,
            unit=unit_of(row.unit_column, row.rows_per_unit),
            rows_at_most=row.rows_at_most,
            history=[],
            attempt=None,
        )
    own = {name: getattr(row, name) for name in ("kind", "account", "job_id", "ends", "history", "attempt")}
    return LedgerLine(**common, **own, epsilon=None, unit=None, rows_at_most=None)
