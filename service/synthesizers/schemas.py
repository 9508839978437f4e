from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class SynthesizerOut(BaseModel):
    id: str
    dataset_id: str
    job_id: str
    manifest: dict[str, Any] = Field(description="Options, versions, split, training curve; no data.")
    created_at: str
