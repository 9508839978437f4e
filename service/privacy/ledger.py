"""The ledger's writes: reserve, settle, release, close. Each belongs into an open transaction (`Database.write`).

Whoever writes holds the dataset's head: a row lock on PostgreSQL, on SQLite the whole write transaction. Locks are
taken job first, head second. Every entry is final: a reservation is ended once, by a settle or a release, which the
database's own constraints ensure too.

Adding up epsilon may take long, so it is done before the transaction (`price`), and `reserve` looks whether the ledger
still is where it was. Where it has moved, it is done again under the lock if all is Gaussian, which has a closed form
(50 microseconds); else StaleQuote, and the caller looks again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from service.db.base import epoch_now
from service.db.tables import JobEvent, LedgerEntry, LedgerHead, PrivacyBudget
from service.privacy import spent as sums
from service.privacy.errors import StaleQuote, budget_exceeded, no_budget
from service.privacy.spent import ACCOUNTS, Shares, Spent

TOUCHED, NOISE = "touched", "noise"
"""Events of a job's child, {"accounts": ["fit"]} or {} for all: rows are about to be read; the first noisy value is
about to be drawn. Both are sent before the deed."""
CHARGING = frozenset({TOUCHED, NOISE})


@dataclass(frozen=True)
class State:
    """A dataset's ledger at one moment, with the budget in force. epsilon: of all that is spent."""

    dataset_id: str
    tenant_id: str
    seq: int
    spent: Spent
    epsilon: float
    cap: float
    delta: float


@dataclass(frozen=True)
class Quote:
    """A plan that fits into the budget as of entry `seq`. after: epsilon after each of its entries, one per account."""

    dataset_id: str
    seq: int
    shares: Shares
    after: Mapping[str, float]


def read(session: Session, dataset_id: str) -> State:
    """Raises NoBudget."""
    return _state(session, session.get(LedgerHead, dataset_id), dataset_id)


def _state(session: Session, head: LedgerHead | None, dataset_id: str) -> State:
    budget = budget_of(session, dataset_id)
    if head is None or budget is None:
        raise no_budget(dataset_id)
    spent = Spent.from_json(head.spent)
    return State(dataset_id, head.tenant_id, head.seq, spent, head.epsilon, budget.epsilon, budget.delta)


def budget_of(session: Session, dataset_id: str) -> PrivacyBudget | None:
    """The budget in force."""
    newest = select(PrivacyBudget).where(PrivacyBudget.dataset_id == dataset_id).order_by(PrivacyBudget.seq.desc())
    return session.scalars(newest.limit(1)).one_or_none()


def price(state: State, shares: Shares) -> Quote:
    """What the plan costs on top of what is spent. Needs no database. Raises BudgetExceeded."""
    spent, after = state.spent, {}
    for account in sums.ordered(shares):
        spent = spent.reserve(account, shares[account])
        after[account] = sums.epsilon(spent.total, state.delta)
    if after and not max(after.values()) <= state.cap:
        largest = sums.largest_epsilon(state.spent.total, state.cap, state.delta)
        raise budget_exceeded(state.dataset_id, max(after.values()), state.cap, state.delta, largest)
    return Quote(state.dataset_id, state.seq, shares, after)


def reserve(session: Session, quote: Quote, job_id: str, key_id: str | None, *, insist: bool = False) -> None:
    """Set the plan aside for a job, in the transaction that makes it.

    insist: add up under the lock, however long it takes. Raises BudgetExceeded, NoBudget if the dataset was deleted,
    StaleQuote: roll back, and price the plan anew.
    """
    head = lock(session, quote.dataset_id)
    if head is None or head.closed_at is not None:
        raise no_budget(quote.dataset_id)
    if head.seq != quote.seq:
        state = _state(session, head, quote.dataset_id)
        if not insist and not all(map(sums.is_cheap, (state.spent.total, *quote.shares.values()))):
            raise StaleQuote(quote.dataset_id)
        quote = price(state, quote.shares)
    delta = _delta(session, head)
    spent = Spent.from_json(head.spent)
    for account, after in quote.after.items():
        history = quote.shares[account]
        spent = spent.reserve(account, history)
        entry = LedgerEntry(kind="reserve", account=account, job_id=job_id, key_id=key_id)
        entry.history = sums.to_json(history)
        _append(session, head, entry, spent, delta, after)


def lock(session: Session, dataset_id: str) -> LedgerHead | None:
    """The head, held until the transaction ends; None if the dataset never had a budget."""
    query = select(LedgerHead).where(LedgerHead.dataset_id == dataset_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def outstanding(session: Session, job_id: str) -> Sequence[LedgerEntry]:
    """Reservations of a job that nothing has ended, in order."""
    end = aliased(LedgerEntry)
    ended = select(end.id).where(end.dataset_id == LedgerEntry.dataset_id, end.ends == LedgerEntry.seq).exists()
    mine = select(LedgerEntry).where(LedgerEntry.job_id == job_id, LedgerEntry.kind == "reserve", ~ended)
    return session.scalars(mine.order_by(LedgerEntry.seq)).all()


def settle(session: Session, job_id: str, attempt: int, accounts: Iterable[str] = ACCOUNTS) -> None:
    """These accounts of the job are spent. What is settled already stays as it is: no attempt pays twice.

    The caller holds the job.
    """
    _end(session, [(e, "settle") for e in outstanding(session, job_id) if e.account in set(accounts)], attempt)


def settle_touched(session: Session, job_id: str, attempt: int) -> None:
    """Something that was learnt from rows is about to be kept (a checkpoint): whatever may be in it is spent.

    A child that never said what it touched is not believed to have touched nothing.
    """
    if open_ := outstanding(session, job_id):
        accounts = touched(session, job_id) or set(ACCOUNTS)
        _end(session, [(e, "settle") for e in open_ if e.account in accounts], attempt)


def finish(session: Session, job_id: str, attempt: int, *, succeeded: bool) -> None:
    """The job has ended. All is settled if it succeeded, else what had touched the data; the rest is released."""
    if open_ := outstanding(session, job_id):
        spent = set(ACCOUNTS) if succeeded else touched(session, job_id)
        _end(session, [(e, "settle" if e.account in spent else "release") for e in open_], attempt)


def touched(session: Session, job_id: str) -> set[str]:
    """Accounts of the job for which any attempt of it has read rows."""
    query = select(JobEvent.data).where(JobEvent.job_id == job_id, JobEvent.type.in_(CHARGING))
    return {account for data in session.scalars(query) for account in accounts_in(data)}


def accounts_in(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Accounts that a charging event names. A child is not believed to mean fewer than all by a word unknown here."""
    named = data.get("accounts")
    known = isinstance(named, list) and bool(named) and all(name in ACCOUNTS for name in named)
    return tuple(named) if known else ACCOUNTS  # type: ignore[arg-type]


def close(session: Session, dataset_id: str, key_id: str | None) -> None:
    """The dataset is deleted: its ledger stays, and takes nothing more.

    A reservation that slipped in while it was being deleted is settled: its job may have been at work already.
    """
    head = lock(session, dataset_id)
    if head is None or head.closed_at is not None:
        return
    jobs = select(LedgerEntry.job_id).where(LedgerEntry.dataset_id == dataset_id, LedgerEntry.kind == "reserve")
    if any(Spent.from_json(head.spent).reserved.values()):
        for job_id in session.scalars(jobs.distinct()).all():
            _end(session, [(e, "settle") for e in outstanding(session, str(job_id))], None)
    entry = LedgerEntry(kind="close", key_id=key_id, history=[])
    _append(session, head, entry, Spent.from_json(head.spent), _delta(session, head), head.epsilon)
    head.closed_at = session.scalar(select(epoch_now()))
    session.flush()


def _end(session: Session, ends: Sequence[tuple[LedgerEntry, str]], attempt: int | None) -> None:
    """End reservations by "settle" or "release". Their job is held, or deleted: nobody else ends them meanwhile."""
    if not ends:
        return
    head = lock(session, ends[0][0].dataset_id)
    assert head is not None  # noqa: S101 - a reservation has one
    delta = _delta(session, head)
    for reservation, kind in ends:
        account, raw = str(reservation.account), reservation.history
        spent, history = Spent.from_json(head.spent), sums.from_json(raw)
        if kind == "settle":
            spent, after = spent.settle(account, history), head.epsilon
        else:
            spent = spent.release(account, history)
            after = sums.epsilon(spent.total, delta)
        entry = LedgerEntry(kind=kind, account=account, job_id=reservation.job_id, ends=reservation.seq, history=raw)
        entry.attempt = attempt
        _append(session, head, entry, spent, delta, after)


def _append(session: Session, head: LedgerHead, entry: LedgerEntry, spent: Spent, delta: float, after: float) -> None:
    head.seq, head.spent, head.epsilon = head.seq + 1, spent.to_json(), after
    entry.tenant_id, entry.dataset_id, entry.seq = head.tenant_id, head.dataset_id, head.seq
    entry.delta, entry.epsilon_after = delta, after
    session.add(entry)
    session.flush()


def _delta(session: Session, head: LedgerHead) -> float:
    budget = budget_of(session, head.dataset_id)
    assert budget is not None  # noqa: S101 - the head is made with the first one
    return budget.delta
