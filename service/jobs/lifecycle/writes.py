"""What a worker writes while it works: steps, events, checkpoints. All fenced."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from models.errors import PopulaceError
from service.db.tables import Job, JobEvent, JobStep
from service.jobs.lifecycle import shards
from service.jobs.lifecycle.claims import requeue
from service.jobs.lifecycle.ends import end
from service.jobs.lifecycle.types import HELD, Claim, Event, StepReport, emit, hold_claim, now
from service.privacy import ledger


def record(session: Session, claim: Claim, steps: Mapping[str, StepReport], events: Iterable[Event] = ()) -> None:
    """Write how far the steps are, and append events. Raises FencedError."""
    job = hold_claim(session, claim)
    moment = now(session)
    here = time.monotonic()
    for name, report in steps.items():
        made = moment - (here - report.made)
        session.execute(
            update(JobStep)
            .where(JobStep.job_id == job.id, JobStep.name == name)
            .values(
                fraction=min(max(report.fraction, 0.0), 1.0),
                message=report.message[:2000],
                started_at=None if report.started_ago is None else made - report.started_ago,
                ended_at=None if report.ended_ago is None else made - report.ended_ago,
            )
        )
    events = list(events)
    rows = [{"job_id": job.id, "attempt": job.attempt, "type": e.type, "data": dict(e.data)} for e in events]
    if rows:
        session.execute(insert(JobEvent), rows)
    _pay(session, job, events)
    if job.parent_id is not None:
        shards.tell_progress(session, job, events)


def _pay(session: Session, job: Job, events: Iterable[Event]) -> None:
    """Settle the accounts that draw noise. The caller holds the job, and its log has the events."""
    drawn = {a for e in events if e.type == ledger.NOISE for a in ledger.accounts_in(e.data)}
    if drawn:
        ledger.settle(session, job.id, job.attempt, drawn)


def charge(session: Session, claim: Claim, events: Iterable[Event]) -> None:
    """What a child said of the privacy budget and nobody wrote down before the attempt came to its end, however it did.

    As `record`, but of such events alone, and also of a job that is being cancelled. Raises FencedError.
    """
    said = [event for event in events if event.type in ledger.CHARGING]
    if not said:
        return
    job = hold_claim(session, claim, *HELD)
    for event in said:
        emit(session, job, event)
    _pay(session, job, said)


def save_checkpoint(session: Session, claim: Claim, blob_id: str) -> list[str]:
    """Training resumes from this blob. Raises FencedError; answers the blob it replaces, to delete after commit."""
    job = hold_claim(session, claim)
    old = job.checkpoint_blob_id
    job.checkpoint_blob_id = blob_id
    ledger.settle_touched(session, job.id, job.attempt)
    emit(session, job, Event("checkpoint", {"attempt": job.attempt}))
    return [old] if old else []


def crashed(session: Session, claim: Claim, problem: PopulaceError) -> list[str]:
    """The child died without a word: another attempt, or failed after the last one.

    Raises FencedError; answers blobs to delete after commit.
    """
    job = hold_claim(session, claim)
    if job.attempt >= job.max_attempts:
        return end(session, job, "failed", problem=problem.to_problem())
    requeue(session, job, problem.error_code)
    return []
