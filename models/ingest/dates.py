"""Date formats, found from the words: every word must fit, and the data resolve day/month order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.table import format_datetimes, parse_datetimes

_DATES = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d",
    "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%B %d, %Y",
    "%b %d, %Y", "%Y%m%d",
)  # fmt: skip
_TIMES = (
    "", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M", "T%H:%M:%S", "T%H:%M:%S.%f", "T%H:%M:%SZ", "T%H:%M:%S.%fZ",
    " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S%z", " %H:%M:%S%z",
)  # fmt: skip
_MONTHS = ("%Y-%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%Y")
_SHAPE = re.compile(r"^\s*(?=.*[-/. ,])(?=.*\d)[\w/.,: +T-]{6,40}\s*$")


def looks_like_dates(words: Sequence[str]) -> bool:
    """Whether these words all fit one known format (a cheap test on few words)."""
    return bool(words) and bool(_candidates(words))


def _fits(word: str, form: str) -> bool:
    try:
        datetime.strptime(word, form)
    except ValueError:
        return False
    return True


def _candidates(words: Sequence[str], compact: bool = False) -> list[str]:
    """Formats that all the words fit. compact: 20150701 too, which is a number unless something says otherwise."""
    if not all(_SHAPE.match(w) or (compact and re.fullmatch(r"(19|20)\d{6}", w)) for w in words):
        return []
    first = [f for f in (*(d + t for d in _DATES for t in _TIMES), *_MONTHS) if _fits(words[0], f)]
    out = [f for f in first if all(_fits(w, f) for w in words)]
    return [f for f in out if compact or f != "%Y%m%d"]


def find_format(words: pa.Array, sample: Sequence[str], *, compact: bool = False) -> tuple[str | None, list[str]]:
    """(format that reads and rewrites every word, other formats that fit as well), or (None, []).

    words: all distinct present words. sample: some of them. Where day and month cannot be told apart, day first is
    proposed for `/` and `.`, and the other reading is named. Raises nothing.
    """
    fitting = _candidates(sample, compact) if sample else []
    kept: list[str] = []
    for form in fitting:
        seconds = parse_datetimes(words, form)
        if np.isfinite(seconds).all():
            for spelled in (form, *_unpadded(form), *_shorter(form, sample[0])):
                if _rewrites(words, seconds, spelled):
                    kept.append(spelled)
                    break
    if not kept:
        return None, []
    return kept[0], kept[1:]


def _unpadded(form: str) -> list[str]:
    """The same format without leading zeros: in all parts, in day and month only, in the hour only."""
    dates = re.sub(r"%([dm])", r"%-\1", form)
    hours = re.sub(r"%([HI])", r"%-\1", form)
    return list(dict.fromkeys([dates, hours, re.sub(r"%([HI])", r"%-\1", dates)]))


def _shorter(form: str, word: str) -> list[str]:
    """The same format with as many digits of a second's fraction as the word has, e.g. milliseconds."""
    digits = re.search(r":\d\d\.(\d{1,5})(?!\d)", word)
    if "%f" not in form or digits is None:
        return []
    short = form.replace("%f", f"%{len(digits[1])}f")
    return [short, *_unpadded(short)]


def _rewrites(words: pa.Array, seconds: npt.NDArray[np.float64], form: str) -> bool:
    """Whether writing the seconds in the format gives the words back (on up to 2,000 of them)."""
    at = np.unique(np.linspace(0, len(words) - 1, min(len(words), 2_000)).astype(np.int64))
    spelled = words.take(pa.array(at)).to_pylist()
    return bool(format_datetimes(seconds[at], form) == spelled)
