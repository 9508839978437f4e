"""A child's results -> blobs -> one publishing transaction. Until that commits, no reader sees any of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from models.errors import PopulaceError
from service.db.session import Database
from service.jobs import lifecycle
from service.jobs.lifecycle import Claim, FencedError
from service.storage import BlobStore
from worker.patience import patiently
from worker.recorder import Recorder

log = logging.getLogger(__name__)

ARTIFACTS = {"table": "table.parquet", "synthesizer": "synthesizer.tar", "sample": "sample.parquet"}
"""Name in the publishing transaction -> file in the job folder's `out`."""
NEEDED = {
    "profile": ("table",),
    "synthesize": ("synthesizer", "sample"),
    "sample": ("sample",),
    "evaluate": (),
    "tune": (),
    "compare": (),
}
READ_BYTES = 1024 * 1024


def pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            yield piece


def _upload(store: BlobStore, path: Path) -> str:
    return store.write(pieces(path)).id


def delete_blobs(store: BlobStore, ids: list[str]) -> None:
    """Delete what nothing refers to any more. Failing is harmless: the sweep deletes it later."""
    if not ids:
        return
    try:
        store.delete(ids)
    except Exception as error:  # the job's own outcome is committed already
        log.warning("left %d blobs to the sweep: %s", len(ids), type(error).__name__)


def publish(
    claim: Claim, folder: Path, recorder: Recorder, database: Database, store: BlobStore, patience: float
) -> None:
    """The last steps and events go into the same transaction; patience: seconds for a database that is away.

    Raises FencedError if the job is no longer ours, PopulaceError if the child's results are not complete."""
    outcome: dict[str, Any] = json.loads((folder / "out" / "result.json").read_bytes())
    paths = {name: folder / "out" / ARTIFACTS[name] for name in NEEDED[claim.kind]}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        raise PopulaceError(f"The job's process left out {', '.join(missing)}.")
    blobs = {name: patiently(partial(_upload, store, path), patience) for name, path in paths.items()}
    recorder.finish()
    steps, events = recorder.take()
    tries = 0

    def commit() -> list[str]:
        nonlocal tries
        tries += 1
        with database.write() as session:
            lifecycle.record(session, claim, steps, events)
            return lifecycle.publish(session, claim, outcome, blobs)

    try:
        retired = patiently(commit, patience)
    except FencedError:
        recorder.put_back(steps, events)
        if tries == 1:  # later, a commit whose answer was lost may have published them: the sweep knows
            delete_blobs(store, list(blobs.values()))
        raise
    delete_blobs(store, retired)


def save_checkpoint(claim: Claim, archive: Path, recorder: Recorder, database: Database, store: BlobStore) -> None:
    """Keep a packed checkpoint, after what was said before it; the one before it goes. Raises FencedError."""
    blob_id = _upload(store, archive)
    archive.unlink()
    steps, events = recorder.take()
    try:
        with database.write() as session:
            lifecycle.record(session, claim, steps, events)
            retired = lifecycle.save_checkpoint(session, claim, blob_id)
    except FencedError:
        recorder.put_back(steps, events)
        delete_blobs(store, [blob_id])
        raise
    except BaseException:
        recorder.put_back(steps, events)
        raise
    delete_blobs(store, retired)
