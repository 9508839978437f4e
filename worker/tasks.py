"""The one task. It carries no data: what to do is in the database."""

from __future__ import annotations

from worker.celery_app import app, current_supervisor


@app.task(name="worker.tasks.work", ignore_result=True)  # type: ignore[untyped-decorator]
def work() -> None:
    """Claim and carry out jobs until the queue is empty."""
    current_supervisor().work()
