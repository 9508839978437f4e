"""Warnings where few training rows stand behind a sample."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from models.options import FitOptions
from models.schema import Column, Kind, Schema
from models.support import warnings_of
from models.synthesize import Synthesizer, fit
from models.table import Table

ROWS = 4_000
SCHEMA = Schema(
    (
        Column("place", Kind.CATEGORICAL, categories=("town", "village", "island")),
        Column("sea", Kind.CATEGORICAL, categories=("yes", "no")),
        Column("age", Kind.INTEGER, minimum=0, maximum=90),
        Column("wage", Kind.DECIMAL, minimum=0, maximum=1, decimals=6, missing_codes=("",)),
    )
)


@pytest.fixture(scope="module")
def synthesizer() -> Synthesizer:
    """Twelve live on an island; villages (30%) see the sea in one row of a hundred, towns always."""
    rng = np.random.default_rng(0)
    place = np.where(rng.random(ROWS) < 0.3, "village", "town")
    place[:12] = "island"
    sea = np.where((place == "village") & (rng.random(ROWS) > 0.01), "no", "yes")
    data = {"place": place, "sea": sea, "age": rng.integers(0, 91, ROWS), "wage": rng.random(ROWS).round(6)}
    table = Table(SCHEMA, pa.table({k: pa.array(v.astype(str).tolist(), pa.string()) for k, v in data.items()}))
    options = FitOptions(seed=1, holdout=0.0, steps=250, hidden=64, batch=256, threads=1, adversarial="never")
    return fit(table, options=options)


@pytest.mark.parametrize(
    ("where", "codes"),
    [
        ((), []),
        (("age>=30",), []),
        (("place=village", "sea=no", "age<60"), []),
        (("wage>=0.5", "age>=18"), []),
        (("place=island",), ["rare_condition"]),
        (("place=island", "sea=yes"), ["rare_condition"]),
        (("wage<0.002",), ["rare_condition"]),
        (("age=44", "place=village"), ["rare_conditions"]),
        (("place=village", "sea=yes"), ["rare_conditions"]),
        (("0.30<=wage<0.31", "age<20", "place=town"), ["rare_conditions"]),
    ],
)
def test_conditions_that_few_rows_meet_are_named(
    synthesizer: Synthesizer, where: tuple[str, ...], codes: list[str]
) -> None:
    found = warnings_of(synthesizer, where)
    assert [w.code for w in found] == codes
    assert all(w.message and w.hint for w in found)
    json.dumps([w.to_json() for w in found])


def test_shares_that_few_rows_stand_behind_are_named(synthesizer: Synthesizer) -> None:
    [found] = warnings_of(synthesizer, (), "place")
    assert found.code == "rare_shares"
    assert "(island)" in found.message
    assert warnings_of(synthesizer, (), "place:town=.5,village=.5") == ()
    [other] = warnings_of(synthesizer, ["sea=yes"], "place:town=.5,village=.5")
    assert "(village)" in other.message
