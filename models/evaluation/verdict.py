"""What a reader should know first: pass or fail, the three worst problems, the headline figures, the worst parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

from models.evaluation.bars import counted
from models.evaluation.problems import (
    BANDS,
    CATEGORIES,
    COPIED,
    EFFECT,
    LOST,
    PRIVATE,
    PRIVATE_DOMAIN,
    PRIVATE_RISK,
    RELATION,
    RELATIONS,
    RISK,
    band_of,
    kind_of,
    severity_of,
    shown,
    text_of,
    title_of,
)
from models.evaluation.problems import WORST as GRAVEST
from models.evaluation.result import Metric

WORST = 3
EXPLAINS = 0.3
"""A problem explains a graver one that is less telling if it is at least so grave in proportion."""
OVERSHADOWED = 0.5
"""What comes of other problems counts for so much where there are others."""
UNRELATED = 0.7
"""A relation that is off by so much of what independent columns read is gone, and so are all of a column that has lost
so many of its relations."""
FEWEST = 2
"""Relations of a column that can be said to have lost them all."""
SHARED = 0.5
"""A column is named rather than its worst pair where its other pairs together are off by so much of that."""
OPENINGS = (
    "A",
    "An",
    "Categories",
    "Combinations",
    "Combined",
    "Membership",
    "Predicting",
    "Rows",
    "Single",
    "SDMetrics'",
    "Tables",
    "The",
    "Two",
    "Unique",
    "Values",
    "Within",
)
TRUST = 0.03
"""How far beyond its bar independent columns must read for a pair to say what was lost."""

HEADLINE = {
    "shape": "How far the columns' distributions are off, on average",
    "missing": "Largest difference of a column's missing share",
    "trend": "How far the pairs of columns are off, on average",
    "tvd2": "Total variation of pairs, numbers in 20 quantile bins",
    "tvd3": "Total variation of triples, numbers in 20 quantile bins",
    "weighted_total": "Sum of the weights (population) for as many rows",
    "weighted_shape": "Weighted shares of the columns, numbers in tenths, on average",
    "weighted_trend": "Weighted tables of pairs, on average",
    "weighted_tvd2": "Weighted total variation of pairs, numbers in 20 quantile bins",
    "weighted_tvd3": "Weighted total variation of triples, numbers in 20 quantile bins",
    "k_marginal": "NIST's k-marginal score, 1000 is best",
    "sdmetrics_quality": "SDMetrics quality report",
    "sdmetrics_diagnostic": "SDMetrics diagnostic report",
    "c2st": "Real against synthetic: 1 cannot be told apart, 0 told apart always",
    "utility_auc": "Prediction of the target, trained on synthetic, tested on real",
    "utility_macro_f1": "Prediction of the target (macro F1)",
    "utility_r2": "Prediction of the target (R2)",
    "copies": "Share of rows that equal a training row",
    "dcr_share": "Share of rows nearer to a training row than to a holdout row",
}


@dataclass(frozen=True)
class Problem:
    """columns: names of those it concerns, none for the whole table; about: one of problems.INVENTED to EFFECT."""

    severity: float
    about: int
    metric: Metric
    columns: frozenset[str]
    title: str
    text: str
    advice: str

    def to_json(self) -> dict[str, Any]:
        return {
            "severity": round(self.severity, 3),
            "band": BANDS[band_of(self.severity)],
            "metric": self.metric.name,
            "subject": self.metric.subject,
            "columns": sorted(self.columns),
            "title": self.title,
            "text": self.text,
            "try": self.advice,
        }


def verdict(metrics: Sequence[Metric], names: Sequence[str], *, private: bool = False) -> dict[str, Any]:
    """Pass or fail, how many figures stand where, and the three worst problems over all kinds of figure.

    names: of the columns. private: the sample is of a differentially private synthesizer, which other advice fits. A
    problem that others of the same columns come of stands for them; each kind of figure is named once. With survey
    weights `weighted` and `counted` tell the figures that weigh rows (they judge published tables) from those that
    count them (they judge the generator); both must pass.
    """
    count = counted(metrics)
    kinds: dict[str, Problem] = {}
    for p in ranked(metrics, names):
        kinds.setdefault(p.metric.name, p)
    worst = [_advised(p, private) for p in list(kinds.values())[:WORST]]
    judged = count["pass"] + count["fail"]
    if not judged:
        summary = "Nothing could be judged: there are too few rows."
    elif not worst:
        summary = f"Pass: all {judged:,} figures read as fresh real rows do."
    else:
        summary = f"Fail: {count['fail']:,} of {judged:,} figures miss their bar; the worst: {_lower(worst[0].title)}."
    status = "unavailable" if not judged else "fail" if count["fail"] else "pass"
    out: dict[str, Any] = {
        "status": status,
        "summary": summary,
        "counts": count,
        "problems": [p.to_json() for p in worst],
    }
    weighted = counted([m for m in metrics if m.section == "weights"])
    if of := weighted["pass"] + weighted["fail"]:
        rest = {k: n - weighted[k] for k, n in count.items()}
        told = f"{weighted['fail']:,} of {of:,} weighted figures miss their bar, and"
        told = told if weighted["fail"] else f"All {of:,} weighted figures pass, and"
        out["summary"] += f" {told} {rest['fail']:,} of the {judged - of:,} that count rows miss theirs."
        out |= {"weighted": weighted, "counted": rest}
    return out


def _lower(title: str) -> str:
    """As the end of a sentence: a first word that is no name of a column begins small."""
    first, _, rest = title.partition(" ")
    return f"{first.lower()} {rest}" if first in OPENINGS else title


def ranked(metrics: Sequence[Metric], names: Sequence[str]) -> list[Problem]:
    """Problems, the worst first; what another problem explains is left out."""
    failed = [m for m in metrics if m.status == "fail"]
    off = {m.subject: m.value for m in failed if m.name == "shape" and m.value is not None}
    find = _finder(names)
    found = [_problem(m, find(m.subject)) for m in failed if m.name != "trend" or not m.subject]
    found += _relations([m for m in metrics if m.name == "trend" and m.subject], off, find)
    found = _best([p for p in found if p.severity > 0])
    causes: list[list[Problem]] = []
    for p in sorted(found, key=lambda p: (p.about, -p.severity)):
        known = next((c for c in causes if _explains(c[0], p)), None)
        if known is None:
            causes.append([p])
        else:
            known.append(p)
    kept = [replace(c[0], severity=max(p.severity for p in c)) for c in causes]
    if any(p.about < EFFECT and p.severity >= 0.1 for p in kept):
        kept = [replace(p, severity=OVERSHADOWED * p.severity) if p.about == EFFECT else p for p in kept]
    return sorted(kept, key=lambda p: (-p.severity, p.about))


def _explains(cause: Problem, other: Problem) -> bool:
    """Whether `other` comes of `cause`: they share a column, and the cause is the more telling and not negligible."""
    if COPIED in (cause.about, other.about) or RISK in (cause.about, other.about):
        return cause.about in (COPIED, RISK) and other.about in (COPIED, RISK)
    if EFFECT in (cause.about, other.about):
        return cause.about == other.about and cause.metric.section == other.metric.section
    return bool(cause.columns & other.columns) and cause.severity >= EXPLAINS * other.severity


def _best(problems: Iterable[Problem]) -> list[Problem]:
    """Without figures of the whole table that repeat the worst of its parts, and the worst of each kind and columns."""
    problems = list(problems)
    parts = {p.metric.name for p in problems if p.metric.subject}
    best: dict[tuple[str, frozenset[str]], Problem] = {}
    for p in problems:
        if not p.metric.subject and p.metric.name in parts:
            continue
        key = (p.metric.name, p.columns)
        if key not in best or p.severity > best[key].severity:
            best[key] = p
    return list(best.values())


def _problem(m: Metric, columns: frozenset[str]) -> Problem:
    return Problem(severity_of(m), kind_of(m).about, m, columns, title_of(m), text_of(m), "")


def _advised(p: Problem, private: bool) -> Problem:
    if private:
        absent = PRIVATE_DOMAIN if kind_of(p.metric).advice is CATEGORIES else PRIVATE
        advice = PRIVATE_RISK if p.about in (COPIED, RISK) else absent
    else:
        advice = RELATIONS if p.about == LOST else kind_of(p.metric).advice
    return replace(p, advice=advice[band_of(p.severity)])


class _finder:
    """Names of columns that occur in the subject of a metric, whole words only, the longest first."""

    def __init__(self, names: Sequence[str]) -> None:
        ordered = sorted(names, key=len, reverse=True)
        self._pattern = re.compile("|".join(rf"(?<!\w){re.escape(n)}(?!\w)" for n in ordered if n) or r"(?!)")
        self._names = frozenset(names)

    def __call__(self, subject: str) -> frozenset[str]:
        if subject in self._names:
            return frozenset((subject,))
        return frozenset(self._pattern.findall(subject))


def _relations(trends: Sequence[Metric], off: Mapping[str, float], find: _finder) -> list[Problem]:
    """Pairs that are off beyond what their columns' own distributions explain (a table is off by at least what one of
    its margins is), gathered by column where one column has several such pairs.

    The columns are taken off one by one, the worst first: its pairs do not count against the others. The severity of a
    column is the root of the sum of squares over its pairs.
    """
    left: list[tuple[float, Metric, frozenset[str]]] = []
    for m in trends:
        if m.status == "fail" and m.value is not None and m.bar is not None:
            columns = find(m.subject)
            excess = m.value - max(m.bar, sum(off.get(c, 0.0) for c in columns))
            if excess > 0:
                left.append((excess / kind_of(m).grave, m, columns))
    out = []
    while left:
        total: dict[str, float] = {}
        for severity, _, columns in left:
            for c in columns:
                total[c] = total.get(c, 0.0) + severity**2
        column = max(total, key=lambda c: total[c])
        own = sorted((p for p in left if column in p[2]), key=lambda p: -p[0])
        rest = sqrt(sum(p[0] ** 2 for p in own[1:]))
        lost = _lost(column, trends, find)
        if lost[0] >= UNRELATED or rest >= SHARED * own[0][0]:
            out.append(_column(column, min(sqrt(total[column]), GRAVEST), [m for _, m, _ in own], lost))
        else:
            own = own[:1] if own else left[:1]
            out.append(replace(_problem(own[0][1], own[0][2]), severity=own[0][0]))
        gone = {id(p[1]) for p in own}
        left = [p for p in left if id(p[1]) not in gone]
    return out


def _lost(column: str, trends: Sequence[Metric], find: _finder) -> tuple[float, int]:
    """Share of the column's relations that are gone, and of how many; a relation is what independent columns would read
    as clearly off, and gone where the sample reads nearly so."""
    found = []
    for m in trends:
        if m.value is None or m.floor is None or m.bar is None or column not in find(m.subject):
            continue
        if m.floor > max(1.5 * m.bar, TRUST):
            usual = m.expected or 0.0
            found.append((m.value - usual) / (m.floor - usual))
    if len(found) < FEWEST:
        return 0.0, len(found)
    return sum(f >= UNRELATED for f in found) / len(found), len(found)


def _column(column: str, severity: float, pairs: Sequence[Metric], lost: tuple[float, int]) -> Problem:
    share, tied = lost
    if share >= UNRELATED:
        text = f"Of its relations to {tied} columns {shown(share, 'share')} read as if the columns were independent."
        title = f"{column} has lost its relations to the other columns"
        return Problem(severity, LOST, pairs[0], frozenset((column,)), title, text, "")
    text = f"{len(pairs)} pairs with {column} miss their bar. The worst: {text_of(pairs[0])}"
    title = f"The relations of {column} to other columns are off"
    return Problem(severity, RELATION, pairs[0], frozenset((column,)), title, text, "")


def scorecard(metrics: list[Metric]) -> dict[str, Any]:
    """Headline figures in order, and the columns and pairs with the largest errors first."""
    order = list(HEADLINE)
    headline = sorted(
        (m for m in metrics if m.name in HEADLINE and (not m.subject or _of_the_target(m))),
        key=lambda m: (order.index(m.name), m.subject),
    )
    return {
        "headline": [{"name": m.name, "subject": m.subject, "label": HEADLINE[m.name]} for m in headline],
        "worst_columns": _largest(metrics, "shape"),
        "worst_missing": _largest(metrics, "missing"),
        "worst_pairs": _largest(metrics, "trend"),
    }


def _of_the_target(m: Metric) -> bool:
    """Of a method, for the target that the evaluation is about: subjects of further ones name them (context.joined)."""
    return m.section == "utility" and " × " not in m.subject


def _largest(metrics: list[Metric], name: str) -> list[dict[str, Any]]:
    found = sorted((m for m in metrics if m.name == name and m.subject), key=lambda m: -(m.value or 0.0))
    keys = ("subject", "value", "ceiling", "holdout", "floor", "bar", "status")
    return [{k: getattr(m, k) for k in keys} for m in found[:10] if m.value]
