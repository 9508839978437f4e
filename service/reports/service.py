"""Reports: an evaluation with where it comes from."""

from __future__ import annotations

import csv
import io
from typing import Any

from sqlalchemy.orm import Session

from models.errors import NotFound
from service.db.tables import Dataset, Job, MetricRow, Report, Sample, Synthesizer
from service.jobs.private import when
from service.paging import Page, iso, newest
from service.reports import editions, repository
from service.reports.schemas import MARKINGS, Edition, MetricOut, ReportOut, ReportSummary
from service.security.principal import Principal


def summary(report: Report) -> ReportSummary:
    return ReportSummary(
        id=report.id,
        kind=report.kind,
        dataset_id=report.dataset_id,
        sample_id=report.sample_id,
        synthetic_dataset_id=report.synthetic_dataset_id,
        holdout_dataset_id=report.holdout_dataset_id,
        job_id=report.job_id,
        created_at=str(when(report.created_at, report.public is not None)),
    )


def list_reports(session: Session, caller: Principal, limit: int, cursor: str | None) -> Page[ReportSummary]:
    total, rows, following = newest(session, repository.of_tenant(caller.tenant_id), Report, limit, cursor)
    return Page(total=total, items=[summary(r) for r in rows], next_cursor=following)


def get(session: Session, caller: Principal, report_id: str, edition: Edition | None = None) -> ReportOut:
    """edition: of a job under differential privacy, by default the public one. Raises NotFound, also for another
    tenant's report, and Conflict where it has no such edition."""
    report = repository.get(session, caller.tenant_id, report_id)
    if report is None:
        raise NotFound("There is no such report.", hint="GET /v1/reports lists them.")
    sample = None if report.sample_id is None else session.get_one(Sample, report.sample_id)
    if sample is None or report.kind == "comparison":
        return _of_tables(session, report, sample, edition)
    made = session.get_one(Job, sample.job_id)
    synthesizer = session.get_one(Synthesizer, sample.synthesizer_id)
    trained = session.get_one(Job, synthesizer.job_id)
    shown = editions.edition_of(trained, report, edition)
    if shown == "public":
        return editions.public(session, report, sample, made, trained)
    return ReportOut(
        **summary(report).model_dump(),
        edition=shown,
        marking=None if shown is None else MARKINGS[shown],
        privacy=None if shown is None else editions.privacy_of(session, trained, synthesizer),
        dataset=_dataset(session.get_one(Dataset, report.dataset_id)),
        sample=editions.sample_of(sample, made),
        synthesizer=_synthesizer(synthesizer),
        replicates=_replicates(session, report),
        metrics=[_metric(m) for m in repository.metrics(session, report_id)],
        sections=report.evaluation["sections"],
        meta=report.evaluation["meta"],
    )


def _of_tables(session: Session, report: Report, sample: Sample | None, edition: Edition | None) -> ReportOut:
    """A report that no synthesizer's privacy covers: of uploads, or a comparison of methods."""
    shown = editions.edition_of_tables(session, report, edition)
    made = None if sample is None else session.get_one(Job, sample.job_id)
    return ReportOut(
        **summary(report).model_dump(),
        edition=shown,
        marking=None if shown is None else MARKINGS[shown],
        dataset=_dataset(session.get_one(Dataset, report.dataset_id)),
        sample=None if sample is None or made is None else editions.sample_of(sample, made),
        synthesizer=None if sample is None else _synthesizer(session.get_one(Synthesizer, sample.synthesizer_id)),
        synthetic=_upload(session, report.synthetic_dataset_id),
        holdout=_upload(session, report.holdout_dataset_id),
        replicates=_replicates(session, report),
        metrics=[_metric(m) for m in repository.metrics(session, report.id)],
        sections=report.evaluation["sections"],
        meta=report.evaluation["meta"],
    )


def _upload(session: Session, dataset_id: str | None) -> dict[str, Any] | None:
    return None if dataset_id is None else {"id": dataset_id, **_dataset(session.get_one(Dataset, dataset_id))}


def _replicates(session: Session, report: Report) -> list[dict[str, Any]]:
    """Samples or uploads beside the first one. They are deleted with their reports."""
    ids = session.get_one(Job, report.job_id).spec.get("replicates") or []
    if report.sample_id is None:
        return [{"id": id, **_dataset(session.get_one(Dataset, id))} for id in ids]
    samples = [session.get_one(Sample, id) for id in ids]
    return [{"id": s.id, "row_count": s.row_count, "seed": s.seed} for s in samples]


def metrics_csv(report: ReportOut) -> str:
    """The metrics as a table."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(MetricOut.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(m.model_dump() for m in report.metrics)
    return out.getvalue()


def _metric(row: MetricRow) -> MetricOut:
    return MetricOut(**{name: getattr(row, name) for name in MetricOut.model_fields})


def _dataset(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "sha256": dataset.sha256,
        "rows": dataset.row_count,
        "columns": dataset.column_count,
        "schema_version": dataset.schema_version,
    }


def _synthesizer(synthesizer: Synthesizer) -> dict[str, Any]:
    return {"id": synthesizer.id, "manifest": synthesizer.manifest, "created_at": iso(synthesizer.created_at)}
