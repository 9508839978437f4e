"""Distance to the closest record: does the sample huddle around the rows it was trained on?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from models.evaluation.attacks.rates import Excess, counts, flipped
from models.evaluation.attacks.setting import Finding, Setting
from models.evaluation.attacks.space import Space, affordable
from models.evaluation.intervals import Z, ratio_of_medians
from models.evaluation.matrix import bootstrap, independent, sample
from models.evaluation.result import Metric, finite

PERCENTILES = (1, 5, 25, 50, 75, 95)


def distances(s: Setting) -> tuple[list[Finding], dict[str, Any]]:
    """Share of synthetic rows nearer to a training row than to a holdout row, of equally many of both, and the ratio of
    the median distances. Without memory the share is one half: which row is which is then a toss of a coin, and a row
    that is nearest to many counts as often (`flipped`)."""
    context = s.context
    if not s.enough:
        share = Metric("dcr_share", None, "disclosure", direction="target", goal=0.5)
        ratio = Metric("dcr_ratio", None, "disclosure", direction="target", unit="ratio")
        return [Finding(replace(m, status="unavailable", note=s.lack())) for m in (share, ratio)], {}
    rng, most = context.rng("distances"), context.options.distance_rows
    rows = min(len(context.real), len(context.holdout), context.options.rows)
    real, holdout = sample(context.real, rows, rng), sample(context.holdout, rows, rng)
    most = affordable(most, 2 * rows, len(context.names))
    space = Space(context.real)
    training, other = space.place(real), space.place(holdout)
    held = space.nearest(other.take(slice(0, most)), training)[1]
    control = float(np.median(held))
    shares, ratios, closest = {}, {}, {}
    spread, p, bar = flipped(np.zeros(1), np.ones(1))
    between = (float("nan"), float("nan"))
    tables = {
        "synthetic": sample(context.synthetic, most, rng),
        "ceiling": bootstrap(context.real, most, rng),
        "floor": independent(context.real, min(most, len(context.real)), rng),
    }
    for name, table in tables.items():
        context.progress.check()
        place = space.place(table)
        (a, near), (b, far) = space.nearest(place, training), space.nearest(place, other)
        shares[name] = float(np.mean(near < far) + 0.5 * np.mean(near == far))
        ratios[name] = float(np.median(near)) / control if control > 0 else None
        closest[name] = np.percentile(near, PERCENTILES).tolist()
        if name == "synthetic":
            between = ratio_of_medians(near, held, rng)
            hubs = np.concatenate([counts(a[near < far], rows), counts(b[far < near], rows)])
            spread, p, bar = flipped(hubs, np.repeat([1.0, -1.0], rows))
    n = len(tables["synthetic"])
    spread /= 2 * n
    sizes = f"{n:,} synthetic rows against {rows:,} training and {rows:,} holdout rows"
    value = shares["synthetic"]
    low, high = max(0.0, value - Z * spread), min(1.0, value + Z * spread)
    note = (
        f"Share nearer to a training row than to a holdout row, ties half; {sizes}. "
        f"The ceiling is a bootstrap of {len(context.real):,} training rows: what copying reads."
    )
    ratio_note = f"Median distance to the closest training row, over that of the holdout; {sizes}. For information."
    if control == 0:
        ratio_note = "Half of the holdout rows equal a training row: the ratio is undefined."
    found = [
        Finding(
            Metric("dcr_share", value, "disclosure", "", shares["ceiling"], None, shares["floor"], low, high,
                   "target", 0.5, "share", note),
            Excess(value - 0.5, low - 0.5, high - 0.5, p, lambda chance: 0.5 + bar(chance) / (2 * n))),
        Finding(
            Metric("dcr_ratio", ratios["synthetic"], "disclosure", "", ratios["ceiling"], 1.0 if control else None,
                   ratios["floor"], finite(between[0]), finite(between[1]), "target", None, "ratio", ratio_note)
        ),
    ]  # fmt: skip
    section = {
        "distance_rows": rows,
        "percentiles": list(PERCENTILES),
        "distance_to_training": {**closest, "holdout": np.percentile(held, PERCENTILES).tolist()},
    }
    return found, section
