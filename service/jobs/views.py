"""Rows -> answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.db.tables import Job, JobEvent, JobStep
from service.jobs.private import is_private, when
from service.jobs.schemas import EventOut, JobOut, Step
from service.paging import iso, iso_or_none

WEIGHTS = {
    "read": 2,
    "profile": 2,
    "encode": 3,
    "train": 60,
    "sample": 12,
    "evaluate": 20,
    "tune": 95,
    "compare": 95,
    "publish": 1,
}
"""Share of a step in the progress of its job (of a synthesize job on two cores, in percent)."""
HIDDEN = frozenset({"schema", "test_schema"})
"""Parts of a spec that are shown elsewhere."""


def shown_spec(spec: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in spec.items() if k not in HIDDEN}


def job_out(job: Job, steps: Sequence[JobStep]) -> JobOut:
    private = is_private(job.spec)
    whole = sum(WEIGHTS[s.name] for s in steps)
    done = sum(WEIGHTS[s.name] * (1.0 if s.ended_at is not None else s.fraction) for s in steps)
    return JobOut(
        id=job.id,
        kind=job.kind,
        state=job.state,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        fraction=1.0 if job.state == "succeeded" else round(done / whole, 4),
        steps=[step_out(job, s) for s in steps],
        spec=shown_spec(job.spec),
        dataset_id=job.dataset_id,
        synthesizer_id=job.synthesizer_id,
        sample_id=job.sample_id,
        problem=job.problem,
        result=job.result,
        created_at=iso(job.created_at),
        started_at=when(job.started_at, private),
        ended_at=when(job.ended_at, private),
    )


def step_out(job: Job, step: JobStep) -> Step:
    """A step that began and did not end shares the job's outcome."""
    state = "pending"
    if step.ended_at is not None:
        state = "succeeded"
    elif step.started_at is not None:
        state = job.state if job.state in ("failed", "cancelled", "succeeded") else "running"
    private = is_private(job.spec)
    return Step(
        name=step.name,
        state=state,
        fraction=step.fraction,
        message=step.message,
        started_at=None if private else iso_or_none(step.started_at),
        ended_at=None if private else iso_or_none(step.ended_at),
    )


def event_out(event: JobEvent, private: bool = False) -> EventOut:
    """private: of a job under differential privacy, whose times tell of its rows."""
    data = {k: v for k, v in event.data.items() if k != "seconds"} if private else event.data
    created = str(when(event.created_at, private))
    return EventOut(id=event.id, attempt=event.attempt, type=event.type, data=data, created_at=created)
