"""Privacy budgets of datasets, and the ledgers of what was spent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import quote

from populace.download import Target, save
from populace.records import Budget, LedgerLine, Page
from populace.transport import Transport


class Budgets:
    """By id of the dataset. Budget and ledger outlive it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, dataset_id: str) -> Budget:
        """What may be spent, what is spent, what would still fit. Raises ApiError `no_budget` if none was set."""
        return Budget.from_json(self._transport.json("GET", _url(dataset_id, "budget")))

    def set(
        self,
        dataset_id: str,
        *,
        epsilon: float,
        delta: float,
        rows_at_most: int,
        unit_column: str | None = None,
        rows_per_unit: int | None = None,
    ) -> Budget:
        """Set the budget, or change it; what was spent stays spent.

        rows_at_most: of the table, a bound that is made public; delta must be below one in it. unit_column: protect all
        rows with the same value of this column, of which rows_per_unit are used at most; default: protect single rows.
        Raises ApiError (`invalid_privacy`, `unit_in_use`, ...).
        """
        body = {"epsilon": epsilon, "delta": delta, "rows_at_most": rows_at_most}
        unit = {} if unit_column is None else {"unit": {"column": unit_column, "rows": rows_per_unit}}
        return Budget.from_json(self._transport.json("PUT", _url(dataset_id, "budget"), json={**body, **unit}))

    def ledger(self, dataset_id: str, *, limit: int | None = None, cursor: str | None = None) -> Page[LedgerLine]:
        """One page of the ledger, newest line first."""
        params = {k: v for k, v in {"limit": limit, "cursor": cursor}.items() if v is not None}
        raw = self._transport.json("GET", _url(dataset_id, "ledger"), params=params)
        return Page(raw["total"], tuple(LedgerLine.from_json(i) for i in raw["items"]), raw.get("next_cursor"))

    def each_line(self, dataset_id: str) -> Iterator[LedgerLine]:
        """All of the ledger, newest line first, page after page."""
        cursor: str | None = None
        while True:
            page = self.ledger(dataset_id, limit=200, cursor=cursor)
            yield from page
            cursor = page.next_cursor
            if cursor is None:
                return

    def export(self, dataset_id: str, to: Target, *, format: str | None = None) -> None:
        """Stream the whole ledger, oldest line first, into a path or binary file.

        format: csv or jsonl; by default csv if the path ends so, else jsonl.
        """
        named = isinstance(to, str | os.PathLike) and os.fspath(to).lower().endswith(".csv")
        chosen = format or ("csv" if named else "jsonl")
        save(self._transport, _url(dataset_id, "ledger", "export"), to, params={"format": chosen})


def _url(dataset_id: str, *rest: str) -> str:
    return "/".join(["/v1/datasets", quote(dataset_id, safe=""), *rest])
