"""Who was refused is in the audit, and no flood fills it."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.common.tokens import hash_of
from bus.memory import MemoryLog
from bus.port import LogError
from schemas.audit import Action, AuditEntry
from schemas.ward import Ward, WardRegister
from tests.wardbridge.test_audit import entries
from tests.wardbridge.test_fhir_surface import address
from tests.wardbridge.test_http import AT, Surface, data, notice, refuse, row, surface
from tests.wardbridge.test_oidc import SIGNER, STRANGER, signed, verifier
from wardbridge.config.authorisation import Grant, Reader
from wardbridge.security.authenticator import Authenticator, Credentials
from wardbridge.security.refusals import (
    MAX_KINDS,
    MAX_OF_SOURCE,
    Attempt,
    Refusals,
    Window,
    source_of,
)
from wardbridge.security.session import COOKIE, Session, sealed

TOKEN, OTHER = "a-token-for-the-tests", "another-token-that-is-nobodys"
REGISTER = WardRegister([Ward(id=ward, name=ward, hospital="Norr") for ward in ("MED", "KIR")])
LIST = "/v1/wards/MED/inbound"


def gate() -> Authenticator:
    anna = Reader(
        "anna", "token", (Grant(wards=frozenset({"KIR"}), may=frozenset({"read"})),), "KIR"
    )
    known = Credentials({"anna": (hash_of(TOKEN), anna)}, {}, verifier(), 30)
    return Authenticator(known, REGISTER.hospital_of, lambda: datetime.now(UTC))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def told(entry: AuditEntry) -> dict[str, Any]:
    """All that an entry says, but when, and what it leaves out."""
    return entry.model_dump(
        exclude={"type", "version", "at", "fields", "seen", "about"}, exclude_defaults=True
    )


def cookie(ends_in: timedelta) -> dict[str, str]:
    value = sealed(Session("anna", datetime.now(UTC) + ends_in), hash_of(TOKEN))
    return {"Cookie": f"{COOKIE}={value}"}


NOBODY: dict[str, Any] = {"reader": "", "how": "", "unit": ""}
ANNA: dict[str, Any] = {"reader": "anna", "how": "token", "unit": "KIR"}
READ = {
    "action": Action.REFUSED,
    "source": "127.0.0.1",
    "route": "GET /v1/wards/{ward:path}/inbound",
}
PAST = datetime.now(UTC) - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        (LIST, {}, NOBODY | READ | {"ward": "MED", "status": 401}),
        (LIST, bearer(OTHER), NOBODY | READ | {"ward": "MED", "status": 401}),
        (LIST, bearer(TOKEN), ANNA | READ | {"ward": "MED", "status": 403}),
        ("/v1/wards/200001012384/inbound", {}, NOBODY | READ | {"ward": "", "status": 401}),
        (LIST, cookie(timedelta(days=-1)),
         NOBODY | READ | {"reader": "anna", "how": "session", "ward": "MED", "status": 401}),
        (LIST, bearer(signed(SIGNER, exp=PAST)),
         NOBODY | READ | {"reader": "anna", "how": "oidc", "ward": "MED", "status": 401}),
        (LIST, bearer(signed(STRANGER, exp=PAST)), NOBODY | READ | {"ward": "MED", "status": 401}),
        (LIST, {"X-Forwarded-For": "192.0.2.7"},
         NOBODY | READ | {"source": "192.0.2.7", "ward": "MED", "status": 401}),
        (LIST, {"X-Forwarded-For": "192.0.2.7, 198.51.100.9"},
         NOBODY | READ | {"source": "198.51.100.9", "ward": "MED", "status": 401}),
        (LIST, {"X-Forwarded-For": "<b>"}, NOBODY | READ | {"source": "", "ward": "MED", "status": 401}),
        ("/v1/subscribers", bearer(TOKEN),
         ANNA | READ | {"route": "GET /v1/subscribers", "ward": "", "status": 403}),
    ],
    ids=["nothing shown", "a strange token", "another ward", "no ward", "an old session", "an old token",
         "a forged one", "a proxy", "a forged proxy", "no address", "no right"],
)  # fmt: skip
def test_a_refused_request_is_noted_with_who_whence_and_where(
    path: str, headers: dict[str, str], expected: dict[str, Any]
) -> None:
    async def check() -> None:
        async with surface(register=REGISTER, gate=gate()) as running:
            await running.client.get(path, headers=headers)
            (entry,) = entries(running.log)
            assert told(entry) == expected
            for secret in (TOKEN, OTHER, "Bearer", "200001012384", headers.get("Cookie", TOKEN)):
                assert secret not in entry.model_dump_json()

    asyncio.run(check())


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (TOKEN, ANNA | {"action": Action.SIGNED_IN, "status": 204}),
        (OTHER, NOBODY | {"action": Action.SIGN_IN_REFUSED, "status": 401}),
    ],
)
def test_a_sign_in_is_noted_whatever_comes_of_it(token: str, expected: dict[str, Any]) -> None:
    async def check() -> None:
        async with surface(register=REGISTER, gate=gate()) as running:
            await running.client.post("/v1/session", json={"token": token})
            (entry,) = entries(running.log)
            where = {"ward": "", "source": "127.0.0.1", "route": "POST /v1/session"}
            assert told(entry) == expected | where
            assert token not in entry.model_dump_json()

    asyncio.run(check())


def test_an_encounter_that_somebody_may_not_read_is_noted_and_told_as_if_there_were_none() -> None:
    async def check() -> None:
        told_to_med = [notice("MED", 1), row("MED", "1")]
        async with surface(*told_to_med, register=REGISTER, gate=gate()) as running:
            await running.until_seen(1)
            found = [
                await running.client.get(f"/fhir/{address(data(ward, 1))}", headers=bearer(TOKEN))
                for ward in ("MED", "no such ward")
            ]
            assert [each.status_code for each in found] == [404, 404]
            assert found[0].json() == found[1].json()
            (entry,) = entries(running.log)
            assert told(entry) == ANNA | READ | {
                "route": "GET /fhir/Encounter/{encounter}", "ward": "MED", "status": 404,
            }  # fmt: skip

    asyncio.run(check())


def test_where_nobody_is_asked_nothing_is_noted() -> None:
    async def check() -> None:
        async with surface(register=REGISTER) as running:
            await running.client.get(LIST)
            await running.client.get("/v1/wards/KIR/inbound")
            assert entries(running.log) == []

    asyncio.run(check())


async def ask_often(running: Surface, count: int) -> None:
    for _ in range(count):
        await running.client.get(LIST)


def test_those_of_one_kind_are_noted_at_once_and_then_together() -> None:
    async def check() -> None:
        async with surface(register=REGISTER, gate=gate()) as running:
            await ask_often(running, 50)
            assert [entry.count for entry in entries(running.log)] == [1]
            running.refusals.write_rest()
            assert [entry.count for entry in entries(running.log)] == [1, 49]
            running.refusals.write_rest()
            await ask_often(running, 1)
            assert [entry.count for entry in entries(running.log)] == [1, 49, 1]
            await ask_often(running, 2)
            await running.refusals.stop()
            assert [entry.count for entry in entries(running.log)] == [1, 49, 1, 2]

    asyncio.run(check())


def test_a_log_that_cannot_be_written_is_counted_and_the_answer_is_the_same() -> None:
    async def check() -> None:
        async with surface(register=REGISTER, gate=gate()) as running:
            with pytest.MonkeyPatch.context() as broken:
                broken.setattr(running.log, "submit", refuse)
                assert (await running.client.get(LIST)).status_code == 401
            assert running.refusals.failures == 1
            metrics = (await running.client.get("/metrics", headers=bearer(TOKEN))).status_code
            assert metrics == 403

    asyncio.run(check())


ATTEMPTS = st.builds(
    Attempt,
    st.just(Action.REFUSED),
    st.sampled_from((401, 403)),
    st.integers(0, 2**32 - 1).map(lambda n: f"2001:db8:{n % 500:x}::{n:x}"[:39]),
    st.integers(0, 30).map(lambda n: f"GET /{n}"),
    st.sampled_from(("MED", "KIR", "")),
    st.integers(0, 20).map(lambda n: f"reader-{n}" if n > 10 else ""),
)


@given(st.lists(ATTEMPTS, max_size=300), st.integers(1, 5))
def test_however_many_come_few_are_noted_and_all_are_counted(
    attempts: list[Attempt], again: int
) -> None:
    window, noted = Window(), Counter[Attempt]()
    for attempt in attempts * again:
        if kind := window.take(attempt):
            noted[kind] += 1
    assert noted.total() + window.more.total() == len(attempts) * again
    assert max(noted.values(), default=1) == 1
    assert len(noted) <= 2 * (MAX_KINDS + 2)


def test_a_flood_of_strangers_hides_nobody_who_is_known() -> None:
    window = Window()
    for number in range(100_000):
        address = str(number % 5_000)
        window.take(
            Attempt(Action.REFUSED, 401, f"10.{number % 250}.{address[:2]}.1", f"GET /{number}")
        )
    assert len(window.more) <= MAX_KINDS + 1
    anna = Attempt(Action.REFUSED, 403, "10.0.0.1", "GET /x", "MED", "anna", "token", "KIR")
    assert window.take(anna) == anna


def test_of_one_address_few_kinds_are_told_apart() -> None:
    window = Window()
    for number in range(1_000):
        window.take(Attempt(Action.REFUSED, 401, "192.0.2.7", f"GET /{number}"))
    assert len(window.more) == MAX_OF_SOURCE + 1
    assert window.more[Attempt(Action.REFUSED, 401, "192.0.2.7")] == 1_000 - MAX_OF_SOURCE - 1


def test_each_minute_what_was_counted_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardbridge.security.refusals.WINDOW_S", 0.01)

    async def check() -> None:
        log = MemoryLog(1)
        refusals = Refusals(log, lambda: AT)
        await refusals.start()
        for _ in range(3):
            refusals.note(Attempt(Action.REFUSED, 401, "192.0.2.7"))
        async with asyncio.timeout(20):
            while len(entries(log)) < 2:  # noqa: ASYNC110 - nothing else tells of it
                await asyncio.sleep(0.01)
        assert [entry.count for entry in entries(log)] == [1, 2]
        assert (refusals.blocking(), refusals.failure()) == (None, None)
        await refusals.stop()
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(log, "submit", _full)
            refusals.note(Attempt(Action.REFUSED, 401, "192.0.2.7"))
        assert refusals.failures == 1
        log.close()

    asyncio.run(check())


def _full(_records: object, on_done: Any) -> None:
    on_done(LogError("full"))


def test_an_address_is_one_or_nothing() -> None:
    assert [source_of(text) for text in ("192.0.2.7", "::1", "", "x", "192.0.2.7:80")] == [
        "192.0.2.7", "::1", "", "", "",
    ]  # fmt: skip
