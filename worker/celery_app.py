"""Celery carries hints, never truth: JSON, acknowledged at once, no results, no prefetch, no ETA.

`celery -A worker.celery_app worker` runs a worker (so does `populace worker`). The pool is threads: the work of a job
is in a child process anyway, and the thread that runs it must be able to stop it when the worker is asked to shut down.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery import Celery, signals

from service.jobs.hints import celery_sender, send_now
from service.settings import Settings, get_settings
from worker.supervisor import Poller, Supervisor

log = logging.getLogger(__name__)


def make_app(settings: Settings) -> Celery:
    """The worker's application. Without a broker URL it can be imported, not run."""
    app = Celery("populace", include=["worker.tasks"])
    app.conf.update(
        broker_url=settings.broker_url.get_secret_value() if settings.broker_url else None,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={"socket_connect_timeout": 5.0, "socket_keepalive": True},
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=False,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_create_missing_queues=True,
        task_default_queue="cpu",
        worker_pool="threads",
        worker_concurrency=settings.worker_slots,
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


app = make_app(get_settings())


class _Worker:
    """The supervisor of this process, and its poller: what a lost hint or a lost broker costs is poll_seconds."""

    def __init__(self, settings: Settings) -> None:
        self.supervisor = Supervisor(settings)
        self._sender = celery_sender(settings.broker_url.get_secret_value()) if settings.broker_url else None
        self._poller = Poller(self.supervisor, self._found)

    def start(self) -> None:
        self._poller.start()

    def _found(self, queues: set[str]) -> None:
        """Hint again, so that whoever is free takes the job; without a broker take it here."""
        for queue in sorted(queues):
            try:
                if self._sender is None:
                    raise ConnectionError("no broker")
                send_now(self._sender, queue)
            except Exception as error:  # any broker trouble
                log.warning("no hint sent for queue %s: %s", queue, type(error).__name__)
                if queue in self.supervisor.settings.queues:
                    work = threading.Thread(target=self.supervisor.work, kwargs={"wait": False}, name="brokerless")
                    work.start()


_worker: _Worker | None = None


def current_supervisor() -> Supervisor:
    """The supervisor of this worker process. Raises RuntimeError outside of a worker."""
    if _worker is None:
        raise RuntimeError("No Celery worker runs in this process.")
    return _worker.supervisor


@signals.worker_init.connect  # type: ignore[untyped-decorator]
def _start(**_: Any) -> None:
    global _worker
    _worker = _Worker(get_settings())
    _worker.start()


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _stop(**_: Any) -> None:
    """On TERM: Celery waits for running tasks, so have them give their jobs back."""
    if _worker is not None:
        _worker.supervisor.stop()
