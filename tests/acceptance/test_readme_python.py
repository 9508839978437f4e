"""The README's Python example runs as it stands (with fewer training steps)."""

import contextlib
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from populace.embedded import EmbeddedService
from populace.records import Job
from populace.resources.jobs import Jobs

README = Path(__file__).parents[2] / "README.md"


def test_python_example(tmp_path: Path, census_csv: Path, quick_options: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    order = Jobs.synthesize

    def quick(self: Jobs, dataset_id: str, **given: Any) -> Job:
        return order(self, dataset_id, options=json.loads(quick_options), **given)

    shutil.copy(census_csv, tmp_path / "census.csv")
    monkeypatch.setenv("POPULACE_THREADS", "1")
    with EmbeddedService(tmp_path / "home") as service:
        monkeypatch.setattr(Jobs, "synthesize", quick)
        monkeypatch.setenv("POPULACE_URL", service.url)
        monkeypatch.setenv("POPULACE_API_KEY", service.key)
        monkeypatch.chdir(tmp_path)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(found.group(1), {})
    assert pq.read_table(tmp_path / "synthetic.parquet").num_rows == 1_500
    assert len(printed.getvalue().splitlines()) > 20
