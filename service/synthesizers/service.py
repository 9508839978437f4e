"""What can be done with synthesizers."""

from __future__ import annotations

from sqlalchemy.orm import Session

from models.errors import Conflict, NotFound
from service import audit
from service.db.session import Database
from service.db.tables import Synthesizer
from service.jobs.private import when
from service.paging import Page, newest
from service.security.principal import Principal
from service.storage import BlobStore
from service.synthesizers import repository
from service.synthesizers.schemas import SynthesizerOut


def view(synthesizer: Synthesizer) -> SynthesizerOut:
    return SynthesizerOut(
        id=synthesizer.id,
        dataset_id=synthesizer.dataset_id,
        job_id=synthesizer.job_id,
        manifest=synthesizer.manifest,
        created_at=str(when(synthesizer.created_at, bool(synthesizer.manifest.get("privacy")))),
    )


def find(session: Session, caller: Principal, synthesizer_id: str) -> Synthesizer:
    """Raises NotFound, also for another tenant's synthesizer."""
    synthesizer = repository.get(session, caller.tenant_id, synthesizer_id)
    if synthesizer is None:
        raise NotFound("There is no such synthesizer.", hint="GET /v1/synthesizers lists them.")
    return synthesizer


def get(session: Session, caller: Principal, synthesizer_id: str) -> SynthesizerOut:
    return view(find(session, caller, synthesizer_id))


def list_synthesizers(session: Session, caller: Principal, limit: int, cursor: str | None) -> Page[SynthesizerOut]:
    total, rows, following = newest(session, repository.of_tenant(caller.tenant_id), Synthesizer, limit, cursor)
    return Page(total=total, items=[view(s) for s in rows], next_cursor=following)


def delete(database: Database, store: BlobStore, caller: Principal, synthesizer_id: str) -> None:
    """Delete it with its samples and reports. Raises NotFound, Conflict while a job draws from it."""
    with database.write() as session:
        synthesizer = find(session, caller, synthesizer_id)
        if repository.in_use(session, synthesizer_id):
            raise Conflict("A job still draws from this synthesizer.", hint="Cancel it or wait for its end.")
        blobs = repository.remove(session, synthesizer)
        audit.record(session, caller, "synthesizer.delete", synthesizer_id)
    store.delete(blobs)
