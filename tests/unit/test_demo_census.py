"""The invented census is what its documentation says."""

import csv
import re
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from populace.demo import COLUMNS, make_census, truth, write_csv

ROWS = 20_000
Census = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def census() -> Census:
    return make_census(ROWS, seed=0)


@pytest.fixture(scope="module")
def heads(census: Census) -> Census:
    """One row per household."""
    chosen = census["relationship"] == "Head"
    return {name: cells[chosen] for name, cells in census.items()}


def adults(census: Census) -> np.ndarray:
    return census["age"].astype(int) >= truth.ADULT_AGE


def assert_shares(cells: np.ndarray, shares: dict[str, float]) -> None:
    """Within four standard errors of a multinomial draw."""
    counts = Counter(cells.tolist())
    assert set(counts) <= set(shares)
    for label, p in shares.items():
        assert abs(counts[label] / len(cells) - p) < 4 * np.sqrt(p * (1 - p) / len(cells)), label


def test_shape_and_determinism(census: Census) -> None:
    assert tuple(census) == COLUMNS
    assert {len(c) for c in census.values()} == {ROWS}
    again = make_census(ROWS, seed=0)
    assert all((again[name] == census[name]).all() for name in COLUMNS)
    assert (make_census(ROWS, seed=1)["income"] != census["income"]).any()


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_any_number_of_people(rows: int) -> None:
    table = make_census(rows, seed=3)
    assert {len(c) for c in table.values()} == {rows}
    last = table["person_id"][-1]
    size = int(table["household_size"][-1])
    assert sum(p.startswith(last[:8]) for p in table["person_id"]) == size


def test_identifiers_are_unique(census: Census) -> None:
    assert len(set(census["person_id"].tolist())) == ROWS
    assert all(re.fullmatch(r"H\d{7}-\d{2}", p) for p in census["person_id"])


def test_households_share_what_belongs_to_them(census: Census, heads: Census) -> None:
    household = np.array([p[:8] for p in census["person_id"]])
    for name in ("interview_date", "region", "urban", "tenure", "household_size", "weight"):
        assert len(set(zip(household, census[name], strict=True))) == len(set(household)), name
    sizes = Counter(household.tolist())
    assert all(sizes[h] == int(s) for h, s in zip(household, census["household_size"], strict=True))
    assert len(heads["age"]) == len(sizes)
    assert Counter(household[census["relationship"] == "Partner"].tolist()).most_common(1)[0][1] == 1


def test_documented_marginals(heads: Census) -> None:
    assert_shares(heads["household_size"], {str(k): p for k, p in truth.SIZES.items()})
    assert_shares(heads["region"], truth.REGIONS)
    for region, share in truth.URBAN.items():
        assert_shares(heads["urban"][heads["region"] == region], {"yes": share, "no": 1 - share})


def test_couples_by_size(census: Census) -> None:
    second = np.array([p.endswith("-02") for p in census["person_id"]])
    for size in (2, 3, 4):
        chosen = second & (census["household_size"] == str(size))
        share = truth.COUPLES[size]
        is_partner = np.where(census["relationship"][chosen] == "Partner", "yes", "no")
        assert_shares(is_partner, {"yes": share, "no": 1 - share})


def test_tenure_depends_on_age_and_town(heads: Census) -> None:
    age, rural = heads["age"].astype(int), heads["urban"] == "no"
    for group, upper in ((0, 35), (35, 50), (50, 65), (65, 200)):
        chosen = rural & (age >= group) & (age < upper)
        shares = dict(zip(truth.TENURES, truth.TENURE_BY_AGE[group], strict=True))
        assert_shares(heads["tenure"][chosen], shares)


def test_structural_missing_values_are_exact(census: Census) -> None:
    grown = adults(census)
    for name in ("marital_status", "education", "employment", "income"):
        assert ((census[name] == truth.NOT_APPLICABLE) == ~grown).all(), name
    works = np.isin(census["employment"], ("Employed", "Self-employed"))
    for name in ("occupation", "hours"):
        assert ((census[name] == truth.NOT_APPLICABLE) == ~works).all(), name


def test_item_non_response(census: Census) -> None:
    grown = adults(census)
    own = census["employment"] == "Self-employed"
    works = own | (census["employment"] == "Employed")
    for chosen, name, code, share in (
        (grown & ~own, "income", "", truth.BLANK_INCOME),
        (own, "income", "", truth.BLANK_INCOME_SELF_EMPLOYED),
        (works, "occupation", "", truth.BLANK_OCCUPATION),
        (np.ones(ROWS, dtype=bool), "health", "?", truth.UNKNOWN_HEALTH),
    ):
        missing = np.where(census[name][chosen] == code, "missing", "there")
        assert_shares(missing, {"missing": share, "there": 1 - share})


def test_occupation_depends_on_education(census: Census) -> None:
    told = ~np.isin(census["occupation"], (truth.NOT_APPLICABLE, truth.BLANK))
    for label, shares in zip(truth.EDUCATION, truth.OCCUPATION_BY_EDUCATION, strict=True):
        chosen = told & (census["education"] == label)
        assert_shares(census["occupation"][chosen], dict(zip(truth.OCCUPATIONS, shares, strict=True)))


def test_income_has_spikes_heaps_and_a_heavy_tail(census: Census) -> None:
    told = ~np.isin(census["income"], (truth.NOT_APPLICABLE, truth.BLANK))
    income = census["income"][told].astype(int)
    assert (income >= 0).all()
    assert 0.05 < (income == 0).mean() < 0.12
    assert (income == truth.BENEFIT).mean() > 0.01
    assert ((income % 1000 == 0) & (income > 0)).mean() > 0.3
    assert income.max() > 10 * np.median(income[income > 0])


def test_dates_weights_and_hours(census: Census) -> None:
    days = [date.fromisoformat(d) for d in set(census["interview_date"].tolist())]
    assert min(days) >= date(2024, 3, 1)
    assert max(days) <= date(2024, 6, 30)
    assert all(d.isoweekday() != 7 for d in days)
    assert all(re.fullmatch(r"\d+\.\d\d", w) for w in census["weight"])
    weight, alone = census["weight"].astype(float), census["household_size"] == "1"
    capital = census["region"] == "Capital"
    assert abs(weight[capital & ~alone].mean() / truth.WEIGHT["Capital"] - 1) < 0.02
    hours = census["hours"][census["hours"] != "N"].astype(int)
    assert hours.min() >= 1
    assert hours.max() <= 80
    assert Counter(hours.tolist()).most_common(1)[0][0] == 40


def test_file(census: Census, tmp_path: Path) -> None:
    small = {name: cells[:50] for name, cells in census.items()}
    write_csv(small, tmp_path / "census.csv")
    with (tmp_path / "census.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == COLUMNS
    assert [list(column) for column in zip(*rows, strict=True)] == [list(c) for c in small.values()]
