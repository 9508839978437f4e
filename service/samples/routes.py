from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from service.deps import Caller, Cursor, Db, Limit, Reading, Store
from service.paging import Page
from service.samples import service
from service.samples.schemas import SampleOut

router = APIRouter(prefix="/v1/samples", tags=["samples"])


@router.get("", summary="Your synthetic tables, newest first")
def list_samples(caller: Caller, session: Reading, limit: Limit = 50, cursor: Cursor = None) -> Page[SampleOut]:
    return service.list_samples(session, caller, limit, cursor)


@router.get("/{sample_id}", summary="One sample")
def get_sample(caller: Caller, session: Reading, sample_id: str) -> SampleOut:
    return service.get(session, caller, sample_id)


@router.get(
    "/{sample_id}/download",
    summary="The synthetic table, streamed, in the source's own spelling",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}, "application/vnd.apache.parquet": {}}}},
)
def download(
    caller: Caller, session: Reading, store: Store, sample_id: str, format: service.Format = "csv"
) -> StreamingResponse:
    pieces = service.content(session, caller, store, sample_id, format)
    headers = service.headers(session, caller, sample_id, format)
    return StreamingResponse(pieces, media_type=service.MEDIA_TYPES[format], headers=headers)


@router.delete("/{sample_id}", status_code=204, summary="Delete a sample with its reports")
def delete_sample(caller: Caller, database: Db, store: Store, sample_id: str) -> None:
    service.delete(database, store, caller, sample_id)
