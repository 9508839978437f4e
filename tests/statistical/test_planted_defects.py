"""Eight defects, each planted in a perfect sample of two invented tables: the verdict names it first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from bench.planted import Defect, find, reader, thirds
from models.evaluation import evaluate as evaluation
from models.evaluation.options import EvaluationOptions
from models.table import Table
from populace.demo import make_census

ROWS = 2_500
OPTIONS = EvaluationOptions(distance_rows=500)
LOOKED_AT = ("fidelity", "details")
"""Parts that tell the defects; detection and utility, which take their time, show in bench.planted."""


def adults(rows: int) -> pd.DataFrame:
    """Like Adult: a label that another determines, values missing together, a heavy tail, rare labels."""
    rng = np.random.default_rng(0)
    age = rng.integers(17, 80, rows)
    schooling = np.clip(rng.normal(9, 3, rows).round(), 1, 13).astype(int)
    sex = rng.choice(["Female", "Male"], rows, p=[0.4, 0.6])
    race = rng.choice(["Asian", "Black", "Other", "White"], rows, p=[0.08, 0.15, 0.07, 0.7])
    home = np.where(race == "Asian", rng.choice(["Asia", "US"], rows, p=[0.7, 0.3]), "US")
    married = rng.random(rows) < np.clip((age - 17) / 50, 0, 0.8)
    blue = rng.random(rows) > schooling / 14
    job = np.where(blue, rng.choice(["Craft", "Service"], rows), rng.choice(["Clerk", "Exec"], rows))
    hours = np.clip(rng.normal(40 - 8 * (sex == "Female"), 10, rows).round(), 1, 99).astype(int)
    rich = rng.random(rows) < 1 / (1 + np.exp(-(0.5 * (schooling - 11) + married + 0.03 * (hours - 40))))
    gone = rng.random(rows) < np.where(age > 62, 0.4, 0.03)
    cells = {
        "age": age.astype(str),
        "workclass": np.where(gone, "?", rng.choice(["Private", "Public"], rows, p=[0.75, 0.25])),
        "education": np.char.add("grade ", schooling.astype(str)),
        "education-num": schooling.astype(str),
        "marital": np.where(married, "Married", "Single"),
        "occupation": np.where(gone, "?", job),
        "race": race,
        "sex": sex,
        "gain": np.where(rng.random(rows) < 0.08, np.exp(rng.normal(8, 1, rows)).astype(int), 0).astype(str),
        "hours": hours.astype(str),
        "country": home,
        "income": np.where(rich, ">50K", "<=50K"),
    }
    return pd.DataFrame(cells)


def people(rows: int) -> pd.DataFrame:
    """Like national2019: areas, codes, N for whom a question is not asked."""
    return pd.DataFrame(make_census(rows)).drop(columns=["person_id", "interview_date", "weight"])


TABLES: dict[str, Callable[[int], pd.DataFrame]] = {"adults": adults, "people": people}
DEFECTS = {
    "adults": (
        Defect("shuffled", ("education-num",)),
        Defect("dropped", ("race",), label="Other"),
        Defect("moved", ("occupation",), codes=("?",)),
        Defect("copied", share=0.05),
        Defect("broken", ("education-num", "education"), share=0.05),
        Defect("independent", ("country", "race")),
        Defect("invented", ("race", "hours"), share=0.6),
        Defect("thinned", ("race", "sex"), share=0.8, label="Black|Female"),
    ),
    "people": (
        Defect("shuffled", ("employment",)),
        Defect("dropped", ("tenure",), label="Private rent"),
        Defect("moved", ("income",), codes=("N",)),
        Defect("copied", share=0.05),
        Defect("broken", ("occupation", "employment"), share=0.1),
        Defect("independent", ("urban", "region", "tenure")),
        Defect("invented", ("sex", "region"), share=0.6),
        Defect("thinned", ("region", "sex"), share=0.8, label="Easthaven|Female"),
    ),
}


@pytest.fixture(scope="module", params=TABLES)
def drawn(request: pytest.FixtureRequest) -> tuple[str, tuple[pd.DataFrame, ...], Callable[[pd.DataFrame], Table]]:
    frame = TABLES[request.param](3 * ROWS)
    return request.param, thirds(frame, ROWS), reader(frame)


@pytest.mark.parametrize("place", range(8), ids=[d.name for d in DEFECTS["adults"]])
def test_the_planted_defect_is_named_first(
    drawn: tuple[str, tuple[pd.DataFrame, ...], Callable[[pd.DataFrame], Table]],
    place: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, parts, table = drawn
    parts_of = ("disclosure",) if DEFECTS[name][place].name == "copied" else LOOKED_AT
    monkeypatch.setattr(evaluation, "PARTS", tuple(p for p in evaluation.PARTS if p[0] in parts_of))
    got = find(DEFECTS[name][place], parts, table, None, OPTIONS)
    assert got.right, got.first
    assert got.severity > 0.2
