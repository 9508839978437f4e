"""A private fit that has to find its domain: what it says, what its samples hold, and what its manifest tells."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.accounting import compose, epsilon
from models.dp import fitting
from models.options import FitOptions
from models.privacy.options import PrivacyOptions, Shares
from models.privacy.plan import plan
from models.progress import Silent
from models.schema import Column, Kind, Schema
from models.synthesize import fit, sample
from models.table import Table

SCHEMA = Schema(
    (
        Column("home", Kind.IDENTIFIER, categories=None),
        Column("town", Kind.CATEGORICAL, categories=("a", "b", "rare one"), evidence={"unique": 3}),
        Column("age", Kind.INTEGER, minimum=18, maximum=107, evidence={"rows": 6_001}),
        Column("income", Kind.CATEGORICAL, categories=("low", "high"), public=True),
    )
)
PRIVACY = PrivacyOptions(4.0, 1e-6, shares=Shares(0.3, 0.7, 0.0))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = fitting.fit
    plan_ = replace(fitting.MarginalOptions(1, 1e-6).plan, latent=50, steps=40)
    monkeypatch.setattr(fitting, "fit", lambda found, _, seed, progress: inner(found, plan_, seed, progress))


def table(units: int = 6_000) -> Table:
    rng = np.random.default_rng(0)
    words = {
        "home": [str(i // 2) for i in range(units + 1)],
        "town": [*rng.choice(["a", "b"], units), "rare one"],
        "age": [*rng.integers(18, 66, units).astype(str), "107"],
        "income": rng.choice(["low", "high"], units + 1),
    }
    return Table(SCHEMA, pa.table({k: pa.array([str(x) for x in v]) for k, v in words.items()}))


def rows_told(synthesizer: Any) -> int:
    """A noisy estimate, which may be the true number by chance."""
    assert not synthesizer.manifest["plan"]["rows_are_public"]
    return int(synthesizer.manifest["plan"]["rows"])


class Heard(Silent):
    def __init__(self) -> None:
        self.said: list[Any] = []

    def event(self, type: str, data: Any) -> None:
        self.said.append((type, data["accounts"]))


def test_a_domain_is_found_paid_for_and_told() -> None:
    heard = Heard()
    synthesizer = fit(table(), options=FitOptions(threads=1, holdout=0.0), privacy=PRIVACY, progress=heard)
    assert heard.said == [("touched", ["domain"]), ("noise", ["domain"]), ("touched", ["fit"]), ("noise", ["fit"])]
    history = plan(PRIVACY, SCHEMA)
    assert epsilon(history["domain"], 1e-6) <= 0.3 * 4.0
    assert 3.9 < epsilon(compose(*history.values()), 1e-6) <= 4.0
    found = synthesizer.schema
    assert found["town"].categories == ("a", "b")
    assert found["age"].maximum < 100  # type: ignore[operator]
    drawn = sample(synthesizer, 500, seed=1)
    assert set(drawn.column("town").to_pylist()) <= {"a", "b", ""}
    told = str(synthesizer.manifest)
    assert "rare one" not in told
    assert not re.search(r"(?<![\d.])(107|6001)(?![\d.])", told.replace(f"'rows': {rows_told(synthesizer)}", ""))
    lines = synthesizer.manifest["privacy"]["assumed_public"]
    assert "column 'town': kind categorical; stored as string; missing codes ''" in lines
    assert "column 'income': kind categorical; stored as string; its 2 categories" in lines


def test_units_of_several_rows_find_it_too() -> None:
    privacy = replace(PRIVACY, unit="home", rows_per_unit=2)
    found = fit(table(), options=FitOptions(threads=1), privacy=privacy).schema
    assert found["town"].categories == ("a", "b")
