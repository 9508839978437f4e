"""Who lives together: households, and their members' age, sex and relation to the head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from populace.demo import truth

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Texts = NDArray[np.str_]
Floats = NDArray[np.float64]

HEAD, PARTNER, CHILD, OTHER = "Head", "Partner", "Child", "Other"


@dataclass(frozen=True)
class Households:
    """One entry per household, H of them. date: datetime64[D]. weight: persons that one member stands for."""

    size: Ints
    region: Texts
    urban: Bools
    tenure: Texts
    date: NDArray[np.datetime64]
    weight: Floats
    head_age: Ints
    couple: Bools


@dataclass(frozen=True)
class Members:
    """One entry per person, N of them. household: index into Households. number: 1 for the head."""

    household: Ints
    number: Ints
    relation: Texts
    age: Ints
    female: Bools


def pick(rng: np.random.Generator, shares: Mapping[str, float], count: int) -> Texts:
    """`count` labels drawn with the shares given."""
    labels, p = np.array(list(shares)), np.array(list(shares.values()))
    return labels[rng.choice(len(labels), size=count, p=p / p.sum())]


def pick_by_row(rng: np.random.Generator, shares: Floats) -> Ints:
    """One index per row of `shares` (N, K), whose rows sum to 1."""
    below = rng.random(len(shares))[:, None] > np.cumsum(shares, axis=1)
    return np.asarray(np.minimum(below.sum(axis=1), shares.shape[1] - 1))


def ordered_logit(rng: np.random.Generator, mean: Floats, cuts: Sequence[float]) -> Ints:
    """Ranks 0..len(cuts) of mean + logistic noise between the thresholds."""
    return np.searchsorted(np.array(cuts), mean + rng.logistic(size=len(mean)))


def make_households(rng: np.random.Generator, rows: int) -> Households:
    """As many households as hold `rows` persons; the last one is cut to fit."""
    sizes, p = np.array(list(truth.SIZES)), np.array(list(truth.SIZES.values()))
    size = sizes[rng.choice(len(sizes), size=rows, p=p / p.sum())].astype(np.int64)
    count = int(np.searchsorted(np.cumsum(size), rows)) + 1
    size = size[:count]
    size[-1] -= int(size.sum()) - rows

    region = pick(rng, truth.REGIONS, count)
    urban = rng.random(count) < np.array([truth.URBAN[r] for r in region])
    low, high, a, b = np.array([truth.HEAD_AGE[min(s, 3)] for s in size]).T
    head_age = np.floor(low + (high - low + 1) * rng.beta(a, b)).astype(np.int64)
    couple = rng.random(count) < np.array([truth.COUPLES[s] for s in size])

    ages = np.array(list(truth.TENURE_BY_AGE))
    shares = np.array(list(truth.TENURE_BY_AGE.values()))[np.searchsorted(ages, head_age, side="right") - 1]
    moved = np.where(urban, truth.URBAN_TO_RENT * shares[:, 0], 0.0)
    shares[:, 0] -= moved
    shares[:, 2] += moved
    tenure = np.array(truth.TENURES)[pick_by_row(rng, shares)]

    days = np.datetime64(truth.FIRST_DAY) + np.arange(truth.DAYS)
    days = days[(days.astype(np.int64) + 3) % 7 != 6]  # day 0, 1 January 1970, was a Thursday
    base = np.array([truth.WEIGHT[r] for r in region]) * np.where(size == 1, truth.SINGLE_FACTOR, 1.0)
    return Households(
        size=size,
        region=region,
        urban=urban,
        tenure=tenure,
        date=days[rng.integers(len(days), size=count)],
        weight=base * np.exp(rng.normal(0, 0.08, count)),
        head_age=head_age,
        couple=couple,
    )


def make_members(rng: np.random.Generator, homes: Households) -> Members:
    """The persons of the households, head first."""
    household = np.repeat(np.arange(len(homes.size)), homes.size)
    first = np.cumsum(homes.size) - homes.size
    number = np.arange(len(household)) - first[household] + 1
    count = len(household)
    chance = rng.random(count)
    couple = homes.couple[household]
    child = np.where(number == 2, ~couple & (chance < truth.CHILD_SECOND), (number > 2) & (chance < truth.CHILD_LATER))
    relation = np.select([number == 1, (number == 2) & couple, child], [HEAD, PARTNER, CHILD], OTHER)

    head_age = homes.head_age[household]
    partner_age = np.clip(np.round(head_age + rng.normal(0, 3.5, count)), 18, 97)
    child_age = rng.integers(np.clip(head_age - 40, 0, 18), np.clip(head_age - 19, 1, 31))
    other_age = rng.integers(18, 86, count)
    age = np.select([relation == HEAD, relation == PARTNER, relation == CHILD], [head_age, partner_age, child_age])
    age = np.where(relation == OTHER, other_age, age).astype(np.int64)

    own = np.array([truth.FEMALE.get(r, 0.5) for r in relation])
    female = rng.random(count) < own
    head_female = female[first][household]
    same = rng.random(count) < truth.SAME_SEX_COUPLES
    female = np.where(relation == PARTNER, head_female == same, female)
    return Members(household, number, relation, age, female)
