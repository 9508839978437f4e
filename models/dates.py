"""Single dates as texts of a column's format and as seconds since 1970. The standard library alone."""

from __future__ import annotations

import datetime as dt
import re

FRACTION = re.compile(r"%([1-5]?)f")
"""`%f`: microseconds; `%3f`: milliseconds, which strptime does not know."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def plain_format(form: str) -> str:
    """A column's datetime format in strptime's own notation, which knows neither `%-d` nor `%3f`."""
    return FRACTION.sub("%f", form.replace("%-", "%"))


def second_decimals(form: str) -> int:
    """Digits of the fractions of a second that the format writes: `%f` six, `%3f` three."""
    found = FRACTION.search(form)
    return 0 if found is None else int(found[1] or 6)


def seconds_of(word: str, form: str) -> float:
    """Seconds of a date in this format, NaN if it is none."""
    try:
        moment = dt.datetime.strptime(word, plain_format(form))
    except ValueError:
        return float("nan")
    return ((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)) - _EPOCH).total_seconds()
