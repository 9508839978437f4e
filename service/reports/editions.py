"""The two editions of the report of a job under differential privacy.

public: parameters, the ledger, and figures that the accountant covers; nothing else of the table, nor of how long the
work took. internal: everything, computed on real rows, and marked. A job without privacy has one report, which is
neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.errors import Conflict
from service.db.tables import Job, LedgerEntry, PrivacyBudget, Report, Sample, Synthesizer
from service.paging import iso
from service.privacy import spent as sums
from service.reports.schemas import MARKINGS, Edition, MetricOut, ReportOut
from service.reports.statement import statement

LINE = ("seq", "kind", "account", "ends", "history", "delta", "epsilon_after")
"""Of a line of the ledger in a public report: not who asked, nor when to the second."""
MANIFEST = ("populace", "model", "versions", "privacy")
"""Of a synthesizer's manifest in a public report."""


def edition_of(trained: Job, report: Report, asked: Edition | None) -> Edition | None:
    """The edition to show; None: the job's one report. trained: the job that fitted the synthesizer.

    The public one unless the internal one is asked for by name. Raises Conflict where there is none such.
    """
    if not trained.spec.get("privacy"):
        if asked == "public":
            raise Conflict(
                "This report has no public edition: its synthesizer was fitted without differential privacy.",
                hint="Leave `edition` out, and treat the report as confidential.",
                code="no_public_edition",
            )
        return None
    if asked != "internal" and report.public is None:
        raise Conflict(
            "This report has no public edition: it was computed on real rows after the training job.",
            hint="Ask for edition=internal, or for the report of the training job.",
            code="no_public_edition",
        )
    return asked or "public"


def edition_of_tables(session: Session, report: Report, asked: Edition | None) -> Edition | None:
    """The edition of a report of uploads or of a comparison; None: its one report.

    Where a table that it read has a privacy budget, now or by now, it is internal, and asked for by that name: its
    figures were computed on rows that the budget protects, and were not paid for. A comparison on a sample alone reads
    no real row. Raises Conflict where there is no such edition.
    """
    read = [] if report.kind == "comparison" and report.sample_id is not None else [report.dataset_id]
    read += [id for id in (report.synthetic_dataset_id, report.holdout_dataset_id) if id is not None]
    read += session.get_one(Job, report.job_id).spec.get("replicates") or []
    guarded = session.scalar(select(PrivacyBudget.id).where(PrivacyBudget.dataset_id.in_(read)).limit(1)) is not None
    if asked == "public" or (guarded and asked is None):
        raise Conflict(
            "This report has no public edition: it was computed on the rows of its tables without noise.",
            hint="Ask for edition=internal." if guarded else "Leave `edition` out, and treat it as confidential.",
            code="no_public_edition",
        )
    return "internal" if guarded else None


def ledger_of(session: Session, job: Job) -> dict[str, Any]:
    """The job's lines of the ledger; epsilon of the dataset before its first and after its last reservation; own: of
    this job's releases alone, at its delta."""
    entries = session.scalars(select(LedgerEntry).where(LedgerEntry.job_id == job.id).order_by(LedgerEntry.seq)).all()
    own = [sums.from_json(e.history) for e in entries if e.kind == "reserve"]
    if not own:
        return {"lines": [], "before": 0.0, "after": 0.0, "own": None}
    before = 0.0
    for table in (LedgerEntry, PrivacyBudget):
        query = select(table.epsilon_after).where(table.dataset_id == job.dataset_id, table.seq == entries[0].seq - 1)
        before = session.scalar(query) or before
    return {
        "lines": [{name: getattr(e, name) for name in LINE} | {"date": iso(e.created_at)[:10]} for e in entries],
        "before": before,
        "after": [e.epsilon_after for e in entries if e.kind == "reserve"][-1],
        "own": sums.epsilon(sums.joined(*own), float(job.spec["privacy"]["delta"])),
    }


def budget_of(session: Session, job: Job, ledger: Mapping[str, Any]) -> dict[str, Any] | None:
    """The budget that was in force when the job was placed."""
    query = select(PrivacyBudget).where(PrivacyBudget.dataset_id == job.dataset_id)
    if ledger["lines"]:
        query = query.where(PrivacyBudget.seq < ledger["lines"][0]["seq"])
    found = session.scalars(query.order_by(PrivacyBudget.seq.desc()).limit(1)).one_or_none()
    return None if found is None else {k: getattr(found, k) for k in ("epsilon", "delta", "rows_at_most")}


def privacy_of(session: Session, trained: Job, synthesizer: Synthesizer) -> dict[str, Any]:
    """What either edition says of the guarantee."""
    spec = trained.spec["privacy"]
    ledger = ledger_of(session, trained)
    budget = budget_of(session, trained, ledger)
    told = statement(spec, budget, ledger, trained.spec.get("schema") or {}, synthesizer.manifest)
    return {
        "epsilon": spec["epsilon"],
        "delta": spec["delta"],
        "mechanism": spec.get("mechanism"),
        "unit": spec.get("unit"),
        "budget": budget,
        "statement": told,
        "ledger": ledger,
    }


def sample_of(sample: Sample, made: Job) -> dict[str, Any]:
    """What every edition says of the sample."""
    return {
        "row_count": sample.row_count,
        "where": sample.where,
        "seed": sample.seed,
        "balance": made.spec.get("balance"),
        "mode": made.spec.get("mode") or "full",
        "warnings": (made.result or {}).get("warnings", []),
    }


def public(session: Session, report: Report, sample: Sample, made: Job, trained: Job) -> ReportOut:
    """The public edition. made: the job that drew the sample."""
    figures: Mapping[str, Any] = report.public or {}
    synthesizer = session.get_one(Synthesizer, sample.synthesizer_id)
    columns = (synthesizer.schema or {}).get("columns") or []
    metrics = headline(figures)
    return ReportOut(
        id=report.id,
        dataset_id=report.dataset_id,
        sample_id=report.sample_id,
        job_id=report.job_id,
        created_at=iso(report.created_at)[:10],
        edition="public",
        marking=MARKINGS["public"],
        privacy=privacy_of(session, trained, synthesizer),
        dataset={"columns": len(columns)},
        sample=sample_of(sample, made),
        synthesizer={
            "id": synthesizer.id,
            "manifest": {k: synthesizer.manifest[k] for k in MANIFEST if k in synthesizer.manifest},
        },
        metrics=metrics,
        sections={"public": dict(figures)},
        meta={"target": trained.spec.get("target")},
    )


def headline(figures: Mapping[str, Any]) -> list[MetricOut]:
    """The figures of the whole table in the form that all reports have: by fresh noise, which can be taken off; without
    it those of single columns against the tables of the fit (pairs read little but noise there)."""
    found = []
    paid = bool((figures.get("paid") or {}).get("mean"))
    for part, source in (("paid", "fresh noisy tables"), ("release", "the noisy tables of the fit")):
        told: Mapping[str, Any] = figures.get(part) or {}
        for which, values in (told.get("mean") or {}).items():
            if values is not None and (part == "paid" or (which == "columns" and not paid)):
                kind = "columns" if which == "columns" else "pairs"
                note = f"Total variation, {kind}, against {source}; of what it reads, noise alone explains "
                note += f"{values['noise']:.2%} of {values['read']:.2%}."
                name = f"tvd_{kind}" + ("" if part == "paid" else "_of_fit")
                found.append(_metric(name, values.get("estimate", values["read"]), values, note))
    prediction: Mapping[str, Any] = (figures.get("paid") or {}).get("prediction") or {}
    for name in ("accuracy", "auc"):
        told = prediction.get(name) or {}
        if told.get("value") is not None:
            note = f"Trained on synthetic rows, tested on real ones. On synthetic rows: {told['synthetic']:.3f}."
            floor = {"floor": told.get("majority", 0.5)}
            found.append(_metric(f"utility_{name}", told["value"], {**told, **floor}, note, direction="higher"))
    return found


def _metric(name: str, value: float, values: Mapping[str, Any], note: str, direction: str = "lower") -> MetricOut:
    yards = {k: values.get(k) for k in ("ceiling", "floor", "low", "high")}
    unit = "share" if direction == "lower" else "auc" if name.endswith("auc") else "score"
    return MetricOut(
        section="public", name=name, subject="", value=value, holdout=None, direction=direction, goal=None, unit=unit,
        note=note, **yards,
    )  # fmt: skip
