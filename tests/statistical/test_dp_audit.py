"""The audits pass on the code as it is, and each planted fault is caught. Chance of a false alarm: below 1e-6 for all
of it together (models/dp/audit/finding.py)."""

import json

import numpy as np
import pytest

from models import synthesize
from models.dp import discovery, fitting, gradients, marginals
from models.dp import release as releasing
from models.dp.audit import __main__ as entry
from models.dp.audit import planted, suite
from models.dp.audit.bounds import mu_of
from models.dp.audit.canary import canary, log_ratio
from models.dp.audit.finding import ALARM, Finding
from models.dp.audit.invented import job, people
from models.dp.audit.neighbours import described, fresh_noise
from models.dp.audit.one_run import estimate, tables
from models.dp.audit.suite import FAULTS, SHORT, audits, faults
from models.dp.pairs import choose
from models.dp.release import release
from models.dp.stream import Stream

MODULES = (releasing, marginals, fitting, synthesize, gradients, Stream, discovery._Noise)


def test_every_audit_passes_on_the_code_as_it_is() -> None:
    found = list(audits(SHORT))
    assert len(found) >= 6
    assert [f for f in found if not f.passed] == []
    assert all(f.p is None or f.p > ALARM for f in found)
    assert all(f.lower is None or (f.claim is not None and f.lower < 1.6 * f.claim) for f in found)
    (unit,) = [f for f in found if f.name.startswith("canary")]
    assert unit.lower is not None
    assert unit.lower > 5.0


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught_and_taken_out_again(name: str) -> None:
    before = [dict(vars(module)) for module in MODULES]
    (found,) = faults([name])
    assert found.passed, found.found
    assert found.name == f"planted: {name}"
    assert [dict(vars(module)) for module in MODULES] == before


def test_an_audit_that_sees_too_little_is_refused() -> None:
    """Four times the noise that is needed: private, but the canary is no longer where it is looked for."""
    real = releasing.discrete_gaussian
    try:
        releasing.discrete_gaussian = lambda sd, size, source: real(4 * sd, size, source)
        found = canary(10.0, 1e-9, 600, rows_per_unit=4)
    finally:
        releasing.discrete_gaussian = real
    assert not found.passed
    assert "blind" in found.found


def test_the_ratio_of_tables_without_noise_is_half_the_squared_distance() -> None:
    """For the canary where it is, against it where it is not: k^2 / (2 sd^2) of each table."""
    work = choose((3, 3), one_way=0.3, rows=0.1)
    base, unit = np.zeros((5, 2), dtype=int), np.full((2, 2), 2)
    with planted.noise_forgotten():
        without, with_it = (
            release(codes, work, 1.0, 1e-9, rows_per_unit=2, units=np.arange(len(codes)))
            for codes in (base, np.concatenate([base, unit]))
        )
    half = sum(4 / (2 * sd**2) for sd in without.sd)
    assert log_ratio(with_it, work, len(base), 2) == pytest.approx(half)
    assert log_ratio(without, work, len(base), 2) == pytest.approx(-half)


def test_the_estimate_finds_every_canary_where_there_is_no_noise() -> None:
    rng = np.random.default_rng(0)
    work = choose((12,) * 4)
    rows, coins = rng.integers(0, 12, (60, 4)), rng.random(60) < 0.5
    others = rng.integers(0, 12, (100, 4))
    everyone, base = tables(np.concatenate([others, rows[coins]]), work), tables(others, work)
    surplus = [a - b for a, b in zip(everyone, base, strict=True)]
    scores = estimate(rows, surplus, work, np.full(len(work.axes), 0.05))
    assert ((scores > 0) == coins).all()
    assert (np.abs(scores) < 0.75).all()


def test_a_field_that_is_added_to_a_result_is_compared() -> None:
    generator = job(people())
    text = json.loads(generator.public)
    assert text["release"]["events"]
    assert text["release"]["rows"] is None
    assert "values" not in json.dumps(text["probabilities"])
    assert described({"new": np.arange(2)}) == {"new": {"shape": [2], "dtype": "int64", "values": [0, 1]}}


def test_fresh_noise_is_quiet_on_fresh_noise() -> None:
    """The p-value is a probability: over 40 runs it is not mostly small."""
    found = [fresh_noise("", job, people(), 3).p for _ in range(40)]
    # At .01 each: 7 of 40 or more have a chance of 1e-7.
    assert sum(p is not None and p < 0.01 for p in found) < 7


def test_lines_and_exit_code_of_the_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    results = [Finding("one", True, "well", claim=1.0), Finding("two", False, "ill")]
    asked = []
    monkeypatch.setattr(entry, "run", lambda full: asked.append(full) or iter(results))
    assert entry.main(["--full"]) == 1
    assert [json.loads(line)["passed"] for line in capsys.readouterr().out.splitlines()] == [True, False]
    del results[1]
    assert entry.main([]) == 0
    assert asked == [True, False]
    assert entry.main(["--quick"]) == 2


def test_a_full_run_repeats_what_the_issue_asks_for() -> None:
    assert suite.FULL.releases >= 20_000
    assert suite.FULL.units >= 10_000
    assert 1.0 in suite.FULL.claims
    assert mu_of(1.0, suite.DELTA) < 0.2
