"""Requests that judge: evaluate a sample or an upload, compare methods on a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from models.comparison.options import CompareOptions
from models.comparison.search_options import SearchOptions
from models.errors import Detail, InvalidInput
from models.evaluation.analyses.requests import analyses_from_json, check_analyses
from models.evaluation.options import COLUMNS, EvaluationOptions
from models.schema import Schema, schema_from_json
from service.db.tables import Dataset
from service.jobs import repository
from service.jobs.replicates import check_rule, further_samples, further_uploads
from service.jobs.resolved import Resolved, check_target, check_varies, chosen_seed, drawn_sample, ready_dataset
from service.jobs.schemas import CompareRequest, EvaluateRequest, TuneRequest

LEAST_ROWS = 20
"""Of a table that is judged, or that judges: of fewer rows every figure is chance."""


class Belongs(NamedTuple):
    """Ids of what a job works on, in the order of Resolved."""

    dataset_id: str
    synthesizer_id: str | None = None
    sample_id: str | None = None


def evaluated(session: Session, tenant_id: str, request: EvaluateRequest) -> Resolved:
    """Raises NotFound, Conflict, InvalidInput."""
    check_rule(request)
    uploads = {"real": request.real, "synthetic": request.synthetic, "holdout": request.holdout}
    if request.sample_id is None:
        if request.real is None or request.synthetic is None:
            raise _misuse("sample_id", "An evaluation is of a sample, or of `synthetic` against `real`.")
        return _uploads(session, tenant_id, request, {k: v for k, v in uploads.items() if v is not None})
    for name, value in uploads.items():
        if value is not None:
            raise _misuse(name, f"`{name}` does not go with `sample_id`, whose real rows are known.")
    sample = drawn_sample(session, tenant_id, request.sample_id, "evaluate")
    schema = schema_from_json(sample.schema)
    check_target(request.target, schema)
    trained = repository.training_spec(session, sample.synthesizer_id)
    evaluation = trained.get("evaluation") if request.evaluation is None else request.evaluation
    spec = {
        "sample_id": sample.id,
        "target": request.target or trained.get("target"),
        "where": list(sample.where),
        "balance": repository.made_by(session, sample.job_id).spec.get("balance"),
        "seed": chosen_seed(request.seed),
        **evaluation_options(evaluation or {}, schema),
        **further_samples(session, tenant_id, sample, request),
        **({"private": True} if trained.get("privacy") else {}),
    }
    return Resolved(
        "evaluate",
        spec,
        sample.row_count,
        len(schema.columns),
        dataset_id=sample.dataset_id,
        synthesizer_id=sample.synthesizer_id,
        sample_id=sample.id,
    )


def _uploads(session: Session, tenant_id: str, request: EvaluateRequest, ids: Mapping[str, str]) -> Resolved:
    tables = {role: ready_dataset(session, tenant_id, id) for role, id in ids.items()}
    if len(set(ids.values())) < len(ids):
        raise _misuse("synthetic", "A table says nothing when it is held against itself: name different datasets.")
    further, more = further_uploads(session, tenant_id, tables, request)
    if more.keys() and {t.id for t in more.values()} & {ids["real"], ids.get("holdout")}:
        raise _misuse("replicates", "A table says nothing when it is held against itself: name different datasets.")
    tables |= more
    for role, table in tables.items():
        _enough(role, table.row_count or 0)
    real = tables["real"]
    schema = schema_from_json(real.schema)
    shared = _shared(schema, {role: t for role, t in tables.items() if role != "real"})
    if request.target is not None and request.target in schema and request.target not in shared:
        raise _misuse("target", f"The target {request.target[:200]!r} is not in all tables: name another column.")
    check_varies(request.target, schema)
    spec = {
        **ids,
        "target": request.target,
        "where": [],
        "seed": chosen_seed(request.seed),
        **evaluation_options(request.evaluation or {}, schema),
        **further,
        "schema": real.schema,
        "schema_version": real.schema_version,
    }
    rows = sum(t.row_count or 0 for t in tables.values())
    return Resolved(
        "evaluate",
        spec,
        tables["synthetic"].row_count or 1,
        len(schema.columns),
        dataset_id=real.id,
        table_rows=rows,
    )


def _shared(schema: Schema, others: Mapping[str, Dataset]) -> set[str]:
    """Modelled columns that all tables have. Raises InvalidInput if there is none."""
    shared = {c.name for c in schema.modelled}
    if not shared:
        raise InvalidInput(
            "No column of the real table is modelled: there is nothing to evaluate.",
            hint="Its columns are all text or keys: set the kinds in its schema, or upload another table.",
            errors=[Detail(("body", "real"), "has no modelled column")],
        )
    for role, table in others.items():
        names = schema_from_json(table.schema).names
        if not shared & set(names):
            raise InvalidInput(
                f"The {role} table has no column in common with the real one.",
                hint=f"Name its columns as the real table does: {_listed(c.name for c in schema.modelled)}. It has "
                f"{_listed(names)}.",
                errors=[Detail(("body", role), "has no column in common with `real`")],
                code="no_common_columns",
            )
        shared &= set(names)
    if not shared:
        raise InvalidInput(
            "No column is in all of the tables.",
            hint="Give holdout and synthetic table the same columns.",
            errors=[Detail(("body", "holdout"), "has no column in common with both others")],
            code="no_common_columns",
        )
    return shared


def compared(session: Session, tenant_id: str, request: CompareRequest) -> Resolved:
    """Raises NotFound, Conflict, InvalidInput."""
    if (request.dataset_id is None) == (request.sample_id is None):
        raise _misuse("dataset_id", "A comparison is on one table: give `dataset_id` or `sample_id`.")
    spec: dict[str, Any] = {}
    if request.sample_id is not None:
        sample = drawn_sample(session, tenant_id, request.sample_id, "compare on")
        raw, rows, spec["sample_id"] = sample.schema, sample.row_count, sample.id
        belongs = Belongs(sample.dataset_id, sample.synthesizer_id, sample.id)
    else:
        dataset = ready_dataset(session, tenant_id, str(request.dataset_id))
        raw, rows, spec["dataset_id"] = dataset.schema or {}, dataset.row_count or 0, dataset.id
        belongs = Belongs(dataset.id)
    _enough("compared", rows)
    schema = schema_from_json(raw)
    seed = chosen_seed(request.seed)
    options = _compare_options(request, schema, seed)
    spec |= {"options": options.to_json(), "seed": seed, "name": request.name, "schema": raw}
    if request.test is not None:
        test = ready_dataset(session, tenant_id, request.test)
        _enough("test", test.row_count or 0)
        if absent := sorted(_read(options, schema) - set(schema_from_json(test.schema).names)):
            raise InvalidInput(
                f"The test table lacks {len(absent)} column(s) that are predicted or predicted from.",
                hint=f"Add them, or leave them out of the comparison by `ignore`: {_listed(absent)}.",
                errors=[Detail(("body", "test"), "lacks columns")],
                code="no_common_columns",
            )
        spec |= {"test": test.id, "test_schema": test.schema}
        rows += test.row_count or 0
    return Resolved("compare", spec, rows, len(schema.columns), *belongs, table_rows=rows)


def _compare_options(request: CompareRequest, schema: Schema, seed: int) -> CompareOptions:
    given: dict[str, Any] = {"targets": request.targets, "seed": seed}
    given |= {k: v for k in ("methods", "folds", "groups") if (v := getattr(request, k)) is not None}
    for name in ("targets", "methods", "folds", "groups", "seed"):
        if name in request.options:
            raise _misuse(name, f"`options` may not name {name}: give `{name}` beside `options`.")
    options = CompareOptions.from_json({**request.options, **given})
    _check_compared(options, schema)
    return options


def _check_compared(options: CompareOptions, schema: Schema) -> None:
    """That the table has the columns, and targets that vary."""
    for target in (name for group in options.targets for name in group):
        check_varies(target, schema)
    named = {"groups": [options.groups] if options.groups else []}
    named |= {k: list(getattr(options, k) or ()) for k in ("features", "ignore", "ordered")}
    for option, names in named.items():
        _check_columns(option, names, schema.names)


def searched(session: Session, tenant_id: str, request: TuneRequest) -> Resolved:
    """A search of a method's options. Raises NotFound, Conflict, InvalidInput."""
    for name in ("objective", "holdout"):
        if name in request.model_fields_set:
            raise _misuse(name, f"`{name}` is of a search of training options, not of a method's: leave it out.")
    if request.target is None:
        raise _misuse("target", "A search of a method's options needs a target: name the column to predict.")
    dataset = ready_dataset(session, tenant_id, request.dataset_id)
    rows = dataset.row_count or 0
    _enough("searched", rows)
    schema = schema_from_json(dataset.schema)
    seed = chosen_seed(request.seed)
    given: dict[str, Any] = {"targets": [request.target], "method": request.method, "seed": seed}
    given |= {k: v for k in ("search", "space", "max_time") if (v := getattr(request, k)) is not None}
    given |= {k: getattr(request, k) for k in ("trials", "validation") if k in request.model_fields_set}
    for name in given:
        if name in request.options:
            raise _misuse(name, f"`options` may not name {name}: give `{name.replace('targets', 'target')}` beside it.")
    options = SearchOptions.from_json({**request.options, **given})
    _check_compared(options.compare, schema)
    spec = {
        "dataset_id": dataset.id,
        "target": request.target,
        "method": request.method,
        "trials": options.trials,
        "max_time": options.max_time,
        "options": options.to_json(),
        "seed": seed,
        "name": request.name,
        "schema": dataset.schema,
        "schema_version": dataset.schema_version,
    }
    return Resolved("tune", spec, rows, len(schema.columns), dataset_id=dataset.id)


def _read(options: CompareOptions, schema: Schema) -> set[str]:
    """Columns that a comparison predicts, or predicts from."""
    left_out = {*options.ignore, options.groups}
    features = options.features or [c.name for c in schema.modelled if c.name not in left_out]
    return {*features, *(name for group in options.targets for name in group)}


def evaluation_options(raw: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """{"evaluation": the options in full}, or nothing where all are the defaults. Raises InvalidInput."""
    if not raw:
        return {}
    options = EvaluationOptions.from_json(raw)
    for name in COLUMNS:
        _check_columns(name, getattr(options, name), [c.name for c in schema.modelled])
    check_analyses(analyses_from_json(options.to_json()["analyses"]), schema.modelled)
    return {"evaluation": options.to_json()}


def _check_columns(option: str, names: Sequence[str], known: Sequence[str]) -> None:
    if unknown := [name for name in names if name not in known]:
        raise InvalidInput(
            f"Option {option!r} names {unknown[0][:200]!r}, which is no column to use there.",
            hint=f"Columns: {_listed(known)}.",
            errors=[Detail(("body", option), "names an unknown column")],
        )


def _enough(role: str, rows: int) -> None:
    if rows < LEAST_ROWS:
        raise InvalidInput(
            f"The {role} table has too few rows: {rows}, where {LEAST_ROWS} are the least.",
            hint="Of fewer rows every figure is chance. " + ("Leave it out." if role in ("holdout", "test") else ""),
            errors=[Detail(("body", role), "has too few rows")],
            code="too_few_rows",
        )


def _misuse(name: str, what: str) -> InvalidInput:
    return InvalidInput(what, hint="See POST /v1/jobs in the reference.", errors=[Detail(("body", name), what)])


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    return ", ".join(found[:30]) + (f" and {len(found) - 30} more" if len(found) > 30 else "")
