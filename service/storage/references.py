"""Which blobs nothing refers to: they are garbage whatever left them there (a crash between two transactions)."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists

from service.db.base import Base
from service.db.tables import Blob, BlobChunk


def unreferenced() -> ColumnElement[bool]:
    """True for blobs that no row of any table names through a foreign key (chunks aside)."""
    columns = [
        key.parent
        for table in Base.metadata.tables.values()
        if table.name != BlobChunk.__tablename__
        for key in table.foreign_keys
        if key.column.table.name == Blob.__tablename__
    ]
    return and_(*(~exists().where(column == Blob.id) for column in columns))
