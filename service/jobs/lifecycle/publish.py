"""The last transaction of a job: all its results become visible at once, or none of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from models.rules import joined_costs
from service.db.base import new_id
from service.db.tables import Dataset, Job, Sample, Synthesizer
from service.jobs.lifecycle import shards
from service.jobs.lifecycle.ends import end
from service.jobs.lifecycle.types import Claim, FencedError, hold_claim
from service.reports import repository as reports


def publish(session: Session, claim: Claim, outcome: Mapping[str, Any], blobs: Mapping[str, str]) -> list[str]:
    """Publish the outcome of `claim` and end the job as succeeded. Raises FencedError: then nothing is published.

    outcome: what the child reported (see worker.runner). blobs: name of an artifact -> id of its complete blob.
    Answers blobs to delete after commit.
    """
    job = hold_claim(session, claim)
    if job.parent_id is not None:
        return _shard(session, job, outcome, blobs)
    result = {
        "profile": _profile,
        "synthesize": _synthesize,
        "sample": _sample,
        "evaluate": _evaluate,
        "tune": _tune,
        "compare": _compare,
    }[claim.kind](session, job, outcome, blobs)
    session.flush()
    return end(session, job, "succeeded", result=result)


def _shard(session: Session, job: Job, outcome: Mapping[str, Any], blobs: Mapping[str, str]) -> list[str]:
    """A part of a sample; with the last one the sample."""
    shards.keep_part(session, job, outcome["rows"], blobs["sample"])
    retired = end(session, job, "succeeded", result={"rules": outcome["rules"]} if "rules" in outcome else None)
    session.flush()
    parent = shards.parent_of_last(session, job)
    if parent is None:
        return retired
    whole = {**outcome, "rows": parent.spec["rows"]}
    if "rules" in outcome:
        whole["rules"] = joined_costs([r["rules"] for r in shards.results(session, parent)])
    result = _sample(session, parent, whole, {"sample": shards.first_part(session, parent)})
    return retired + end(session, parent, "succeeded", result=result)


def _profile(session: Session, job: Job, outcome: Mapping[str, Any], blobs: Mapping[str, str]) -> dict[str, str]:
    dataset = session.get(Dataset, job.dataset_id, with_for_update=True)
    if dataset is None or dataset.state != "pending":
        raise FencedError(job.id)
    dataset.state, dataset.table_blob_id = "ready", blobs["table"]
    dataset.schema, dataset.schema_version = outcome["schema"], 1
    dataset.profile = outcome["profile"]
    dataset.row_count, dataset.column_count = outcome["rows"], len(outcome["schema"]["columns"])
    return {"dataset_id": dataset.id}


def _synthesize(session: Session, job: Job, outcome: Mapping[str, Any], blobs: Mapping[str, str]) -> dict[str, Any]:
    synthesizer = Synthesizer(
        id=new_id("syn"),
        tenant_id=job.tenant_id,
        dataset_id=job.dataset_id,
        job_id=job.id,
        artifact_blob_id=blobs["synthesizer"],
        schema=outcome["schema"],
        manifest=outcome["manifest"],
    )
    session.add(synthesizer)
    session.flush()
    sample = _add_sample(session, job, synthesizer, outcome, blobs)
    report_id = _add_report(session, job, sample, outcome)
    return {
        "dataset_id": synthesizer.dataset_id,
        "synthesizer_id": synthesizer.id,
        "sample_id": sample.id,
        "report_id": report_id,
        **_remarks(outcome),
    }


def _sample(session: Session, job: Job, outcome: Mapping[str, Any], blobs: Mapping[str, str]) -> dict[str, Any]:
    synthesizer = session.get(Synthesizer, job.synthesizer_id)
    if synthesizer is None:
        raise FencedError(job.id)
    sample = _add_sample(session, job, synthesizer, outcome, blobs)
    ids = {"dataset_id": sample.dataset_id, "synthesizer_id": synthesizer.id, "sample_id": sample.id}
    return {**ids, **_remarks(outcome)}


def _remarks(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """What the sample's record tells beside ids: warnings, what the schema's rules cost, and the cells that an
    imputation filled, by column.
    """
    return {name: outcome[name] for name in ("warnings", "rules", "filled") if name in outcome}


def _evaluate(session: Session, job: Job, outcome: Mapping[str, Any], blobs: Mapping[str, str]) -> dict[str, str]:
    if "real" in job.spec:
        return _report_of_tables(session, job, outcome, synthetic=job.spec["synthetic"], held=job.spec.get("holdout"))
    sample = session.get(Sample, job.sample_id)
    if sample is None:
        raise FencedError(job.id)
    report_id = _add_report(session, job, sample, outcome)
    return {
        "dataset_id": sample.dataset_id,
        "synthesizer_id": sample.synthesizer_id,
        "sample_id": sample.id,
        "report_id": report_id,
    }


def _compare(session: Session, job: Job, outcome: Mapping[str, Any], blobs: Mapping[str, str]) -> dict[str, str]:
    return _report_of_tables(session, job, outcome, kind="comparison", held=job.spec.get("test"))


def _report_of_tables(
    session: Session,
    job: Job,
    outcome: Mapping[str, Any],
    *,
    kind: str = "fidelity",
    synthetic: str | None = None,
    held: str | None = None,
) -> dict[str, str]:
    """The report of uploads, or of a comparison. held: the dataset beside them. Raises FencedError if a table went."""
    ids = {"dataset_id": job.dataset_id, "sample_id": job.sample_id, "synthetic_dataset_id": synthetic}
    ids["holdout_dataset_id"] = held
    for name, id in ids.items():
        if id is not None and session.get(Sample if name == "sample_id" else Dataset, id) is None:
            raise FencedError(job.id)
    report_id = reports.add(
        session,
        tenant_id=job.tenant_id,
        dataset_id=str(job.dataset_id),
        sample_id=job.sample_id,
        job_id=job.id,
        evaluation=outcome["evaluation"],
        kind=kind,
        synthetic_dataset_id=synthetic,
        holdout_dataset_id=held,
    )
    return {**{k: v for k, v in ids.items() if v is not None}, "report_id": report_id}


def _tune(session: Session, job: Job, outcome: Mapping[str, Any], blobs: Mapping[str, str]) -> dict[str, Any]:
    made = _report_of_tables(session, job, outcome, kind="comparison") if "evaluation" in outcome else {}
    return {"dataset_id": job.dataset_id, **made, **outcome["tuning"]}


def _add_sample(
    session: Session, job: Job, synthesizer: Synthesizer, outcome: Mapping[str, Any], blobs: Mapping[str, str]
) -> Sample:
    sample = Sample(
        id=new_id("smp"),
        tenant_id=job.tenant_id,
        # Of an imputed table the dataset whose rows it holds.
        dataset_id=job.dataset_id,
        synthesizer_id=synthesizer.id,
        job_id=job.id,
        row_count=outcome["rows"],
        where=list(job.spec.get("where", [])),
        seed=job.spec["seed"],
        # Of an imputed table that of its dataset; a private synthesizer's is public, that of its dataset is not.
        schema=job.spec.get("schema", synthesizer.schema) if job.kind == "sample" else synthesizer.schema,
        table_blob_id=blobs["sample"],
    )
    session.add(sample)
    session.flush()
    return sample


def _add_report(session: Session, job: Job, sample: Sample, outcome: Mapping[str, Any]) -> str:
    return reports.add(
        session,
        tenant_id=job.tenant_id,
        dataset_id=sample.dataset_id,
        sample_id=sample.id,
        job_id=job.id,
        evaluation=outcome["evaluation"],
        public=outcome.get("public"),
    )
