"""A job's log as server-sent events (WHATWG HTML 9.2)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from service.db.session import Database
from service.jobs import service
from service.jobs.schemas import EventOut

POLL_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def wire(event: EventOut) -> bytes:
    """One event; JSON holds no raw line ends, so one data line is enough."""
    data = json.dumps({**event.data, "attempt": event.attempt, "at": event.created_at}, allow_nan=False)
    return f"id: {event.id}\nevent: {event.type}\ndata: {data}\n\n".encode()


async def stream(database: Database, tenant_id: str, job_id: str, after: int) -> AsyncIterator[bytes]:
    """Events after that id as they come, until the final one; comments keep proxies from closing a quiet stream.

    The database is polled in the thread pool, so that a thousand readers hold no thread and no connection between two
    looks. A slow reader only slows its own loop: nothing is buffered for it.
    """

    def look() -> tuple[list[EventOut], bool]:
        with database.read() as session:
            return service.tail(session, tenant_id, job_id, after)

    said = time.monotonic()
    yield b"retry: 2000\n\n"
    while True:
        events, complete = await run_in_threadpool(look)
        for event in events:
            yield wire(event)
            after = event.id
            said = time.monotonic()
        if complete:
            return
        if time.monotonic() - said >= HEARTBEAT_SECONDS:
            yield b": still here\n\n"
            said = time.monotonic()
        await asyncio.sleep(POLL_SECONDS)


async def wait_for_end(database: Database, tenant_id: str, job_id: str, seconds: float) -> None:
    """Return once the job has ended, or after `seconds`."""

    def ended() -> bool:
        with database.read() as session:
            return service.has_ended(session, tenant_id, job_id)

    deadline = time.monotonic() + seconds
    while not await run_in_threadpool(ended):
        left = deadline - time.monotonic()
        if left <= 0:
            return
        await asyncio.sleep(min(POLL_SECONDS, left))
