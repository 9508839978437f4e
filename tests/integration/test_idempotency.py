"""The same Idempotency-Key makes one thing, however many requests race."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.errors import Conflict
from service import idempotency
from service.db.base import new_id
from service.db.session import Database
from service.db.tables import Idempotency, Tenant

REQUEST = idempotency.fingerprint({"rows": 5})


@pytest.fixture
def tenants(any_database: Database) -> Database:
    with any_database.write() as session:
        session.add_all([Tenant(id="ten_a", name="a"), Tenant(id="ten_b", name="b")])
    return any_database


def make(database: Database, tenant: str = "ten_a", key: str = "k", request: str = REQUEST) -> str:
    """The resource that the key stands for, made now if need be."""
    with database.write() as session:
        if (earlier := idempotency.claim(session, tenant, key, request)) is not None:
            return earlier
        made = new_id("job")
        idempotency.settle(session, tenant, key, made)
        return made


def test_same_key_same_thing(tenants: Database) -> None:
    assert make(tenants) == make(tenants)
    assert make(tenants, key="other") != make(tenants)
    assert make(tenants, tenant="ten_b") != make(tenants)


def test_same_key_for_another_request(tenants: Database) -> None:
    make(tenants)
    with pytest.raises(Conflict) as raised:
        make(tenants, request=idempotency.fingerprint({"rows": 6}))
    assert raised.value.error_code == "idempotency_conflict"


def test_a_failed_transaction_leaves_the_key_free(tenants: Database) -> None:
    def fail() -> None:
        with tenants.write() as session:
            assert idempotency.claim(session, "ten_a", "k", REQUEST) is None
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        fail()
    with tenants.read() as session:
        assert session.get(Idempotency, ("ten_a", "k")) is None
    assert make(tenants).startswith("job_")


def test_racing_requests_make_one_thing(tenants: Database) -> None:
    together = threading.Barrier(8)

    def race(key: str) -> str:
        together.wait()
        return make(tenants, key=key)

    with ThreadPoolExecutor(8) as pool:
        for turn in range(5):
            assert len(set(pool.map(race, [f"k{turn}"] * 8))) == 1


def test_fingerprint_ignores_the_order_of_names() -> None:
    assert idempotency.fingerprint({"a": 1, "b": [2]}) == idempotency.fingerprint({"b": [2], "a": 1})
    assert idempotency.fingerprint({"a": 1}) != idempotency.fingerprint({"a": "1"})
