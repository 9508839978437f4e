"""/v1/datasets/{id}/budget and /ledger"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from service.deps import Caller, Cursor, Db, Limit, Reading
from service.downloads import attachment
from service.paging import Page
from service.privacy import service
from service.privacy.export import MEDIA_TYPES, Format
from service.privacy.schemas import BudgetIn, BudgetOut, LedgerLine

router = APIRouter(prefix="/v1/datasets/{dataset_id}", tags=["privacy"])


@router.get("/budget", summary="What may be spent, what is spent, what would still fit")
def get_budget(caller: Caller, database: Db, dataset_id: str) -> BudgetOut:
    return service.get_budget(database, caller, dataset_id)


@router.put("/budget", summary="Set the privacy budget")
def set_budget(caller: Caller, database: Db, dataset_id: str, wanted: BudgetIn) -> BudgetOut:
    """What was spent before stays spent. The unit cannot change once something is."""
    return service.set_budget(database, caller, dataset_id, wanted)


@router.get("/ledger", summary="Who spent what, when; newest first")
def list_lines(
    caller: Caller, session: Reading, dataset_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[LedgerLine]:
    return service.lines(session, caller, dataset_id, limit, cursor)


@router.get("/ledger/export", summary="The whole ledger, oldest line first", response_class=StreamingResponse)
def export(caller: Caller, database: Db, dataset_id: str, format: Format = "jsonl") -> StreamingResponse:
    """`csv`, or `jsonl`: one JSON object a line. Kept also of a dataset that was deleted."""
    pieces = service.exported(database, caller, dataset_id, format)
    headers = attachment(f"{dataset_id}-ledger.{format}")
    return StreamingResponse(pieces, media_type=MEDIA_TYPES[format], headers=headers)
