"""populace keys: API keys of one's own tenant, and the first key of a new installation."""

from __future__ import annotations

from typing import Annotated

import typer

from populace.commands.common import ApiKey, AsJson, Url, connect
from populace.commands.nouns import noun
from populace.commands.serve import Home
from populace.console import CommandError, emit, emit_json, say
from populace.embedded import load_settings

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
        emit(made.token or "")


@app.command()
def bootstrap(
    name: Annotated[str, typer.Argument(help="Whom it is for.")],
    tenant: Annotated[str, typer.Option(help="Tenant of that name, made if there is none.")] = "default",
    home: Home = None,
) -> None:
    """Make an administrator's key straight in the database: the first one of an installation or of a tenant.

    Runs where the service runs, with its settings, after `populace migrate`. (Embedded mode makes its own key.)

    Example: populace keys bootstrap "first administrator"
    """
    settings = load_settings(home=home)
    from service.db import migrate
    from service.db.session import Database
    from service.security.bootstrap import create_tenant_key

    database = Database(settings)
    try:
        if migrate.revision(database) != migrate.head():
            raise CommandError("The database is not at this release's schema.", hint="Run `populace migrate`.")
        with database.write() as session:
            token = create_tenant_key(session, tenant, name)
    finally:
        database.close()
    say("Keep it: it cannot be shown again.")
    emit(token)
