from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse

from service.deps import Caller, Cursor, Limit, Reading
from service.downloads import attachment
from service.paging import Page
from service.reports import charts, html, service, sidebyside
from service.reports.schemas import ChartOut, Edition, ReportOut, ReportSummary
from service.reports.sidebyside import SideBySide

router = APIRouter(prefix="/v1/reports", tags=["reports"])
schemas = APIRouter(prefix="/v1/schemas", tags=["reports"])
Asked = Annotated[
    Edition | None,
    Query(description="Of a job under differential privacy: public (the default), or internal, not for release."),
]
CSV = "text/csv; charset=utf-8"


@router.get("", summary="Your reports, newest first")
def list_reports(caller: Caller, session: Reading, limit: Limit = 50, cursor: Cursor = None) -> Page[ReportSummary]:
    return service.list_reports(session, caller, limit, cursor)


@router.get(
    "/compare",
    summary="Several reports of one table side by side, as JSON, page or CSV",
    response_model=SideBySide,
    responses={200: {"content": {"text/html": {}, "text/csv": {}}}},
)
def compare_reports(
    caller: Caller,
    session: Reading,
    ids: Annotated[str, Query(description="2 to 12 ids of reports of the same dataset, separated by commas.")],
    format: Literal["json", "html", "csv"] | None = None,
    edition: Asked = None,
    accept: Annotated[str, Header()] = "*/*",
) -> Response:
    """The same figure of each report in one row, worst first, the best of each row marked."""
    found = sidebyside.compare(session, caller, [id.strip() for id in ids.split(",") if id.strip()], edition)
    chosen = format or ("html" if "text/html" in accept else "json")
    if chosen == "csv":
        return Response(sidebyside.to_csv(found), media_type=CSV, headers=attachment("reports-side-by-side.csv"))
    if chosen == "html":
        headers = {"Content-Security-Policy": html.content_security_policy()}
        return HTMLResponse(html.render_side(found.model_dump()), headers=headers)
    return JSONResponse(found.model_dump())


@router.get("/{report_id}/charts", summary="The tables of a report's page, one for each drawing at least")
def list_charts(caller: Caller, session: Reading, report_id: str, edition: Asked = None) -> list[ChartOut]:
    return charts.listed(service.get(session, caller, report_id, edition))


@router.get(
    "/{report_id}/charts/{name}.csv",
    summary="One table of a report's page as CSV, its numbers unrounded",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}}},
)
def get_chart(caller: Caller, session: Reading, report_id: str, name: str, edition: Asked = None) -> Response:
    table = charts.csv_of(service.get(session, caller, report_id, edition), name)
    return Response(table, media_type=CSV, headers=attachment(f"{report_id}-{name}.csv"))


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
    edition: Asked = None,
    accept: Annotated[str, Header()] = "*/*",
) -> Response:
    """`format` decides, else the Accept header: text/html gives the page, anything else JSON."""
    report = service.get(session, caller, report_id, edition)
    name = f"{report_id}-{report.edition}" if report.edition else report_id
    chosen = format or ("html" if "text/html" in accept else "json")
    if chosen == "csv":
        return Response(
            service.metrics_csv(report),
            media_type=CSV,
            headers=attachment(f"{name}-metrics.csv"),
        )
    if chosen == "html":
        headers = {"Content-Security-Policy": html.content_security_policy()}
        return HTMLResponse(html.render(report.model_dump()), headers=headers)
    return JSONResponse(report.model_dump())


@schemas.get("/report", summary="JSON Schema (draft 2020-12) of a report", response_class=JSONResponse)
def report_schema(caller: Caller) -> Response:
    """What GET /v1/reports/{id} answers, section by section; `$id` carries its version."""
    return Response(charts.schema(), media_type="application/schema+json")
