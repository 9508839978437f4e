"""The distributions that the invented census is drawn from. What a synthesizer should find is written here.

Households are drawn independently. Region, urbanity, tenure, size, interview date and survey weight belong to the
household: all its members share them. `person_id` is the household's number and the person's number in it.

    size      ~ SIZES                                    region ~ REGIONS                  urban | region
    head, perhaps a partner (COUPLES by size), the others children or other persons        age of head | size
    partner's age ~ head's + N(0, 3.5); a child is 20 to 40 years younger than the head, at most 30, evenly spread
    tenure | head's age, urban                            marital status | age, sex, living with a partner
    education | age (later cohorts have more), urban      employment | age, sex, education, children at home
    occupation | education                                hours | employment, sex, occupation
    income | employment, occupation, education, hours, age, sex            health | age, education, employment
    interview date: 1 March to 30 June 2024, no Sundays   weight | region, size

Structural missing values, spelt N: everything from marital status to income for children under 16; occupation and
hours for who does not work. Item non-response: blank income (more often of the self-employed) and occupation, and
health as ?.
Income has a spike at 0 and at BENEFIT, is heaped on thousands and hundreds, and has a Pareto tail. Hours heap on
40, 37 and 20.
"""

from __future__ import annotations

ADULT_AGE = 16
NOT_APPLICABLE, BLANK, UNKNOWN = "N", "", "?"

SIZES = {1: 0.30, 2: 0.34, 3: 0.15, 4: 0.135, 5: 0.05, 6: 0.017, 7: 0.005, 8: 0.003}
COUPLES = {1: 0.0, 2: 0.72, 3: 0.74, 4: 0.88, 5: 0.90, 6: 0.85, 7: 0.80, 8: 0.80}
"""Share of households of a size whose head lives with a partner."""
CHILD_SECOND = 0.6
"""Where there is no partner, the second person is the head's child so often."""
CHILD_LATER = 0.93
"""The third and further persons are children so often, the others unrelated."""

HEAD_AGE = {1: (20, 92, 1.6, 1.3), 2: (20, 90, 1.9, 1.5), 3: (22, 68, 2.2, 2.4)}
"""Size (3 and more alike) -> lowest, highest age, and a, b of the beta distribution between them."""

REGIONS = {
    "Northmark": 0.21,
    "Easthaven": 0.17,
    "Midvale": 0.15,
    "Capital": 0.14,
    "Southshore": 0.12,
    "Westfold": 0.10,
    "Highlands": 0.07,
    "Islands": 0.04,
}
URBAN = {
    "Northmark": 0.62,
    "Easthaven": 0.55,
    "Midvale": 0.48,
    "Capital": 0.97,
    "Southshore": 0.58,
    "Westfold": 0.41,
    "Highlands": 0.18,
    "Islands": 0.09,
}
WEIGHT = {
    "Northmark": 96.0,
    "Easthaven": 104.0,
    "Midvale": 101.0,
    "Capital": 142.0,
    "Southshore": 99.0,
    "Westfold": 92.0,
    "Highlands": 63.0,
    "Islands": 41.0,
}
"""Persons that one interview stands for, before non-response (persons living alone: SINGLE_FACTOR) and noise."""
SINGLE_FACTOR = 1.22

TENURES = ("Owned outright", "Mortgage", "Private rent", "Social rent")
TENURE_BY_AGE = {
    0: (0.05, 0.27, 0.52, 0.16),
    35: (0.13, 0.53, 0.19, 0.15),
    50: (0.38, 0.36, 0.10, 0.16),
    65: (0.73, 0.07, 0.05, 0.15),
}
"""From this age of the head on; in towns a quarter of the owners outright rent privately instead."""
URBAN_TO_RENT = 0.25

FEMALE = {"Head": 0.47, "Child": 0.487, "Other": 0.5}
SAME_SEX_COUPLES = 0.02
MARITAL = ("Single", "Married", "Divorced", "Widowed")

EDUCATION = ("None", "Secondary", "Vocational", "Bachelor", "Postgraduate")
EDUCATION_CUTS = (-1.9, -0.2, 0.7, 2.0)
"""Thresholds of an ordered logit with mean -0.024 (age - 45) + 0.5 urban."""

EMPLOYMENT = ("Employed", "Self-employed", "Unemployed", "Student", "Retired", "Inactive")
UNEMPLOYED = (0.10, 0.06, 0.045, 0.03, 0.02)
"""By education, of who is of working age and neither retired, inactive nor a student."""
SELF_EMPLOYED = 0.12

OCCUPATIONS = ("Managers", "Professionals", "Technicians", "Clerks", "Services", "Crafts", "Operators", "Elementary")
OCCUPATION_BY_EDUCATION = (
    (0.02, 0.01, 0.03, 0.06, 0.27, 0.16, 0.18, 0.27),
    (0.05, 0.04, 0.09, 0.16, 0.28, 0.14, 0.13, 0.11),
    (0.06, 0.08, 0.19, 0.13, 0.18, 0.22, 0.09, 0.05),
    (0.14, 0.43, 0.20, 0.11, 0.07, 0.02, 0.01, 0.02),
    (0.20, 0.64, 0.09, 0.03, 0.02, 0.01, 0.005, 0.005),
)
MEDIAN_INCOME = (52_000, 44_000, 37_000, 29_000, 24_000, 30_000, 28_000, 21_000)
"""By occupation, a man of 45 with vocational training who works 40 hours."""
EDUCATION_PREMIUM = (-0.10, -0.04, 0.0, 0.14, 0.26)
"""On the logarithm of income, also of pensions."""
FEMALE_GAP = -0.11
BENEFIT = 9_600
TAIL_SHARE, TAIL_INDEX = 0.012, 1.9
"""So many earners get a Pareto multiple on top."""
HEAPED_1000, HEAPED_100 = 0.35, 0.25

HEALTH = ("Very good", "Good", "Fair", "Bad", "Very bad")
HEALTH_CUTS = (0.0, 1.9, 3.4, 4.8)
"""Thresholds of an ordered logit with mean 0.034 (age - 40) - 0.25 education rank + 1.2 if inactive."""

BLANK_INCOME, BLANK_INCOME_SELF_EMPLOYED = 0.05, 0.13
BLANK_OCCUPATION = 0.02
UNKNOWN_HEALTH = 0.015

FIRST_DAY, DAYS = "2024-03-01", 122
