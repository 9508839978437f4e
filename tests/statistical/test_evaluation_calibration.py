"""Over repeated draws: fresh real rows are not blamed, and planted defects always are."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.evaluation.evaluate import evaluate
from models.evaluation.options import EvaluationOptions
from models.evaluation.result import Evaluation
from models.schema import Column, Kind, Schema
from models.table import Table

OPTIONS = EvaluationOptions(mlp=False, sdmetrics=False, methods=("boosting",), detection_rows=300, utility_rows=600)
SCHEMA = Schema(
    (
        Column("age", Kind.INTEGER),
        Column("income", Kind.DECIMAL, decimals=2),
        Column("region", Kind.CATEGORICAL, categories=("north", "south", "west")),
        Column("works", Kind.BOOLEAN, categories=("no", "yes")),
    )
)


def draw(rows: int, seed: int) -> Table:
    rng = np.random.default_rng(seed)
    age = rng.integers(16, 90, rows)
    region = rng.integers(0, 3, rows)
    works = rng.random(rows) < np.where(age < 65, 0.8, 0.1)
    income = np.exp(rng.normal(6 + works + region / 3, 0.5, rows))
    data = {
        "age": age.astype(str).tolist(),
        "income": [f"{v:.2f}" for v in income],
        "region": np.array(["north", "south", "west"])[region].tolist(),
        "works": np.where(works, "yes", "no").tolist(),
    }
    return Table(SCHEMA, pa.table(data))


def judged(seed: int, synthetic: Table) -> Evaluation:
    return evaluate(draw(1200, seed), draw(600, 1000 + seed), synthetic, target="works", seed=seed, options=OPTIONS)


def test_fresh_real_rows_pass_every_bar() -> None:
    """The short form of bench.calibration."""
    found = [judged(s, draw(1200, 2000 + s)) for s in range(5)]
    missed = [[(m.name, m.subject, m.value, m.bar) for m in e.metrics if m.status == "fail"] for e in found]
    assert sum(bool(m) for m in missed) <= 1, missed
    verdicts = [e.sections["verdict"] for e in found]
    assert [bool(v["problems"]) for v in verdicts] == [bool(m) for m in missed]
    assert {v["status"] for v in verdicts} <= {"pass", "fail"}
    assert all(sum(m.status == "pass" for m in e.metrics) > 20 for e in found)
    shares = [e.metric("dcr_share").value or 0.0 for e in found]
    assert abs(np.mean(shares) - 0.5) < 0.02
    covered = [(m.low or 0) <= 0.5 <= (m.high or 0) for m in (e.metric("dcr_share") for e in found)]
    assert np.mean(covered) >= 0.6


def test_copied_rows_and_broken_relations_are_named_first() -> None:
    for seed in range(2):
        rng = np.random.default_rng(seed)
        fresh = draw(1200, 2000 + seed)
        copied = Table(SCHEMA, pa.concat_tables([fresh.data.slice(0, 1020), draw(1200, seed).data.slice(0, 180)]))
        assert judged(seed, copied).sections["verdict"]["problems"][0]["metric"] == "copies"
        works = fresh.data.column("works").take(pa.array(rng.permutation(1200)))
        broken = judged(seed, Table(SCHEMA, fresh.data.set_column(3, "works", works)))
        named = broken.sections["verdict"]["problems"]
        assert {p["metric"] for p in named} & {"utility_auc", "trend", "c2st"}
        assert "works" in broken.sections["pairs"]["worst"][0]["columns"]
        assert broken.sections["detection"]["columns"][0]["column"] in ("works", "age", "income")


def test_independent_columns_fail_and_a_copy_fails_disclosure() -> None:
    rng = np.random.default_rng(0)
    fresh = draw(1200, 2000)
    apart = {n: fresh.data.column(n).take(pa.array(rng.permutation(1200))) for n in fresh.names}
    for table, sections in ((Table(SCHEMA, pa.table(apart)), {"pairs"}), (draw(1200, 0), {"disclosure"})):
        found = judged(0, table)
        assert found.sections["verdict"]["status"] == "fail"
        assert sections <= {m.section for m in found.metrics if m.status == "fail"}
