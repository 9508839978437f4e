"""populace keys: API keys of one's own tenant, and the first key of a new installation."""

from __future__ import annotations

from typing import Annotated

import typer

from populace.commands.common import ApiKey, AsJson, Url, connect
from populace.commands.nouns import noun
from populace.console import emit, emit_json, say

app = noun("keys", "API keys.", ("id", "name", "prefix", "role", "created_at", "last_used_at", "revoked_at"))


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whom or what it is for.")],
    admin: Annotated[bool, typer.Option("--admin", help="It may manage keys.")] = False,
    url: Url = None,
    key: ApiKey = None,
    json: AsJson = False,
) -> None:
    """Make a key; it is printed once and cannot be shown again.

    Example: populace keys create "statistics department"
    """
    with connect(url, key) as client:
        made = client.keys.create(name, role="admin" if admin else "custodian")
    say("Keep it: it cannot be shown again.")
    if json:
        emit_json(dict(made.raw))
    else:
        emit(made.secret or "")
