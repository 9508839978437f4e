"""The grammar of conditions: text -> column, comparisons and raw words, before they are checked against the schema.

    age>=65   20<=age<30   sex!=Female   education in (Bachelors, Masters)   date>=2015-07-01
    occupation is not missing   "home.dest"='St Louis, MO'

Quotes are for odd names and labels; a quote inside is doubled. Columns are looked up among the table's own names,
longest first, so names with blanks or brackets need no quotes, and the text after the operator is taken whole:
`income=<=50K` is the label `<=50K`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from models.errors import Detail, InvalidCondition

EXAMPLES = "e.g. age>=65, 20<=age<30, sex=Female, region in (North, 'South West'), income is not missing"
MAX_LENGTH = 10_000
"""Characters in one condition."""

COMPARISON = r"<=|>=|!=|<>|==|=|<|>"
_OPERATOR = re.compile(rf"(?:\s*({COMPARISON})|\s+(not\s+in|in)\b|\s+(is)\b)\s*", re.IGNORECASE)
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_SPELLINGS = {"==": "=", "<>": "!="}


@dataclass(frozen=True)
class Part:
    """One comparison. operator: = != < <= > >= in `not in` missing `not missing`; words: what it compares with."""

    operator: str
    words: tuple[str, ...] = ()


def split_condition(text: str, names: Sequence[str]) -> tuple[str, list[Part]]:
    """Text -> (column name, comparisons that all hold). Raises InvalidCondition."""
    text = text.strip()
    if not text or len(text) > MAX_LENGTH:
        raise malformed(
            "The condition is empty." if not text else f"A condition is longer than {MAX_LENGTH} characters."
        )
    if found := leading_column(text, names):
        name, rest = found
        return name, [_comparison(rest, name)]
    if ranged := _value_first(text, names):
        return ranged
    raise _unknown(text, names)


def malformed(message: str, name: str | None = None) -> InvalidCondition:
    where = [Detail(("column", name), message, EXAMPLES)] if name is not None else ()
    return InvalidCondition(message, hint=f"Write conditions like these: {EXAMPLES}.", errors=where)


def quoted_word(text: str) -> tuple[str, str] | None:
    """(content, rest) if the text begins with a quoted word."""
    if text[:1] not in ("'", '"'):
        return None
    q = text[0]
    match = re.match(rf"{q}((?:[^{q}]|{q}{q})*){q}", text)
    return (match[1].replace(q + q, q), text[match.end() :]) if match else None


def leading_column(text: str, names: Sequence[str], *, whole: bool = False) -> tuple[str, str] | None:
    """(column, rest) if the text begins with a column that an operator follows (whole: or nothing)."""
    if (quoted := quoted_word(text)) and quoted[0] in names:
        name, rest = quoted
        return (name, rest) if _OPERATOR.match(rest) or (whole and not rest.strip()) else None
    for name in sorted(names, key=len, reverse=True):
        rest = text[len(name) :]
        if text.startswith(name) and ((whole and not rest.strip()) or _OPERATOR.match(rest)):
            return name, rest
    return None


def _comparison(rest: str, name: str) -> Part:
    """`>=65`, ` in (a, b)`, ` is missing` -> Part."""
    match = _OPERATOR.match(rest)
    if match is None:  # pragma: no cover - callers have seen an operator
        raise malformed(f"The condition on {name!r} has no operator.", name)
    after = rest[match.end() :].strip()
    if match[3]:
        words = after.lower().split()
        if words in (["missing"], ["null"]):
            return Part("missing")
        if words in (["not", "missing"], ["not", "null"]):
            return Part("not missing")
        raise malformed(f"After `is`, the condition on {name!r} needs `missing` or `not missing`.", name)
    if match[2]:
        return Part(" ".join(match[2].lower().split()), _listed(after, name))
    return Part(_SPELLINGS.get(match[1], match[1]), (_word(after, name),))


def _word(text: str, name: str) -> str:
    text = text.strip()
    if (quoted := quoted_word(text)) and not quoted[1].strip():
        return quoted[0]
    if not text:
        raise malformed(f"The condition on {name!r} compares with nothing.", name)
    return text


def _listed(text: str, name: str) -> tuple[str, ...]:
    """`(a, 'b, c')` -> words."""
    if len(text) < 2 or text[0] + text[-1] not in ("()", "[]", "{}"):
        raise malformed(f"The condition on {name!r} needs a list in brackets after `in`.", name)
    words, rest = [], text[1:-1].strip()
    while rest:
        if quoted := quoted_word(rest):
            word, after = quoted
            if after.strip() and not after.lstrip().startswith(","):
                raise malformed(f"The list of the condition on {name!r} needs commas between its labels.", name)
            rest = after.lstrip()[1:].strip()
        else:
            word, _, rest = rest.partition(",")
            word, rest = word.strip(), rest.strip()
            if not word:
                raise malformed(f"The list of the condition on {name!r} has an empty place.", name)
        words.append(word)
    if not words:
        raise malformed(f"The list of the condition on {name!r} is empty.", name)
    return tuple(words)


def _value_first(text: str, names: Sequence[str]) -> tuple[str, list[Part]] | None:
    """`20<=age<30`, `65<=age` -> column and parts."""
    quoted = quoted_word(text)
    starts = [len(text) - len(quoted[1])] if quoted else [m.start() for m in re.finditer(COMPARISON, text)]
    for start in starts:
        operator = re.match(rf"\s*({COMPARISON})\s*", text[start:])
        if operator is None:
            continue
        spelled = _SPELLINGS.get(operator[1], operator[1])
        rest = text[start + operator.end() :]
        if found := leading_column(rest, names, whole=True):
            name, after = found
            parts = [Part(_MIRRORED[spelled], (_word(text[:start], name),))]
            if after.strip():
                second = _comparison(after, name)
                if spelled[0] not in "<>" or second.operator[0] != spelled[0]:
                    raise malformed(f"The range on {name!r} must read like 20<=age<30.", name)
                parts.append(second)
            return name, parts
    return None


def _unknown(text: str, names: Sequence[str]) -> InvalidCondition:
    """No column of the table opens the condition: name what stands there, and its neighbours."""
    quoted = quoted_word(text)
    operator = re.search(rf"{COMPARISON}|\b(?:is|in|not\s+in)\b", text, re.IGNORECASE)
    if quoted is None and operator is None:
        return malformed("The condition has no operator.")
    asked = quoted[0] if quoted else text[: operator.start()].strip() if operator else text
    near = nearest(asked, names)
    message = f"There is no column {asked[:60]!r}."
    hint = f"Did you mean {', '.join(near)}?" if near else f"Columns: {', '.join(names[:30])}."
    return InvalidCondition(message, hint=hint, errors=[Detail(("column", asked[:60]), "unknown column", hint)])


def nearest(word: str, known: Sequence[str]) -> list[str]:
    """Up to three known words that are spelled much alike, case aside."""
    lower: dict[str, str] = {}
    for k in known:
        lower.setdefault(k.lower(), k)
    return [lower[w] for w in get_close_matches(word.lower()[:200], lower, n=3, cutoff=0.6)]
