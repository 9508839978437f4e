"""From an uploaded file to a table with a schema and a profile."""

from models.ingest.checks import check_schema
from models.ingest.frame import table_from_frame
from models.ingest.inference import infer_schema
from models.ingest.limits import Limits
from models.ingest.profiling import check_target, profile
from models.ingest.reading import Upload, read_upload

__all__ = [
    "Limits",
    "Upload",
    "check_schema",
    "check_target",
    "infer_schema",
    "profile",
    "read_upload",
    "table_from_frame",
]
