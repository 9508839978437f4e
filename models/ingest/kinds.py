"""The kind of one column, from its present words: rules in order, each named in the evidence with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.ingest.counting import Words
from models.ingest.dates import find_format
from models.ingest.ladders import ordered_labels
from models.schema import Kind

FEW = 15
"""Distinct whole numbers up to which they can be codes rather than quantities."""
_ID_NAME = re.compile(
    r"(^|[_\s.-])(id|ids|uuid|guid|key|no|nr|num|number|index|idx|rownum|record|serial|ref|reference|pseudonym)$"
    r"|(Id|ID|No|Nr|Key|Number|Index)$|^(id|uuid|guid|record|row|serial|index|unnamed)([_\s.-]|$)|^rowid$",
)
_KEY_NAME = re.compile(r"(^|[_\s.-])([iI][dD]|ID|uuid|key)$|Id$|^ID$")
_COUNT_NAME = re.compile(
    r"(^|[_\s.])(n|num|number|count|counts|total|nb|children|babies|adults|days|nights|hours|years|size|persons|visits)"
    r"([_\s.]|$)|count$|children$|babies$|rooms$",
    re.IGNORECASE,
)
_RANK_NAME = re.compile(
    r"(^|[_\s.-])(ages?|agep|age_?(group|band|class|range)|edu|education|schl|pay_\d+|size|stage|health|class|day|hour)s?"
    r"([_\s.-]|$)|agegroup|ageband|grade|level|decile|quartile|quintile|percentile|score|rating|ranking|satisf|severity"
    r"|income|hours|month|week|year|frequency|pclass$",
    re.IGNORECASE,
)
_WEIGHT_NAME = re.compile(
    r"^(fnlwgt|p?wgtp?|pweight|hhwt|perwt|asecwt|wt(int|mec)\w*|final_?w(eigh|g)t|\w*(survey|sample|sampling|design|"
    r"person|household|expansion|replicate|analysis|calibration|grossing)_?(weight|wgt|wt|factor)\w*"
    r"|(weight|wgt|wt)_?(survey|sample|person|household|final|factor|hh)\w*)$",
    re.IGNORECASE,
)
_DATE_NAME = re.compile(r"date|datum|day|dob|timestamp", re.IGNORECASE)
_CODE = r"^[A-Za-z0-9]+([-_/.:][A-Za-z0-9]+)*$"
_UUID = r"^\{?[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\}?$"
_BOOLEANS = (("0", "1"), ("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"), ("off", "on"), ("0.0", "1.0"))


@dataclass(frozen=True)
class Verdict:
    """Properties for schema.Column, and why."""

    kind: Kind
    rule: str
    reason: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def decide(name: str, present: Words, storage: str | None) -> Verdict:
    """Kind of a column from the words that are not missing codes. storage: of a Parquet file, None for a CSV."""
    if not len(present):
        reason = "no cell has a value; it is reproduced empty"
        return Verdict(Kind.TEXT, "all_missing", reason, {"storage": storage or "string"}, ("every cell is missing",))
    whole = bool(np.isfinite(present.numbers).all())
    if len(present) == 1:
        label = present.words.to_pylist()
        where = {"categories": tuple(label), "storage": storage or _label_storage(present)}
        return Verdict(Kind.CATEGORICAL, "constant", "one value only", where, ("it never varies",))
    if storage in ("date", "timestamp") or not whole or _DATE_NAME.search(name):
        found = _datetime(present, storage, compact=whole)
        if found is not None:
            return found
    if boolean := _boolean(present):
        return Verdict(
            Kind.BOOLEAN,
            "boolean",
            "two values that mean no and yes",
            {"categories": boolean, "storage": storage or _boolean_storage(boolean, present)},
        )
    return _numeric(name, present, storage) if whole else _worded(name, present, storage)


def _boolean(present: Words) -> tuple[str, str] | None:
    if len(present) != 2:
        return None
    by_lower = {w.lower(): w for w in present.words.to_pylist()}
    return next(((by_lower[a], by_lower[b]) for a, b in _BOOLEANS if set(by_lower) == {a, b}), None)


def _boolean_storage(labels: tuple[str, str], present: Words) -> str:
    return "bool" if labels[0].lower() == "false" else _label_storage(present)


def _label_storage(present: Words) -> str:
    """int64 if every label is the plain spelling of a whole number, so that a typed file can hold it."""
    return "int64" if present.all_match(r"^(0|-?[1-9][0-9]{0,17})$") else "string"


def _datetime(present: Words, storage: str | None, *, compact: bool) -> Verdict | None:
    form, others = find_format(present.words, present.some(400), compact=compact)
    if form is None:
        return None
    from models.table import parse_datetimes

    seconds = parse_datetimes(present.words, form)
    words = present.words.take(pa.array([int(seconds.argmin()), int(seconds.argmax())])).to_pylist()
    clock = any(c in form for c in ("H", "I", "%S"))
    return Verdict(
        Kind.DATETIME,
        "datetime",
        f"every value is a date of the format {form}",
        {
            "datetime_format": form,
            "minimum": words[0],
            "maximum": words[1],
            "storage": storage or ("timestamp" if clock else "date"),
        },
        tuple(f"the format {o} fits as well" for o in others[:1]),
    )


def _numeric(name: str, present: Words, storage: str | None) -> Verdict:
    numbers = present.numbers
    integral = bool((numbers == np.round(numbers)).all()) and bool(np.abs(numbers).max() < 2**62)
    spelled, fixed, least = decimals_of(present)
    if integral and spelled == 0:
        if key := _integer_key(name, present, numbers):
            return Verdict(Kind.IDENTIFIER, *key, {"storage": storage or "int64"})
        if verdict := _codes(name, present, numbers, storage or "int64"):
            return verdict
    elif integral and len(present) <= FEW:
        order = tuple(present.words.take(pa.array(np.argsort(numbers, kind="stable"))).to_pylist())
        kind, reason = _nominal_or_ordinal(name, present, numbers)
        return Verdict(kind, "few_numbers", reason, {"categories": order, "storage": storage or "double"})
    properties = {
        "minimum": _bound(numbers.min(), integral),
        "maximum": _bound(numbers.max(), integral),
        "decimals": spelled,
        "fixed_decimals": fixed,
        "least_decimals": least,
        "storage": storage or ("int64" if integral and spelled == 0 else "double"),
    }
    warnings = _number_warnings(name, present, numbers)
    if _WEIGHT_NAME.match(name) and len(present) > FEW and numbers.min() >= 0:
        reason = "its name is that of a survey weight and no value is negative"
        return Verdict(Kind.WEIGHT, "weight", reason, properties, warnings)
    if integral:
        reason = "whole numbers" + (", written with a decimal point" if spelled else "")
        return Verdict(Kind.INTEGER, "integer", reason, properties, warnings)
    return Verdict(Kind.DECIMAL, "decimal", f"numbers with up to {spelled} decimals", properties, warnings)


def _bound(number: np.float64, integral: bool) -> float | int:
    return int(number) if integral and abs(number) < 2**53 else float(number)


def _number_warnings(name: str, present: Words, numbers: npt.NDArray[np.float64]) -> tuple[str, ...]:
    out = []
    if re.fullmatch(r"weight|wt|wgt", name, re.IGNORECASE):
        out.append("it may be a survey weight; set the kind to weight if it is")
    if _KEY_NAME.search(name):
        out.append("its name is that of a key although values repeat; set the kind to identifier if it is one")
    zero = numbers == 0
    others = numbers[~zero]
    if zero.any() and len(others) > 20 and others.min() > 0:
        share = present.counts[zero].sum() / present.rows
        if (
            share >= 0.0005
            and others.min() > 3 * np.median(np.diff(np.unique(others)))
            and others.min() > 0.2 * np.median(np.repeat(others, np.minimum(present.counts[~zero], 50)))
        ):
            out.append("zero stands apart from all other values: it may mean missing")
    nines = np.isin(numbers, (99.0, 999.0, 9999.0, 99999.0, 999999.0)) & (present.counts > max(5, 0.002 * present.rows))
    if nines.any() and numbers[nines].max() == numbers.max():
        below = numbers[numbers < numbers.max()]
        if len(below) and numbers.max() > 2 * below.max() > 0:
            out.append("its largest value is made of nines and stands apart: it may mean missing or a cap")
    return tuple(out)


def decimals_of(present: Words) -> tuple[int, bool, int]:
    """(digits after the point at most, whether all have that many on purpose, or at least so many: 5.0 beside 5.25).
    Float noise is cut at 15 digits."""
    words = present.words
    if pc.any(pc.match_substring(words, "e", ignore_case=True)).as_py():
        import decimal

        plain = [format(decimal.Decimal(w.strip()), "f") for w in words.to_pylist()]
        words = pa.array(plain, pa.string())
    point = pc.find_substring(words, ".")
    if pc.any(pc.match_substring(words, " ")).as_py():
        words = pc.utf8_trim_whitespace(words)
        point = pc.find_substring(words, ".")
    digits = pc.subtract(pc.subtract(pc.binary_length(words), point), 1)
    digits = pc.if_else(pc.less(point, 0), 0, digits).to_numpy(zero_copy_only=False)
    most = int(digits.max())
    if most == 0:
        return 0, False, 0
    padded = bool(pc.any(pc.and_(pc.ends_with(words, "0"), pc.greater_equal(point, 0))).as_py())
    fixed = padded and bool((digits == most).all())
    before = max(1, int(np.floor(np.log10(max(1.0, float(np.abs(present.numbers).max()))))) + 1)
    if fixed and most <= 17:
        return most, True, 0
    most = min(most, max(1, 15 - before))
    return most, False, min(int(digits.min()), most) if padded else 0


def _integer_key(name: str, present: Words, numbers: npt.NDArray[np.float64]) -> tuple[str, str] | None:
    """(rule, reason) if whole numbers identify rows."""
    rows, distinct = present.rows, len(present)
    named = bool(_ID_NAME.search(name))
    if distinct == rows and rows >= 20:
        span = numbers.max() - numbers.min() + 1
        if span == rows and (named or numbers.min() in (0.0, 1.0) or rows >= 300):
            return "row_number", "whole numbers that count the rows, each once"
        if named:
            return "unique_key", "every value occurs once, and the name is that of a key"
        if numbers.min() >= 0 and span > 1e6 and rows >= 1_000:
            return "unique_key", "every value occurs once, in a wide range of whole numbers"
    if named and _KEY_NAME.search(name) and rows >= 50 and distinct > 0.5 * rows:
        return "repeated_key", "its name is that of a key, and most values occur once"
    return None


def _codes(name: str, present: Words, numbers: npt.NDArray[np.float64], storage: str) -> Verdict | None:
    """Few distinct whole numbers on a narrow range: labels rather than quantities."""
    span = numbers.max() - numbers.min() + 1
    count = bool(_COUNT_NAME.search(name)) and not _RANK_NAME.search(name)
    if len(present) > FEW or span > 3 * len(present) or present.rows < 5 * len(present) or (count and len(present) > 2):
        return None
    order = tuple(present.words.take(pa.array(np.argsort(numbers, kind="stable"))).to_pylist())
    kind, reason = _nominal_or_ordinal(name, present, numbers)
    return Verdict(kind, "few_numbers", reason, {"categories": order, "storage": storage})


def _nominal_or_ordinal(name: str, present: Words, numbers: npt.NDArray[np.float64]) -> tuple[Kind, str]:
    few = f"{len(present)} distinct whole numbers"
    if len(present) > 2 and _RANK_NAME.search(name):
        return Kind.ORDINAL, f"{few}, and the name is that of a scale"
    counts = present.counts[np.argsort(numbers, kind="stable")]
    if len(present) >= 5 and _one_hump(counts) and (numbers.min() == 0 or counts.max() < 0.8 * present.rows):
        return Kind.ORDINAL, f"{few}, whose counts rise and fall once as those of a scale do"
    return Kind.CATEGORICAL, f"{few}, which look like codes"


def _one_hump(counts: npt.NDArray[np.int64]) -> bool:
    """Whether counts rise to a top and fall after it, but for differences of less than 1% of the rows."""
    top, slack = int(counts.argmax()), 0.01 * counts.sum()
    return bool((np.diff(counts[: top + 1]) >= -slack).all() and (np.diff(counts[top:]) <= slack).all())


def _worded(name: str, present: Words, storage: str | None) -> Verdict:
    rows, distinct = present.rows, len(present)
    share = distinct / rows
    kept = {"storage": storage or "string"}
    code_like = present.all_match(_CODE) and present.all_match("[0-9]")
    named = bool(_ID_NAME.search(name))
    if distinct >= 20 and present.all_match(_UUID) and share > 0.5:
        return Verdict(Kind.IDENTIFIER, "uuid", "every value is a UUID", kept)
    if rows >= 20 and share == 1 and (code_like or named):
        return Verdict(Kind.IDENTIFIER, "unique_key", "every value occurs once and reads like a code", kept)
    if rows >= 50 and share > 0.5 and code_like and named:
        return Verdict(Kind.IDENTIFIER, "repeated_key", "its name is that of a key, and most values occur once", kept)
    digits = np.isfinite(present.numbers)
    mixed = present.counts[digits].sum() / rows
    warnings: tuple[str, ...] = ()
    if 0.5 <= mixed < 1 and digits.sum() > FEW:
        warnings = (f"{mixed:.0%} of its values are numbers and the others are not: the types are mixed",)
    if distinct > 20 and share > 0.5:
        reason = "most values occur once, so they cannot be learnt as labels"
        return Verdict(Kind.TEXT, "mostly_unique", reason, kept, warnings)
    if distinct > max(1_000, 0.05 * rows):
        reason = "too many distinct values for their number of rows to be learnt as labels"
        return Verdict(Kind.TEXT, "many_values", reason, kept, warnings)
    long = float(pc.mean(pc.utf8_length(present.words)).as_py())
    if long > 60 and distinct > 100:
        return Verdict(Kind.TEXT, "long_text", "long texts with many distinct values", kept, warnings)
    if "storage" in kept and storage is None:
        kept = {"storage": _label_storage(present)}
    ladder = ordered_labels(present.words.to_pylist())
    if ladder is not None:
        labels, reason = ladder
        return Verdict(Kind.ORDINAL, "ladder", reason, {"categories": labels, **kept}, warnings)
    labels = tuple(sorted(present.words.to_pylist()))
    return Verdict(Kind.CATEGORICAL, "labels", "texts that repeat", {"categories": labels, **kept}, warnings)
