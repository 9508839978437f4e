"""Evaluations of several samples as a worker carries them out: from what the service stored to the combined figures."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from models.errors import InvalidInput
from models.schema import Column, Kind, Schema
from service.db.session import Database
from service.db.tables import Sample, SamplePart, Synthesizer
from service.jobs import lifecycle
from service.settings import Settings
from tests.conftest import parquet_bytes
from worker.inputs import materialise
from worker.reporting import Reporter
from worker.verbs.evaluate import run

SCHEMA = Schema(
    (Column("pay", Kind.INTEGER, minimum=0, maximum=900), Column("sex", Kind.CATEGORICAL, categories=("f", "m")))
)
EVALUATION = {
    "sdmetrics": False, "mlp": False, "methods": ["linear"], "rows": 100, "detection_rows": 60, "utility_rows": 60,
    "distance_rows": 60, "analyses": [{"kind": "table", "columns": ["sex"], "statistic": "mean", "of": "pay"}],
}  # fmt: skip


def people(rows: int, seed: int, *, sexes: tuple[str, ...] = ("f", "m")) -> pa.Table:
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, rows)
    pay = rng.integers(100, 500, rows) + 200 * sex
    return pa.table({"pay": pay.astype(str).tolist(), "sex": [sexes[k] for k in sex]})


def mean(tables: list[pa.Table], sex: str) -> float:
    """Mean over the tables of the mean pay of a sex."""
    return float(np.mean([
        np.mean([float(p) for p, s in zip(*map(pa.ChunkedArray.to_pylist, (t["pay"], t["sex"])), strict=True)
                 if s == sex])
        for t in tables
    ]))  # fmt: skip


@pytest.fixture
def work(client: TestClient, database: Database, mine: Any, settings: Settings, tmp_path: Path) -> Callable[..., Any]:
    """Place the job, and do what a worker does -> the evaluation."""

    def carry_out(**body: Any) -> dict[str, Any]:
        answer = client.post("/v1/jobs", json={"kind": "evaluate", "evaluation": EVALUATION, "seed": 1, **body})
        assert answer.status_code == 202, answer.text
        with database.write() as session:
            claim = lifecycle.claim(session, worker="w", queues=("cpu",), lease_seconds=60)
        assert claim is not None
        folder = tmp_path / claim.id
        for name in ("in", "out", "tmp"):
            (folder / name).mkdir(parents=True)
        materialise(claim, folder, settings, database, mine.store)
        job = json.loads((folder / "job.json").read_text())
        return dict(run(job, folder, Reporter(io.StringIO(), folder, 1e9))["evaluation"])

    return carry_out


def combined(evaluation: dict[str, Any], sex: str) -> dict[str, Any]:
    (analysis,) = evaluation["sections"]["pooled"]["analyses"]
    (row,) = [e for e in analysis["estimates"] if e["name"] == sex]
    return dict(row)


def test_samples_some_of_them_in_parts(work: Callable[..., Any], database: Database, mine: Any) -> None:
    real, drawn = people(200, 0), [people(120, seed) for seed in (1, 2, 3)]
    dataset = mine.dataset(schema=SCHEMA, row_count=200, table_blob_id=mine.blob(parquet_bytes(real)))
    synthesizer = mine.synthesizer(dataset, SCHEMA)
    ids = [mine.sample(synthesizer, table, SCHEMA) for table in drawn]
    halves = [drawn[2].slice(0, 50), drawn[2].slice(50)]
    blobs = [mine.blob(parquet_bytes(half)) for half in halves]
    with database.write() as session:
        session.get_one(Synthesizer, synthesizer).manifest = {"split": {"fraction": 0.25, "seed": 1}}
        for seed, id in enumerate(ids, 1):
            session.get_one(Sample, id).seed = seed
        last = session.get_one(Sample, ids[2])
        last.table_blob_id = blobs[0]
        for i, (half, blob) in enumerate(zip(halves, blobs, strict=True)):
            session.add(SamplePart(job_id=last.job_id, position=i, row_count=len(half), blob_id=blob))
    found = work(sample_id=ids[0], replicates=ids[1:])
    assert found["sections"]["pooled"]["samples"] == 3
    assert found["meta"]["rows"]["synthetic"] == 120
    assert combined(found, "m")["estimate"] == pytest.approx(mean(drawn, "m"), rel=1e-5)
    assert {m["status"] for m in found["metrics"] if m["section"] == "pooled" and m["bar"] is not None} == {"pass"}


def test_uploads_are_read_under_the_real_tables_schema(work: Callable[..., Any], mine: Any) -> None:
    """A label that only a further sample has, and numbers written in another way."""
    real, made = people(200, 0), [people(120, 1), people(120, 2, sexes=("f", "x"))]
    made[1] = made[1].set_column(0, "pay", pa.array([f"{p}.0" for p in made[1]["pay"].to_pylist()]))
    ids = []
    for i, table in enumerate((real, *made, people(120, 3))):
        own = Schema((SCHEMA["pay"], Column("sex", Kind.CATEGORICAL, categories=("f", "m", "x"))))
        schema = SCHEMA if i == 0 else own
        blob = mine.blob(parquet_bytes(table))
        ids.append(mine.dataset(schema=schema, row_count=len(table), table_blob_id=blob, sha256=str(i)))
    found = work(real=ids[0], synthetic=ids[1], replicates=ids[2:], combining="full")
    section = found["sections"]["pooled"]
    assert (section["kind"], section["samples"]) == ("full", 3)
    cells = {(c["table"], c["column"]) for c in found["sections"]["validity"]["cells"]}
    assert ("synthetic-2", "sex") in cells
    assert combined(found, "f")["estimate"] == pytest.approx(mean([*made, people(120, 3)], "f"), rel=1e-5)
    assert "Not given by all samples: m" in section["analyses"][0]["note"]


def test_an_upload_of_another_type_is_refused_by_its_place(work: Callable[..., Any], mine: Any) -> None:
    words = people(120, 2).set_column(0, "pay", pa.array([f"about {k % 7}" for k in range(120)]))
    tables = people(200, 0), people(120, 1), words
    ids = [
        mine.dataset(schema=SCHEMA, row_count=len(t), table_blob_id=mine.blob(parquet_bytes(t)), sha256=str(i))
        for i, t in enumerate(tables)
    ]
    with pytest.raises(InvalidInput, match="'pay' of the synthetic-2 table"):
        work(real=ids[0], synthetic=ids[1], replicates=ids[2:])
