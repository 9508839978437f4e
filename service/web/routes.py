"""The front page and the reference of calls: what this is and how to use it. They need no key and show no data."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.deps import AppSettings
from service.web.reference import calls

HERE = Path(__file__).parent / "templates"

router = APIRouter(include_in_schema=False)


@cache
def style() -> str:
    return (HERE / "front.css").read_text(encoding="utf-8")


def page(template: str, **values: Any) -> str:
    """A template of this folder as HTML."""
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    return environment.get_template(template).render(style=style(), version=version("populace"), **values)


def answer(html: str) -> HTMLResponse:
    """With a policy under which nothing is loaded and no script runs."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return HTMLResponse(html, headers={"Content-Security-Policy": f"{policy}; frame-ancestors 'none'"})


@router.get("/")
def front(settings: AppSettings) -> HTMLResponse:
    return answer(page("front.html", mode=settings.mode))


@router.get("/docs")
def reference(request: Request) -> HTMLResponse:
    openapi = request.app.openapi()
    return answer(page("reference.html", calls=list(calls(openapi)), description=openapi["info"]["description"]))
