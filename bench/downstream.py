"""What a model trained on a table is worth on real rows that nobody trained on."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from bench.matrices import Reader
from models.classifiers.scores import auc, macro_f1, r2
from models.evaluation.matrix import Matrix

NATIVE = 255
"""Categories up to which scikit-learn's boosting takes a column as categorical."""


def downstream(reader: Reader, train: Matrix, test: Matrix, target: str, task: str) -> float:
    """Score on `test` (real) of gradient boosting trained on `train`.

    task: binary (AUC of the last label), multiclass (macro F1) or regression (R2). A table with one class only tells
    nothing and reads .5 (binary) or the F1 of its class. Rows without a target are left out.
    """
    names = [c.name for c in train.columns]
    at = names.index(target)
    features = [j for j in range(len(names)) if j != at]
    features.sort(key=lambda j: train.columns[j].labelled)
    train, test = (m.take(np.flatnonzero(m.missing[:, at] < 0)) for m in (train, test))
    x, judged = reader.features(train, features), reader.features(test, features)
    y, truth = train.values[:, at], test.values[:, at]
    if task == "regression":
        native = [j for j in features if train.columns[j].labelled and len(reader.known[names[j]]) <= NATIVE]
        model = HistGradientBoostingRegressor(categorical_features=[j in native for j in features], random_state=0)
        fitted = model.fit(np.nan_to_num(x, nan=-1e9), y)
        return r2(truth, fitted.predict(np.nan_to_num(judged, nan=-1e9)))
    y, truth = y.astype(int), truth.astype(int)
    labels = len(train.columns[at].categories or ())
    if len(np.unique(y)) < 2:
        return 0.5 if task == "binary" or not len(y) else macro_f1(truth, np.full(len(truth), y[0]), labels)
    model = HistGradientBoostingClassifier(
        categorical_features=None, random_state=0, max_iter=200, learning_rate=0.08
    ).fit(x, y)
    probabilities = model.predict_proba(judged)
    if task == "multiclass":
        return macro_f1(truth, model.classes_[probabilities.argmax(axis=1)], labels)
    positive = truth.max()
    if positive not in model.classes_:
        return 0.5
    return auc(truth == positive, probabilities[:, list(model.classes_).index(positive)])
