from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class DatasetOut(BaseModel):
    id: str
    name: str
    state: str = Field(description="pending (being profiled), ready, or rejected (`problem` says why)")
    media_type: str
    bytes: int
    sha256: str
    row_count: int | None
    column_count: int | None
    schema_version: int
    problem: dict[str, Any] | None
    job_id: str | None = Field(description="The job that profiles it.")
    created_at: str


class SchemaPatch(BaseModel, extra="allow"):
    """Parts of a schema to override; see GET for the form.

    `public` declares that a column's domain, as it is written, is public knowledge: private jobs need that, or pay for
    finding it (docs/privacy.md, "Domain").
    """

    columns: list[dict[str, Any]] = Field(
        default_factory=list,
        examples=[
            [{"name": "age", "kind": "ordinal", "categories": ["0-15", "16-64", "65+"]}],
            [{"name": "age", "public": True, "minimum": 0, "maximum": 120, "edges": [0, 18, 65, 120]}],
        ],
    )
    rules: list[Any] | None = Field(
        default=None,
        description="What holds in every row of a sample; these replace the rules there were.",
        examples=[["age < 16 -> marital_status = single", "first_job <= last_job"]],
    )
