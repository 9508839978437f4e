"""Scores synthetic tables against real ones without SDMetrics, by the published protocols.

    python -m bench.score --train TRAIN.csv --test HOLDOUT.csv --target income --task binary SYNTHETIC.csv ...

shape  100 times the mean over columns of the Kolmogorov-Smirnov distance (numbers) or total variation (categories)
trend  100 times the mean over pairs of half the difference of Pearson's correlations (two numbers), otherwise of the
       total variation of the pair's table, numbers in 10 bins of equal width between each table's own extremes
       (shape and trend: the definitions of the TabSyn and TabDiff tables, arXiv:2310.09656, section 4.1)
tvd2, tvd3  100 times the mean total variation of pairs and of 60 triples, numbers in 20 quantile bins of the real rows
c2st   2 - 2 AUC of XGBoost, real against synthetic, 3 folds; 1: cannot be told apart (Lopez-Paz and Oquab 2017,
       arXiv:1610.06545)
mle    score on the holdout of gradient boosting trained on the table: AUC, macro F1 or R2; mle_real: trained on the
       real rows
copies percent of rows equal to a training row; copies_test: of the holdout's rows
dcr    share of rows nearer to a training row than to a holdout row, as many of each; .5: no memorising

Every draw (rows beyond the limits below, triples, folds) is fixed, so that equal files give equal figures.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold
from xgboost import XGBClassifier

from bench.downstream import downstream
from bench.matrices import Reader, read
from models.classifiers.scores import auc
from models.evaluation.attacks.space import Space
from models.evaluation.marginals import column_errors, compare, correlations, tuple_errors
from models.evaluation.matrix import Cells, Matrix

ROWS = 50_000
"""Rows of each table that shape and trend look at."""
C2ST_ROWS = 16_000
DISTANCE_ROWS = 8_000
DISTANCE_SYNTHETIC = 4_000
TRIPLES = 60
OWN_BINS = 10
QUANTILE_BINS = 20

Scores = dict[str, float]


def score(train: pd.DataFrame, test: pd.DataFrame, synthetic: pd.DataFrame, target: str, task: str) -> Scores:
    """All figures of `synthetic`. Raises ValueError where it lacks a column."""
    reader = Reader.fit(train)
    real, held, other = reader.matrices(train, test, synthetic)
    size = min(len(real), len(other), ROWS)
    a, b = some(real, size), some(other, size)
    out = {
        "shape": 100 * column_errors([a, b]).mean(0),
        "trend": 100 * trend(a, b),
        **joint(real, held, other),
        "c2st": c2st(reader, some(a, C2ST_ROWS), some(b, C2ST_ROWS)),
    }
    for name, rows in (("mle", other), ("mle_real", real)):
        out[name] = downstream(reader, rows, held, target, task)
    known = set(rounded(real).row_keys())
    for name, rows in (("copies", other), ("copies_test", held)):
        out[name] = 100 * float(np.mean([k in known for k in rounded(rows).row_keys()]))
    out["dcr"] = distance_share(real, held, other)
    return {k: round(float(v), 4) for k, v in out.items()} | {"rows": len(other)}


def some(matrix: Matrix, rows: int) -> Matrix:
    """At most `rows` rows, always the same ones of a table of that length."""
    if len(matrix) <= rows:
        return matrix
    return matrix.take(np.random.RandomState(0).choice(len(matrix), rows, replace=False))


def trend(real: Matrix, other: Matrix) -> float:
    """Mean error of all pairs; 1 where a correlation is undefined."""
    columns = real.columns
    linear = [correlations(m.values) for m in (real, other)]
    binned = [own_bins(m) for m in (real, other)]
    errors = []
    for i, j in itertools.combinations(range(len(columns)), 2):
        if columns[i].labelled or columns[j].labelled:
            size = [1 + int(max(b[:, k].max(initial=0) for b in binned)) for k in (i, j)]
            keys = [b[:, i] * size[1] + b[:, j] for b in binned]
            errors.append(float(compare(keys, size[0] * size[1])[0][0]))
        else:
            apart = abs(linear[0][i, j] - linear[1][i, j]) / 2
            errors.append(float(apart) if np.isfinite(apart) else 1.0)
    return float(np.mean(errors))


def own_bins(matrix: Matrix) -> np.ndarray:
    """Cells (N, D): labels, and numbers in bins closed on the right between this table's own extremes; missing: -1, 0.

    SDMetrics up to 0.24 bins so, and therefore the published tables do.
    """
    out = np.empty(matrix.values.shape, np.int64, order="F")
    for j, column in enumerate(matrix.columns):
        x, present = matrix.values[:, j], matrix.missing[:, j] < 0
        if column.labelled:
            out[:, j] = np.where(present, np.nan_to_num(x, nan=-1), -1) + 1
        else:
            inner = np.histogram_bin_edges(x[present], OWN_BINS)[1:-1] if present.any() else np.empty(0)
            out[:, j] = np.where(present, np.searchsorted(inner, x, side="left") + 1, 0)
    return out


def joint(real: Matrix, held: Matrix, other: Matrix) -> Scores:
    """Total variation of pairs and triples, on all rows; of the holdout's triples, too."""
    cells = Cells.fit(real, QUANTILE_BINS)
    codes = [cells.codes(m) for m in (real, other, held)]
    columns = range(len(real.columns))
    pairs, triples = (list(itertools.combinations(columns, n)) for n in (2, 3))
    if len(triples) > TRIPLES:
        triples = [triples[i] for i in np.random.default_rng(0).choice(len(triples), TRIPLES, replace=False)]
    two, three = (tuple_errors(codes, cells.sizes, c) for c in (pairs, triples))
    return {"tvd2": 100 * two.mean(0), "tvd3": 100 * three.mean(0), "tvd3_test": 100 * three.mean(1)}


def c2st(reader: Reader, real: Matrix, other: Matrix) -> float:
    """2 - 2 AUC, out of fold; a fold's AUC below .5 counts as .5."""
    numeric = [j for j, c in enumerate(real.columns) if not c.labelled]
    order = [*numeric, *(j for j in range(len(real.columns)) if j not in numeric)]
    x = np.nan_to_num(np.vstack([reader.features(m, order) for m in (real, other)]), nan=-1e9)
    y = np.repeat([0, 1], [len(real), len(other)])
    found = []
    for fit, judge in StratifiedKFold(3, shuffle=True, random_state=0).split(x, y):
        model = XGBClassifier(eval_metric="logloss", random_state=0, n_jobs=1).fit(x[fit], y[fit])
        found.append(max(0.5, auc(y[judge] == 1, model.predict_proba(x[judge])[:, 1])))
    return 2 - 2 * float(np.mean(found))


def rounded(matrix: Matrix) -> Matrix:
    """To six decimals: what a file keeps of a number."""
    return Matrix(matrix.columns, np.round(matrix.values, 6), matrix.missing)


def distance_share(real: Matrix, held: Matrix, other: Matrix) -> float:
    """Ties count half."""
    rows = min(len(real), len(held), DISTANCE_ROWS)
    space = Space(real)
    mine = space.place(some(other, DISTANCE_SYNTHETIC))
    near, far = (space.nearest(mine, space.place(some(m, rows)))[1] for m in (real, held))
    return float(np.mean(near < far) + 0.5 * np.mean(near == far))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("synthetic", nargs="+", type=Path)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--task", choices=("binary", "multiclass", "regression"), default="binary")
    parser.add_argument("--code", help="what stands for missing among numbers, e.g. N")
    given = parser.parse_args()
    train, test = (read(p, given.code) for p in (given.train, given.test))
    for path in given.synthetic:
        print(path.name, json.dumps(score(train, test, read(path, given.code), given.target, given.task)), flush=True)


if __name__ == "__main__":
    main()
