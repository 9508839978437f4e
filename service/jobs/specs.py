"""A request -> a resolved spec: everything filled in and checked: an accepted job can be carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from models.balance import parse_balance
from models.conditions import parse_conditions
from models.errors import Detail, InvalidInput, NotFound
from models.imputation import check_columns
from models.options import FitOptions
from models.rules import check_conditions
from models.schema import Schema, schema_from_json
from models.tuning.options import TuneOptions
from service.db.tables import Dataset, Synthesizer
from service.jobs.judging import compared, evaluated, evaluation_options, searched
from service.jobs.resolved import Resolved, check_target, chosen_seed, ready_dataset
from service.jobs.schemas import (
    CompareRequest,
    ImputeRequest,
    JobRequest,
    SampleRequest,
    SynthesizeRequest,
    TuneRequest,
)
from service.jobs.tuned import tuned_options
from service.privacy import plans
from service.settings import Settings

FAST_PAYS = 500_000
"""Rows from which a sample in mode fast is worth distilling a student that the training did not make."""


def resolve(session: Session, tenant_id: str, request: JobRequest, settings: Settings) -> Resolved:
    """Raises NotFound, Conflict (dataset not ready), InvalidInput or InvalidCondition."""
    if isinstance(request, SynthesizeRequest):
        return _synthesize(session, tenant_id, request, settings)
    if isinstance(request, SampleRequest):
        return _sample(session, tenant_id, request, settings)
    if isinstance(request, TuneRequest):
        return _tune(session, tenant_id, request) if request.method is None else searched(session, tenant_id, request)
    if isinstance(request, CompareRequest):
        return compared(session, tenant_id, request)
    return evaluated(session, tenant_id, request)


def _synthesize(session: Session, tenant_id: str, request: SynthesizeRequest, settings: Settings) -> Resolved:
    dataset = ready_dataset(session, tenant_id, request.dataset_id)
    schema = schema_from_json(dataset.schema)
    check_target(request.target, schema)
    privacy = _privacy(session, request, schema)
    balance = _balance(request, schema)
    table_rows = _public_rows(session, dataset, privacy)
    rows = request.rows or min(table_rows or 1, settings.max_sample_rows)
    _check_rows(rows, settings)
    tuned = tuned_options(session, tenant_id, request)
    seed = chosen_seed(tuned.seed)
    options = _fit_options({**tuned.options, **request.options}, seed, tuned.holdout, request.target)
    if balance is not None:
        _needs_masked(options.model, "balance")
    if request.mode == "fast":
        _has_modes(options.model)
        options = replace(options, fast=True)
    spec = {
        "dataset_id": dataset.id,
        "rows": rows,
        "target": request.target,
        "where": list(request.where),
        "balance": balance,
        "mode": request.mode or "full",
        "seed": seed,
        "holdout": tuned.holdout,
        "options": options.to_json(),
        "options_from": request.options_from,
        **evaluation_options(request.evaluation, schema),
        "name": request.name,
        "schema": dataset.schema,
        "schema_version": dataset.schema_version,
    }
    if privacy is not None:
        # Left open, the rows are as many as the release estimates, which nobody knows yet: so many at most.
        spec |= {"privacy": dict(privacy.spec), "rows": request.rows or privacy.spec.get("rows"), "most_rows": rows}
    return Resolved(
        "synthesize",
        spec,
        rows,
        len(schema.columns),
        dataset_id=dataset.id,
        table_rows=table_rows,
        shares=privacy.shares if privacy else {},
    )


def _privacy(session: Session, request: SynthesizeRequest, schema: Schema) -> plans.Planned | None:
    if request.privacy is None:
        return None
    return plans.planned(session, request.privacy, request.dataset_id, schema, request.options, request.options_from)


def _public_rows(session: Session, dataset: Dataset, privacy: plans.Planned | None) -> int | None:
    """How many rows the table has, as far as the job may tell: a private one knows what is declared public of it."""
    if privacy is None:
        return dataset.row_count
    return int(privacy.spec.get("rows") or plans.terms_of(session, dataset.id).rows_at_most)


def _tune(session: Session, tenant_id: str, request: TuneRequest) -> Resolved:
    if request.search is not None:
        what = "belongs to `method`"
        raise InvalidInput(f"`search` {what}.", hint="Name a method.", errors=[Detail(("body", "search"), what)])
    dataset = ready_dataset(session, tenant_id, request.dataset_id)
    schema = schema_from_json(dataset.schema)
    check_target(request.target, schema)
    if request.objective == "utility" and request.target is None:
        raise InvalidInput(
            "Objective utility needs a target.",
            hint="Name the column to predict as `target`.",
            errors=[Detail(("body", "target"), "is needed")],
            code="invalid_target",
        )
    names = ("objective", "trials", "max_time", "validation", "space")
    tuning = TuneOptions.from_json({name: getattr(request, name) for name in names})
    seed = chosen_seed(request.seed)
    options = _fit_options(request.options, seed, request.holdout, request.target)
    tuning.check(options)
    spec = {
        "dataset_id": dataset.id,
        "target": request.target,
        **tuning.to_json(),
        "seed": seed,
        "holdout": request.holdout,
        "options": options.to_json(),
        "name": request.name,
        "schema": dataset.schema,
        "schema_version": dataset.schema_version,
    }
    return Resolved("tune", spec, dataset.row_count or 1, len(schema.columns), dataset_id=dataset.id)


def _sample(session: Session, tenant_id: str, request: SampleRequest, settings: Settings) -> Resolved:
    synthesizer = session.get(Synthesizer, request.synthesizer_id)
    if synthesizer is None or synthesizer.tenant_id != tenant_id:
        raise NotFound("There is no such synthesizer.", hint="GET /v1/synthesizers lists them.")
    schema = schema_from_json(synthesizer.schema)
    for name in ("balance", "impute"):
        if getattr(request, name) is not None:
            _needs_masked(synthesizer.manifest.get("model"), name)
    if request.impute is not None:
        return _impute(session, tenant_id, request, request.impute, synthesizer, settings)
    if request.rows is None:
        raise InvalidInput(
            "A sample needs a number of rows.", hint="e.g. 1000", errors=[Detail(("body", "rows"), "is needed")]
        )
    if request.mode == "fast":
        _has_modes(synthesizer.manifest.get("model"))
    balance = _balance(request, schema)
    _check_rows(request.rows, settings)
    spec = {
        "synthesizer_id": synthesizer.id,
        "rows": request.rows,
        "where": list(request.where),
        "balance": balance,
        "mode": _mode(request, request.rows, synthesizer),
        "seed": chosen_seed(request.seed),
    }
    return Resolved(
        "sample",
        spec,
        request.rows,
        len(schema.columns),
        dataset_id=synthesizer.dataset_id,
        synthesizer_id=synthesizer.id,
    )


def _impute(
    session: Session,
    tenant_id: str,
    request: SampleRequest,
    asked: ImputeRequest,
    synthesizer: Synthesizer,
    settings: Settings,
) -> Resolved:
    """The job belongs to the dataset whose rows it holds, not to the one that the synthesizer was trained on."""
    for name in ("rows", "where", "balance", "mode"):
        if getattr(request, name):
            raise InvalidInput(
                f"An imputation takes no `{name}`: it keeps the rows of its dataset.",
                hint=f"Leave `{name}` out.",
                errors=[Detail(("body", name), "does not go with `impute`")],
            )
    dataset = ready_dataset(session, tenant_id, asked.dataset_id or synthesizer.dataset_id)
    schema = schema_from_json(dataset.schema)
    check_columns(schema_from_json(synthesizer.schema), schema.names, asked.columns)
    rows = dataset.row_count or 0
    _check_rows(rows, settings)
    spec = {
        "synthesizer_id": synthesizer.id,
        "rows": rows,
        "where": [],
        "impute": {"dataset_id": dataset.id, "columns": asked.columns, "codes": asked.codes},
        "seed": chosen_seed(request.seed),
        "schema": dataset.schema,
        "schema_version": dataset.schema_version,
    }
    return Resolved("sample", spec, rows, len(schema.columns), dataset_id=dataset.id, synthesizer_id=synthesizer.id)


def _balance(request: SynthesizeRequest | SampleRequest, schema: Schema) -> dict[str, Any] | None:
    """The asked shares in full, checked with the conditions."""
    conditions = parse_conditions(request.where, schema)
    check_conditions(schema, conditions)
    return None if request.balance is None else parse_balance(request.balance, schema, conditions).to_json()


def _fit_options(given: Mapping[str, Any], seed: int, holdout: float, target: str | None) -> FitOptions:
    """Raises InvalidInput also for what belongs beside the options."""
    for name in ("seed", "holdout", "target"):
        if name in given:
            raise InvalidInput(
                f"`options` may not name {name}.",
                hint=f"Give `{name}` beside `options`.",
                errors=[Detail(("body", "options", name), "belongs beside `options`")],
            )
    found = FitOptions.from_json({**given, "seed": seed, "holdout": holdout})
    return found if found.model == "ctgan" else replace(found, target=target)


def _needs_masked(model: str | None, name: str) -> None:
    """Raises InvalidInput where a synthesizer of this model cannot do what the part `name` of the body asks."""
    if model == "ctgan":
        what = "is not for model ctgan"
        raise InvalidInput(
            f"`{name}` {what}, which does not know rows given any part of them.",
            hint="Train with model masked.",
            errors=[Detail(("body", name), what)],
        )


def _has_modes(model: str | None) -> None:
    """Raises InvalidInput where a synthesizer of this model has no fast mode."""
    if model == "ctgan":
        what = "is not for model ctgan"
        raise InvalidInput(
            f"`mode` fast {what}, which draws in one pass as it is.",
            hint="Leave `mode` out.",
            errors=[Detail(("body", "mode"), what)],
        )


def _mode(request: SampleRequest, rows: int, synthesizer: Synthesizer) -> str:
    """full also where the synthesizer would first have to be made fit for fast, which takes longer than the rows."""
    prepared = "fast" in synthesizer.manifest or rows >= FAST_PAYS
    return "fast" if request.mode == "fast" and prepared else "full"


def _check_rows(rows: int, settings: Settings) -> None:
    if rows > settings.max_sample_rows:
        what = f"at most {settings.max_sample_rows} rows at a time"
        raise InvalidInput(
            f"{rows} rows are too many: {what}.",
            hint="Draw several samples from the synthesizer.",
            errors=[Detail(("body", "rows"), what)],
        )
