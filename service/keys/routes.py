from __future__ import annotations

from fastapi import APIRouter

from service.deps import Admin, Cursor, Db, Limit, Reading
from service.keys import service
from service.keys.schemas import KeyIn, KeyOut, NewKeyOut
from service.paging import Page

router = APIRouter(prefix="/v1/keys", tags=["keys"])


@router.get("", summary="Keys of your tenant, newest first")
def list_keys(caller: Admin, session: Reading, limit: Limit = 50, cursor: Cursor = None) -> Page[KeyOut]:
    return service.list_keys(session, caller, limit, cursor)


@router.post("", status_code=201, summary="Make a key; it is shown this once")
def create_key(caller: Admin, database: Db, wanted: KeyIn) -> NewKeyOut:
    return service.create(database, caller, wanted)


@router.delete("/{key_id}", status_code=204, summary="Revoke a key")
def revoke_key(caller: Admin, database: Db, key_id: str) -> None:
    service.revoke(database, caller, key_id)
