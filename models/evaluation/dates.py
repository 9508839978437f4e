"""Dates: years, months, days, weekdays and hours, and which of two dates comes first."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from models.evaluation.chance import Finding, bar_of, metrics_of, rows_of, share_error, variation
from models.evaluation.context import FEW_ROWS, Part, joined
from models.evaluation.matrix import Floats, Ints, Matrix
from models.evaluation.sampled import Sampled
from models.schema import Kind

DAY = 86_400
MOST_YEARS = 200
ORDERS = ("before", "the same", "after")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def dates(t: Sampled) -> Part:
    """Total variation of each part of each date column, and of the order of each pair of them."""
    chosen = [j for j, c in enumerate(t.real.columns) if c.kind is Kind.DATETIME]
    read = [*_parts(t, chosen), *_orders(t, chosen)]
    found, shown = [], []
    for subject, columns, labels, counts in read:
        if min(counts[0].sum(), counts[1].sum()) < FEW_ROWS:
            continue
        value, mean, deviation = variation(counts[0], counts[1])
        held = variation(counts[0], counts[2])[0] if len(counts) > 2 and counts[2].sum() else None
        bar = bar_of(mean, deviation, len(read))
        # Where all rows are in one cell nothing varies, but other rows might be elsewhere.
        error = max(deviation, float(share_error(np.zeros(()), counts[0].sum(), counts[1].sum())))
        found.append(Finding(subject, columns, value, mean, bar, held, {}, error))
        own = [c / max(c.sum(), 1) for c in counts]
        shown.append(
            {
                "subject": subject,
                "labels": labels,
                "real": own[0],
                "synthetic": own[1],
                "holdout": own[2] if len(own) > 2 else None,
            }
        )
    none = f"No column of dates has {FEW_ROWS} of them in both tables." if chosen else "There is no column of dates."
    section = {"rows": rows_of(found), "charts": shown, "note": t.note if found else none}
    return Part(metrics_of("dates", found, t.note, none), {"dates": section} if chosen else {})


Read = tuple[str, tuple[str, ...], list[str], list[Floats]]


def _tables(t: Sampled) -> list[Matrix]:
    return [m for m in (t.real, t.synthetic, t.holdout) if m is not None]


def _parts(t: Sampled, chosen: list[int]) -> Iterator[Read]:
    for j in chosen:
        seconds = [m.values[m.missing[:, j] < 0, j] for m in _tables(t)]
        name = t.context.names[j]
        if not len(seconds[0]):
            continue
        split = [_split(s) for s in seconds]
        years = split[0]["year"]
        first, last = int(years.min()), int(years.max())
        step = max(1, -(-(last - first + 1) // MOST_YEARS))
        # Years beyond the real ones are put beside the first and the last.
        labels = ["before", *(str(first + k * step) for k in range((last - first) // step + 1)), "after"]
        placed = [np.clip((s["year"] - first) // step + 1, 0, len(labels) - 1) for s in split]
        yield f"{name}: year", (name,), labels, _count(placed, len(labels))
        months = [f"{k:02d}" for k in range(1, 13)]
        yield f"{name}: month", (name,), months, _count([s["month"] for s in split], 12)
        if any((s["day"] > 0).any() for s in split):
            days = [f"{k:02d}" for k in range(1, 32)]
            yield f"{name}: day of the month", (name,), days, _count([s["day"] for s in split], 31)
            yield f"{name}: weekday", (name,), list(WEEKDAYS), _count([s["weekday"] for s in split], 7)
        if any((s["hour"] > 0).any() for s in split):
            hours = [f"{k:02d}" for k in range(24)]
            yield f"{name}: hour", (name,), hours, _count([s["hour"] for s in split], 24)


def _split(seconds: Floats) -> dict[str, Ints]:
    """Seconds since 1970 -> year, and month, day, weekday (Monday: 0) and hour from 0."""
    stamps = np.floor(seconds).astype(np.int64).astype("datetime64[s]")
    days, months, years = (stamps.astype(f"datetime64[{u}]") for u in "DMY")
    whole = days.astype(np.int64)
    return {
        "year": years.astype(np.int64) + 1970,
        "month": months.astype(np.int64) % 12,
        "day": (days - months.astype("datetime64[D]")).astype(np.int64),
        "weekday": (whole + 3) % 7,
        "hour": (np.floor(seconds).astype(np.int64) - whole * DAY) // 3_600,
    }


def _orders(t: Sampled, chosen: list[int]) -> Iterator[Read]:
    for a, b in itertools.combinations(chosen, 2):
        signs = []
        for m in _tables(t):
            both = (m.missing[:, a] < 0) & (m.missing[:, b] < 0)
            signs.append(np.sign(m.values[both, a] - m.values[both, b]).astype(np.int64) + 1)
        names = (t.context.names[a], t.context.names[b])
        yield f"{joined(*names)}: order", names, [f"first {o}" for o in ORDERS], _count(signs, 3)


def _count(places: list[Ints], size: int) -> list[Floats]:
    return [np.bincount(p, minlength=size).astype(np.float64) for p in places]
