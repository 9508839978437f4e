"""Reports: what a sample is worth, as figures and as a page."""

from __future__ import annotations

from populace.download import Target, save
from populace.records import Report
from populace.resources.base import Resource
from populace.transport import Transport


class Reports(Resource[Report]):
    path = "/v1/reports"

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport, Report)

    def html(self, id: str) -> str:
        """The report as one HTML page that needs no network."""
        return self._transport.request("GET", self._url(id), params={"format": "html"}).text

    def download(self, id: str, to: Target, *, format: str = "html") -> None:
        """Stream the report into a path or binary file. format: html or json."""
        save(self._transport, self._url(id), to, params={"format": format})
