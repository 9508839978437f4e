"""What can be done with jobs."""

from __future__ import annotations

import logging

from sqlalchemy.orm import Session

from models.errors import InvalidInput, NotFound
from service.db.session import Database
from service.db.tables import Job
from service.jobs import lifecycle, repository
from service.jobs.estimates import estimate
from service.jobs.schemas import DryRun, EventList, EventOut, JobList, JobOut, JobRequest
from service.jobs.specs import Resolved, resolve
from service.jobs.views import event_out, job_out, shown_spec
from service.settings import Settings
from service.storage import BlobStore

log = logging.getLogger(__name__)

MAX_EVENTS = 1000


def enqueue_profile(session: Session, tenant_id: str, dataset_id: str, settings: Settings) -> str:
    """The job that reads an upload, in the upload's own transaction -> job id. Hint at "cpu" after commit."""
    job = repository.add(
        session,
        tenant_id,
        "profile",
        {"dataset_id": dataset_id},
        max_attempts=settings.max_attempts,
        dataset_id=dataset_id,
    )
    return job.id


def enqueue(session: Session, tenant_id: str, resolved: Resolved, settings: Settings) -> Job:
    """A resolved job into the queue. Hint at its queue after commit."""
    return repository.add(
        session,
        tenant_id,
        resolved.kind,
        resolved.spec,
        max_attempts=settings.max_attempts,
        dataset_id=resolved.dataset_id,
        synthesizer_id=resolved.synthesizer_id,
        sample_id=resolved.sample_id,
    )


def create(session: Session, tenant_id: str, request: JobRequest, settings: Settings) -> tuple[JobOut, str]:
    """Check and enqueue -> (job, queue to hint at after commit)."""
    job = enqueue(session, tenant_id, resolve(session, tenant_id, request, settings), settings)
    session.flush()
    return view(session, job), job.queue


def dry_run(session: Session, tenant_id: str, request: JobRequest, settings: Settings) -> DryRun:
    """What `create` would start. Nothing is stored."""
    resolved = resolve(session, tenant_id, request, settings)
    return DryRun(
        kind=resolved.kind,
        queue=lifecycle.QUEUE_OF[resolved.kind],
        spec=shown_spec(resolved.spec),
        estimates=estimate(resolved),
    )


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
) -> JobList:
    """Newest first. Raises InvalidInput for a cursor that is none of ours."""
    total, jobs = repository.page(
        session,
        tenant_id,
        state=state,
        kind=kind,
        dataset_id=dataset_id,
        limit=limit + 1,
        before=_position(cursor),
    )
    shown = jobs[:limit]
    steps = repository.steps(session, [job.id for job in shown])
    more = len(jobs) > limit
    return JobList(
        total=total,
        items=[job_out(job, steps[job.id]) for job in shown],
        next_cursor=f"{shown[-1].created_at!r}~{shown[-1].id}" if more else None,
    )


def _position(cursor: str | None) -> tuple[float, str] | None:
    if cursor is None:
        return None
    moment, _, job_id = cursor.partition("~")
    try:
        return float(moment), job_id
    except ValueError:
        raise InvalidInput("The cursor is not one of ours.", hint="Pass `next_cursor` of the page before.") from None


def cancel(database: Database, store: BlobStore, tenant_id: str, job_id: str) -> JobOut:
    """Ask for an end. Raises NotFound, Conflict if it has ended otherwise."""
    with database.write() as session:
        find(session, tenant_id, job_id)
        blobs = lifecycle.cancel(session, job_id)
        session.flush()
        session.expire_all()
        out = get(session, tenant_id, job_id)
    if blobs:
        store.delete(blobs)
    return out


def list_events(session: Session, tenant_id: str, job_id: str, *, after: int, limit: int) -> EventList:
    """A page of the job's log, oldest first."""
    find(session, tenant_id, job_id)
    events = repository.events(session, job_id, after=after, limit=limit + 1)
    shown = [event_out(e) for e in events[:limit]]
    return EventList(
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
    return [event_out(e) for e in events], ended and len(events) < MAX_EVENTS
