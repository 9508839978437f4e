"""Blobs: immutable bytes, invisible until complete. In the database by default, or in an object store."""

from service.storage.base import BlobInfo, BlobReader, BlobStore, BlobWriter
from service.storage.database import DatabaseStore
from service.storage.opening import open_store

__all__ = ["BlobInfo", "BlobReader", "BlobStore", "BlobWriter", "DatabaseStore", "open_store"]
