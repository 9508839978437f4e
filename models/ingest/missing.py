"""Which spellings mean missing: proposed with the rule that speaks for each. The custodian decides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.ingest.counting import Words
from models.ingest.dates import looks_like_dates

PLAIN = frozenset(
    {
        "na",
        "n/a",
        "#n/a",
        "#na",
        "nan",
        "<na>",
        "nat",
        "null",
        "(null)",
        "#null!",
        "\\n",
        "?",
        "??",
        "-",
        "--",
        ".",
        "..",
    }
)
"""Mean missing wherever they stand (case aside)."""
CONTEXT = frozenset(
    {"n", "x", "none", "nil", "unknown", "unk", "missing", "not available", "not applicable", "not stated", "*", "**"}
    | {"undefined", "no data", "blank", "refused", "don't know", "dk", "tbd", "m", "s", "d", ":", "…", "...", "/"}
)
"""Mean missing among numbers or dates only: elsewhere they may be labels."""
NEGATIVE = (-9.0, -99.0, -999.0, -9999.0, -99999.0, -8.0, -88.0, -888.0, -7.0, -77.0, -777.0)
POSITIVE = (99.0, 999.0, 9999.0, 99999.0, 999999.0, 9999999.0)
_NOTABLE = 0.005
"""Share of rows from which a number can be a code by its mass alone."""
MOST_WORDS = 100_000
"""Distinct words up to which a column of dates is searched for codes."""
_SEVERAL = 2
"""Columns with a code for good reason, from which others with the same code follow them."""


@dataclass(frozen=True)
class Proposal:
    """Missing code of one column and the rule that speaks for it."""

    code: str
    rule: str
    reason: str
    count: int


def own_codes(words: Words) -> list[Proposal]:
    """Codes that the column justifies by itself."""
    index = _short(words)
    found: list[Proposal] = []
    country = _two_letter_codes(words)
    for word, at in index.items():
        bare = word.strip().lower()
        if not bare:
            found += _each(words.at(at), "blank", "blank cells")
        elif bare in PLAIN and not (bare == "na" and country):
            found += _each(words.at(at), "plain", "a usual spelling of missing")
    rest = words.without([index[p.code] for p in found])
    return found + _context_codes(rest) + _sentinels(rest)


def shared_codes(columns: list[tuple[Words | None, list[Proposal]]]) -> list[list[Proposal]]:
    """Own codes of each column, and those that several others justify. words: None for columns of many words."""
    votes = Counter(p.code for _, found in columns for p in found if p.rule in ("context", "sentinel"))
    out = []
    for words, found in columns:
        have = {p.code for p in found}
        shared = [c for c, n in votes.items() if n >= _SEVERAL and c not in have]
        more = [_shared_code(c, words, votes[c]) for c in shared] if words is not None else []
        out.append(found + [p for p in more if p is not None])
    return out


def _short(words: Words) -> dict[str, int]:
    """Position of each word that is short enough to be a code; of many words, only those that are no plain numbers."""
    keep = pc.less_equal(pc.binary_length(words.words), 24)
    if len(words) > 10_000:
        coded = np.isin(words.numbers, (*NEGATIVE, *POSITIVE)) | np.isnan(words.numbers)
        keep = pc.and_(keep, pa.array(coded))
    at = np.flatnonzero(Words.mask(keep))
    return dict(zip(words.words.take(pa.array(at)).to_pylist(), at.tolist(), strict=True))


def _context_codes(rest: Words) -> list[Proposal]:
    """Words that are no numbers in a column that otherwise holds numbers (or dates)."""
    if not len(rest):
        return []
    odd = np.isnan(rest.numbers) & ~rest.infinite
    share = rest.counts[~odd].sum() / rest.rows
    if odd.any() and share == 0:
        return _among_dates(rest)
    strays = rest.filter(odd)
    if not len(strays) or len(strays) > 5 or (~odd).sum() < 2:
        return []
    spelled = strays.words.to_pylist()
    if all(w.strip().lower() in CONTEXT for w in spelled):
        return _each(strays, "context", "the only words in a column of numbers")
    if share >= 0.95 and (~odd).sum() >= 10 and not any(c.isdigit() for w in spelled for c in w):
        return _each(strays, "stray", "a rare word in a column of numbers; check it")
    return []


def _among_dates(rest: Words) -> list[Proposal]:
    if len(rest) > MOST_WORDS:
        return []
    usual = np.array([w.strip().lower() in CONTEXT for w in rest.words.to_pylist()], dtype=np.bool_)
    if usual.any() and looks_like_dates(rest.filter(~usual).some(200)):
        return _each(rest.filter(usual), "context", "the only words in a column of dates")
    return []


def _each(words: Words, rule: str, reason: str) -> list[Proposal]:
    spelled = words.words.to_pylist()
    return [Proposal(w, rule, reason, int(n)) for w, n in zip(spelled, words.counts, strict=True)]


def _sentinels(rest: Words) -> list[Proposal]:
    """Numbers such as -9 or 999 that stand far from all others and occur often."""
    numbers = rest.numbers
    known = np.isfinite(numbers)
    if known.sum() < 3:
        return []
    found: list[Proposal] = []
    real = known & ~np.isin(numbers, NEGATIVE)
    if real.any() and numbers[real].min() >= 0:
        for i in np.flatnonzero(known & np.isin(numbers, NEGATIVE)):
            if rest.counts[i] >= max(5, _NOTABLE * rest.rows) and _isolated(numbers[i], numbers[real]):
                found += _each(rest.at(int(i)), "sentinel", "a negative code below otherwise non-negative numbers")
    for i in np.flatnonzero(known & np.isin(numbers, POSITIVE)):
        others = numbers[real & (numbers != numbers[i])]
        heavy = rest.counts[i] >= max(5, _NOTABLE * rest.rows)
        if heavy and len(others) > 1 and others.min() >= 0 and numbers[i] > 5 * others.max() > 0:
            found += _each(rest.at(int(i)), "sentinel", "a number of nines far above all others")
    return found


def _isolated(code: float, others: npt.NDArray[np.float64]) -> bool:
    """A one-digit code needs categories or ages around it, not a smooth quantity that could go below zero."""
    return bool(code <= -77 or np.all(others == np.round(others)))


def _two_letter_codes(words: Words) -> bool:
    """Country codes: NA is Namibia there."""
    short = [w for w in words.words.to_pylist() if w] if len(words) < 400 else []
    return len(short) >= 15 and all(len(w) == 2 and w.isupper() and w.isalpha() for w in short)


def _shared_code(code: str, words: Words, votes: int) -> Proposal | None:
    """The code in a column that does not justify it alone, unless the column shows that it is a label there."""
    spelled = words.words.to_pylist()
    if code not in spelled or len(spelled) < 2:
        return None
    lower = {w.strip().lower() for w in spelled}
    if lower & {"y", "yes", "j", "o", "t", "true"}:
        return None
    numbers = words.numbers
    at = spelled.index(code)
    if np.isfinite(numbers[at]):
        others = np.delete(numbers, at)
        if not np.isfinite(others).any() or (others[np.isfinite(others)] < 0).any():
            return None
    return Proposal(code, "shared", f"means missing in {votes} other columns", int(words.counts[at]))
