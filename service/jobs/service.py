"""What can be done with jobs."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from models.errors import NotFound
from service import audit, idempotency
from service.db.session import Database
from service.db.tables import Job
from service.jobs import lifecycle, repository
from service.jobs.estimates import estimate
from service.jobs.private import is_private
from service.jobs.resolved import Resolved
from service.jobs.schemas import DryRun, EventOut, JobOut, JobRequest, Spending, SynthesizeRequest
from service.jobs.shards import ranges
from service.jobs.specs import resolve
from service.jobs.views import event_out, job_out, shown_spec
from service.paging import Page, newest
from service.privacy import ledger
from service.privacy import spent as sums
from service.privacy.errors import StaleQuote
from service.privacy.ledger import Quote
from service.privacy.reserving import with_reservation
from service.security.principal import Principal
from service.settings import Settings
from service.storage import BlobStore

MAX_EVENTS = 1000


def enqueue_profile(
    session: Session, tenant_id: str, dataset_id: str, settings: Settings, target: str | None = None
) -> str:
    """The job that reads an upload, in the upload's own transaction -> job id. Hint at "cpu" after commit.

    target: column whose balance, and the columns that give it away, the profile looks at.
    """
    job = repository.add(
        session,
        tenant_id,
        "profile",
        {"dataset_id": dataset_id, "target": target},
        max_attempts=settings.max_attempts,
        dataset_id=dataset_id,
    )
    return job.id


def enqueue(session: Session, tenant_id: str, resolved: Resolved, settings: Settings) -> Job:
    """A resolved job into the queue, a large sample with a child for each of its shards. Hint at its queue after
    commit."""
    parts = ranges(resolved, settings)
    job = repository.add(
        session,
        tenant_id,
        resolved.kind,
        resolved.spec if len(parts) == 1 else {**resolved.spec, "shards": len(parts)},
        max_attempts=settings.max_attempts,
        dataset_id=resolved.dataset_id,
        synthesizer_id=resolved.synthesizer_id,
        sample_id=resolved.sample_id,
    )
    if len(parts) > 1:
        lifecycle.split(session, job, parts)
    return job


def submit(
    database: Database, caller: Principal, request: JobRequest, settings: Settings, key: str | None
) -> tuple[JobOut, str | None]:
    """Check and enqueue -> (job, queue to hint at after commit; None if this Idempotency-Key made the job before).

    A job that spends privacy budget reserves it in the transaction that makes the job.
    """

    def plan(session: Session) -> Resolved:
        return resolve(session, caller.tenant_id, request, settings)

    private = isinstance(request, SynthesizeRequest) and request.privacy is not None
    asked = idempotency.fingerprint(["jobs", request.model_dump()])
    return place(database, caller, plan, settings, key=key, asked=asked, private=private)


def place(
    database: Database,
    caller: Principal,
    plan: Callable[[Session], Resolved],
    settings: Settings,
    *,
    key: str | None,
    asked: str,
    private: bool,
) -> tuple[JobOut, str | None]:
    """Enqueue what `plan` answers, with the privacy budget that it needs if it is private. asked: fingerprint of the
    request. Answers as `submit`. Raises what `plan` raises, NoBudget and BudgetExceeded.
    """
    if not private:
        with database.write() as session:
            return _create(session, caller, plan, settings, key, asked)
    if key is not None:
        with database.read() as session:  # the budget may be spent by the very job that is asked for again
            if (earlier := idempotency.find(session, caller.tenant_id, key, asked)) is not None:
                return get(session, caller.tenant_id, earlier), None

    def work(session: Session, resolved: Resolved, quote: Quote, insist: bool) -> tuple[JobOut, str | None]:
        if not repository.has_schema(session, resolved.dataset_id, resolved.spec["schema_version"]):
            raise StaleQuote(resolved.dataset_id)
        job, queue = _create(session, caller, lambda _: resolved, settings, key, asked)
        if queue is not None:  # last: others wait for the ledger's lock
            ledger.reserve(session, quote, job.id, caller.key_id, insist=insist)
        return job, queue

    return with_reservation(database, plan, work)


def _create(
    session: Session,
    caller: Principal,
    plan: Callable[[Session], Resolved],
    settings: Settings,
    key: str | None,
    asked: str,
) -> tuple[JobOut, str | None]:
    tenant_id = caller.tenant_id
    if key is not None and (earlier := idempotency.claim(session, tenant_id, key, asked)) is not None:
        return get(session, tenant_id, earlier), None
    job = enqueue(session, tenant_id, plan(session), settings)
    if key is not None:
        idempotency.settle(session, tenant_id, key, job.id)
    # An imputation hands out real records: the log tells it from a sample.
    audit.record(session, caller, f"job.create.{'impute' if job.spec.get('impute') else job.kind}", job.id)
    session.flush()
    return view(session, job), job.queue


def dry_run(session: Session, tenant_id: str, request: JobRequest, settings: Settings) -> DryRun:
    """What `submit` would start; refused as it would be. Nothing is stored."""
    resolved = resolve(session, tenant_id, request, settings)
    return DryRun(
        kind=resolved.kind,
        queue=lifecycle.QUEUE_OF[resolved.kind],
        spec=shown_spec(resolved.spec),
        estimates=estimate(resolved),
        privacy=_spending(session, resolved) if resolved.shares else None,
    )


def _spending(session: Session, resolved: Resolved) -> Spending:
    state = ledger.read(session, str(resolved.dataset_id))
    quote = ledger.price(state, resolved.shares)
    after = max(quote.after.values())
    accounts = {account: sums.epsilon(sums.joined(h), state.delta) for account, h in resolved.shares.items()}
    return Spending(spent=state.epsilon, spent_after=after, epsilon=state.cap, delta=state.delta, accounts=accounts)


def view(session: Session, job: Job) -> JobOut:
    return job_out(job, repository.steps(session, [job.id])[job.id])


def find(session: Session, tenant_id: str, job_id: str) -> Job:
    """Raises NotFound, also for another tenant's job."""
    job = repository.get(session, tenant_id, job_id)
    if job is None:
        raise NotFound("There is no such job.", hint="GET /v1/jobs lists them.")
    return job


def has_ended(session: Session, tenant_id: str, job_id: str) -> bool:
    """Also true of a job that is gone."""
    return repository.state(session, tenant_id, job_id) in (None, *lifecycle.ENDED)


def get(session: Session, tenant_id: str, job_id: str) -> JobOut:
    return view(session, find(session, tenant_id, job_id))


def list_jobs(
    session: Session,
    tenant_id: str,
    *,
    state: str | None,
    kind: str | None,
    dataset_id: str | None,
    limit: int,
    cursor: str | None,
) -> Page[JobOut]:
    """Newest first. Raises InvalidInput for a cursor that is none of ours."""
    query = repository.matching(tenant_id, state=state, kind=kind, dataset_id=dataset_id)
    total, jobs, after = newest(session, query, Job, limit, cursor)
    steps = repository.steps(session, [job.id for job in jobs])
    return Page(total=total, items=[job_out(job, steps[job.id]) for job in jobs], next_cursor=after)


def cancel(database: Database, store: BlobStore, caller: Principal, job_id: str) -> JobOut:
    """Ask for an end. Raises NotFound, Conflict if it has ended otherwise."""
    with database.write() as session:
        find(session, caller.tenant_id, job_id)
        blobs = lifecycle.cancel(session, job_id)
        audit.record(session, caller, "job.cancel", job_id)
        session.flush()
        out = get(session, caller.tenant_id, job_id)
    if blobs:
        store.delete(blobs)
    return out


def list_events(session: Session, tenant_id: str, job_id: str, *, after: int, limit: int) -> Page[EventOut]:
    """A page of the job's log, oldest first."""
    private = is_private(find(session, tenant_id, job_id).spec)
    events = repository.events(session, job_id, after=after, limit=limit + 1)
    shown = [event_out(e, private) for e in events[:limit]]
    return Page(
        total=repository.count_events(session, job_id),
        items=shown,
        next_cursor=str(shown[-1].id) if len(events) > limit else None,
    )


def tail(session: Session, tenant_id: str, job_id: str, after: int) -> tuple[list[EventOut], bool]:
    """(events after that id, whether the job's log is complete with them)."""
    state = repository.state(session, tenant_id, job_id)
    # The state is read first: the final event is committed with it, so it is among the events read next.
    ended = state is None or state in lifecycle.ENDED
    events = repository.events(session, job_id, after=after, limit=MAX_EVENTS)
    private = state is not None and is_private(find(session, tenant_id, job_id).spec)
    return [event_out(e, private) for e in events], ended and len(events) < MAX_EVENTS
