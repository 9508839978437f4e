from __future__ import annotations

from fastapi import APIRouter

from service.deps import Caller, Cursor, Db, Limit, Reading, Store
from service.paging import Page
from service.synthesizers import service
from service.synthesizers.schemas import SynthesizerOut

router = APIRouter(prefix="/v1/synthesizers", tags=["synthesizers"])


@router.get("", summary="Your trained synthesizers, newest first")
def list_synthesizers(
    caller: Caller, session: Reading, limit: Limit = 50, cursor: Cursor = None
) -> Page[SynthesizerOut]:
    return service.list_synthesizers(session, caller, limit, cursor)


@router.get("/{synthesizer_id}", summary="One synthesizer with its manifest")
def get_synthesizer(caller: Caller, session: Reading, synthesizer_id: str) -> SynthesizerOut:
    return service.get(session, caller, synthesizer_id)


@router.delete("/{synthesizer_id}", status_code=204, summary="Delete a synthesizer with its samples and reports")
def delete_synthesizer(caller: Caller, database: Db, store: Store, synthesizer_id: str) -> None:
    service.delete(database, store, caller, synthesizer_id)
