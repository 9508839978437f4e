"""The life of a job as pure SQL: a state machine in the schema, moved by guarded writes (DESIGN.md section 3).

Style after procrastinate: the database decides, workers only propose. Every function takes a session inside a write
transaction; every write of a worker is fenced by (id, attempt, state) and raises FencedError when the job is no longer
the worker's own.
"""

from service.jobs.lifecycle.claims import Reconciled, WorkerLost, claim, heartbeat, reconcile, release, state_of
from service.jobs.lifecycle.ends import cancel, cancelled, fail
from service.jobs.lifecycle.publish import publish
from service.jobs.lifecycle.shards import drop_parts, split
from service.jobs.lifecycle.types import ENDED, QUEUE_OF, Claim, Event, FencedError, StepReport
from service.jobs.lifecycle.writes import charge, crashed, record, save_checkpoint

__all__ = [
    "ENDED",
    "QUEUE_OF",
    "Claim",
    "Event",
    "FencedError",
    "Reconciled",
    "StepReport",
    "WorkerLost",
    "cancel",
    "cancelled",
    "charge",
    "claim",
    "crashed",
    "drop_parts",
    "fail",
    "heartbeat",
    "publish",
    "reconcile",
    "record",
    "release",
    "save_checkpoint",
    "split",
    "state_of",
]
