"""A child's results -> blobs -> one publishing transaction. Until that commits, no reader sees any of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.errors import PopulaceError
from service.db.session import Database
from service.jobs import lifecycle
from service.jobs.lifecycle import Claim, FencedError
from service.storage import BlobStore
from worker.recorder import Recorder

log = logging.getLogger(__name__)

ARTIFACTS = {"table": "table.parquet", "synthesizer": "synthesizer.tar", "sample": "sample.parquet"}
"""Name in the publishing transaction -> file in the job folder's `out`."""
NEEDED = {"profile": ("table",), "synthesize": ("synthesizer", "sample"), "sample": ("sample",), "evaluate": ()}
READ_BYTES = 1024 * 1024


def pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            yield piece


def delete_blobs(store: BlobStore, ids: list[str]) -> None:
    """Delete what nothing refers to any more. Failing is harmless: the sweep deletes it later."""
    if not ids:
        return
    try:
        store.delete(ids)
    except Exception as error:  # the job's own outcome is committed already
        log.warning("left %d blobs to the sweep: %s", len(ids), type(error).__name__)


def publish(claim: Claim, folder: Path, recorder: Recorder, database: Database, store: BlobStore) -> None:
    """The last steps and events go into the same transaction. Raises FencedError if the job is no longer ours, PopulaceError if the child's results are not complete."""
    outcome: dict[str, Any] = json.loads((folder / "out" / "result.json").read_bytes())
    paths = {name: folder / "out" / ARTIFACTS[name] for name in NEEDED[claim.kind]}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        raise PopulaceError(f"The job's process left out {', '.join(missing)}.")
    blobs: dict[str, str] = {}
    try:
        for name, path in paths.items():
            blobs[name] = store.write(pieces(path)).id
        recorder.finish()
        steps, events = recorder.take()
        with database.write() as session:
            lifecycle.record(session, claim, steps, events)
            retired = lifecycle.publish(session, claim, outcome, blobs)
    except BaseException:
        delete_blobs(store, list(blobs.values()))
        raise
    delete_blobs(store, retired)


def save_checkpoint(claim: Claim, archive: Path, database: Database, store: BlobStore) -> None:
    """Keep a packed checkpoint; the one before it goes. Raises FencedError."""
    blob_id = store.write(pieces(archive)).id
    archive.unlink()
    try:
        with database.write() as session:
            retired = lifecycle.save_checkpoint(session, claim, blob_id)
    except FencedError:
        delete_blobs(store, [blob_id])
        raise
    delete_blobs(store, retired)
