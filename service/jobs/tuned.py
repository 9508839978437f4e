"""A search's best options, taken over by a job that trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from models.errors import Conflict, Detail, InvalidInput, NotFound
from service.jobs import repository
from service.jobs.schemas import SynthesizeRequest


@dataclass(frozen=True)
class Tuned:
    """options: what the search found, or nothing. seed, holdout: of the training; no seed: choose one."""

    options: Mapping[str, Any]
    seed: int | None
    holdout: float


def tuned_options(session: Session, tenant_id: str, request: SynthesizeRequest) -> Tuned:
    """What `options_from` brings. Training on the same dataset takes the search's seed and holdout, so that the rows
    of its evaluation are those that the search never saw.

    Raises NotFound, Conflict where the search has not succeeded, InvalidInput where the request contradicts it.
    """
    if request.options_from is None:
        return Tuned({}, request.seed, request.holdout)
    if request.privacy is not None:
        raise InvalidInput(
            "Tuned options cannot be used under differential privacy: the search looked at the rows without a budget.",
            hint="Leave `options_from` or `privacy` out.",
            errors=[Detail(("body", "options_from"), "excludes `privacy`")],
        )
    job = repository.get(session, tenant_id, request.options_from)
    if job is None or job.kind != "tune":
        raise NotFound("There is no such tune job.", hint="GET /v1/jobs?kind=tune lists them.")
    if job.spec.get("method"):
        raise InvalidInput(
            f"That job searched options of method {job.spec['method']}, not of a training.",
            hint="Name a tune job without `method`.",
            errors=[Detail(("body", "options_from"), "is of another search")],
        )
    if job.state != "succeeded" or job.result is None:
        raise Conflict(
            f"The tune job is {job.state}.", hint=f"Wait until it has succeeded: GET /v1/jobs/{job.id}?wait=60."
        )
    options = dict(job.result["options"])
    if job.dataset_id != request.dataset_id:
        return Tuned(options, request.seed, request.holdout)
    for name in ("seed", "holdout"):
        if name in request.model_fields_set and getattr(request, name) not in (None, job.spec[name]):
            raise InvalidInput(
                f"With another {name} than the search's, the holdout would hold rows that the search has seen.",
                hint=f"Leave `{name}` out, or give the options themselves instead of `options_from`.",
                errors=[Detail(("body", name), f"is {job.spec[name]} in the search")],
            )
    return Tuned(options, job.spec["seed"], job.spec["holdout"])
