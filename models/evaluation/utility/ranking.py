"""Would an analyst who compares methods on the sample choose as on real rows?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from models.classifiers.base import Floats
from models.evaluation.utility.resampling import told


def agreement(synthetic: Mapping[str, Floats], real: Mapping[str, Floats]) -> dict[str, Any] | None:
    """Kendall's tau (1938, Biometrika 30, 81-93) between the scores of the methods trained on either source, draw by
    draw of the test rows; and what the choice made on the sample costs. None for fewer than three methods.

    synthetic, real: method -> its main score in each draw (rounds,), higher is better.
    """
    names = list(real)
    if len(names) < 3:
        return None
    a, b = (np.stack([scores[n] for n in names]) for scores in (synthetic, real))
    if not (np.isfinite(a[:, 0]).all() and np.isfinite(b[:, 0]).all()):
        return None
    taus = np.array([kendalltau(a[:, r], b[:, r]).statistic for r in range(a.shape[1])])
    tau = told(taus)
    best, chosen = int(b[:, 0].argmax()), int(a[:, 0].argmax())
    return {
        "tau": tau.value,
        "low": tau.low,
        "high": tau.high,
        "methods": len(names),
        "best_on_real": names[best],
        "best_on_synthetic": names[chosen],
        "cost": float(b[best, 0] - b[chosen, 0]),
    }
