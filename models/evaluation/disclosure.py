"""Disclosure: does the sample repeat, or huddle around, the rows it was trained on? The holdout is the control."""

from __future__ import annotations

import numpy as np

from models.evaluation.context import FEW_ROWS, Context, Part
from models.evaluation.matrix import Floats, Keys, Matrix, bootstrap, independent, sample
from models.evaluation.result import Metric

MISMATCH = 0.98
"""Squared distance of two different labels: one-hot codes times 0.7, as in the project's yardstick."""
CHUNK = 500


def disclosure(context: Context) -> Part:
    """Exact copies of training rows, and distances to the closest record."""
    copies, copied = _copies(context)
    context.progress.check()
    distance = _distances(context)
    section = {"disclosure": {**copied, **distance.sections.get("disclosure", {})}}
    return Part(copies + distance.metrics, section, distance.sizes)


def _copies(context: Context) -> tuple[list[Metric], dict[str, object]]:
    """Share of rows that equal a training row in every modelled column."""
    rng = context.rng("copies")
    known = context.known
    keys = context.synthetic.row_keys()
    hits = int(np.isin(keys, known).sum())
    value = hits / len(keys)
    holdout = _share(context.holdout, known)
    floor = _share(independent(context.real, min(len(context.real), context.options.rows), rng), known)
    low, high = _wilson(value, len(keys))
    note = (
        "Share of rows equal to a training row in all modelled columns. The ceiling is what a copy of the training "
        "data reads; the goal is what the holdout reads."
    )
    if holdout is None:
        note += f" No holdout control (fewer than {FEW_ROWS} holdout rows)."
    metric = Metric("copies", value, "disclosure", "", 1.0, holdout, floor, low, high, goal=holdout, note=note)
    real_unique = len(known) / context.real_rows
    return [metric], {"copies": hits, "distinct_training_share": real_unique}


def _share(matrix: Matrix, known: Keys) -> float | None:
    if len(matrix) < FEW_ROWS:
        return None
    return float(np.isin(matrix.row_keys(), known).mean())


def _wilson(p: float, n: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927)."""
    z = 1.96
    if p == 0:
        return 0.0, float(z * z / (n + z * z))
    middle, spread = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return float(max(0.0, (middle - spread) / (1 + z * z / n))), float(min(1.0, (middle + spread) / (1 + z * z / n)))


def _distances(context: Context) -> Part:
    """Distance-to-closest-record share and ratio, on equally many training and holdout rows."""
    rng, most = context.rng("distances"), context.options.distance_rows
    rows = min(len(context.real), len(context.holdout), most)
    if rows < FEW_ROWS:
        note = f"Needs {FEW_ROWS} holdout rows as a control; there are {len(context.holdout)}."
        missing = [
            Metric("dcr_share", None, "disclosure", direction="target", goal=0.5, note=note),
            Metric("dcr_ratio", None, "disclosure", direction="target", goal=1.0, unit="ratio", note=note),
        ]
        return Part(missing)
    real, holdout = sample(context.real, rows, rng), sample(context.holdout, rows, rng)
    space = Space(context.real)
    training_place, holdout_place = space.place(real), space.place(holdout)
    control = float(np.median(nearest(space.place(holdout), training_place)))
    read, ratio, closest = {}, {}, {}
    tables = {
        "synthetic": sample(context.synthetic, most, rng),
        "ceiling": bootstrap(context.real, most, rng),
        "floor": independent(context.real, min(most, len(context.real)), rng),
    }
    for name, table in tables.items():
        context.progress.check()
        place = space.place(table)
        near, far = nearest(place, training_place), nearest(place, holdout_place)
        read[name] = float(np.mean(near < far) + 0.5 * np.mean(near == far))
        ratio[name] = float(np.median(near)) / control if control > 0 else None
        closest[name] = np.percentile(near, (1, 5, 25, 50, 75, 95)).tolist()
    n = len(tables["synthetic"])
    low, high = _wilson(read["synthetic"], n)
    sizes = f"{n:,} synthetic rows against {rows:,} training and {rows:,} holdout rows"
    note = (
        f"Share nearer to a training row than to a holdout row, ties half; {sizes}. "
        f"The ceiling is a bootstrap of {len(context.real):,} training rows: what copying reads."
    )
    ratio_note = f"Median distance to the closest training row, over that of the holdout; {sizes}."
    if control == 0:
        ratio_note = "Half of the holdout rows equal a training row: the ratio is undefined."
    metrics = [
        Metric(
            "dcr_share", read["synthetic"], "disclosure", "", read["ceiling"], None, read["floor"], low, high,
            "target", 0.5, "share", note,
        ),
        Metric(
            "dcr_ratio", ratio["synthetic"], "disclosure", "", ratio["ceiling"], 1.0 if control else None,
            ratio["floor"], None, None, "target", 1.0, "ratio", ratio_note,
        ),
    ]  # fmt: skip
    held = np.percentile(nearest(holdout_place, training_place), (1, 5, 25, 50, 75, 95)).tolist()
    section = {"percentiles": [1, 5, 25, 50, 75, 95], "distance_to_training": {**closest, "holdout": held}}
    return Part(metrics, {"disclosure": section}, {"distance_rows": rows})


class Space:
    """Mixed distance: standardised numbers, and a fixed cost per differing label or missing code (after Gower 1971)."""

    def __init__(self, real: Matrix) -> None:
        present = np.isfinite(real.values)
        count = np.maximum(present.sum(axis=0), 1)
        self._labelled = np.array([c.labelled for c in real.columns], dtype=bool)
        self._middle = np.where(present, real.values, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(present, (real.values - self._middle) ** 2, 0.0).sum(axis=0) / count)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._codes = np.array([c.labelled or bool(c.missing_codes) for c in real.columns], dtype=bool)

    def place(self, matrix: Matrix) -> tuple[Floats, np.ndarray]:
        """Numbers float64 (N, P), missing at the mean, and codes int32 (N, Q)."""
        numbers = np.nan_to_num((matrix.values - self._middle) / self._spread)[:, ~self._labelled]
        codes = np.where(matrix.missing >= 0, -1 - matrix.missing.astype(np.int32), 0)
        codes = np.where(self._labelled & (matrix.missing < 0), np.nan_to_num(matrix.values).astype(np.int32), codes)
        return np.ascontiguousarray(numbers), np.ascontiguousarray(codes[:, self._codes].T.astype(np.int32))


def nearest(points: tuple[Floats, np.ndarray], known: tuple[Floats, np.ndarray]) -> Floats:
    """Distance of each point to its nearest known row (N,); rounded, so that equal distances tie."""
    x, a = points
    y, b = known
    out = np.empty(len(x))
    lengths = (y**2).sum(axis=1)
    for at in range(0, len(x), CHUNK):
        rows = slice(at, at + CHUNK)
        square = (x[rows] ** 2).sum(axis=1)[:, None] + lengths - 2 * x[rows] @ y.T
        differ = np.zeros(square.shape, np.int16)
        for mine, theirs in zip(a[:, rows], b, strict=True):
            differ += mine[:, None] != theirs
        out[rows] = (np.maximum(square, 0) + MISMATCH * differ).min(axis=1)
    return np.asarray(np.round(np.sqrt(out), 5))
