"""populace serve, worker and migrate: the processes of the service. Only these import service and worker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from populace.console import say
from populace.embedded import listen, load_settings

Home = Annotated[Path | None, typer.Option(help="Folder of embedded mode.", envvar="POPULACE_HOME", show_default=False)]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; embedded mode takes loopback only.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, 8400 by default; 0 for a free one.")] = None,
    home: Home = None,
) -> None:
    """Run the API; in embedded mode (the default) with its workers, in one process and without other services.

    Embedded: SQLite and a key file in POPULACE_HOME (~/.populace); loopback only. With POPULACE_MODE=full: Postgres
    (POPULACE_DATABASE_URL), hints through Redis (POPULACE_BROKER_URL), workers as processes of their own
    (`populace worker`), migrations by `populace migrate`.

    Example: populace serve --port 8400
    """
    settings = load_settings(host=host, port=port, home=home)

    import uvicorn

    from service.db import migrate
    from service.main import create_app

    embedded = settings.mode == "embedded"
    if embedded:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        migrate.upgrade(settings)
    app = create_app(settings)
    listener = listen(settings.host, settings.port)
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    say(f"Populace at http://{shown}:{listener.getsockname()[1]} (Ctrl-C stops it)")
    config = uvicorn.Config(app, log_level="info", access_log=False, timeout_graceful_shutdown=5, server_header=False)
    server = uvicorn.Server(config)
    if not embedded:
        server.run(sockets=[listener])
        return

    from worker.embedded import Embedded

    say(f"API key: in {settings.home / 'key'}")
    worker = Embedded(settings)
    worker.start()
    try:
        server.run(sockets=[listener])
    finally:
        worker.stop()


def worker(home: Home = None) -> None:
    """Run one worker process: it claims jobs from the database and trains, draws and evaluates.

    Start as many as there are GPUs or spare cores. With a broker it is woken by hints, without one it polls.
    """
    if home is not None:
        os.environ["POPULACE_HOME"] = str(home)  # Celery's worker reads its settings from there
    settings = load_settings()
    from worker.main import run

    if code := run(settings):
        raise typer.Exit(code)


def migrate(home: Home = None) -> None:
    """Bring the database to this release's schema; safe to run again. `populace serve` does it in embedded mode."""
    settings = load_settings(home=home)
    from service.db import migrate as migrations

    if settings.mode == "embedded":
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrations.upgrade(settings)
    say("The database is at this release's schema.")
