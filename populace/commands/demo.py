"""populace demo: the whole job on an invented census."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import typer

from populace.commands.jobs import Option
from populace.commands.local import place, terminated
from populace.console import say


def demo(
    rows: Annotated[int, typer.Option(help="People in the invented census.", min=100, max=10_000_000)] = 20_000,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the files.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="The same seed gives the same census and the same sample.", min=0)] = 0,
    option: Option = None,
    stay: Annotated[
        bool, typer.Option("--serve", help="Keep the service running afterwards and open its pages.")
    ] = False,
) -> None:
    """Invent a census of 20,000 people and make it synthetic, through HTTP on a service of its own.

    Writes census.csv (the invented "confidential" table), synthetic.csv and report.html, and says where they are.

    Example: populace demo --output demo --serve
    """
    from populace.client import Client
    from populace.commands.common import parse_options
    from populace.demo.census import TARGET, make_census, write_csv
    from populace.embedded import EmbeddedService
    from populace.pipeline import Order, run
    from populace.scorecard import scorecard

    options = parse_options(option or ())
    output.mkdir(parents=True, exist_ok=True)
    census, synthetic, report = output / "census.csv", output / "synthetic.csv", output / "report.html"
    say(f"Inventing {rows:,} people")
    write_csv(make_census(rows, seed), census)
    with (
        terminated(),
        place(output / "service" if stay else None, keep=False) as folder,
        EmbeddedService(folder) as service,
        Client(service.url, service.key) as client,
    ):
        outcome = run(client, Order(census, target=TARGET, seed=seed, options=options), synthetic, report)
        for line in scorecard(outcome.report).splitlines():
            say(line)
        say(f"Done in {outcome.seconds['all']:.0f} s.")
        say(f"Confidential table (invented): {census.resolve()}")
        say(f"Synthetic table:               {synthetic.resolve()}")
        say(f"Report:                        {report.resolve()}")
        if stay:
            _stay(service.url, report, folder / "key")


def _stay(url: str, report: Path, key: Path) -> None:
    """Open the pages and keep serving until interrupted; that is how it is meant to end."""
    import webbrowser

    pages = (report.resolve().as_uri(), f"{url}/docs")
    for page in pages:
        webbrowser.open(page)
    say(f"Service: {url}  API: {url}/docs  key: in {key}")
    say(f"Report:  {pages[0]}")
    say("Ctrl-C stops it.")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        say("Stopped.")
