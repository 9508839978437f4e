"""Each planted defect is the worst finding of its kind; fresh real rows raise none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models.evaluation.associations import phi_squared
from models.evaluation.context import Context, Part
from models.evaluation.dates import _split
from models.evaluation.details import details
from models.evaluation.groups import is_area
from models.evaluation.matrix import read_matrix
from models.evaluation.options import EvaluationOptions
from models.evaluation.reports import quirk
from models.evaluation.result import Metric
from models.progress import SILENT
from models.schema import Column, Kind, RuleText, Schema
from models.table import Table

AREAS = tuple("abcdefghij")
SCHEMA = Schema(
    (
        Column("key", Kind.IDENTIFIER),
        Column("note", Kind.TEXT, missing_codes=("",)),
        Column("district", Kind.CATEGORICAL, categories=AREAS),
        Column("zone", Kind.CATEGORICAL, categories=("north", "south")),
        Column("sex", Kind.BOOLEAN, categories=("f", "m")),
        Column("age", Kind.INTEGER, minimum=0, maximum=95),
        Column("status", Kind.CATEGORICAL, categories=("single", "married", "widowed", "child"), missing_codes=("?",)),
        Column("income", Kind.INTEGER, missing_codes=("N",)),
        Column("rent", Kind.INTEGER, missing_codes=("", "X")),
        Column("coin", Kind.CATEGORICAL, categories=("head", "tail")),
        Column("born", Kind.DATETIME, datetime_format="%Y-%m-%d"),
        Column("seen", Kind.DATETIME, datetime_format="%Y-%m-%d %H:%M"),
        Column("weight", Kind.WEIGHT),
    ),
    rules=(RuleText(("age < 16",), ("status = child",)),),
)
DAY = np.timedelta64(1, "D")


def people(rows: int, seed: int) -> pd.DataFrame:
    """Ten districts of two zones, gaps that depend on age, dates that avoid Sundays, weights by district."""
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 96, rows)
    district = rng.choice(10, rows, p=np.arange(6, 16) / 105)
    adult = rng.choice(["single", "married", "widowed"], rows, p=[0.5, 0.4, 0.1])
    income = np.where(age < 16, "N", (1000 + 40 * age + rng.integers(0, 900, rows)).astype(str))
    days = np.datetime64("2024-01-01") - 365 * age * DAY - rng.integers(0, 364, rows) * DAY
    seen = np.datetime64("2024-01-01") + 7 * rng.integers(0, 50, rows) * DAY + rng.integers(0, 6, rows) * DAY
    hours = rng.integers(8, 18, rows) * np.timedelta64(1, "h")
    gone = rng.random(rows)
    return pd.DataFrame(
        {
            "key": [f"K{seed:03d}{i:06d}" for i in range(rows)],
            "note": np.where(gone < 0.2, "", [f"{'x' * (3 + i % 9)} {i % 7}" for i in range(rows)]),
            "district": np.array(AREAS)[district],
            "zone": np.where(district < 5, "north", "south"),
            "sex": rng.choice(["f", "m"], rows),
            "age": age.astype(str),
            "status": np.where(age < 16, "child", np.where((age > 70) & (gone < 0.3), "?", adult)),
            "income": income,
            "rent": np.where((age > 60) & (gone > 0.6), "X", (300 + 5 * age + rng.integers(0, 400, rows)).astype(str)),
            "coin": rng.choice(["head", "tail"], rows),
            "born": np.datetime_as_string(days, unit="D"),
            "seen": [str(t).replace("T", " ") for t in (seen + hours).astype("datetime64[m]")],
            "weight": (50 + 10 * district + rng.integers(0, 60, rows)).astype(str),
        }
    )


def looked(synthetic: pd.DataFrame, seed: int = 0, options: EvaluationOptions | None = None) -> Part:
    frames = (people(4000, 100 + seed), people(2000, 200 + seed), synthetic)
    tables = tuple(Table(SCHEMA, pa.table({c: pa.array(f[c].tolist(), pa.string()) for c in f})) for f in frames)
    a, b, c = (read_matrix(t, SCHEMA.modelled, "real") for t in tables)
    options = options or EvaluationOptions()
    return details(Context(a, b, c, None, seed, options, SILENT, tables=(tables[0], tables[1], tables[2])))


def failing(part: Part) -> dict[str, list[str]]:
    """Kind of finding -> subjects that miss their bar, worst first; the first is the worst of all ("")."""
    out: dict[str, list[str]] = {}
    for m in part.metrics:
        if m.status == "fail" and m.subject:
            out.setdefault(m.name, []).append(m.subject)
    return out


def named(part: Part, name: str, subject: str = "") -> Metric:
    return next(m for m in part.metrics if (m.name, m.subject) == (name, subject))


def test_fresh_real_rows_raise_nothing() -> None:
    raised = [failing(looked(people(4000, 300 + seed), seed)) for seed in range(6)]
    # Each of 17 kinds once in a thousand: two tables of six would be one in two hundred.
    assert sum(bool(r) for r in raised) <= 1, raised


def shuffle(frame: pd.DataFrame, column: str, rows: np.ndarray | None = None) -> pd.DataFrame:
    out, rng = frame.copy(), np.random.default_rng(9)
    rows = np.ones(len(frame), bool) if rows is None else rows
    out.loc[rows, column] = rng.permutation(out.loc[rows, column].to_numpy())
    return out


def gaps_moved(frame: pd.DataFrame) -> pd.DataFrame:
    """As many missing rents as before, in any rows."""
    out, rng = frame.copy(), np.random.default_rng(9)
    gone = (frame["rent"] == "X").to_numpy()
    filled = np.where(gone, rng.choice(frame.loc[~gone, "rent"].to_numpy(), len(frame)), frame["rent"])
    out["rent"] = np.where(rng.permutation(gone), "X", filled)
    return out


def thinned(frame: pd.DataFrame) -> pd.DataFrame:
    keep = (frame["district"] != "j") | (np.random.default_rng(9).random(len(frame)) < 0.5)
    return frame[keep]


def thinned_crossing(frame: pd.DataFrame) -> pd.DataFrame:
    inside = (frame["district"] == "j") & (frame["sex"] == "f")
    return frame[~inside | (np.random.default_rng(9).random(len(frame)) < 0.3)]


def invented(frame: pd.DataFrame) -> pd.DataFrame:
    """Heads go with women: the same shares of both."""
    out, rng = frame.copy(), np.random.default_rng(9)
    some = rng.random(len(frame)) < 0.5
    out.loc[some, "coin"] = np.where(out.loc[some, "sex"] == "f", "head", "tail")
    return out


def children_married(frame: pd.DataFrame) -> pd.DataFrame:
    out = frame.copy()
    young = (out["age"].astype(int) < 16) & (np.random.default_rng(9).random(len(frame)) < 0.2)
    out.loc[young, "status"] = "married"
    return out


def zone_broken(frame: pd.DataFrame) -> pd.DataFrame:
    out = frame.copy()
    some = np.random.default_rng(9).random(len(frame)) < 0.02
    out.loc[some, "zone"] = np.where(out.loc[some, "zone"] == "north", "south", "north")
    return out


def sundays(frame: pd.DataFrame) -> pd.DataFrame:
    stamps = pd.to_datetime(frame["seen"]) + pd.to_timedelta(np.random.default_rng(9).integers(0, 7, len(frame)), "D")
    return frame.assign(seen=stamps.dt.strftime("%Y-%m-%d %H:%M"))


def heavy(frame: pd.DataFrame) -> pd.DataFrame:
    """The weights of women doubled, so that only weighted tables change."""
    weight = frame["weight"].astype(int)
    return frame.assign(weight=np.where(frame["sex"] == "f", 2 * weight, weight).astype(str))


PLANTED: list[tuple[Callable[[pd.DataFrame], pd.DataFrame], str, str]] = [
    (gaps_moved, "missing_dependence", "rent"),
    (thinned, "subgroup_size", "district = j"),
    (thinned_crossing, "crossing_size", "district = j and sex = f"),
    (invented, "invented", "sex × coin"),
    (lambda f: shuffle(f, "age"), "vanished", "age × born"),
    (children_married, "rules", "age < 16 -> status = child"),
    (children_married, "impossible", "status × income"),
    (zone_broken, "functions", "district fixes zone"),
    (lambda f: f[f["status"] != "widowed"], "coverage", "status"),
    (
        lambda f: f.assign(rent=f["rent"].where(f["rent"] == "X", (9 * f["age"].astype(int)).astype(str))),
        "range",
        "rent",
    ),
    (sundays, "dates", "seen: weekday"),
    (lambda f: f.assign(note=f["note"].replace("", "filled")), "text_missing", "note"),
    (lambda f: f.assign(key="K1"), "identifier_repeats", "key"),
    (heavy, "weighted_group", "sex = m"),
    (lambda f: f.assign(income=[v if v == "N" else str(int(v) + 900) for v in f["income"]]), "weighted_mean", "income"),
]


@pytest.mark.parametrize(("plant", "kind", "subject"), PLANTED, ids=[f"{k}-{s}" for _, k, s in PLANTED])
def test_a_planted_defect_is_the_worst_of_its_kind(
    plant: Callable[[pd.DataFrame], pd.DataFrame], kind: str, subject: str
) -> None:
    part = looked(plant(people(4000, 300)))
    assert failing(part)[kind][0] == subject
    whole = named(part, kind)
    assert whole.status == "fail"
    assert subject in whole.note
    assert (whole.value or 0) > (whole.bar or 0)
    if whole.holdout is not None:
        assert whole.holdout < (whole.value or 0)


def test_wrong_order_of_dates_and_broken_patterns_show() -> None:
    fresh = people(4000, 300)
    late = fresh.assign(born=np.where(np.arange(4000) % 9 == 0, "2025-06-01", fresh["born"]))
    assert "born × seen: order" in failing(looked(late))["dates"]
    both = fresh.assign(rent=np.where(fresh["status"] == "?", "X", fresh["rent"]))
    assert failing(looked(both))["missing_patterns"] == ["all patterns"]


def test_groups_are_those_asked_for_or_areas_first() -> None:
    part = looked(people(1000, 300))
    assert part.sections["subgroups"]["columns"][:2] == ["district", "sex"]
    assert part.sections["subgroups"]["areas"] == ["district"]
    crossed = [r["columns"] for r in part.sections["subgroups"]["rows"] if len(r["columns"]) == 2]
    assert crossed
    assert ["district", "zone"] not in crossed, "a district lies in one zone: the crossing is the district"
    asked = looked(people(1000, 300), options=EvaluationOptions(subgroups=("coin",)))
    assert asked.sections["subgroups"]["columns"] == ["coin"]
    assert {r["columns"][0] for r in asked.sections["subgroups"]["errors"]} == {"coin"}
    ages = looked(people(2000, 300), options=EvaluationOptions(subgroups=("age",))).sections["subgroups"]
    assert {r["columns"][0] for r in ages["errors"]} == {"age"}
    assert sum(r["subject"].startswith("age = below ") for r in ages["errors"]) == 1
    assert [is_area(n) for n in ("PUMA", "birthCountry", "home_region", "square_area", "ladder", "status")] == [
        True, True, True, True, False, False,
    ]  # fmt: skip


def test_no_content_of_texts_is_shown() -> None:
    assert "K300" not in str(looked(people(500, 300)).sections["texts"])


def test_too_few_rows_and_lonely_columns_are_said_to_be_unavailable() -> None:
    tiny = Table(SCHEMA, pa.table({c: pa.array(people(9, 1)[c].tolist(), pa.string()) for c in people(9, 1)}))
    m = read_matrix(tiny, SCHEMA.modelled, "real")
    part = details(Context(m, m.take(np.zeros(0, int)), m, None, 0, EvaluationOptions(), SILENT))
    unavailable = {x.name for x in part.metrics if x.status == "unavailable"}
    assert {"invented", "subgroup_size", "missing_dependence", "dates", "weighted_group"} <= unavailable
    assert all(x.note for x in part.metrics)
    one = replace(m, columns=m.columns[:1], values=m.values[:, :1], missing=m.missing[:, :1])
    assert details(Context(one, one, one, None, 0, EvaluationOptions(), SILENT)).metrics


def test_phi_squared_is_the_chi_square_without_its_bias_and_its_error_is_right() -> None:
    from scipy.stats import chi2_contingency

    joint = np.array([[0.2, 0.1, 0.05], [0.05, 0.2, 0.4]])
    rng = np.random.default_rng(0)
    tables = [rng.multinomial(800, joint.ravel()).reshape(2, 3).astype(float) for _ in range(400)]
    chi = chi2_contingency(tables[0], correction=False)
    assert phi_squared(tables[0])[0] == pytest.approx(chi.statistic / 800 - chi.dof / 799)
    read = np.array([phi_squared(t)[:2] for t in tables])
    true = float((joint**2 / np.outer(joint.sum(1), joint.sum(0))).sum()) - 1
    assert read[:, 0].mean() == pytest.approx(true, rel=0.05)
    assert np.sqrt(read[:, 1].mean()) == pytest.approx(read[:, 0].std(), rel=0.15)
    assert phi_squared(np.zeros((2, 2))) == (0.0, 0.0, 0)


def test_dates_are_split_as_pandas_splits_them() -> None:
    stamps = pd.to_datetime(
        ["1969-12-31 23:59:59", "1970-01-01", "2024-02-29 07:30", "1900-03-01 12:00"], format="mixed"
    )
    seconds = ((stamps - pd.Timestamp(0)) / pd.Timedelta(seconds=1)).to_numpy(float)
    got = _split(seconds)
    assert got["year"].tolist() == stamps.year.tolist()
    assert (got["month"] + 1).tolist() == stamps.month.tolist()
    assert (got["day"] + 1).tolist() == stamps.day.tolist()
    assert got["weekday"].tolist() == stamps.weekday.tolist()
    assert got["hour"].tolist() == stamps.hour.tolist()


def test_the_quirk_of_the_version_of_sdmetrics_is_told() -> None:
    assert "weakly associated" in quirk("0.32.0")
    assert "weakly associated" in quirk("1.0")
    assert "its own minimum" in quirk("0.14.1")


def test_findings_have_intervals_that_hold_their_values() -> None:
    part = looked(children_married(people(4000, 300)))
    for m in part.metrics:
        if m.value is not None and m.name not in ("coverage", "text_length", "identifier_repeats"):
            assert m.low is not None, m.name
            assert m.low <= m.value <= (m.high or 0), m.name
    broken = named(part, "rules")
    assert (broken.high or 0) - (broken.low or 0) == pytest.approx(
        2 * 1.96 * np.sqrt((broken.value or 0) / 4000), rel=0.3
    )


def test_a_share_and_its_interval_stay_below_one() -> None:
    rows = people(4000, 300)
    gone = looked(rows[rows["district"] != "j"]).sections["subgroups"]["rows"]
    (lost,) = [r for r in gone if r["subject"] == "district = j"]
    assert (lost["value"], lost["high"]) == (1.0, 1.0)
