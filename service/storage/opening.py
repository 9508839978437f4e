"""The store that the settings ask for."""

from __future__ import annotations

from service.db.session import Database
from service.settings import Settings
from service.storage.base import BlobStore
from service.storage.database import DatabaseStore


def open_store(settings: Settings, database: Database) -> BlobStore:
    """Raises InvalidInput if the object store's package is missing."""
    if settings.storage_url is None:
        return DatabaseStore(database)
    from service.storage.objects import ObjectStore

    return ObjectStore(settings.storage_url, database)
