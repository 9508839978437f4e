"""The command line. Data goes to standard output, messages to standard error.

Exit codes: 0 done, 1 failed (one line says why, another how to mend it), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

from typing import Annotated

import typer

from populace.commands import budget, datasets, jobs, keys, reports, samples, tuning
from populace.commands.audit import audit
from populace.commands.common import group
from populace.commands.compare import compare
from populace.commands.demo import demo
from populace.commands.doctor import doctor
from populace.commands.evaluate import evaluate
from populace.commands.impute import impute
from populace.commands.search import tune
from populace.commands.serve import migrate, serve, worker
from populace.commands.synth import synth
from populace.console import emit

app = group("Populace turns a confidential table into a synthetic one, and shows what it is worth.")


def show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        emit(f"populace {version('populace')}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Populace turns a confidential table into a synthetic one, and shows what it is worth.

    One file, nothing else needed: populace synth census.csv --output synthetic.csv --report report.html

    Two files: populace evaluate census.csv made.csv --report report.html

    A service: populace serve, then datasets, jobs, samples, reports (or curl, or populace.Client in Python).
    Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
    """


for command in (synth, evaluate, compare, tune, impute, demo, serve, worker, migrate, doctor, audit):
    app.command()(command)
jobs.app.command()(tuning.tune)
jobs.app.command()(tuning.trials)
for name, sub in {
    "datasets": datasets.app,
    "budget": budget.app,
    "jobs": jobs.app,
    "synthesizers": samples.synthesizers,
    "samples": samples.app,
    "reports": reports.app,
    "keys": keys.app,
}.items():
    app.add_typer(sub, name=name)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="populace")
