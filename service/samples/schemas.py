from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class WarningOut(BaseModel):
    code: str
    message: str
    hint: str


class SampleOut(BaseModel):
    id: str
    dataset_id: str
    synthesizer_id: str
    job_id: str
    row_count: int
    where: list[str]
    seed: int
    kind: Literal["synthetic", "imputed"] = Field(
        description="imputed: REAL records whose missing cells were filled in."
    )
    confidential: bool = Field(description="True for what holds real records: handle it as its dataset.")
    balance: dict[str, Any] | None = Field(description="Shares that were asked of one column.")
    mode: Literal["full", "fast"] = Field(description="fast: drawn by a small network distilled from the generator.")
    filled: dict[str, int] | None = Field(description="Of an imputed table: cells filled, by column.")
    warnings: list[WarningOut] = Field(description="What to know before using it.")
    created_at: str
