from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, insert, select
from sqlalchemy.orm import Session

from service.db.base import new_id
from service.db.tables import Job, MetricRow, Report

FIGURES = (
    "section",
    "name",
    "subject",
    "value",
    "ceiling",
    "holdout",
    "floor",
    "low",
    "high",
    "direction",
    "goal",
    "unit",
    "note",
    "expected",
    "spread",
    "bar",
    "status",
)


def add(
    session: Session,
    tenant_id: str,
    dataset_id: str,
    sample_id: str | None,
    job_id: str,
    evaluation: Mapping[str, Any],
    public: Mapping[str, Any] | None = None,
    *,
    kind: str = "fidelity",
    synthetic_dataset_id: str | None = None,
    holdout_dataset_id: str | None = None,
) -> str:
    """Store an evaluation (models.evaluation's JSON) or a comparison: its metrics as rows, the rest as it is -> report
    id.

    public: figures of its public edition, where its job was private."""
    rest = {k: v for k, v in evaluation.items() if k != "metrics"}
    report = Report(
        id=new_id("rep"),
        tenant_id=tenant_id,
        dataset_id=dataset_id,
        kind=kind,
        sample_id=sample_id,
        synthetic_dataset_id=synthetic_dataset_id,
        holdout_dataset_id=holdout_dataset_id,
        job_id=job_id,
        evaluation=rest,
        public=None if public is None else dict(public),
    )
    session.add(report)
    session.flush()
    rows = [
        {"report_id": report.id, "position": i, **{k: metric.get(k) for k in FIGURES if k in metric}}
        for i, metric in enumerate(evaluation["metrics"])
    ]
    if rows:
        session.execute(insert(MetricRow), rows)
    return report.id


def combines(id: str) -> ColumnElement[bool]:
    """Of jobs: that the sample or dataset is one whose analyses the job combines."""
    named: ColumnElement[bool] = Job.spec["replicates"].as_string().contains(f'"{id}"', autoescape=True)
    return named


def combined(id: str) -> ColumnElement[bool]:
    """Of reports: that the sample or dataset is one whose analyses they combine."""
    return Report.job_id.in_(select(Job.id).where(combines(id)))


def of_tenant(tenant_id: str) -> Select[Report]:
    return select(Report).where(Report.tenant_id == tenant_id)


def get(session: Session, tenant_id: str, report_id: str) -> Report | None:
    return session.scalar(of_tenant(tenant_id).where(Report.id == report_id))


def metrics(session: Session, report_id: str) -> Sequence[MetricRow]:
    query = select(MetricRow).where(MetricRow.report_id == report_id)
    return session.scalars(query.order_by(MetricRow.position)).all()
