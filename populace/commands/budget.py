"""populace budget: how much may be learnt about any one person of a dataset, and what was spent of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from populace.commands.common import ApiKey, AsJson, Url, connect, group
from populace.commands.nouns import Limit
from populace.console import emit, emit_json, say, table
from populace.records import Budget

app = group("Privacy budgets of datasets, and the ledgers of what was spent.")

Id = Annotated[str, typer.Argument(help="Id of the dataset.", show_default=False)]
COLUMNS = ("seq", "kind", "account", "job_id", "epsilon_after", "delta", "key_id", "created_at")


@app.command()
def show(id: Id, url: Url = None, key: ApiKey = None) -> None:
    """What may be spent, what is spent and what would still fit, as JSON."""
    with connect(url, key) as client:
        told(client.budgets.get(id))


@app.command("set")
def set_budget(
    id: Id,
    epsilon: Annotated[float, typer.Option(help="What may be spent, all jobs together.")],
    delta: Annotated[float, typer.Option(help="At which epsilon is meant; far below 1 / rows-at-most.")],
    rows_at_most: Annotated[int, typer.Option(help="Rows of the table at most; made public.", min=1)],
    unit_column: Annotated[
        str | None, typer.Option(help="Protect all rows with the same value of this column, not single rows.")
    ] = None,
    rows_per_unit: Annotated[int | None, typer.Option(help="How many of these rows are used at most.", min=1)] = None,
    url: Url = None,
    key: ApiKey = None,
) -> None:
    """Set the budget, or change it; what was spent stays spent.

    Example: populace budget set DATASET --epsilon 3 --delta 1e-9 --rows-at-most 50000
    """
    if (unit_column is None) != (rows_per_unit is None):
        raise typer.BadParameter("--unit-column and --rows-per-unit go together.", param_hint="--unit-column")
    with connect(url, key) as client:
        told(
            client.budgets.set(
                id,
                epsilon=epsilon,
                delta=delta,
                rows_at_most=rows_at_most,
                unit_column=unit_column,
                rows_per_unit=rows_per_unit,
            )
        )


@app.command()
def ledger(id: Id, url: Url = None, key: ApiKey = None, limit: Limit = 50, json: AsJson = False) -> None:
    """Who spent what, when; newest first."""
    with connect(url, key) as client:
        page = client.budgets.ledger(id, limit=min(limit, 200))
    if json:
        emit_json({"total": page.total, "items": [line.raw for line in page]})
        return
    emit(table([[getattr(line, name) for name in COLUMNS] for line in page], COLUMNS))
    if page.total > len(page):
        say(f"{len(page)} of {page.total}; all of it by `populace budget export {id}`.")


@app.command()
def export(
    id: Id,
    output: Annotated[
        Path | None, typer.Argument(help="File .csv or .jsonl; by default JSON lines to standard output.")
    ] = None,
    format: Annotated[Literal["csv", "jsonl"] | None, typer.Option(help="Default: by the file's ending.")] = None,
    url: Url = None,
    key: ApiKey = None,
) -> None:
    """Write the whole ledger, oldest line first; also of a dataset that was deleted.

    Example: populace budget export DATASET ledger.csv
    """
    with connect(url, key) as client:
        client.budgets.export(id, output or sys.stdout.buffer, format=format)


def told(budget: Budget) -> None:
    """The answer as JSON, and a line for people."""
    say(
        f"spent {budget.spent:.4g} of epsilon {budget.epsilon:g} at delta {budget.delta:g}; "
        f"{budget.remaining:.4g} more would fit"
    )
    emit_json(dict(budget.raw))
