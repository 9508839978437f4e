"""Which spellings mean missing: proposed with the rule that speaks for each. The custodian decides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
_SEVERAL = 2
"""Columns with a code for good reason, from which others with the same code follow them."""


@dataclass(frozen=True)
class Proposal:
    """Missing code of one column and the rule that speaks for it."""

    code: str
    rule: str
    reason: str
    count: int


def propose(columns: list[Words]) -> list[list[Proposal]]:
    """Missing codes of each column of a table. Codes that several columns justify hold in the others too."""
    first = [_own_codes(w) for w in columns]
    votes = Counter(p.code for found in first for p in found if p.rule in ("context", "sentinel"))
    out = []
    for words, found in zip(columns, first, strict=True):
        have = {p.code for p in found}
        shared = [c for c, n in votes.items() if n >= _SEVERAL and c not in have]
        out.append(found + [p for c in shared if (p := _shared_code(c, words, votes[c])) is not None])
    return out


def _own_codes(words: Words) -> list[Proposal]:
    spelled = words.words.to_pylist() if len(words) <= 100_000 else _short(words)
    index = {w: i for i, w in enumerate(spelled) if w is not None}
    found: list[Proposal] = []

    def add(word: str, rule: str, reason: str) -> None:
        found.append(Proposal(word, rule, reason, int(words.counts[index[word]])))

    country = _two_letter_codes(spelled)
    for word in index:
        bare = word.strip().lower()
        if not bare:
            add(word, "blank", "blank cells")
        elif bare in PLAIN and not (bare == "na" and country):
            add(word, "plain", "a usual spelling of missing")
    rest = words.filter(np.array([w is None or w not in {p.code for p in found} for w in spelled], dtype=np.bool_))
    return found + _context_codes(rest, index, words) + _sentinels(rest, index, words)


def _short(words: Words) -> list[str | None]:
    """Words of a column with very many: only short ones can be codes, the others read None (cheaper than all texts)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    short = pc.less_equal(pc.binary_length(words.words), 16)
    digits = words.matches(r"^[0-9.+-]*[0-9][0-9.+eE-]*$")
    kept = pc.and_(short, pc.or_(pc.invert(digits), words.matches(r"^(|-?(9+|8+|7+)(\.0+)?)$")))
    out: list[str | None] = pc.if_else(kept, words.words, pa.scalar(None, pa.string())).to_pylist()
    return out


def _context_codes(rest: Words, index: dict[str, int], words: Words) -> list[Proposal]:
    """Words that are no numbers in a column that otherwise holds numbers (or dates)."""
    if not len(rest):
        return []
    odd = np.isnan(rest.numbers) & ~rest.infinite
    share = rest.counts[~odd].sum() / rest.rows
    if odd.any() and share == 0:
        return _among_dates(rest, index, words)
    strays = rest.filter(odd)
    if not len(strays) or len(strays) > 5 or (~odd).sum() < 2:
        return []
    spelled = strays.words.to_pylist()
    if all(w.strip().lower() in CONTEXT for w in spelled):
        return [_of(w, "context", "the only words in a column of numbers", index, words) for w in spelled]
    if share >= 0.95 and (~odd).sum() >= 10 and not any(c.isdigit() for w in spelled for c in w):
        return [_of(w, "stray", "a rare word in a column of numbers; check it", index, words) for w in spelled]
    return []


def _among_dates(rest: Words, index: dict[str, int], words: Words) -> list[Proposal]:
    usual = np.array([w is not None and w.strip().lower() in CONTEXT for w in rest.words.to_pylist()], dtype=np.bool_)
    if usual.any() and looks_like_dates(rest.filter(~usual).some(200)):
        spelled = rest.filter(usual).words.to_pylist()
        return [_of(w, "context", "the only words in a column of dates", index, words) for w in spelled]
    return []


def _of(word: str, rule: str, reason: str, index: dict[str, int], words: Words) -> Proposal:
    return Proposal(word, rule, reason, int(words.counts[index[word]]))


def _sentinels(rest: Words, index: dict[str, int], words: Words) -> list[Proposal]:
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
                found.append(_named(rest, int(i), "a negative code below otherwise non-negative numbers", index, words))
    for i in np.flatnonzero(known & np.isin(numbers, POSITIVE)):
        others = numbers[real & (numbers != numbers[i])]
        heavy = rest.counts[i] >= max(5, _NOTABLE * rest.rows)
        if heavy and len(others) > 1 and others.min() >= 0 and numbers[i] > 5 * others.max() > 0:
            found.append(_named(rest, int(i), "a number of nines far above all others", index, words))
    return found


def _isolated(code: float, others: npt.NDArray[np.float64]) -> bool:
    """A one-digit code needs categories or ages around it, not a smooth quantity that could go below zero."""
    return bool(code <= -77 or np.all(others == np.round(others)))


def _named(rest: Words, i: int, reason: str, index: dict[str, int], words: Words) -> Proposal:
    word = rest.words[i].as_py()
    return _of(word, "sentinel", reason, index, words)


def _two_letter_codes(spelled: list[str | None]) -> bool:
    """Country codes: NA is Namibia there."""
    short = [w for w in spelled if w]
    return len(short) >= 15 and all(len(w) == 2 and w.isupper() and w.isalpha() for w in short)


def _shared_code(code: str, words: Words, votes: int) -> Proposal | None:
    """The code in a column that does not justify it alone, unless the column shows that it is a label there."""
    spelled = words.words.to_pylist() if len(words) <= 2_000 else []
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
