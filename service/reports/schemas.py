from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from models.evaluation.result import VERSION


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
    expected: float | None = Field(None, description="Mean of the figure over samples of fresh real rows, as many,")
    spread: float | None = Field(None, description="and its standard deviation.")
    bar: float | None = Field(None, description="What the figure has to reach.")
    status: str = Field("", description="pass, fail or unavailable; empty for a figure without a bar.")


Kind = Literal["fidelity", "comparison"]


class ReportSummary(BaseModel):
    id: str
    kind: Kind = Field("fidelity", description="Of a sample or upload against real rows, or a comparison of methods.")
    dataset_id: str = Field(description="The real table, or the one whose rows were compared on.")
    sample_id: str | None
    synthetic_dataset_id: str | None = Field(None, description="An upload that was held against the real table.")
    holdout_dataset_id: str | None = Field(None, description="An upload of real rows that nothing was made from.")
    job_id: str
    created_at: str


Edition = Literal["public", "internal"]
MARKINGS = {
    "internal": "Internal: not for release. Its figures were computed on real rows without noise.",
    "public": "Public edition: every figure that depends on real rows is covered by differential privacy.",
}
"""What stands on top of each edition."""


class ReportOut(ReportSummary):
    version: int = Field(VERSION, description="Of this shape, which GET /v1/schemas/report describes.")
    edition: Edition | None = Field(None, description="Of a job under differential privacy; others have one report.")
    marking: str | None = Field(None, description="What may be done with this edition.")
    privacy: dict[str, Any] | None = Field(
        None, description="Under differential privacy: the statement, the job's lines of the ledger, before and after."
    )
    dataset: dict[str, Any]
    sample: dict[str, Any] | None = None
    synthesizer: dict[str, Any] | None = None
    synthetic: dict[str, Any] | None = Field(None, description="The upload that was held against the real table.")
    holdout: dict[str, Any] | None = Field(None, description="The upload of real rows that nothing was made from.")
    replicates: list[dict[str, Any]] = Field(
        [], description="Further samples, or uploads, whose analyses are combined with the first one's."
    )
    metrics: list[MetricOut]
    sections: dict[str, Any]
    meta: dict[str, Any]


class ChartOut(BaseModel):
    """A table of the report's page."""

    name: str
    title: str
    section: str = Field(description="Where it stands in the page.")
    columns: list[str]
    rows: int
    href: str = Field(description="The table as CSV.")
