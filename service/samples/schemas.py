from __future__ import annotations

from pydantic import BaseModel


class SampleOut(BaseModel):
    id: str
    dataset_id: str
    synthesizer_id: str
    job_id: str
    row_count: int
    where: list[str]
    seed: int
    created_at: str
