"""Planned steps of DP-SGD cost what the budget has, from public facts alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from models.accounting import compose, epsilon, gaussian, sampled_gaussian
from models.errors import InvalidInput
from models.privacy.sgd import SgdPlan, SgdSettings, events, plan, plan_of, settings_of

DELTA = 1e-9


@pytest.mark.parametrize("spent", [(), (gaussian(20.0),)])
def test_tables_and_steps_spend_the_budget_and_no_more(spent: tuple[Any, ...]) -> None:
    settings = SgdSettings(tables=0.4, rate=0.1, steps=50)
    found = events(settings, 2.0, DELTA, spent=spent)
    assert [event.mechanism for event in found] == ["gaussian", "sampled_gaussian"]
    assert 0.995 * 2 < epsilon(compose(spent, found), DELTA) <= 2
    before = epsilon(spent, DELTA)
    part = before + 0.4 * (2 - before)
    assert 0.995 * part < epsilon(compose(spent, found[:1]), DELTA) <= part


def test_the_plan_is_read_back_from_its_history() -> None:
    settings = SgdSettings(rate=0.1, steps=50, clip=0.7)
    made = plan(settings, 1.0, DELTA, spent=(gaussian(30.0),))
    assert plan_of((gaussian(30.0), *made.events), 0.7) == made
    for wrong in ((gaussian(30.0),), (*made.events, sampled_gaussian(0.5, 9.0, 1))):
        with pytest.raises(InvalidInput):
            plan_of(wrong, 0.7)


def test_what_was_spent_leaves_less_and_the_whole_history_is_calibrated() -> None:
    settings = SgdSettings(rate=0.1, steps=50)
    assert plan(settings, 1.0, DELTA, spent=(gaussian(10.0),)).sigma > 1.05 * plan(settings, 1.0, DELTA).sigma
    with pytest.raises(InvalidInput):
        plan(settings, 1.0, DELTA, spent=(gaussian(1.0),))


def test_the_clip_costs_nothing_and_steps_and_rate_do() -> None:
    base = SgdPlan(0.1, 50, 1.0, 2.0)
    assert SgdPlan(0.1, 50, 9.0, 2.0).events == base.events
    for more in (SgdPlan(0.2, 50, 1.0, 2.0), SgdPlan(0.1, 100, 1.0, 2.0), SgdPlan(0.1, 50, 1.0, 1.5)):
        assert epsilon(more.events, DELTA) > epsilon(base.events, DELTA)


@pytest.mark.parametrize(
    "raw",
    [
        *({"rate": 0}, {"rate": 1.1}, {"rate": True}, {"rate": "x"}, {"steps": 0}, {"steps": 1.5}, {"steps": 10**7}),
        *({"clip": 0}, {"clip": float("nan")}, {"tables": 0}, {"tables": 1}),
    ],
)
def test_bad_settings_are_refused_by_name(raw: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as error:
        settings_of("hybrid", raw)
    assert error.value.errors[0].loc == ("privacy", "options", next(iter(raw)))


def test_planning_needs_no_torch() -> None:
    code = "import sys, models.privacy.sgd; print([m for m in ('torch', 'opacus', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
