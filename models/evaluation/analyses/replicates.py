"""Several samples of one synthesizer, analysed together: each analysis once per sample, the estimates combined."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.errors import Detail, InvalidInput
from models.evaluation.analyses.combining import KINDS, Combined, combine
from models.evaluation.analyses.compared import worthwhile
from models.evaluation.analyses.design import Design
from models.evaluation.analyses.overlap import Z
from models.evaluation.analyses.regression import fit_glm
from models.evaluation.analyses.requests import Analysis, CrossTable, Regression, analyses_from_json, check_analyses
from models.evaluation.analyses.tables import FEWEST, FEWEST_OF, Cells, Layout
from models.evaluation.matrix import Floats, Matrix, read_matrix
from models.evaluation.result import clean, finite
from models.table import Table

MOST_TABLES = 100
RULES = {
    "simple": "rows of a model fitted once (Raab, Nowok and Dibben 2016)",
    "posterior": "rows of a model whose parameters were drawn for each sample (Raab, Nowok and Dibben 2016)",
    "partial": "some values synthesised, the others real (Reiter 2003)",
    "full": "new units of the population (Raghunathan, Reiter and Rubin 2003)",
}


@dataclass(frozen=True, eq=False)
class Read:
    """Estimates (p,) of one table, their variances, the rows behind each, and the rows of the analysis."""

    estimates: Floats
    variances: Floats
    counts: Floats
    rows: int


@dataclass(frozen=True, eq=False)
class Pooled:
    """One analysis over m samples; arrays (p,) over the estimates that all samples give.

    within, between: mean variance inside a sample, and variance of the estimates between samples (NaN of one sample).
    counts: mean rows of a sample behind each.
    ratio: rows of a sample over those of the real table. correlation: of the real estimates, None for cells of a table;
    counted: the cells are counts or shares of all rows. scale: what a share is multiplied by.
    """

    analysis: Analysis
    m: int
    note: str
    names: tuple[str, ...] = ()
    real: Read = field(default_factory=lambda: Read(np.empty(0), np.empty(0), np.empty(0), 0))
    combined: Combined = field(default_factory=lambda: Combined(*(np.empty(0) for _ in range(5))))
    within: Floats = field(default_factory=lambda: np.empty(0))
    between: Floats = field(default_factory=lambda: np.empty(0))
    counts: Floats = field(default_factory=lambda: np.empty(0))
    ratio: float = 1.0
    correlation: Floats | None = None
    counted: bool = False
    scale: float = 1.0

    @property
    def real_reach(self) -> Floats:
        """Half of the 95% intervals of the real estimates."""
        return np.asarray(Z * np.sqrt(self.real.variances))

    @property
    def reach(self) -> Floats:
        """Half of the combined intervals."""
        return np.asarray((self.combined.high - self.combined.low) / 2)

    @property
    def overlap(self) -> Floats:
        """Of the combined with the real intervals, 0 where they do not meet."""
        return overlaps(np.abs(self.combined.estimates - self.real.estimates), self.real_reach, self.reach)

    @property
    def covered(self) -> Floats:
        """1 where the combined interval holds the real estimate, else 0."""
        c = self.combined
        return ((c.low <= self.real.estimates) & (self.real.estimates <= c.high)).astype(float)

    @property
    def errors(self) -> Floats:
        """Standard errors of the difference of combined and real estimates, were the samples fresh real rows. The
        variance is that of real or synthetic rows, whichever is larger: one table alone may lack the rows that carry
        it."""
        if self.counted:
            return np.asarray(np.sqrt(self.real.variances + self.within / self.m))
        largest = np.maximum(self.real.variances, self.ratio * self.within)
        return np.asarray(np.sqrt(largest * (1 + 1 / (self.m * self.ratio))))

    @property
    def z(self) -> Floats:
        """Distance of the combined from the real estimate, in these."""
        return np.asarray(np.abs(self.combined.estimates - self.real.estimates) / self.errors)


def overlaps(gaps: Floats, first: Floats, second: Floats) -> Floats:
    """Overlap of intervals whose middles are `gaps` apart and which reach so far to either side; 0 where they do not
    meet (Karr et al. 2006, section 3)."""
    common = np.minimum(np.minimum(2 * first, 2 * second), first + second - gaps)
    return np.asarray(np.maximum(common / 4 * (1 / first + 1 / second), 0.0))


def pooled(
    real: Table, synthetics: Sequence[Table], analyses: Sequence[Any], *, kind: str = "simple"
) -> dict[str, Any]:
    """Estimates of each analysis over m samples, as JSON, with intervals for the population, beside the real estimates.

    real: the table that the synthesizer was fitted to; it fixes levels and cells. synthetics: samples of it, all of one
    size. analyses: of models.evaluation.analyses.requests, or their JSON. kind: how the samples were made, see
    models.evaluation.analyses.combining. Raises InvalidInput for no or too many samples, unequal sizes, or analyses
    that do not suit the columns; an analysis that the rows do not bear has a note in place of estimates.
    """
    check_samples([len(t) for t in synthetics], kind)
    asked = analyses_from_json(list(analyses))
    if not asked:
        raise _bad("analyses", "must name at least one", "Register regressions or tables.")
    modelled = real.schema.modelled
    check_analyses(asked, modelled)
    tables = (read_matrix(t, modelled, "synthetic") for t in synthetics)
    found = pool(read_matrix(real, modelled, "real"), tables, asked, kind)
    rows = {"real": len(real), "synthetic": len(synthetics[0])}
    return {**about(kind, len(synthetics)), "rows": rows, "analyses": [entry(p) for p in found]}


def check_samples(rows: Sequence[int], kind: str) -> None:
    """Raises InvalidInput where samples of so many rows cannot be combined by this rule."""
    if kind not in KINDS:
        raise _bad("kind", f"{str(kind)[:60]!r} is not known", f"One of {', '.join(KINDS)}.")
    if not 1 <= len(rows) <= MOST_TABLES:
        raise _bad("samples", f"must be 1 to {MOST_TABLES}", "Draw several samples of one synthesizer.")
    if len(set(rows)) > 1:
        raise _bad("samples", "must have the same number of rows", "Draw them alike, with different seeds.")
    if kind in ("partial", "full") and len(rows) < 2:
        raise _bad("samples", f"must be two or more for kind {kind}", "Draw more, or take kind simple.")


def about(kind: str, samples: int) -> dict[str, Any]:
    return {"kind": kind, "rule": RULES[kind], "samples": samples}


def pool(real: Matrix, tables: Iterable[Matrix], asked: Sequence[Analysis], kind: str) -> list[Pooled]:
    """Each analysis over the tables, which are read one after the other."""
    questions = [_question(analysis, real) for analysis in asked]
    read: list[list[Read | str]] = [[] for _ in asked]
    m = 0
    for m, table in enumerate(tables, 1):
        for question, found in zip(questions, read, strict=True):
            found.append(question.put(table, f"On sample {m}"))
    return [_pooled(q, found, m, kind) for q, found in zip(questions, read, strict=True)]


@dataclass(frozen=True, eq=False)
class _Question:
    """One analysis: what the real table answers (or why it cannot), and how to put it to another."""

    analysis: Analysis
    names: tuple[str, ...]
    real: Read | str
    ask: Callable[[Matrix], Read]
    correlation: Floats | None = None

    def put(self, table: Matrix, where: str) -> Read | str:
        if isinstance(self.real, str):
            return self.real
        try:
            return self.ask(table)
        except InvalidInput as error:
            return f"{where}: {error.message} {error.hint}".strip()


def _question(analysis: Analysis, real: Matrix) -> _Question:
    try:
        return _regression(analysis, real) if isinstance(analysis, Regression) else _table(analysis, real)
    except InvalidInput as error:
        return _Question(analysis, (), f"{error.message} {error.hint}".strip(), lambda _: _nothing())


def _nothing() -> Read:
    return Read(np.empty(0), np.empty(0), np.empty(0), 0)


def _regression(analysis: Regression, real: Matrix) -> _Question:
    design = Design.fit(analysis, real)
    rows = design.rows(real)
    whole = fit_glm(rows.x, rows.y, analysis.family, rows.weights)
    kept = whole.known
    if not kept.any():
        raise InvalidInput("No coefficient can be estimated from the real rows.", hint="Name other columns.")

    def ask(table: Matrix) -> Read:
        rows = design.rows(table)
        fit = fit_glm(rows.x[:, kept], rows.y, analysis.family, rows.weights)
        return Read(fit.coefficients, np.diag(fit.covariance), np.full(kept.sum(), float(fit.rows)), fit.rows)

    covariance = whole.covariance[np.ix_(kept, kept)]
    variances = np.diag(covariance)
    own = Read(whole.coefficients[kept], variances, np.full(kept.sum(), float(whole.rows)), whole.rows)
    names = tuple(n for n, k in zip(design.names, kept, strict=True) if k)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = covariance / np.sqrt(np.outer(variances, variances))
    return _Question(analysis, names, own, ask, correlation)


def _table(analysis: CrossTable, real: Matrix) -> _Question:
    layout = Layout.fit(analysis, real)

    def ask(table: Matrix) -> Read:
        cells = layout.read(table)
        return Read(cells.values, cells.errors**2, cells.counts, cells.rows)

    return _Question(analysis, tuple(", ".join(n) for n in layout.names), ask(real), ask)


def _pooled(question: _Question, found: Sequence[Read | str], m: int, kind: str) -> Pooled:
    """What all samples give, combined."""
    analysis = question.analysis
    if isinstance(question.real, str):
        return Pooled(analysis, m, question.real)
    if wrong := [f for f in found if isinstance(f, str)]:
        return Pooled(analysis, m, wrong[0])
    real, each = question.real, [f for f in found if isinstance(f, Read)]
    with np.errstate(invalid="ignore"):
        good = [np.isfinite(r.estimates) & np.isfinite(r.variances) & (r.variances > 0) for r in (real, *each)]
    sound, counted = good[0], False
    if not isinstance(analysis, Regression):
        counted = analysis.of is None
        q, u, counts = (np.mean([getattr(r, n) for r in each], axis=0) for n in ("estimates", "variances", "counts"))
        usual = Cells(q, np.sqrt(u), counts, each[0].rows)
        own = Cells(real.estimates, np.sqrt(real.variances), real.counts, real.rows)
        sound = sound & worthwhile(own, usual, counted)
    kept = np.logical_and.reduce([sound, *good[1:]])
    lost = [n for n, first, all_ in zip(question.names, sound, kept, strict=True) if first and not all_]
    if not kept.any():
        least = FEWEST if counted else FEWEST_OF
        why = "No estimate is given by all samples." if sound.any() else f"No cell has {least} rows."
        return Pooled(analysis, m, f"{why} Draw larger samples.")
    q, u = (np.stack([getattr(r, name)[kept] for r in each]) for name in ("estimates", "variances"))
    ratio = float(np.mean([r.rows for r in each])) / max(real.rows, 1)
    rows = f"{int(kept.sum())} estimates; rows: real {real.rows:,}, each sample {round(ratio * real.rows):,}."
    note = f"{rows} Not given by all samples: {', '.join(lost[:20])}." if lost else rows
    correlation = None if question.correlation is None else question.correlation[np.ix_(kept, kept)]
    return Pooled(
        analysis,
        m,
        note,
        tuple(n for n, k in zip(question.names, kept, strict=True) if k),
        Read(real.estimates[kept], real.variances[kept], real.counts[kept], real.rows),
        combine(q, u, m, kind, ratio=ratio),
        u.mean(axis=0),
        q.var(axis=0, ddof=1) if m > 1 else np.full(q.shape[1], np.nan),
        np.mean([r.counts[kept] for r in each], axis=0),
        ratio,
        correlation,
        counted,
        float(real.rows) if counted and getattr(analysis, "statistic", "") == "count" else 1.0,
    )


def entry(p: Pooled, most: int | None = None) -> dict[str, Any]:
    """A pooled analysis as JSON: its estimates, those that agree least first; at most so many."""
    regression = isinstance(p.analysis, Regression)
    told: dict[str, Any] = {
        "kind": "regression" if regression else "table",
        "label": p.analysis.label,
        "request": p.analysis.to_json(),
        "note": p.note,
        "all": len(p.names),
    }
    c, overlap, covered = p.combined, p.overlap, p.covered
    order: list[int] = np.lexsort((-p.z, overlap))[:most].tolist() if len(p.names) else []
    told["estimates"] = [
        {
            "name": p.names[i],
            "estimate": finite(c.estimates[i]),
            "error": finite(np.sqrt(c.variances[i])),
            "low": finite(c.low[i]),
            "high": finite(c.high[i]),
            "degrees": finite(c.degrees[i]),
            "between": finite(np.sqrt(p.between[i])),
            "real": finite(p.real.estimates[i]),
            "real_error": finite(np.sqrt(p.real.variances[i])),
            "overlap": finite(overlap[i]),
            "covered": bool(covered[i]),
        }
        for i in order
    ]
    return dict(clean(told))


def _bad(key: str, what: str, hint: str) -> InvalidInput:
    return InvalidInput(f"Combining samples: {key} {what}.", hint=hint, errors=[Detail((key,), what, hint)])
