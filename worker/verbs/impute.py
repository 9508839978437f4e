"""A stored table -> the same table with its missing cells filled in by a synthesizer. It holds real records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.synthesize import Synthesizer, impute
from models.table import write_parquet
from worker.reporting import Reporter
from worker.verbs.stored import read_stored

REAL_RECORDS = {
    "code": "real_records",
    "message": "This table holds REAL records; only cells that were missing are synthetic. It is confidential.",
    "hint": "Handle it as you do the table it was made from. It cannot be evaluated or released as a sample.",
}
NOTHING_FILLED = {
    "code": "nothing_filled",
    "message": "No cell was filled: none of the asked columns has a missing cell of the asked codes.",
    "hint": "Name the codes that mean missing in the dataset's schema (`missing_codes`).",
}
RULES_BROKEN = {
    "code": "rules_broken",
    "message": "Some rows with filled cells break a rule of the schema: their known cells leave nothing else.",
    "hint": "Correct these rows in the table, or the rule in the schema.",
}


def run(synthesizer: Synthesizer, job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    """Raises InvalidInput, InvalidSchema, InvalidData (column and line of what the synthesizer does not know)."""
    spec = job["spec"]
    asked = spec["impute"]
    table = read_stored(folder / "in" / "table.parquet", job["schema"])
    progress.step("sample")
    done = impute(synthesizer, table, asked["columns"], codes=asked["codes"], seed=spec["seed"], progress=progress)
    write_parquet(done.table.data, folder / "out" / "sample.parquet")
    found = ((True, REAL_RECORDS), (not any(done.filled.values()), NOTHING_FILLED), (done.broken > 0, RULES_BROKEN))
    warnings = [warning for holds, warning in found if holds]
    for warning in warnings:
        progress.event("warning", warning)
    return {"rows": len(table), "warnings": warnings, "filled": {n: c for n, c in done.filled.items() if c}}
