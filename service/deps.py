"""What routes ask for: the caller, a session, the store, the settings, the hint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from models.errors import Forbidden, InvalidInput
from service.db.session import Database
from service.jobs.hints import Hint
from service.security.principal import Principal, authenticate
from service.settings import Settings
from service.storage import BlobStore

bearer = HTTPBearer(auto_error=False, description="An API key: pop_…")
MAX_NUMBER = 1e308

header = APIKeyHeader(name="X-API-Key", auto_error=False)


def get_settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def get_database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def get_store(request: Request) -> BlobStore:
    store: BlobStore = request.app.state.store
    return store


def get_hint(request: Request) -> Hint:
    hint: Hint = request.app.state.hint
    return hint


AppSettings = Annotated[Settings, Depends(get_settings)]
Db = Annotated[Database, Depends(get_database)]
Store = Annotated[BlobStore, Depends(get_store)]
Hints = Annotated[Hint, Depends(get_hint)]


def get_caller(
    database: Db,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    key: Annotated[str | None, Depends(header)],
) -> Principal:
    """The caller, or 401. Every router but health depends on it."""
    return authenticate(database, credentials.credentials if credentials else key)


Caller = Annotated[Principal, Depends(get_caller)]


def get_admin(caller: Caller) -> Principal:
    if caller.role != "admin":
        raise Forbidden("This needs an admin key.", hint="Ask whoever runs the service.")
    return caller


Admin = Annotated[Principal, Depends(get_admin)]


def read_session(database: Db) -> Iterator[Session]:
    with database.read() as session:
        yield session


Reading = Annotated[Session, Depends(read_session, scope="function")]
"""A session to read with; given back before the answer is sent, however slowly the caller takes it. Routes that write
open `database.write()` themselves, so that the commit has happened before the answer is sent and a hint goes out."""


async def plain_json(request: Request) -> None:
    """Refuse JSON that cannot be stored or sent back: NUL and half characters, NaN, numbers beyond all bounds."""
    if getattr(request.scope.get("route"), "body_field", None) is None:
        return  # an upload is streamed, never parsed here
    try:
        value = await request.json()
    except ValueError:
        return  # FastAPI's own check of the body refuses it
    if not await run_in_threadpool(_plain, value):
        raise InvalidInput(
            "The request holds a value that cannot be stored.",
            hint="Leave out NUL characters, unpaired surrogates, NaN, Infinity and numbers above 1e308.",
        )


def _plain(value: Any) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str):
            if "\0" in item or any("\ud800" <= c <= "\udfff" for c in item):
                return False
        elif isinstance(item, int | float) and not abs(item) <= MAX_NUMBER:
            return False
    return True


Limit = Annotated[int, Query(ge=1, le=200, description="Items per page.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.", max_length=100)]
