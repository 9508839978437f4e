from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class MetricOut(BaseModel):
    section: str
    name: str
    subject: str
    value: float | None
    ceiling: float | None = Field(description="The same figure for a bootstrap of the real data.")
    holdout: float | None = Field(description="The same figure for real rows that nothing was trained on.")
    floor: float | None = Field(description="The same figure for independent columns.")
    low: float | None
    high: float | None
    direction: str
    goal: float | None
    unit: str
    note: str


class ReportSummary(BaseModel):
    id: str
    dataset_id: str
    sample_id: str
    job_id: str
    created_at: str


class ReportOut(ReportSummary):
    dataset: dict[str, Any]
    sample: dict[str, Any]
    synthesizer: dict[str, Any]
    metrics: list[MetricOut]
    sections: dict[str, Any]
    meta: dict[str, Any]
