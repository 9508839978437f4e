"""The front page: what this is and where to go. Needs no key and shows no data."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from service.deps import AppSettings

HERE = Path(__file__).parent / "templates"

router = APIRouter(include_in_schema=False)


@cache
def page(mode: Literal["embedded", "full"]) -> tuple[str, str]:
    """(HTML, Content-Security-Policy) of the front page."""
    style = (HERE / "front.css").read_text(encoding="utf-8")
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined)
    html = environment.get_template("front.html").render(style=style, mode=mode, version=version("populace"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return html, f"{policy}; frame-ancestors 'none'"


@router.get("/")
def front(settings: AppSettings) -> HTMLResponse:
    html, policy = page(settings.mode)
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})
