"""What the process of a job under differential privacy may say: an allowlist, through which every message and the
outcome pass on their way out. What is not on it does not leave, and a test fails until someone has decided on it.

Why each is where it is: docs/privacy.md, "What leaves a DP job". Standard library and models.errors only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from models.errors import PopulaceError

PUBLIC = {
    "step.name",
    "progress.fraction",
    "progress.values.step",
    "progress.values.steps",
    "progress.values.residual",  # of the generator against the noisy tables
    "checkpoint.file",
    "checkpoint.meta.step",
    "event.touched.accounts",
    "event.noise.accounts",
    "event.warning.code",  # of what is drawn from the synthesizer
    "event.warning.message",
    "event.warning.hint",
    "outcome.schema",  # the synthesizer's, of public or discovered domains
    "outcome.rows",  # as asked for
    "outcome.warnings",
    "outcome.rules",  # what they cost while drawing from the synthesizer
    "outcome.evaluation",  # the internal edition
    "outcome.public",
    "manifest.populace",
    "manifest.model",
    "manifest.versions",
    "manifest.options",
    "manifest.plan",
    "manifest.slots",
    "manifest.width",
    "manifest.parameters",
    "manifest.residual",
    "manifest.privacy",
    "manifest.split.method",
    "manifest.split.seed",
    "manifest.split.fraction",
}
"""kind.field (event.type.field, manifest.field): public, or covered by what the job has paid for."""
WITHHELD = {
    "progress.message",  # counts of rows, names of what took long
    "progress.values.loss",
    "progress.values.validation",
    "progress.values.rows",
    "progress.values.seconds",
    "checkpoint.meta.loss",
    "manifest.split.train_rows",
    "manifest.split.holdout_rows",
    "manifest.curve",
    "manifest.rules",  # rows that break them
    "manifest.seconds",
    "manifest.derived",
    "manifest.links",
    "outcome.filled",
}
"""Known, and dropped."""
SHOWN_STEPS = frozenset({"train", "sample"})
"""Steps whose progress goes by plan: elsewhere it goes by rows."""
TOLD = frozenset({"cancelled", "invalid_privacy", "domain_unknown", "invalid_condition"})
"""Problems that never depend on rows: InvalidPrivacy is raised from the request, the schema and paid domains alone, and
InvalidCondition from these and the synthesizer (worker/verbs/private.py). In step evaluate, where conditions are of
real rows, only the first is told."""
WHOLE = frozenset({"event.warning", "event.touched", "event.noise"})


class PrivateJobFailed(PopulaceError):
    """Whatever went wrong: the reason may depend on rows."""

    code, status, title = "private_job_failed", 422, "The private job failed"


def failure() -> dict[str, Any]:
    """The problem of a private job, whatever the reason."""
    return PrivateJobFailed(
        "The job failed. Its reason may depend on rows and is withheld.",
        hint="The worker's log names the place in the code. The same job without `privacy` tells its custodian more.",
    ).to_problem()


class Discretion:
    """Filters one process's messages, in the order in which they are said."""

    def __init__(self) -> None:
        self._step = ""

    def message(self, type: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """The fields of a message that may leave, or None for nothing of it."""
        if type == "step":
            self._step = str(data.get("name"))
            return {"name": self._step}
        if type == "progress":
            if self._step not in SHOWN_STEPS:
                return None
            return {"fraction": round(float(data["fraction"]), 2), "message": "", "values": _values("progress", data)}
        if type == "checkpoint":
            return {"file": data["file"], "meta": _values("checkpoint", data)}
        if type == "event":
            name, told = str(data.get("name")), dict(data.get("data") or {})
            kept = {k: v for k, v in told.items() if f"event.{name}.{k}" in PUBLIC}
            return {"name": name, "data": kept} if f"event.{name}" in WHOLE else None
        if type == "error":
            problem = data.get("problem") or {}
            public = problem.get("code") in (TOLD if self._step != "evaluate" else {"cancelled"})
            return {"problem": dict(problem) if public else failure()}
        return {} if type == "result" else None


def outcome(found: Mapping[str, Any]) -> dict[str, Any]:
    """The job's results without what may not leave."""
    kept = {k: v for k, v in found.items() if f"outcome.{k}" in PUBLIC}
    manifest: Mapping[str, Any] = found.get("manifest") or {}
    if "manifest" in found:
        kept["manifest"] = {k: v for k, v in manifest.items() if f"manifest.{k}" in PUBLIC}
        split = {k: v for k, v in (manifest.get("split") or {}).items() if f"manifest.split.{k}" in PUBLIC}
        kept["manifest"]["split"] = split  # an evaluation needs it
    return kept


def undecided(type: str, data: Mapping[str, Any]) -> set[str]:
    """Fields of a message, or of an outcome (type "outcome"), that are on neither list: someone has to decide."""
    return {name for name in _fields(type, data) if name not in PUBLIC | WITHHELD}


def _fields(type: str, data: Mapping[str, Any]) -> Iterator[str]:
    for name, value in data.items():
        if (type, name) in (("progress", "values"), ("checkpoint", "meta")):
            yield from (f"{type}.{name}.{k}" for k in value)
        elif (type, name) == ("event", "data"):
            yield from (f"event.{data['name']}.{k}" for k in value)
        elif (type, name) == ("outcome", "manifest"):
            for key, inner in value.items():
                yield from (f"manifest.split.{k}" for k in inner) if key == "split" else (f"manifest.{key}",)
        elif (type, name) not in (("event", "name"), ("error", "problem")):
            yield f"{type}.{name}"


def _values(type: str, data: Mapping[str, Any]) -> dict[str, Any]:
    inner = "values" if type == "progress" else "meta"
    return {k: v for k, v in data[inner].items() if f"{type}.{inner}.{k}" in PUBLIC}
