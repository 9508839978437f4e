"""Yearly income before tax: log-normal with a Pareto tail, spikes and heaping."""

from __future__ import annotations

import numpy as np

from populace.demo import truth
from populace.demo.households import Ints, Members
from populace.demo.lives import Lives


def make_income(rng: np.random.Generator, people: Members, lives: Lives) -> Ints:
    """Whole units of money, 0 or more."""
    count = len(people.age)
    premium = np.array(truth.EDUCATION_PREMIUM)[lives.education] + truth.FEMALE_GAP * people.female
    career = -0.00055 * (np.clip(people.age, 16, 75) - 48.0) ** 2
    noise = rng.normal(0, np.where(lives.employment == "Self-employed", 0.62, 0.30), count)
    median = np.array(truth.MEDIAN_INCOME)[lives.occupation]  # of NOT_WORKING (-1): some number that is not used
    earned = median * np.exp(premium + career + 0.85 * np.log(lives.hours / 40) + noise)
    lucky = rng.random(count) < truth.TAIL_SHARE
    earned = np.where(lucky, earned * (1 + rng.pareto(truth.TAIL_INDEX, count)), earned)

    pension = 15_500 * np.exp(2 * premium + rng.normal(0, 0.38, count))
    chance = rng.random(count)
    benefit = np.select([chance < 0.2, chance < 0.75], [0, truth.BENEFIT], 7_000 * np.exp(rng.normal(0, 0.4, count)))
    jobs_aside = np.where(chance < 0.55, 0, 5_200 * np.exp(rng.normal(0, 0.55, count)))
    little = np.where(chance < 0.66, 0, 6_500 * np.exp(rng.normal(0, 0.5, count)))
    income = np.select(
        [lives.works, *(lives.employment == s for s in ("Retired", "Unemployed", "Student"))],
        [earned, pension, benefit, jobs_aside],
        little,
    )
    heap = rng.random(count)
    step = np.select([heap < truth.HEAPED_1000, heap < truth.HEAPED_1000 + truth.HEAPED_100], [1000, 100], 1)
    step = np.where(income == truth.BENEFIT, 1, step)
    return np.asarray(np.round(income / step) * step, dtype=np.int64)
