"""Methods of classification and regression side by side on a stored table or on a sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.comparison.compare import compare
from models.comparison.options import CompareOptions
from models.evaluation.matching import match
from models.table import Table
from worker.reporting import Reporter
from worker.verbs import EVALUATED_ROWS
from worker.verbs.stored import read_parts, read_stored


def run(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    """Raises InvalidInput where the table does not allow the comparison, InvalidSchema where it contradicts its
    schema."""
    spec = job["spec"]
    options = CompareOptions.from_json(spec["options"])
    progress.step("read")
    table = _table(spec, job["schema"], folder)
    findings, test = None, None
    if "test" in spec:
        given = read_stored(folder / "in" / "test.parquet", spec["test_schema"])
        matched = match(table, {"test": given}, needed=[name for group in options.targets for name in group])
        table, test, findings = matched.real, matched.others["test"], matched.findings
    progress.step("compare")
    found = dict(compare(table, options, test=test, progress=progress).to_json())
    if findings is not None:
        found["sections"]["validity"] = findings
    return {"evaluation": found}


def _table(spec: dict[str, Any], schema: Any, folder: Path) -> Table:
    if "sample_id" in spec:
        return read_parts(folder / "in", schema, EVALUATED_ROWS)
    return read_stored(folder / "in" / "table.parquet", schema)
