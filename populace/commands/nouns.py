"""`list`, `show` and `delete`, the same for every noun of the API."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from populace.commands.common import ApiKey, AsJson, Url, Yes, connect, group
from populace.console import emit, emit_json, say, table

Id = Annotated[str, typer.Argument(help="Its id.", show_default=False)]
Limit = Annotated[int, typer.Option(help="At most so many, newest first.", min=1)]


def noun(name: str, help: str, columns: tuple[str, ...], *, deletable: bool = True, shown: bool = True) -> typer.Typer:
    """A command group for the resource `name` of the client. columns: fields that a list shows. shown: with `show`."""
    app = group(help)

    @app.command("list")
    def list_all(url: Url = None, key: ApiKey = None, limit: Limit = 50, json: AsJson = False) -> None:
        """What there is, newest first."""
        with connect(url, key) as client:
            page = getattr(client, name).list(limit=limit)
        if json:
            emit_json({"total": page.total, "items": [i.raw for i in page]})
            return
        emit(table([[_shown(getattr(i, c)) for c in columns] for i in page], columns))
        if page.total > len(page):
            say(f"{len(page)} of {page.total}; more with --limit.")

    if shown:

        @app.command("show")
        def show(id: Id, url: Url = None, key: ApiKey = None) -> None:
            """Everything about one, as JSON."""
            with connect(url, key) as client:
                emit_json(dict(getattr(client, name).get(id).raw))

    if deletable:

        @app.command("delete")
        def delete(id: Id, yes: Yes = False, url: Url = None, key: ApiKey = None) -> None:
            """Delete one and everything derived from it."""
            if not yes:
                typer.confirm(f"Delete {id} and everything derived from it?", abort=True, err=True)
            with connect(url, key) as client:
                getattr(client, name).delete(id)
            say(f"Deleted {id}.")

    return app


def _shown(value: Any) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
