"""A stored table -> synthesizer, sample and both editions of the evaluation, under differential privacy.

All that leaves of it is paid for by what spec["privacy"]["history"] reserved (docs/privacy.md), but for the evaluation,
which is computed on real rows and is of the internal edition alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.accounting import History, history_from_json
from models.dp.publishing import public_figures
from models.errors import Cancelled
from models.options import FitOptions
from models.privacy.options import PrivacyOptions
from models.synthesize import Synthesizer, fit
from models.table import Table
from worker.archives import pack
from worker.reporting import Reporter
from worker.verbs import EVALUATED_ROWS
from worker.verbs.evaluate import assess
from worker.verbs.stored import mode_of, read_stored, read_training, warned, write_sample

log = logging.getLogger(__name__)


def run(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    """Raises InvalidPrivacy, InvalidInput and InvalidCondition, none of which depends on a row."""
    spec = job["spec"]
    privacy, history = terms(spec["privacy"])
    real, options, checkpoint = read_training(job, folder, progress, check=False)
    how: dict[str, Any] = {"privacy": privacy, "history": history, "progress": progress, "checkpoint": checkpoint}
    synthesizer = fit(real, options=options, **how)
    synthesizer.save(folder / "synthesizer")
    pack(folder / "synthesizer", folder / "out" / "synthesizer.tar")
    progress.step("sample")
    warnings = warned(synthesizer, spec, progress)
    model, schema = synthesizer.model, synthesizer.schema.to_json()
    rows = spec["rows"] or min(estimated_rows(synthesizer, options.holdout), spec["most_rows"])
    path = folder / "out" / "sample.parquet"
    asked = {"where": spec["where"], "seed": spec["seed"], "balance": spec.get("balance"), "mode": mode_of(spec)}
    costs = write_sample(synthesizer, path, rows=rows, progress=progress, **asked)
    sample = read_stored(path, schema, EVALUATED_ROWS)
    plain = not spec["where"] and not spec.get("balance")
    public = public_figures(
        real,
        sample if plain else None,
        synthesizer.encoding,
        model,
        privacy,
        history,
        target=spec.get("target"),
        seed=options.seed,
        progress=progress,
    )
    return {
        "schema": schema,
        "manifest": synthesizer.manifest,
        "rows": rows,
        "warnings": warnings,
        **costs,
        "public": public,
        "evaluation": internal(real, sample, spec, options, privacy.unit, progress),
    }


def estimated_rows(synthesizer: Synthesizer, holdout: float) -> int:
    """Rows of the whole table, by the release of its training part: how many it has is a private number."""
    trained: int = synthesizer.manifest["plan"]["rows"]
    return max(1, round(trained / (1 - holdout)))


def terms(raw: Mapping[str, Any]) -> tuple[PrivacyOptions, Mapping[str, History]]:
    """What a spec asks for, and what it has reserved, by account. Raises InvalidInput."""
    asked = {name: value for name, value in raw.items() if name != "history"}
    return PrivacyOptions.from_json(asked), {a: history_from_json(h) for a, h in raw["history"].items()}


def internal(
    real: Table, synthetic: Table, spec: dict[str, Any], options: FitOptions, unit: str | None, progress: Reporter
) -> dict[str, Any]:
    """The evaluation on real rows. Where it cannot be made the job goes on: that it could not tells of the rows."""
    try:
        return assess(real, synthetic, spec, options.holdout, options.seed, progress, coins=(unit,))
    except Cancelled:
        raise
    except Exception as error:
        log.warning("no internal evaluation: %s", type(error).__name__)
        return {"metrics": [], "sections": {}, "meta": {"failed": "The internal evaluation could not be made."}}
