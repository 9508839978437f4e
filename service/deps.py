"""What routes ask for: the caller, a session, the store, the settings, the hint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.orm import Session

from models.errors import Forbidden
from service.db.session import Database
from service.jobs.hints import Hint
from service.security.principal import Principal, authenticate
from service.settings import Settings
from service.storage import BlobStore

bearer = HTTPBearer(auto_error=False, description="An API key: pop_…")
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


Reading = Annotated[Session, Depends(read_session)]
"""A session to read with. Routes that write open `database.write()` themselves, so that the commit has happened
before the answer is sent and before a hint goes out."""

Limit = Annotated[int, Query(ge=1, le=200, description="Items per page.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.", max_length=100)]
