"""Further samples of an evaluation, whose analyses are combined with those of the first: what goes together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from models.errors import Detail, InvalidInput
from service.db.tables import Dataset, Sample
from service.jobs import repository
from service.jobs.resolved import drawn_sample, ready_dataset
from service.jobs.schemas import EvaluateRequest

ROLE = "synthetic-{}"
"""Of a further upload, from 2 on."""


def check_rule(request: EvaluateRequest) -> None:
    """Raises InvalidInput where a rule is named for nothing."""
    if request.combining is not None and not request.replicates:
        raise _bad("combining", "says how several samples are combined: name them as `replicates`, or leave it out.")


def further_samples(session: Session, tenant_id: str, first: Sample, request: EvaluateRequest) -> dict[str, Any]:
    """What the spec says of samples beside the first. They are of the same synthesizer, drawn alike, with other seeds.

    Raises NotFound, Conflict (real records), InvalidInput.
    """
    ids = request.replicates or []
    if not ids:
        return {}
    _check_different(first.id, ids)
    if request.combining not in (None, "simple"):
        what = f"`combining` {request.combining} is not for samples of a synthesizer: its parameters were fitted once, "
        raise _bad("combining", what + "for which the rule is simple. Leave it out.")
    how, seeds = _drawn(session, first), {first.seed: first.id}
    for id in ids:
        sample = drawn_sample(session, tenant_id, id, "evaluate")
        if sample.synthesizer_id != first.synthesizer_id:
            raise _bad("replicates", f"{id} is a sample of another synthesizer: combine samples of one.")
        for name, value in _drawn(session, sample).items():
            if value != how[name]:
                raise _bad("replicates", f"{id} has other {name} than {first.id}: draw the samples alike.")
        if sample.seed in seeds:
            raise _bad("replicates", f"{id} has the seed of {seeds[sample.seed]}, and so its rows: draw another one.")
        seeds[sample.seed] = id
    return {"replicates": list(ids), "combining": "simple"}


def _drawn(session: Session, sample: Sample) -> dict[str, Any]:
    """How it was drawn, but for the seed."""
    spec = repository.made_by(session, sample.job_id).spec
    return {
        "rows": sample.row_count,
        "conditions (`where`)": list(sample.where),
        "shares (`balance`)": spec.get("balance"),
        "mode": spec.get("mode") or "full",
    }


def further_uploads(
    session: Session, tenant_id: str, tables: Mapping[str, Dataset], request: EvaluateRequest
) -> tuple[dict[str, Any], dict[str, Dataset]]:
    """(what the spec says of uploads beside `tables`, the uploads by role). Raises NotFound, Conflict, InvalidInput."""
    ids = request.replicates or []
    if not ids:
        return {}, {}
    _check_different(tables["synthetic"].id, ids)
    found = {ROLE.format(i): ready_dataset(session, tenant_id, id) for i, id in enumerate(ids, 2)}
    known = {table.sha256: role for role, table in tables.items() if table.sha256}
    for role, table in found.items():
        if table.sha256 in known:
            what = f"{table.id} is the same file as the {known[table.sha256]} table: nothing can be learnt from it."
            raise _bad("replicates", what)
        if table.sha256:
            known[table.sha256] = role
        if table.row_count != tables["synthetic"].row_count:
            raise _bad(
                "replicates",
                f"{table.id} has {table.row_count or 0:,} rows, the first synthetic table "
                f"{tables['synthetic'].row_count or 0:,}: samples that are combined have the same number of rows. "
                "Is it a table of real rows? That is the `holdout`.",
            )
    return {"replicates": list(ids), "combining": request.combining or "simple"}, found


def _check_different(first: str, ids: Sequence[str]) -> None:
    if len({first, *ids}) <= len(ids):
        raise _bad("replicates", "A sample that is named twice adds nothing: name different ones.")


def _bad(name: str, what: str) -> InvalidInput:
    hint = "Samples of one synthesizer, drawn alike with different seeds: docs/evaluation/utility.md."
    return InvalidInput(what, hint=hint, errors=[Detail(("body", name), what)])
