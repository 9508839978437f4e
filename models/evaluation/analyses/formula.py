"""Formulas of regressions, read by a parser of our own: nothing that a user wrote is ever run. No torch, no numpy.

    income ~ age + C(education) + age:hours + log(wealth) + I(age^2) - 1

The notation of Wilkinson and Rogers (1973, Applied Statistics 22, 392-399) as R and statsmodels have it, restricted:

    formula := response "~" sum
    response := name | log(name) | log1p(name) | sqrt(name)
    sum := ["-"|"+"] product (("+"|"-") product)*        - 1, + 0: no intercept; - term: without it
    product := inter ("*" inter)*                          a*b = a + b + a:b
    inter := atom (":" atom)*                              products of columns
    atom := variable | 0 | 1 | "(" sum ")"
    variable := name | C(name) | log(name) | log1p(name) | sqrt(name) | I(name^k) | name^k    k = 2..5; ** is ^
    name := letters, digits, _ and . or anything between backticks
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.errors import Detail, InvalidInput

LONGEST, MOST_TERMS, MOST_FACTORS, MOST_DEPTH, MOST_POWER = 2_000, 100, 4, 8, 5
FUNCTIONS = ("log", "log1p", "sqrt")
_TOKEN = re.compile(r"\s*(?:(?P<quoted>`[^`]+`)|(?P<name>[^\W\d][\w.]*)|(?P<number>\d+)|(?P<sign>\*\*|[~+\-:*^()]))")
HINT = "e.g. income ~ age + C(education) + age:hours; names with blanks or signs between `backticks`"


@dataclass(frozen=True, order=True)
class Factor:
    """One column of a term. how: "" (numbers as they are, labels as levels), "C" (levels), a function, or a power."""

    column: str
    how: str = ""
    power: int = 1

    def __str__(self) -> str:
        name = spelled(self.column)
        if self.power > 1:
            return f"I({name}^{self.power})"
        return f"{self.how}({name})" if self.how else name


Term = tuple[Factor, ...]
"""Factors that are multiplied, in order of appearance, each once."""


@dataclass(frozen=True)
class Formula:
    """response ~ terms, with an intercept or without. `text` is what the analyst wrote."""

    text: str
    response: Factor
    terms: tuple[Term, ...]
    intercept: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that it names, the response first, each once."""
        return tuple(dict.fromkeys([self.response.column, *(f.column for t in self.terms for f in t)]))


def spelled(name: str) -> str:
    """A column's name as a formula spells it."""
    return name if re.fullmatch(r"[^\W\d][\w.]*", name) else f"`{name}`"


def term_text(term: Term) -> str:
    return ":".join(map(str, term))


def parse_formula(text: str, where: tuple[str | int, ...] = ("formula",)) -> Formula:
    """Formula from untrusted text. Raises InvalidInput with the place in it."""
    if len(text) > LONGEST:
        raise _bad(where, f"is longer than {LONGEST:,} characters")
    return _Parser(text, _tokens(text, where), where).formula()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def _bad(where: tuple[str | int, ...], what: str, hint: str = HINT) -> InvalidInput:
    return InvalidInput(f"The formula {what}.", hint=hint, errors=[Detail(where, what, hint)])


def _tokens(text: str, where: tuple[str | int, ...]) -> list[_Token]:
    out, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if not found:
            place = at + len(text[at:]) - len(text[at:].lstrip())
            raise _bad(where, f"cannot be read at character {place + 1}")
        kind = str(found.lastgroup)
        out.append(_Token(kind, found.group(kind), found.start(kind)))
        at = found.end()
    return out


class _Parser:
    """Recursive descent over the tokens. A sum is an ordered list of terms; the intercept is the empty term."""

    def __init__(self, text: str, tokens: list[_Token], where: tuple[str | int, ...]) -> None:
        self.text, self.tokens, self.where, self.at, self.depth = text, tokens, where, 0, 0

    def formula(self) -> Formula:
        response = self.variable("the response")
        if response.how == "C" or response.power > 1:
            raise self.bad("has a response that is neither a column nor its log, log1p or sqrt")
        self.expect("~")
        terms = self.sum([()])
        if self.at < len(self.tokens):
            raise self.bad("has something left over")
        kept = [t for t in terms if t]
        if any(f.column == response.column for t in kept for f in t):
            raise _bad(self.where, "has its response on both sides")
        return Formula(self.text, response, tuple(kept), () in terms)

    def sum(self, start: list[Term]) -> list[Term]:
        """The terms; `start`: those that are there before the first sign (the intercept)."""
        out = list(start)
        sign = self.take("+", "-") or "+"
        while True:
            got = self.product()
            zero = got is None
            if zero != (sign == "-"):  # "+ 0" and "- term" take away; "- 0" adds the intercept
                gone: set[frozenset[Factor]] = {frozenset()} if zero else {frozenset(t) for t in got or []}
                out = [t for t in out if frozenset(t) not in gone]
            else:
                known = {frozenset(t) for t in out}
                for t in [()] if zero else got or []:
                    if frozenset(t) not in known:
                        known.add(frozenset(t))
                        out.append(t)
            if len(out) > MOST_TERMS:
                raise _bad(self.where, f"has more than {MOST_TERMS} terms", "Name fewer columns, or * fewer at once.")
            following = self.take("+", "-")
            if following is None:
                return out
            sign = following

    def product(self) -> list[Term] | None:
        """Terms; None for the number 0."""
        left = self.interaction()
        while self.take("*"):
            right = self.interaction()
            if left is None or right is None:
                raise self.bad("multiplies by 0")
            left = [*left, *right, *self.crossed(left, right)]
        return left

    def interaction(self) -> list[Term] | None:
        left = self.atom()
        while self.take(":"):
            right = self.atom()
            if left is None or right is None:
                raise self.bad("multiplies by 0")
            left = self.crossed(left, right)
        return left

    def crossed(self, left: list[Term], right: list[Term]) -> list[Term]:
        out = [tuple(dict.fromkeys([*a, *b])) for a in left for b in right]
        if len(out) > MOST_TERMS or any(len(t) > MOST_FACTORS for t in out):
            raise _bad(self.where, f"multiplies more than {MOST_FACTORS} columns, or too many terms", "Split it up.")
        return out

    def atom(self) -> list[Term] | None:
        if self.take("("):
            self.depth += 1
            if self.depth > MOST_DEPTH:
                raise _bad(self.where, "has too many brackets inside each other", "Write the terms out.")
            inner = self.sum([])
            self.expect(")")
            self.depth -= 1
            if self.peek() in ("^", "**"):
                raise self.bad("raises a bracket to a power", "Write the interactions out: (a + b) * c, a:b.")
            return inner
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if token and token.kind == "number":
            self.at += 1
            if token.text not in ("0", "1"):
                raise self.bad("has a number other than 0 and 1 as a term")
            return None if token.text == "0" else [()]
        return [(self.variable("a term"),)]

    def variable(self, what: str) -> Factor:
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if token is None or token.kind not in ("name", "quoted"):
            raise self.bad(f"lacks the name of a column as {what}")
        self.at += 1
        if token.kind == "name" and self.peek() == "(":
            return self.call(token.text)
        name = token.text.strip("`") if token.kind == "quoted" else token.text
        return self.powered(name)

    def call(self, function: str) -> Factor:
        if function not in ("C", "I", *FUNCTIONS):
            self.at -= 1
            raise self.bad("calls a function that is not known", f"Known: C, I, {', '.join(FUNCTIONS)}.")
        self.expect("(")
        inner = self.variable(f"what {function}() is of")
        if inner.how or (inner.power > 1) != (function == "I"):
            raise self.bad(f"has more than a column inside {function}()", "Inside I() stands a power: I(age^2).")
        self.expect(")")
        return inner if function == "I" else Factor(inner.column, function)

    def powered(self, name: str) -> Factor:
        if not self.take("^", "**"):
            return Factor(name)
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if token is None or token.kind != "number" or not 2 <= int(token.text[:3]) <= MOST_POWER:
            raise self.bad(f"has a power that is no whole number from 2 to {MOST_POWER}")
        self.at += 1
        return Factor(name, "", int(token.text))

    def peek(self) -> str | None:
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        return token.text if token and token.kind == "sign" else None

    def take(self, *signs: str) -> str | None:
        found = self.peek()
        if found not in signs:
            return None
        self.at += 1
        return found

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            raise self.bad(f"lacks a {sign!r}")

    def bad(self, what: str, hint: str = HINT) -> InvalidInput:
        place = self.tokens[self.at].at + 1 if self.at < len(self.tokens) else len(self.text) + 1
        return _bad(self.where, f"{what}, at character {place}", hint)
