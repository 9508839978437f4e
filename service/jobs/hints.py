"""Hints: "there is work in this queue". They make a start quick; losing one costs seconds, never a job.

The database is the queue. No hint may fail or delay a request, so the broker is spoken to by a thread of its own.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Protocol

from service.settings import Settings

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger(__name__)

TASK = "worker.tasks.work"
MOST_HINTS = 64
"""Workers that one sample wakes at once; others find its shards when they poll."""


class Hint(Protocol):
    def send(self, queue: str, count: int = 1) -> None:
        """After commit: so many jobs wait in `queue`. Returns at once and never raises."""


class NoHint:
    """Workers poll."""

    def send(self, queue: str, count: int = 1) -> None:
        return None


class LocalHint:
    """Wakes the workers of this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def send(self, queue: str, count: int = 1) -> None:
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait(self, seen: int, timeout: float) -> int:
        """Until a hint newer than number `seen` is sent, or for `timeout` seconds. Answers the newest number."""
        with self._changed:
            self._changed.wait_for(lambda: self._count != seen, timeout)
            return self._count


LOCAL = LocalHint()
"""The hint of embedded mode: the API and the workers share one process."""


def celery_sender(broker_url: str) -> Celery:
    """A Celery application that only sends; impatient, because a hint is not worth waiting for."""
    from celery import Celery  # embedded mode does without it, and without its memory

    sender = Celery("populace-hints", broker=broker_url, set_as_current=False)
    sender.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_create_missing_queues=True,
        broker_connection_timeout=2.0,
        broker_transport_options={"socket_connect_timeout": 2.0, "socket_timeout": 5.0, "max_retries": 0},
    )
    return sender


def send_now(sender: Celery, queue: str, count: int = 1) -> None:
    """Send a hint, for the shards of a sample a group of them: a worker that has one carries out all it finds.

    Raises what the broker raises. An old hint means nothing: it expires after a minute.
    """
    if count == 1:
        sender.send_task(TASK, queue=queue, ignore_result=True, retry=False, expires=60)
        return
    from celery import group

    hint = sender.signature(TASK, queue=queue, ignore_result=True, expires=60)
    group([hint.clone() for _ in range(min(count, MOST_HINTS))], app=sender).apply_async(retry=False)


class CeleryHint:
    """Sends in a thread; hints for one queue that wait at the same time are one hint."""

    def __init__(self, broker_url: str) -> None:
        self._sender = celery_sender(broker_url)
        self._changed = threading.Condition()
        self._waiting: dict[str, int] = {}
        self._thread: threading.Thread | None = None

    def send(self, queue: str, count: int = 1) -> None:
        with self._changed:
            self._waiting[queue] = max(count, self._waiting.get(queue, 0))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="hints", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                queue, count = self._waiting.popitem()
            try:
                send_now(self._sender, queue, count)
            except Exception as error:  # any broker trouble: the workers poll, so the job starts a little later
                log.warning("no hint sent for queue %s: %s", queue, type(error).__name__)


def make_hint(settings: Settings) -> Hint:
    """The hint that fits the settings: a broker where one is named, this process in embedded mode, else none."""
    if settings.broker_url is not None:
        return CeleryHint(settings.broker_url.get_secret_value())
    return LOCAL if settings.mode == "embedded" else NoHint()
