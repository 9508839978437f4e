"""Labels whose order is known: months, weekdays, sizes, answers on a scale, and bands of numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LADDERS: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    (
        "months",
        (
            ("jan", "january"), ("feb", "february"), ("mar", "march"), ("apr", "april"), ("may",), ("jun", "june"),
            ("jul", "july"), ("aug", "august"), ("sep", "sept", "september"), ("oct", "october"), ("nov", "november"),
            ("dec", "december"),
        ),
    ),
    (
        "weekdays",
        (
            ("mon", "monday"), ("tue", "tues", "tuesday"), ("wed", "wednesday"), ("thu", "thur", "thurs", "thursday"),
            ("fri", "friday"), ("sat", "saturday"), ("sun", "sunday"),
        ),
    ),
    (
        "a scale",
        (
            ("none", "never"), ("very low", "verylow", "rarely"), ("low",), ("medium low",),
            ("medium", "moderate", "sometimes", "several"), ("medium high",), ("high", "often", "most"),
            ("very high", "veryhigh", "always"),
        ),
    ),
    (
        "a scale",
        (
            ("very poor", "very bad"), ("poor", "bad"), ("fair", "average"), ("good",), ("very good", "vgood"),
            ("excellent",),
        ),
    ),
    ("sizes", (("xxs",), ("xs",), ("s", "small"), ("m", "medium"), ("l", "large"), ("xl",), ("xxl",))),
    (
        "a scale",
        (
            ("strongly disagree",), ("disagree",), ("neutral", "neither", "neither agree nor disagree"), ("agree",),
            ("strongly agree",),
        ),
    ),
)  # fmt: skip
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_BELOW = re.compile(r"^\s*(<|under|below|less|up to|-)", re.IGNORECASE)
_ABOVE = re.compile(r"(>|over|above|more|plus|\+)", re.IGNORECASE)
_BAND = re.compile(r"^\D{0,12}\d+(\.\d+)?\D{1,8}\d+(\.\d+)?\D{0,12}$")


def ordered_labels(labels: Sequence[str]) -> tuple[tuple[str, ...], str] | None:
    """(labels in order, reason) if all of at least three labels stand on one known ladder or are bands of numbers."""
    if not 3 <= len(labels) <= 60:
        return None
    for name, steps in _LADDERS:
        rank = {word: i for i, words in enumerate(steps) for word in words}
        ranks = [rank.get(label.strip().lower(), -1) for label in labels]
        if min(ranks) >= 0 and len(set(ranks)) == len(ranks):
            return _sorted(labels, ranks), f"the labels are {name}"
    return _bands(labels)


def _bands(labels: Sequence[str]) -> tuple[tuple[str, ...], str] | None:
    """Like 0-4, 5-9, 10-14, 85+ or `under 18`."""
    starts, closed = [], 0
    for label in labels:
        found = _NUMBER.findall(label.replace(",", ""))
        if not found or len(found) > 2 or sum(c.isalpha() for c in label) > 12:
            return None
        if len(found) == 2:
            if not _BAND.match(label) or float(found[0]) > float(found[1]):
                return None
            closed += 1
            starts.append(float(found[0]))
        elif _BELOW.match(label):
            starts.append(-float("inf"))
        elif _ABOVE.search(label):
            starts.append(float(found[0]) + 0.5)
        else:
            return None
    if closed < len(labels) - 2 or len(set(starts)) < len(starts):
        return None
    return _sorted(labels, starts), "the labels are bands of numbers"


def _sorted(labels: Sequence[str], ranks: Sequence[float]) -> tuple[str, ...]:
    return tuple(label for _, label in sorted(zip(ranks, labels, strict=True)))
