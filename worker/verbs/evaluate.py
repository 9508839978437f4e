"""A sample against the real rows that its synthesizer was trained on, and against those that it never saw; or an
upload against another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.balance import parse_balance, parts, rebalanced, values_in
from models.conditions import parse_conditions
from models.dp.holdout import private_split
from models.evaluation.evaluate import evaluate, thinned
from models.evaluation.matching import match
from models.evaluation.options import EvaluationOptions
from models.ingest import check_schema, check_target
from models.rng import stream
from models.schema import schema_from_json
from models.synthesize import split
from models.table import Table
from worker.reporting import Reporter
from worker.verbs import EVALUATED_ROWS, REPLICATE
from worker.verbs.stored import read_parts, read_stored


def run(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    if "schemas" in job:
        return uploads(job, folder, progress)
    progress.step("read")
    real = read_stored(folder / "in" / "table.parquet", job["schema"])
    synthetic = read_parts(folder / "in", job["schema"], EVALUATED_ROWS)
    roles = [REPLICATE.format(i) for i, _ in enumerate(job["spec"].get("replicates") or (), 2)]
    replicates = [
        thinned(read_parts(folder / "in", job["schema"], EVALUATED_ROWS, role), job["spec"]["seed"]) for role in roles
    ]
    how, coins = job["split"], None
    if job.get("private_split"):
        real = Table(schema_from_json(job["private_split"]["schema"]), real.data)
        coins = (job["private_split"]["unit"],)
    found = assess(
        real, synthetic, job["spec"], how["fraction"], how["seed"], progress, coins=coins, replicates=replicates
    )
    return {"evaluation": found}


def uploads(job: dict[str, Any], folder: Path, progress: Reporter) -> dict[str, Any]:
    """An upload against another one. Raises InvalidInput where they cannot be compared, InvalidSchema where the real
    table contradicts its own schema."""
    spec, schemas = job["spec"], job["schemas"]
    progress.step("read")
    real = read_stored(folder / "in" / "table.parquet", job["schema"])
    check_schema(real)
    others = {
        role: read_stored(folder / "in" / f"{role}.parquet", schema, None if role == "holdout" else EVALUATED_ROWS)
        for role, schema in schemas.items()
    }
    roles = [role for role in others if role not in ("synthetic", "holdout")]
    others |= {role: thinned(others[role], spec["seed"]) for role in roles}
    target = spec.get("target")
    matched = match(real, others, needed=[target] if target else [])
    if target:
        check_target(matched.real.schema, target)
    progress.step("evaluate")
    synthetic = matched.others["synthetic"]
    holdout = matched.others.get("holdout", synthetic.take(slice(0, 0)))
    replicates = [matched.others[role] for role in roles]
    found = judged(matched.real, holdout, synthetic, spec, progress, replicates=replicates)
    found["sections"]["validity"] |= matched.findings
    return {"evaluation": found}


def judged(
    real: Table,
    holdout: Table,
    synthetic: Table,
    spec: Mapping[str, Any],
    progress: Reporter,
    disclosed: tuple[Table, Table] | None = None,
    replicates: Sequence[Table] = (),
) -> dict[str, Any]:
    """The evaluation that a spec asks for, as JSON."""
    evaluation = evaluate(
        real,
        holdout,
        synthetic,
        target=spec.get("target"),
        seed=spec["seed"],
        options=EvaluationOptions.from_json(spec.get("evaluation") or {}),
        progress=progress,
        disclosed=disclosed,
        private=bool(spec.get("privacy") or spec.get("private")),
        replicates=replicates,
        combining=spec.get("combining", "simple"),
    )
    return dict(evaluation.to_json())


def assess(
    real: Table,
    synthetic: Table,
    spec: dict[str, Any],
    fraction: float,
    seed: int,
    progress: Reporter,
    *,
    coins: tuple[str | None] | None = None,
    replicates: Sequence[Table] = (),
) -> dict[str, Any]:
    """Evaluation as JSON. The split is the one made before training, so the holdout is new to the synthesizer.

    coins: of a private synthesizer, whose split is by a coin of each unit, the column of the units (None: rows).
    replicates: further samples of it.

    A sample under conditions is compared with the real rows that meet them; of one that is balanced, real rows are left
    out until the rest has the asked shares, but copies are looked for among all.
    """
    progress.step("evaluate")
    if coins is None:
        halves = split(len(real), fraction, seed)
    else:
        halves = private_split(real, fraction, seed, *coins)
        real, synthetic = in_common(real, synthetic)
    every = [under(real.part(rows), spec["where"]) for rows in halves]
    train, holdout = in_shares(every, spec) if spec.get("balance") else every
    disclosed = (every[0], every[1]) if spec.get("balance") else None
    replicates = [Table(synthetic.schema, table.data) for table in replicates]
    found = judged(train, holdout, synthetic, spec, progress, disclosed, replicates)
    if spec.get("balance"):
        found["meta"]["balance"] = spec["balance"]
    return found


def in_common(real: Table, synthetic: Table) -> tuple[Table, Table]:
    """Both under one schema: a public domain holds labels that no row has, and rows may have labels that it lacks."""
    columns = []
    for column, own in zip(synthetic.schema.columns, real.schema.columns, strict=True):
        labels = dict.fromkeys([*(column.categories or ()), *(own.categories or ())])
        codes = dict.fromkeys([*column.missing_codes, *own.missing_codes])
        low, high = (own.minimum, own.maximum) if column.minimum is None else (column.minimum, column.maximum)
        found = replace(column, missing_codes=tuple(codes), minimum=low, maximum=high)
        columns.append(replace(found, categories=tuple(labels)) if column.labelled else found)
    schema = replace(synthetic.schema, columns=tuple(columns))
    return Table(schema, real.data), Table(schema, synthetic.data)


def in_shares(tables: Sequence[Table], spec: Mapping[str, Any]) -> list[Table]:
    """Of each table of real rows under the conditions the largest part with the shares of the balance. The first says
    which values equal shares go to.
    """
    schema = tables[0].schema
    conditions = parse_conditions(spec["where"], schema)
    balance = parse_balance(spec["balance"], schema, conditions)
    found = parts(balance, schema, conditions, values_in(tables[0], balance.column))
    return [rebalanced(table, found, stream(spec["seed"], "rebalance", i)) for i, table in enumerate(tables)]


def under(table: Table, where: Sequence[str]) -> Table:
    """The rows that meet the conditions."""
    for condition in parse_conditions(where, table.schema):
        table = table.take(condition.matches(table).nonzero()[0])
    return table
