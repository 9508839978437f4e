"""What a job's life does to its dataset's privacy ledger, on both databases."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from models.accounting import approximate, compose, epsilon, gaussian, sampled_gaussian
from models.errors import InvalidData, PopulaceError
from service.datasets import service as datasets
from service.db.base import epoch_now
from service.db.tables import Dataset, Job, LedgerEntry, LedgerHead, PrivacyBudget
from service.jobs import lifecycle
from service.jobs.lifecycle import Claim, Event, FencedError
from service.privacy import ledger
from service.privacy.errors import BudgetExceeded, NoBudget
from service.privacy.spent import Spent, joined
from tests.resilience.private_jobs import DELTA, FIT, allow, caller, submit

PARTS = {
    "evaluation": (gaussian(200.0),),
    "domain": (approximate(0.02, 1e-12, label="categories"), gaussian(150.0)),
    "fit": (gaussian(90.0), sampled_gaussian(0.01, 6.0, 50)),
}
Move = Callable[[Any, Claim], None]


def place(bench: Any, shares: Any = FIT, **more: Any) -> str:
    return submit(bench.database, bench.settings, bench.tenant_id, bench.dataset_id, shares, **more)


def lines(bench: Any) -> list[LedgerEntry]:
    return sorted(bench.rows(LedgerEntry, dataset_id=bench.dataset_id), key=lambda e: e.seq)


def kinds(bench: Any) -> list[str]:
    return [f"{e.kind} {e.account}" for e in lines(bench)]


def head(bench: Any) -> LedgerHead:
    return bench.rows(LedgerHead, dataset_id=bench.dataset_id)[0]


def check_sums(bench: Any) -> float:
    """The head is what the entries add up to, every line says what was spent after it -> spent at last."""
    rows = sorted([*bench.rows(PrivacyBudget), *lines(bench)], key=lambda r: r.seq)
    assert [r.seq for r in rows] == list(range(1, len(rows) + 1)), "none lost, none twice"
    spent, budget = Spent(), None
    for row in rows:
        budget = row if isinstance(row, PrivacyBudget) else budget
        if row is not budget and row.kind != "close":
            spent = getattr(spent, row.kind)(row.account, tuple(map(ledger_event, row.history)))
        assert row.epsilon_after == epsilon(spent.total, budget.delta)
    assert (head(bench).seq, head(bench).spent) == (len(rows), spent.to_json())
    assert head(bench).epsilon == rows[-1].epsilon_after
    return float(head(bench).epsilon)


def ledger_event(raw: dict[str, Any]) -> Any:
    from models.accounting import Event

    return Event.from_json(raw)


def claimed(bench: Any) -> Claim:
    with bench.database.write() as session:
        held = lifecycle.claim(session, worker="w", queues=("gpu", "cpu"), lease_seconds=60)
    assert held is not None
    return held


def say(bench: Any, held: Claim, *types: str, accounts: list[str] | None = None) -> None:
    data = {} if accounts is None else {"accounts": accounts}
    with bench.database.write() as session:
        lifecycle.record(session, held, {}, [Event(t, data) for t in types])


def fail(bench: Any, held: Claim) -> None:
    with bench.database.write() as session:
        lifecycle.fail(session, held, InvalidData("x").to_problem())


def crash(bench: Any, held: Claim) -> None:
    with bench.database.write() as session:
        lifecycle.crashed(session, held, PopulaceError("x"))


def cancel(bench: Any, held: Claim) -> None:
    with bench.database.write() as session:
        lifecycle.cancel(session, held.id)
    with bench.database.write() as session:
        lifecycle.cancelled(session, held)


def vanish(bench: Any, held: Claim) -> None:
    with bench.database.write() as session:
        session.execute(sa.update(Job).where(Job.id == held.id).values(lease_until=epoch_now() - 1))
    with bench.database.write() as session:
        lifecycle.reconcile(session, hint_after=30.0)


def publish(bench: Any, held: Claim) -> None:
    evaluation: dict[str, Any] = {"metrics": [], "sections": {}, "meta": {}}
    outcome = {"schema": {"columns": []}, "manifest": {}, "rows": 10, "evaluation": evaluation}
    blobs = {name: bench.store.write([b"x"]).id for name in ("synthesizer", "sample")}
    with bench.database.write() as session:
        lifecycle.publish(session, held, outcome, blobs)


def test_a_job_is_reserved_with_it_and_settled_by_its_first_noise(bench: Any) -> None:
    allow(bench, 3.0)
    job_id = place(bench)
    assert kinds(bench) == ["reserve fit"]
    held = claimed(bench)
    say(bench, held, "touched")
    assert kinds(bench) == ["reserve fit"]
    say(bench, held, "noise")
    assert kinds(bench) == ["reserve fit", "settle fit"]
    publish(bench, held)
    assert kinds(bench) == ["reserve fit", "settle fit"]
    reserve, settle = lines(bench)
    assert (reserve.job_id, reserve.key_id, reserve.attempt) == (job_id, "key_a", None)
    assert (settle.job_id, settle.ends, settle.attempt, settle.key_id) == (job_id, reserve.seq, 1, None)
    assert reserve.history == [{"mechanism": "gaussian", "label": "all pairs", "sigma": 60.0, "steps": 1}]
    assert check_sums(bench) == epsilon(FIT["fit"], DELTA)


@pytest.mark.parametrize(
    ("said", "move", "ends"),
    [
        ((), fail, "release fit"),
        ((), cancel, "release fit"),
        (("touched",), fail, "settle fit"),
        (("touched",), cancel, "settle fit"),
        (("touched", "noise"), fail, "settle fit"),
        (("touched", "noise"), cancel, "settle fit"),
        (("noise",), cancel, "settle fit"),
    ],
)
def test_only_what_never_touched_the_data_is_released(bench: Any, said: tuple[str, ...], move: Move, ends: str) -> None:
    allow(bench, 3.0)
    place(bench)
    held = claimed(bench)
    say(bench, held, *said)
    move(bench, held)
    assert kinds(bench) == ["reserve fit", ends]
    assert (check_sums(bench) > 0) == ends.startswith("settle")


def test_a_queued_job_that_is_cancelled_gives_its_share_back(bench: Any) -> None:
    allow(bench, 3.0)
    job_id = place(bench, PARTS)
    with bench.database.write() as session:
        lifecycle.cancel(session, job_id)
    assert Counter(e.kind for e in lines(bench)) == {"reserve": 3, "release": 3}
    assert check_sums(bench) == 0.0


def test_accounts_are_settled_one_by_one(bench: Any) -> None:
    """A job whose domain discovery finds too little fails having spent its share for that alone."""
    allow(bench, 30.0)
    place(bench, PARTS)
    assert kinds(bench) == ["reserve domain", "reserve fit", "reserve evaluation"], "in the order of the work"
    held = claimed(bench)
    say(bench, held, "touched", "noise", accounts=["domain"])
    fail(bench, held)
    assert kinds(bench)[3:] == ["settle domain", "release fit", "release evaluation"]
    assert check_sums(bench) == epsilon(PARTS["domain"], DELTA)


@pytest.mark.parametrize("data", [{}, {"accounts": []}, {"accounts": ["fit", "lunch"]}, {"accounts": "fit"}])
def test_a_child_that_is_not_understood_has_spent_everything(bench: Any, data: dict[str, Any]) -> None:
    allow(bench, 30.0)
    place(bench, PARTS)
    held = claimed(bench)
    with bench.database.write() as session:
        lifecycle.record(session, held, {}, [Event("noise", data)])
    assert Counter(e.kind for e in lines(bench)) == {"reserve": 3, "settle": 3}


@pytest.mark.parametrize("move", [crash, vanish])
def test_a_job_that_starts_again_is_charged_once(bench: Any, move: Move) -> None:
    allow(bench, 3.0)
    place(bench)
    for attempt in (1, 2, 3):
        held = claimed(bench)
        assert held.attempt == attempt
        say(bench, held, "touched", "noise")
        move(bench, held)
    assert bench.job(held.id).state == "failed"
    assert kinds(bench) == ["reserve fit", "settle fit"]
    assert lines(bench)[1].attempt == 1
    assert check_sums(bench) == epsilon(FIT["fit"], DELTA)


@pytest.mark.parametrize("move", [crash, vanish])
def test_a_job_that_never_got_to_its_data_is_released_after_its_last_attempt(bench: Any, move: Move) -> None:
    allow(bench, 3.0)
    place(bench)
    for _ in range(3):
        assert kinds(bench) == ["reserve fit"], "another attempt may still draw"
        move(bench, claimed(bench))
    assert kinds(bench) == ["reserve fit", "release fit"]
    assert check_sums(bench) == 0.0


def test_a_lost_attempt_cannot_settle(bench: Any) -> None:
    allow(bench, 3.0)
    place(bench)
    old = claimed(bench)
    vanish(bench, old)
    claimed(bench)
    with pytest.raises(FencedError):
        say(bench, old, "noise")
    with pytest.raises(FencedError), bench.database.write() as session:
        lifecycle.charge(session, old, [Event("noise")])
    assert kinds(bench) == ["reserve fit"]


def test_last_words_of_a_cancelled_job_are_charged(bench: Any) -> None:
    allow(bench, 3.0)
    place(bench)
    held = claimed(bench)
    with bench.database.write() as session:
        lifecycle.cancel(session, held.id)
    with bench.database.write() as session:
        lifecycle.charge(session, held, [Event("noise", {"accounts": ["fit"]}), Event("progress", {"fraction": 1})])
        lifecycle.cancelled(session, held)
    assert kinds(bench) == ["reserve fit", "settle fit"]


def test_nothing_leaves_unpaid(bench: Any) -> None:
    """A child that is silent about its noise pays when a checkpoint is kept, and when results are published."""
    allow(bench, 30.0)
    place(bench, PARTS)
    held = claimed(bench)
    kept = bench.store.write([b"c"]).id  # before the turn of the other write: one waits for it
    with bench.database.write() as session:
        lifecycle.save_checkpoint(session, held, kept)
    assert Counter(e.kind for e in lines(bench)) == {"reserve": 3, "settle": 3}
    with bench.database.write() as session:
        lifecycle.fail(session, held, InvalidData("x").to_problem())
    place(bench)
    publish(bench, claimed(bench))
    assert kinds(bench)[6:] == ["reserve fit", "settle fit"]
    check_sums(bench)


def test_a_checkpoint_pays_for_what_was_touched(bench: Any) -> None:
    allow(bench, 30.0)
    place(bench, PARTS)
    held = claimed(bench)
    say(bench, held, "touched", accounts=["domain"])
    kept = bench.store.write([b"c"]).id  # before the turn of the other write: one waits for it
    with bench.database.write() as session:
        lifecycle.save_checkpoint(session, held, kept)
    assert kinds(bench)[3:] == ["settle domain"]


def test_what_does_not_fit_is_refused_and_what_is_offered_fits(bench: Any) -> None:
    allow(bench, 1.0)
    place(bench, {"fit": (gaussian(12.0),)})
    before = (len(bench.rows(Job)), head(bench).seq)
    with pytest.raises(BudgetExceeded) as refused:
        place(bench, {"fit": (gaussian(5.0),)})
    problem = refused.value.to_problem()
    assert (problem["status"], problem["code"]) == (409, "budget_exceeded")
    assert (len(bench.rows(Job)), head(bench).seq) == before, "neither a job nor an entry"
    offered = float(problem["errors"][0]["msg"].split()[2])
    assert 0 < offered < 1
    assert f"epsilon {offered:g} or less" in problem["hint"]
    sigma = next(s / 100 for s in range(400, 100_000) if epsilon((gaussian(s / 100),), DELTA) <= offered)
    place(bench, {"fit": (gaussian(sigma),)})
    assert 0.98 < check_sums(bench) <= 1.0, "and not by far less than it might"


def test_without_a_budget_nothing_is_spent(bench: Any) -> None:
    with pytest.raises(NoBudget):
        place(bench)
    assert bench.rows(Job) == []


def test_costs_are_composed_not_summed(bench: Any) -> None:
    one = epsilon(FIT["fit"], DELTA)
    allow(bench, one * 6)
    for _ in range(30):
        place(bench)
    assert check_sums(bench) == epsilon((gaussian(60.0, steps=30),), DELTA) < 6 * one
    assert head(bench).spent["reserved"]["fit"][0]["steps"] == 30, "equal releases are counted, not listed"


def test_a_change_of_the_budget_is_a_new_line(bench: Any) -> None:
    allow(bench, 2.0)
    place(bench)
    assert allow(bench, 0.05).remaining == 0.0
    with pytest.raises(BudgetExceeded) as refused:
        place(bench)
    assert "Nothing more fits" in refused.value.message
    assert allow(bench, 2.0, delta=1e-6).spent == epsilon(FIT["fit"], 1e-6)
    place(bench)
    check_sums(bench)
    assert [(b.seq, b.epsilon, b.delta) for b in bench.rows(PrivacyBudget)] == [
        (1, 2.0, 1e-9),
        (3, 0.05, 1e-9),
        (4, 2.0, 1e-6),
    ]


def test_sub_accounts_add_up_by_composition(bench: Any) -> None:
    allow(bench, 30.0)
    place(bench, PARTS)
    held = claimed(bench)
    say(bench, held, "noise", accounts=["domain"])
    shown = allow(bench, 30.0)
    assert shown.accounts["domain"].settled == epsilon(joined(PARTS["domain"]), DELTA)
    assert (shown.accounts["domain"].reserved, shown.accounts["fit"].settled) == (0.0, 0.0)
    assert shown.accounts["fit"].reserved == epsilon(joined(PARTS["fit"]), DELTA)
    assert shown.spent == epsilon(joined(compose(*PARTS.values())), DELTA)
    assert shown.settled == shown.accounts["domain"].settled


@pytest.mark.parametrize("shares", [FIT, PARTS], ids=["gaussian", "mixed"])
def test_racing_submissions_never_overspend(bench: Any, shares: Any) -> None:
    """Sums with a closed form are done under the lock where they must be, others before it and again."""
    fit = 7
    cap = epsilon(joined(*list(shares.values()) * fit), DELTA)
    allow(bench, cap)
    start, outcomes = threading.Barrier(6), []

    def work() -> None:
        start.wait()
        for _ in range(3):
            try:
                outcomes.append(place(bench, shares))
            except BudgetExceeded:
                outcomes.append("refused")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(outcomes), outcomes.count("refused")) == (18, 11)
    assert len(bench.rows(Job)) == fit
    assert check_sums(bench) == cap


def test_a_stale_price_of_what_takes_long_is_done_outside_of_the_lock(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(bench, 30.0)
    tries: list[bool] = []
    reserve = ledger.reserve

    def overtaken(session: Any, quote: Any, *args: Any, insist: bool = False) -> None:
        tries.append(insist)
        behind = quote.__class__(quote.dataset_id, quote.seq - 1, quote.shares, quote.after)
        reserve(session, behind if not insist else quote, *args, insist=insist)

    monkeypatch.setattr(ledger, "reserve", overtaken)
    place(bench, PARTS)
    assert tries == [False] * 5 + [True]
    tries.clear()
    monkeypatch.setattr("service.privacy.spent.is_cheap", lambda history: True)
    place(bench, PARTS)
    assert tries == [False]
    check_sums(bench)


def test_the_same_key_reserves_once_even_when_nothing_is_left(bench: Any) -> None:
    allow(bench, epsilon(FIT["fit"], DELTA))
    job_id = place(bench, key="k")
    with pytest.raises(BudgetExceeded):
        place(bench)
    assert place(bench, key="k") == job_id
    assert kinds(bench) == ["reserve fit"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_entries SET epsilon_after = 0",
        "UPDATE ledger_entries SET kind = 'reserve' WHERE id = -1",
        "DELETE FROM ledger_entries",
        "UPDATE privacy_budgets SET epsilon = 100",
        "DELETE FROM privacy_budgets",
        "TRUNCATE ledger_entries",
        "INSERT OR REPLACE INTO ledger_entries SELECT * FROM ledger_entries",
        "INSERT OR REPLACE INTO ledger_entries (tenant_id, dataset_id, seq, kind, account, job_id, history, delta, "
        "epsilon_after) SELECT tenant_id, dataset_id, 99, kind, account, job_id, '[]', delta, 0 FROM ledger_entries",
        "INSERT OR REPLACE INTO privacy_budgets SELECT * FROM privacy_budgets",
    ],
)
def test_the_database_refuses_to_change_history(bench: Any, change: str) -> None:
    allow(bench, 3.0)
    place(bench)
    sqlite = bench.database.sqlite
    if ("TRUNCATE" in change) == sqlite and ("TRUNCATE" in change or "REPLACE" in change):
        pytest.skip("not in this dialect")
    if not sqlite and "REPLACE" in change:
        pytest.skip("not in this dialect")
    if sqlite and "id = -1" in change:
        pytest.skip("SQLite asks for each row")
    with pytest.raises(sa.exc.IntegrityError, match="append-only"), bench.database.write() as session:
        session.execute(sa.text(change))
    check_sums(bench)


def test_the_database_refuses_to_end_a_reservation_twice(bench: Any) -> None:
    allow(bench, 3.0)
    place(bench)
    say(bench, claimed(bench), "noise")
    with bench.database.read() as session:
        (old,) = session.scalars(sa.select(LedgerEntry).where(LedgerEntry.kind == "settle")).all()
    again = {n: getattr(old, n) for n in ("tenant_id", "dataset_id", "account", "ends", "history", "delta")}
    for kind in ("settle", "release"):
        with pytest.raises(sa.exc.IntegrityError), bench.database.write() as session:
            session.add(LedgerEntry(**again, kind=kind, job_id=None, seq=old.seq + 1, epsilon_after=0.0))


def test_the_ledger_outlives_its_dataset(bench: Any) -> None:
    allow(bench, 3.0)
    place(bench)
    publish(bench, claimed(bench))
    datasets.delete(bench.database, bench.store, caller(), bench.dataset_id)
    assert bench.rows(Dataset) == bench.rows(Job) == []
    assert kinds(bench) == ["reserve fit", "settle fit", "close None"]
    assert head(bench).closed_at is not None
    assert lines(bench)[-1].key_id == "key_a"
    assert check_sums(bench) == epsilon(FIT["fit"], DELTA)
    with pytest.raises(NoBudget), bench.database.write() as session:
        ledger.reserve(session, ledger.price(ledger.read(session, bench.dataset_id), FIT), "job_x", None)


def test_what_slips_in_while_a_dataset_is_deleted_is_settled(bench: Any) -> None:
    allow(bench, 3.0)
    place(bench)
    with bench.database.write() as session:
        ledger.close(session, bench.dataset_id, "key_b")
    assert kinds(bench) == ["reserve fit", "settle fit", "close None"]
    check_sums(bench)
