"""Watches one attempt while its child works: lease, progress, cancellation, memory, time, shutdown."""

from __future__ import annotations

import logging
import threading
import time
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from service.db.session import Database
from service.jobs import lifecycle
from service.jobs.lifecycle import Claim, Event, FencedError, StepReport
from service.settings import Settings
from worker.child import Child
from worker.limits import job_memory, resident
from worker.recorder import Recorder

log = logging.getLogger(__name__)

Reason = Literal["lost", "cancelling", "memory", "time", "shutdown"]
TICK_SECONDS = 0.25
TALK_SECONDS = 1.0
"""Between two looks at the database; each one that writes extends the lease too."""


class Watch:
    """A thread beside the work. `reason`: why the work was stopped, if it was."""

    def __init__(
        self, claim: Claim, recorder: Recorder, settings: Settings, database: Database, stopping: threading.Event
    ) -> None:
        self._thread = threading.Thread(target=self._run, name=f"watch-{claim.id}", daemon=True)
        self.claim, self.recorder, self.settings, self.database = claim, recorder, settings, database
        self.reason: Reason | None = None
        self.peak_bytes = 0
        self._child: Child | None = None
        self._stopping = stopping
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._talking = threading.Lock()
        self._memory = job_memory(settings)
        self._began = self._beat = self._talked = time.monotonic()
        self._lease_until = self._beat + settings.lease_seconds

    def start(self) -> None:
        self._thread.start()

    def attach(self, child: Child) -> bool:
        """From now on stop this child where needed. False if the work should not begin at all."""
        with self._lock:
            self._child = child
            return self.reason is None

    def detach(self) -> None:
        """The child has ended: what remains must not be interrupted by shutdown or limits."""
        with self._lock:
            self._child = None

    def unwritten(self) -> tuple[dict[str, StepReport], list[Event]]:
        """What the child said and the database does not have; this thread is not just about to write it."""
        with self._talking:
            return self.recorder.take()

    def end(self) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(TICK_SECONDS):
            reason = self._look()
            if reason is not None:
                self._stop(reason)
                return

    def _look(self) -> Reason | None:
        moment = time.monotonic()
        if moment - self._talked >= TALK_SECONDS:
            self._talked = moment
            with self._talking:
                reason = self._talk(moment)
            if reason is not None:
                return reason
        with self._lock:
            child = self._child
        if child is None:
            return None
        if self._stopping.is_set():
            return "shutdown"
        if moment - self._began > self.settings.job_seconds:
            return "time"
        used = resident(child.pid)
        self.peak_bytes = max(self.peak_bytes, used)
        return "memory" if used > self._memory else None

    def _talk(self, moment: float) -> Reason | None:
        """Write what is new, keep the lease, and learn whether the job is still ours."""
        due = moment - self._beat >= min(self.settings.heartbeat_seconds, self.settings.lease_seconds / 3)
        steps, events = self.recorder.take()
        try:
            if due:
                with self.database.write() as session:
                    state = lifecycle.heartbeat(session, self.claim, lease_seconds=self.settings.lease_seconds)
                self._beat = moment
            else:
                with self.database.read() as session:
                    state = lifecycle.state_of(session, self.claim)
            if state == "running" and (steps or events):
                with self.database.write() as session:
                    lifecycle.record(session, self.claim, steps, events)
            else:
                self.recorder.put_back(steps, events)  # a cancelled job's last words may cost privacy budget
        except FencedError:
            self.recorder.put_back(steps, events)
            return None  # the next look tells whether it is cancelled or lost
        except SQLAlchemyError as error:
            self.recorder.put_back(steps, events)
            log.warning("%s: the database does not answer: %s", self.claim.id, type(error).__name__)
            return "lost" if time.monotonic() > self._lease_until else None
        if due and state is not None:
            self._lease_until = moment + self.settings.lease_seconds
        if state is None:
            return "lost"
        return "cancelling" if state == "cancelling" else None

    def _stop(self, reason: Reason) -> None:
        """Stop the child, or keep one from being started."""
        with self._lock:
            self.reason = reason
            child = self._child
        if child is not None:
            log.info("%s: stopping attempt %d: %s", self.claim.id, self.claim.attempt, reason)
            if reason in ("cancelling", "shutdown"):
                child.terminate(self.settings.kill_seconds)
            else:
                child.kill()
