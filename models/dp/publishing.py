"""The public figures of a private synthesizer's sample: from tables to codes, with the account that pays.

Rows are read by `models.dp.yardsticks.measure` alone, and only where account `evaluation` has a release.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from models.accounting import History
from models.dp.encoding import codes_of
from models.dp.holdout import units_of
from models.dp.noise import Bytes
from models.dp.one_pass import OnePass
from models.dp.public_evaluation import public_evaluation
from models.dp.release import Release
from models.dp.yardsticks import MOST_ROWS, layout_of, measure
from models.encoding.encoding import TableEncoding
from models.privacy.options import EVALUATION, PrivacyOptions
from models.progress import SILENT, Progress
from models.table import Table

CONDITIONED = "The sample was drawn under conditions, and this mechanism has no plain rows beside it."
MOST_PLAIN = 2 * MOST_ROWS


def public_figures(
    real: Table,
    synthetic: Table | None,
    encoding: TableEncoding,
    model: Any,
    privacy: PrivacyOptions,
    history: Mapping[str, History],
    *,
    release: Release | None = None,
    target: str | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
    source: Bytes = os.urandom,
) -> dict[str, Any]:
    """models.dp.public_evaluation's JSON.

    real: the whole table, training part and holdout. synthetic: the sample; None where it was drawn under conditions or
    in other shares, so that plain rows of the synthesizer stand for it. encoding, model: of the synthesizer. release:
    the tables that it was fitted to, where the model does not hold them. Says "touched" and "noise" of account
    evaluation (docs/privacy.md). Nothing it raises depends on a row.
    """
    release = model.release if isinstance(model, OnePass) else release
    if synthetic is not None:
        codes = codes_of(synthetic, encoding)
    elif isinstance(model, OnePass):
        codes = model.sample(MOST_PLAIN, seed)
    else:
        return {"version": 1, **{part: {"available": False, "reason": CONDITIONED} for part in ("release", "paid")}}
    slots = {name: found.start for name, found in encoding.slots.items() if found.start < found.stop}
    names, sizes = list(slots), encoding.layout.sizes
    measured = None
    if history.get(EVALUATION):
        rows = privacy.rows if privacy.unit is None else None
        layout = layout_of(codes, sizes, target=slots.get(target or ""), rows_public=rows is not None, seed=seed)
        progress.event("touched", {"accounts": [EVALUATION]})
        units = units_of(real, privacy.unit)
        own = codes_of(real, encoding)
        progress.event("noise", {"accounts": [EVALUATION]})
        how: dict[str, Any] = {"rows": rows, "rows_per_unit": privacy.rows_per_unit, "units": units, "source": source}
        measured = measure(own, layout, codes, history[EVALUATION], **how)
    about = "sample" if synthetic is not None else "synthesizer"
    return public_evaluation(names, sizes, codes, release=release, measured=measured, about=about)
