"""The part of an evaluation that combines the analyses of several samples of one synthesizer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.evaluation.analyses import overlap
from models.evaluation.analyses.overlap import Z
from models.evaluation.analyses.part import MOST_ROWS, REMEDY, chosen
from models.evaluation.analyses.replicates import Pooled, about, entry, overlaps, pool
from models.evaluation.context import Context, Part
from models.evaluation.matrix import Floats, Matrix, read_matrix, sample
from models.evaluation.result import Metric, finite

SECTION = "pooled"
SHOWN = 60
"""Estimates of one analysis that are listed, least agreement first."""
MOST_DRAWN = 4_000_000


@dataclass(frozen=True)
class Expected:
    """What fresh real rows in the samples' place read: usually, and but for one case in 2,000 (overlap.RARE)."""

    overlap: float
    cover: float
    z: float
    least_overlap: float
    least_cover: float
    most_z: float


def pooling(context: Context) -> Part:
    """The analyses over all samples, the judged one first. Nothing where there is but one."""
    if not context.replicates:
        return Part([])
    asked = chosen(context)
    rng = context.rng("analyses")
    real = sample(context.real, MOST_ROWS, rng)
    first = sample(context.synthetic, MOST_ROWS, rng)

    def tables() -> Iterator[Matrix]:
        yield first
        for i, table in enumerate(context.replicates, 2):
            context.progress.check()
            context.progress.update(0.82, f"analysing sample {i}")
            yield read_matrix(table, context.real.columns, "synthetic")

    m = 1 + len(context.replicates)
    found = pool(real, tables(), asked, context.combining)
    note = "" if found else "No analyses were registered, and the data suggest none. " + REMEDY
    section = {
        **about(context.combining, m),
        "rows": {"real": len(real), "synthetic": len(first)},
        "defaults": not context.options.analyses,
        "note": note,
        "analyses": [entry(p, SHOWN) for p in found],
    }
    metrics = [x for i, p in enumerate(found) for x in measured(p, np.random.default_rng([context.seed, 7, i]))]
    return Part(metrics, {SECTION: section}, {"pooled_samples": m, "pooled_rows": len(first)})


def measured(p: Pooled, rng: np.random.Generator) -> list[Metric]:
    """Cover, overlap and the worst estimate with their bars, and the spread between samples for information."""
    label = p.analysis.label
    if not len(p.names):
        return [Metric("pooled_cover", None, SECTION, label, direction="higher", note=p.note, status="unavailable")]
    usual = expected(p, rng)
    shared, worst, ratios = p.overlap, float(p.z.max()), p.between / p.within
    low, high = overlap.interval(shared, rng)
    told = f"{p.m} samples, {p.note}"
    base: dict[str, Any] = {"section": SECTION, "subject": label, "direction": "higher"}
    cover = Metric(
        "pooled_cover",
        float(p.covered.mean()),
        **base,
        note=f"Share of the combined intervals that hold the real estimate. {told}",
        expected=usual.cover,
        bar=usual.least_cover,
    )
    meet = Metric(
        "pooled_overlap",
        float(shared.mean()),
        **base,
        low=finite(low),
        high=finite(high),
        unit="score",
        note=f"Of the combined with the real intervals, mean. {told}",
        expected=usual.overlap,
        bar=usual.least_overlap,
    )
    furthest = Metric(
        "pooled_worst",
        worst,
        SECTION,
        label,
        unit="ratio",
        note=f"Furthest off: {p.names[int(p.z.argmax())]}; in standard errors of the difference. {told}",
        expected=usual.z,
        bar=usual.most_z,
    )
    spread = Metric(
        "pooled_spread",
        finite(float(ratios.mean())),
        SECTION,
        label,
        direction="target",
        goal=1.0,
        unit="ratio",
        note="Variance of the estimates between samples over that inside one, mean: about 1 where they differ as "
        "independent draws of one model do, more where each is of another fit, less where they were made alike. "
        + told,
        expected=1.0,
    )
    judged = [replace(m, status="pass" if (m.value or 0.0) >= (m.bar or 0.0) - 1e-9 else "fail") for m in (cover, meet)]
    return [*judged, replace(furthest, status="pass" if worst <= usual.most_z else "fail"), spread]


def expected(p: Pooled, rng: np.random.Generator) -> Expected:
    """Were each sample a table of fresh real rows, real and mean estimate would differ by V (1 + 1 / (m ratio)), for V
    the variance of the real one: what the combined intervals would read, simulated. Of counts: multinomial draws by
    the shares of all tables together, as a rare cell may be absent from one."""
    if p.counted:
        gaps, errors, first, second = _counts(p, rng)
    else:
        size = (overlap.DRAWS, len(p.names))
        if p.correlation is None:
            degrees = (np.minimum(p.real.counts, p.m * p.counts) - 1).clip(1)
            draws = np.abs(rng.standard_normal(size)) / np.sqrt(rng.chisquare(degrees, size) / degrees)
        else:
            values, vectors = np.linalg.eigh(p.correlation)
            draws = np.abs(rng.standard_normal(size) @ (vectors * np.sqrt(values.clip(0))).T)
        errors = p.errors
        gaps, first, second = draws * errors, p.real_reach, p.reach
    shared = overlaps(gaps, first, second).mean(axis=1)
    cover = (gaps <= second).mean(axis=1)
    far = (gaps / errors).max(axis=1)
    rare = overlap.RARE
    return Expected(
        float(shared.mean()),
        float(cover.mean()),
        float(np.median(far)),
        float(np.quantile(shared, rare)),
        float(np.quantile(cover, rare, method="lower")),
        float(np.quantile(far, 1 - rare)),
    )


def _counts(p: Pooled, rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
    """(draws, p) each: gaps of shares, their standard errors, and reaches of the real and the combined intervals."""
    n, k = p.real.rows, max(round(p.real.rows * p.ratio), 1)
    share = (p.real.counts + p.m * p.counts) / (n + p.m * k)
    rest = max(0.0, 1.0 - float(share.sum()))
    whole = np.append(share, rest) / (share.sum() + rest)
    draws = min(overlap.DRAWS, MOST_DRAWN // len(whole))
    a, b = (rng.multinomial(rows, whole, draws)[:, :-1] / rows for rows in (n, k * p.m))
    real, own = ((q * rows + Z**2 / 2) / (rows + Z**2) for q, rows in ((a, n), (b, k)))
    s, t = np.sqrt(real * (1 - real) / (n + Z**2)), np.sqrt(own * (1 - own) / (k + Z**2))
    stretch = p.reach / np.sqrt(p.within)
    return p.scale * np.abs(a - b), p.scale * np.hypot(s, t / np.sqrt(p.m)), p.scale * Z * s, p.scale * stretch * t
