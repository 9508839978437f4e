"""How a job ends without a result: failed, cancelled, or given another attempt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from models.errors import Cancelled, Conflict
from service.db.tables import Dataset, Job
from service.jobs.lifecycle import shards
from service.jobs.lifecycle.types import ENDED, Claim, Event, emit, hold, hold_claim, now
from service.privacy import ledger


def end(
    session: Session,
    job: Job,
    state: str,
    *,
    problem: Mapping[str, Any] | None = None,
    result: Mapping[str, Any] | None = None,
) -> list[str]:
    """Last change of a job, with its final event. The caller holds the job.

    Answers blobs that nothing refers to any more, to delete after commit (if that fails, the store's sweep does it).
    The upload of a profile job without success is rejected: nothing of its data is kept. What the job has reserved of
    a privacy budget is settled or released.
    """
    checkpoint = job.checkpoint_blob_id
    job.state, job.ended_at, job.lease_until = state, now(session), None
    job.checkpoint_blob_id = None
    job.problem = dict(problem) if problem else None
    job.result = dict(result) if result else None
    blobs = [checkpoint] if checkpoint else []
    ledger.finish(session, job.id, job.attempt, succeeded=state == "succeeded")
    if job.kind == "profile" and state != "succeeded" and job.dataset_id:
        blobs += reject(session, job.dataset_id, problem or Cancelled("The upload was cancelled.").to_problem())
    emit(session, job, Event("state", {"state": state, "attempt": job.attempt, "problem": problem, "result": result}))
    if job.shards and state != "succeeded":
        blobs += _stop_shards(session, job)
    if job.parent_id and state != "succeeded":
        blobs += _tell_parent(session, job.parent_id, state, problem)
    return blobs


def _stop_shards(session: Session, parent: Job) -> list[str]:
    """End the children that wait, ask those that run to stop, forget what is drawn. Answers blobs."""
    blobs = shards.drop_parts(session, parent.id)
    for job_id in shards.unfinished(session, parent):
        child = hold(session, job_id, "queued", "running")
        if child is None:
            continue
        if child.state == "queued":
            blobs += end(session, child, "cancelled")
        else:
            child.state = "cancelling"
            emit(session, child, Event("state", {"state": "cancelling", "attempt": child.attempt}))
    return blobs


def _tell_parent(session: Session, parent_id: str, state: str, problem: Mapping[str, Any] | None) -> list[str]:
    """A child failed: so has the whole. The last one has stopped: so has the whole. Answers blobs."""
    parent = hold(session, parent_id, "queued", "running", "cancelling")
    if parent is None:
        return []
    if state == "failed" and parent.state != "cancelling":
        return end(session, parent, "failed", problem=problem)
    if parent.state == "cancelling" and not shards.working(session, parent):
        return end(session, parent, "cancelled")
    return []


def reject(session: Session, dataset_id: str, problem: Mapping[str, Any]) -> list[str]:
    """The upload is no usable table. Answers its blobs, to delete after commit."""
    dataset = session.get(Dataset, dataset_id)
    if dataset is None or dataset.state != "pending":
        return []
    blobs = (dataset.upload_blob_id, dataset.table_blob_id)
    dataset.state, dataset.problem = "rejected", dict(problem)
    dataset.upload_blob_id = dataset.table_blob_id = None
    return [b for b in blobs if b]


def fail(session: Session, claim: Claim, problem: Mapping[str, Any]) -> list[str]:
    """The work cannot be done. Raises FencedError; answers blobs to delete after commit."""
    return end(session, hold_claim(session, claim), "failed", problem=problem)


def cancelled(session: Session, claim: Claim) -> list[str]:
    """The work has stopped as asked. Raises FencedError; answers blobs to delete after commit."""
    return end(session, hold_claim(session, claim, "cancelling"), "cancelled")


def cancel(session: Session, job_id: str) -> list[str]:
    """Ask for an end. A queued job ends at once, a running one when its worker has stopped it.

    Answers blobs to delete after commit. Raises Conflict if the job has ended with another outcome.
    """
    job = hold(session, job_id, "queued", "running", "cancelling", *ENDED)
    if job is None or job.state in ("cancelling", "cancelled"):
        return []
    if job.state == "queued":
        return end(session, job, "cancelled")
    if job.state == "running":
        job.state = "cancelling"
        emit(session, job, Event("state", {"state": "cancelling", "attempt": job.attempt}))
        if not job.shards:
            return []
        session.flush()
        blobs = _stop_shards(session, job)
        if job.state == "cancelling" and not shards.working(session, job):
            blobs += end(session, job, "cancelled")
        return blobs
    raise Conflict(f"The job has {job.state} already.", hint="Only queued and running jobs can be cancelled.")
