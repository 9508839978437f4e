"""What the members are and do: marital status, education, employment, occupation, hours, health."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from populace.demo import truth
from populace.demo.households import (
    CHILD,
    HEAD,
    PARTNER,
    Bools,
    Floats,
    Households,
    Ints,
    Members,
    Texts,
    ordered_logit,
)
from populace.demo.households import pick_by_row as by_row

NOT_WORKING = -1


@dataclass(frozen=True)
class Lives:
    """One entry per person; children under 16 have entries too, which nobody is asked for.

    education, occupation, health: indices into the lists of truth (occupation NOT_WORKING for who does not work).
    hours: a week.
    """

    marital: Texts
    education: Ints
    employment: Texts
    occupation: Ints
    hours: Ints
    health: Ints

    @property
    def works(self) -> Bools:
        return np.asarray(self.occupation != NOT_WORKING)


def logistic(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def make_lives(rng: np.random.Generator, homes: Households, people: Members) -> Lives:
    marital = _marital(rng, homes, people)
    urban = homes.urban[people.household]
    education = ordered_logit(rng, -0.024 * (people.age - 45) + 0.5 * urban, truth.EDUCATION_CUTS)
    education = np.minimum(education, np.select([people.age < 19, people.age < 22], [1, 2], 4))
    employment = _employment(rng, homes, people, education)
    works = np.isin(employment, ("Employed", "Self-employed"))
    occupation = by_row(rng, np.array(truth.OCCUPATION_BY_EDUCATION)[education])
    occupation = np.where(works, occupation, NOT_WORKING)
    mean = 0.034 * (people.age - 40) - 0.25 * education + 1.2 * (employment == "Inactive")
    return Lives(
        marital=marital,
        education=education,
        employment=employment,
        occupation=occupation,
        hours=_hours(rng, people, employment == "Self-employed"),
        health=ordered_logit(rng, mean, truth.HEALTH_CUTS),
    )


def _marital(rng: np.random.Generator, homes: Households, people: Members) -> Texts:
    """Both of a couple are married or neither is; who lives without a partner is single, divorced or widowed by age."""
    count = len(people.age)
    couple = homes.couple[people.household] & np.isin(people.relation, (HEAD, PARTNER))
    chance = rng.random(len(homes.size))[people.household]  # one draw for the couple
    married = couple & (chance < np.clip(0.30 + 0.013 * (homes.head_age[people.household] - 20), 0.0, 0.94))
    widowed = rng.random(count) < logistic((people.age.astype(np.float64) - 77) / 5) * np.where(
        people.female, 0.85, 0.55
    )
    divorced = rng.random(count) < np.clip((people.age - 28) / 90, 0.0, 0.34)
    alone = ~couple & (people.relation != CHILD)
    return np.select([married, alone & widowed, alone & divorced], ["Married", "Widowed", "Divorced"], "Single")


def _employment(rng: np.random.Generator, homes: Households, people: Members, education: Ints) -> Texts:
    """The first that applies: student, retired, inactive, unemployed, self-employed; else employed."""
    age, count = people.age, len(people.age)
    young = np.zeros(len(homes.size), dtype=bool)
    young[people.household[age < 7]] = True
    mother = people.female & young[people.household] & np.isin(people.relation, (HEAD, PARTNER))
    student = rng.random(count) < np.select([age < 19, age < 22, age < 25, age < 30], [0.86, 0.52, 0.30, 0.07], 0.0)
    retired = rng.random(count) < np.where(age < 50, 0.0, logistic((age.astype(np.float64) - 63.5) / 1.6)) * 0.97
    inactive = rng.random(count) < np.where(mother, 0.30, 0.07)
    unemployed = rng.random(count) < np.array(truth.UNEMPLOYED)[education]
    own = rng.random(count) < truth.SELF_EMPLOYED * np.where(age < 25, 0.3, 1.0)
    return np.select(
        [student, retired, inactive, unemployed, own],
        ["Student", "Retired", "Inactive", "Unemployed", "Self-employed"],
        "Employed",
    )


def _hours(rng: np.random.Generator, people: Members, own: Bools) -> Ints:
    """Full time heaps on 40 and 37, part time on 20; the self-employed work long or short weeks. 1 to 80."""
    count = len(people.age)
    chance = rng.random(count)
    full = np.select([chance < 0.5, chance < 0.72], [40, 37], np.round(rng.normal(42, 4, count)))
    part = np.where(chance < 0.35, 20, rng.integers(6, 33, count))
    part_time = rng.random(count) < np.where(people.female, 0.38, 0.10)
    hours = np.where(own, np.round(rng.normal(44, 13, count)), np.where(part_time, part, full))
    return np.clip(hours, 1, 80).astype(np.int64)
