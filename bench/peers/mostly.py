"""TabularARGN (Tiwald et al. 2025) of the `mostlyai-engine` package, without its protection of rare values, which
costs it fidelity that nobody else gives up here."""

from __future__ import annotations

from typing import Any

from mostlyai.engine import TabularARGN, set_random_state

BLANKS = True


def fit(data: Any, seed: int, settings: dict[str, Any]) -> Any:
    kinds = dict.fromkeys(data.discrete, "TABULAR_CATEGORICAL")
    given = {"value_protection": False, "device": "cpu", "random_state": seed, "tgt_encoding_types": kinds, **settings}
    return TabularARGN(**given).fit(data.frame)


def draw(model: Any, rows: int, seed: int) -> Any:
    set_random_state(seed)
    return model.sample(rows)
