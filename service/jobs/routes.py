"""/v1/jobs"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from service.deps import AppSettings, Caller, Cursor, Db, Hints, Limit, Reading, Store
from service.jobs import events, service
from service.jobs.schemas import DryRun, EventOut, JobOut, JobRequest
from service.paging import Page

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

IdempotencyKey = Annotated[
    str | None, Header(max_length=200, min_length=1, description="The same key again answers the same job.")
]
State = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
Kind = Literal["profile", "synthesize", "sample", "evaluate", "compare", "tune"]
MAX_ID = 2**63 - 1


@router.post(
    "",
    status_code=202,
    response_model=JobOut,
    responses={200: {"model": DryRun | JobOut}},
    summary="Start a job: train, sample, evaluate, compare or tune",
)
def create(
    body: JobRequest,
    caller: Caller,
    database: Db,
    settings: AppSettings,
    hint: Hints,
    idempotency_key: IdempotencyKey = None,
    dry_run: Annotated[bool, Query(description="Check and estimate only; nothing is stored.")] = False,
) -> Response:
    """202 with the queued job; 200 with the job that this Idempotency-Key made before, or with the dry run's answer."""
    if dry_run:
        with database.read() as session:
            plan = service.dry_run(session, caller.tenant_id, body, settings)
        return JSONResponse(plan.model_dump())
    job, queue = service.submit(database, caller, body, settings, idempotency_key)
    if queue is not None:
        hint.send(queue, job.spec.get("shards", 1))
    return JSONResponse(job.model_dump(), status_code=202 if queue else 200, headers={"Location": f"/v1/jobs/{job.id}"})


@router.get("", summary="Jobs, newest first")
def list_jobs(
    caller: Caller,
    session: Reading,
    state: State | None = None,
    kind: Kind | None = None,
    dataset_id: str | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[JobOut]:
    return service.list_jobs(
        session, caller.tenant_id, state=state, kind=kind, dataset_id=dataset_id, limit=limit, cursor=cursor
    )


@router.get("/{job_id}", summary="A job; with ?wait= once it has ended")
async def get(
    job_id: str,
    caller: Caller,
    database: Db,
    wait: Annotated[float, Query(ge=0, le=60, allow_inf_nan=False, description="Seconds to wait for its end.")] = 0,
) -> JobOut:
    def look() -> JobOut:
        with database.read() as session:
            return service.get(session, caller.tenant_id, job_id)

    if wait:
        await events.wait_for_end(database, caller.tenant_id, job_id, wait)
    return await run_in_threadpool(look)


@router.post("/{job_id}/cancel", status_code=202, summary="Ask a job to stop")
def cancel(job_id: str, caller: Caller, database: Db, store: Store) -> JobOut:
    return service.cancel(database, store, caller, job_id)


@router.get(
    "/{job_id}/events",
    response_model=Page[EventOut],
    responses={200: {"content": {"text/event-stream": {}}}},
    summary="A job's log, as a page or (Accept: text/event-stream) as it is written",
)
async def job_events(
    request: Request,
    job_id: str,
    caller: Caller,
    database: Db,
    after: Annotated[int, Query(ge=0, le=MAX_ID, description="Id of the last event that you have.")] = 0,
    limit: Annotated[int, Query(ge=1, le=service.MAX_EVENTS)] = 200,
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
) -> Any:
    def look() -> Page[EventOut]:
        with database.read() as session:
            return service.list_events(session, caller.tenant_id, job_id, after=after, limit=limit)

    page = await run_in_threadpool(look)
    if "text/event-stream" not in request.headers.get("accept", ""):
        return page
    if last_event_id is not None and last_event_id.isdecimal():
        after = min(int(last_event_id), MAX_ID)
    stream = events.stream(database, caller.tenant_id, job_id, after)
    return StreamingResponse(stream, media_type="text/event-stream", headers=events.HEADERS)
