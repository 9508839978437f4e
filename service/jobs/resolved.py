"""What a checked request becomes, and the checks that several kinds of jobs share."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from models.errors import Conflict, Detail, InvalidInput, NotFound
from models.schema import Schema
from service.db.tables import Dataset, Sample
from service.jobs import repository
from service.jobs.schemas import MAX_SEED
from service.privacy.spent import Shares


@dataclass(frozen=True)
class Resolved:
    """A job that can be enqueued. spec["schema"] freezes the schema: a later change must not alter a running job.

    rows, columns: of its sample. table_rows: of the real table, where it reads one. shares: what it spends of the
    dataset's privacy budget, by account; with any, spec has the schema_version.
    """

    kind: str
    spec: dict[str, Any]
    rows: int
    columns: int
    dataset_id: str | None = None
    synthesizer_id: str | None = None
    sample_id: str | None = None
    table_rows: int | None = None
    shares: Shares = field(default_factory=dict)


def ready_dataset(session: Session, tenant_id: str, dataset_id: str) -> Dataset:
    """The dataset, if it is this tenant's and was read without fault. Raises NotFound or Conflict."""
    dataset = session.get(Dataset, dataset_id)
    if dataset is None or dataset.tenant_id != tenant_id:
        raise NotFound("There is no such dataset.", hint="GET /v1/datasets lists them.")
    if dataset.state == "pending":
        job_id = repository.profile_job_id(session, dataset.id)
        raise Conflict(
            "The dataset is still being read.",
            hint=f"Wait for its job: GET /v1/jobs/{job_id}?wait=60.",
            code="dataset_pending",
        )
    if dataset.state == "rejected":
        problem = dataset.problem or {}
        raise Conflict(
            f"The dataset was rejected: {problem.get('detail', 'unknown reason')}",
            hint=str(problem.get("hint", "")),
            errors=[Detail(tuple(e["loc"]), e["msg"], e["hint"]) for e in problem.get("errors", [])],
            code="dataset_rejected",
        )
    return dataset


def drawn_sample(session: Session, tenant_id: str, sample_id: str, what: str) -> Sample:
    """The sample, if it is this tenant's and synthetic. what: one would do with it. Raises NotFound or Conflict."""
    sample = session.get(Sample, sample_id)
    if sample is None or sample.tenant_id != tenant_id:
        raise NotFound("There is no such sample.", hint="GET /v1/samples lists them.")
    if repository.made_by(session, sample.job_id).spec.get("impute"):
        raise Conflict(
            f"This table holds real records with imputed cells: there is nothing to {what}.",
            hint=f"{what.capitalize()} a sample that was drawn from the synthesizer.",
            code="imputed_sample",
        )
    return sample


def chosen_seed(given: int | None) -> int:
    """Chosen here if not given, so that the spec always tells how to repeat the job."""
    return secrets.randbelow(MAX_SEED + 1) if given is None else given


def check_target(target: str | None, schema: Schema) -> None:
    """Raises InvalidInput where no column of that name is modelled."""
    if target is None:
        return
    if target not in schema:
        raise _bad_target(target, "is no column of the table", schema.names)
    if not schema[target].modelled:
        what = f"is of kind {schema[target].kind.value}, which is not modelled"
        raise _bad_target(target, what, [c.name for c in schema.modelled])


def check_varies(target: str | None, schema: Schema) -> None:
    """As `check_target`; raises InvalidInput also for a target with one value only."""
    check_target(target, schema)
    if target is None:
        return
    column = schema[target]
    same = column.minimum is not None and column.minimum == column.maximum
    if (column.labelled and len(column.categories or ()) < 2) or (not column.labelled and same):
        others = [c.name for c in schema.modelled if c.name != target]
        raise _bad_target(target, "has one value only, so there is nothing to predict", others)


def _bad_target(target: str, what: str, names: Sequence[str]) -> InvalidInput:
    return InvalidInput(
        f"The target {target[:200]!r} {what}.",
        hint=f"Columns: {', '.join(names[:30])}.",
        errors=[Detail(("body", "target"), what)],
        code="invalid_target",
    )
