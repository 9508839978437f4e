"""Populace: turn a confidential table into a synthetic one, and see what it is worth.

>>> import populace
>>> with populace.Client() as client:                                   # doctest: +SKIP
...     dataset = client.datasets.upload("census.csv")
...     job = client.jobs.wait(client.jobs.synthesize(dataset.id).id, progress=True)
...     client.samples.download(job.result["sample_id"], "synthetic.csv")

Names are loaded when first used, so that `import populace` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from populace.client import Client
    from populace.errors import ApiError
    from populace.records import Budget, Dataset, Event, Job, Key, LedgerLine, Page, Report, Sample, Synthesizer

__all__ = [
    "ApiError",
    "Budget",
    "Client",
    "Dataset",
    "Event",
    "Job",
    "Key",
    "LedgerLine",
    "Page",
    "Report",
    "Sample",
    "Synthesizer",
    "__version__",
]

_HOMES = {
    "Client": "populace.client",
    "ApiError": "populace.errors",
    **dict.fromkeys(
        ("Budget", "Dataset", "Event", "Job", "Key", "LedgerLine", "Page", "Report", "Sample", "Synthesizer"),
        "populace.records",
    ),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("populace")
    raise AttributeError(f"module 'populace' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
