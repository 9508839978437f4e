"""The table: persons in the spelling of a census file, with its missing values."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from populace.demo import truth
from populace.demo.households import Texts, make_households, make_members
from populace.demo.lives import make_lives
from populace.demo.money import make_income

COLUMNS = (
    "person_id",
    "interview_date",
    "region",
    "urban",
    "tenure",
    "household_size",
    "relationship",
    "age",
    "sex",
    "marital_status",
    "education",
    "employment",
    "occupation",
    "hours",
    "income",
    "health",
    "weight",
)
TARGET = "employment"
"""The column that the demo measures usefulness on."""


def make_census(rows: int = 20_000, seed: int = 0) -> dict[str, Texts]:
    """`rows` invented people (at least 1), household by household; column name -> cells (N,) as written in the file.

    The same rows and seed give the same table. How it comes about: populace.demo.truth.
    """
    rng = np.random.default_rng(seed)
    homes = make_households(rng, rows)
    people = make_members(rng, homes)
    lives = make_lives(rng, homes, people)
    income = make_income(rng, people, lives)

    own = lives.employment == "Self-employed"
    blank_income = rng.random(rows) < np.where(own, truth.BLANK_INCOME_SELF_EMPLOYED, truth.BLANK_INCOME)
    blank_occupation = rng.random(rows) < truth.BLANK_OCCUPATION
    unknown_health = rng.random(rows) < truth.UNKNOWN_HEALTH

    child, home = people.age < truth.ADULT_AGE, people.household
    idle = child | ~lives.works
    n = truth.NOT_APPLICABLE
    cells = {
        "person_id": [f"H{h + 1:07d}-{i:02d}" for h, i in zip(home, people.number, strict=True)],
        "interview_date": homes.date[home].astype(str),
        "region": homes.region[home],
        "urban": np.where(homes.urban[home], "yes", "no"),
        "tenure": homes.tenure[home],
        "household_size": homes.size[home].astype(str),
        "relationship": people.relation,
        "age": people.age.astype(str),
        "sex": np.where(people.female, "Female", "Male"),
        "marital_status": np.where(child, n, lives.marital),
        "education": np.where(child, n, np.array(truth.EDUCATION)[lives.education]),
        "employment": np.where(child, n, lives.employment),
        "occupation": np.select(
            [idle, blank_occupation], [n, truth.BLANK], np.array(truth.OCCUPATIONS)[lives.occupation]
        ),
        "hours": np.where(idle, n, lives.hours.astype(str)),
        "income": np.select([child, blank_income], [n, truth.BLANK], income.astype(str)),
        "health": np.where(unknown_health, truth.UNKNOWN, np.array(truth.HEALTH)[lives.health]),
        "weight": [f"{w:.2f}" for w in homes.weight[home]],
    }
    return {name: np.asarray(cells[name], dtype=np.str_) for name in COLUMNS}


def write_csv(census: dict[str, Texts], path: Path) -> None:
    """As UTF-8 with a header and LF line ends."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(census)
        writer.writerows(zip(*census.values(), strict=True))
