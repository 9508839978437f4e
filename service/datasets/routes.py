from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from service.datasets import service
from service.datasets.schemas import DatasetOut, SchemaPatch
from service.datasets.upload import receive
from service.deps import AppSettings, Caller, Cursor, Db, Hints, Limit, Reading, Store
from service.downloads import attachment
from service.paging import Page

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string", "format": "binary"}},
            "application/gzip": {"schema": {"type": "string", "format": "binary"}},
            "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}, "name": {"type": "string"}},
                }
            },
        },
    }
}


@router.post("", status_code=202, summary="Upload a table: CSV, CSV.gz or Parquet", openapi_extra=BODY)
async def upload(
    request: Request,
    response: Response,
    caller: Caller,
    settings: AppSettings,
    database: Db,
    store: Store,
    hint: Hints,
    name: Annotated[str | None, Query(max_length=200, description="Display name.")] = None,
    target: Annotated[
        str | None,
        Query(
            min_length=1, max_length=1_000, description="Column to predict: the profile looks at its balance and leaks."
        ),
    ] = None,
) -> DatasetOut:
    """Stored as it comes and profiled by a job (`job_id`): wait for it, then look at the profile and the schema."""
    received = await receive(request, store, settings.max_upload_bytes, name)
    try:
        dataset = await run_in_threadpool(service.create, database, caller, settings, received, target)
    except BaseException:
        await run_in_threadpool(store.delete, [received.blob.id])
        raise
    hint.send("cpu")
    response.headers["Location"] = f"/v1/datasets/{dataset.id}"
    return dataset


@router.get("", summary="Your datasets, newest first")
def list_datasets(caller: Caller, session: Reading, limit: Limit = 50, cursor: Cursor = None) -> Page[DatasetOut]:
    return service.list_datasets(session, caller, limit, cursor)


@router.get("/{dataset_id}", summary="One dataset")
def get_dataset(caller: Caller, session: Reading, dataset_id: str) -> DatasetOut:
    return service.get(session, caller, dataset_id)


@router.delete("/{dataset_id}", status_code=204, summary="Delete a dataset and all that was derived from it")
def delete_dataset(caller: Caller, database: Db, store: Store, dataset_id: str) -> None:
    service.delete(database, store, caller, dataset_id)


@router.get("/{dataset_id}/schema", summary="The schema, with the evidence for each column")
def get_schema(caller: Caller, session: Reading, dataset_id: str) -> dict[str, Any]:
    return service.ready(session, caller, dataset_id).schema or {}


@router.patch("/{dataset_id}/schema", summary="Override parts of the schema")
def patch_schema(caller: Caller, database: Db, dataset_id: str, patch: SchemaPatch) -> dict[str, Any]:
    return service.patch_schema(database, caller, dataset_id, patch.model_dump())


@router.put("/{dataset_id}/schema", summary="Replace the schema by a schema file")
def put_schema(caller: Caller, database: Db, dataset_id: str, schema: dict[str, Any]) -> dict[str, Any]:
    return service.put_schema(database, caller, dataset_id, schema)


@router.get("/{dataset_id}/profile", summary="What a data scientist asks before modelling")
def get_profile(caller: Caller, session: Reading, dataset_id: str) -> dict[str, Any]:
    return service.ready(session, caller, dataset_id).profile or {}


@router.get("/{dataset_id}/download", summary="The original bytes", response_class=StreamingResponse)
def download(caller: Caller, session: Reading, store: Store, dataset_id: str) -> StreamingResponse:
    dataset, pieces = service.upload_bytes(session, caller, store, dataset_id)
    headers = {**attachment(dataset.name), "Content-Length": str(dataset.bytes)}
    return StreamingResponse(pieces, media_type="application/octet-stream", headers=headers)
