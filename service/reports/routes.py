from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse

from service.deps import Caller, Cursor, Limit, Reading
from service.downloads import attachment
from service.paging import Page
from service.reports import html, service
from service.reports.schemas import Edition, ReportOut, ReportSummary

router = APIRouter(prefix="/v1/reports", tags=["reports"])


@router.get("", summary="Your reports, newest first")
def list_reports(caller: Caller, session: Reading, limit: Limit = 50, cursor: Cursor = None) -> Page[ReportSummary]:
    return service.list_reports(session, caller, limit, cursor)


@router.get(
    "/{report_id}",
    summary="One report as JSON, as a one-file page, or its metrics as CSV",
    response_model=ReportOut,
    responses={200: {"content": {"text/html": {}, "text/csv": {}}}},
)
def get_report(
    caller: Caller,
    session: Reading,
    report_id: str,
    format: Literal["json", "html", "csv"] | None = None,
    edition: Annotated[
        Edition | None,
        Query(description="Of a job under differential privacy: public (the default), or internal, not for release."),
    ] = None,
    accept: Annotated[str, Header()] = "*/*",
) -> Response:
    """`format` decides, else the Accept header: text/html gives the page, anything else JSON."""
    report = service.get(session, caller, report_id, edition)
    name = f"{report_id}-{report.edition}" if report.edition else report_id
    chosen = format or ("html" if "text/html" in accept else "json")
    if chosen == "csv":
        return Response(
            service.metrics_csv(report),
            media_type="text/csv; charset=utf-8",
            headers=attachment(f"{name}-metrics.csv"),
        )
    if chosen == "html":
        headers = {"Content-Security-Policy": html.content_security_policy()}
        return HTMLResponse(html.render(report.model_dump()), headers=headers)
    return JSONResponse(report.model_dump())
