"""The web application. No torch, no pandas: models run in the workers' child processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import Depends, FastAPI

from service import audit, errors, health
from service.datasets.routes import router as datasets
from service.db.session import Database
from service.deps import plain_json
from service.jobs.hints import make_hint
from service.jobs.routes import router as jobs
from service.keys.routes import router as keys
from service.memory import return_large_buffers
from service.middleware import BodyLimit, HostCheck, RequestContext
from service.privacy.routes import router as privacy
from service.reports.routes import router as reports
from service.reports.routes import schemas
from service.samples.routes import router as samples
from service.security.bootstrap import ensure_embedded_key
from service.settings import Settings, get_settings
from service.storage import open_store
from service.synthesizers.routes import router as synthesizers
from service.web.routes import router as web

DESCRIPTION = """Synthetic data for people who hold confidential tables.

Upload a table, start a `synthesize` job, wait for it, read the report and download the synthetic table. Work is done
by jobs: POST answers 202 with a Location. Errors are problem+json (RFC 9457) with `code`, `hint`, `errors` and
`request_id`. Every call but /health and /ready needs an API key (`Authorization: Bearer pop_…`)."""

LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"]
"""The names that embedded mode answers to."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application on a migrated database. In embedded mode it makes its tenant and key (file `home`/key)."""
    settings = settings or get_settings()
    return_large_buffers()
    database = Database(settings)
    if settings.mode == "embedded":
        ensure_embedded_key(settings, database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        database.close()

    # No Swagger page: it would load scripts from elsewhere into the origin that holds the data. service.web has one.
    app = FastAPI(
        title="Populace",
        version=version("populace"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.database = database
    app.state.store = open_store(settings, database)
    app.state.hint = make_hint(settings)
    errors.install(app)
    app.add_middleware(BodyLimit)
    if settings.mode == "embedded":
        app.add_middleware(HostCheck, allowed=LOOPBACK_NAMES)
    app.add_middleware(RequestContext)
    for router in (
        health.router,
        datasets,
        privacy,
        jobs,
        synthesizers,
        samples,
        reports,
        schemas,
        keys,
        audit.router,
        web,
    ):
        app.include_router(router, dependencies=[Depends(plain_json)])
    return app
