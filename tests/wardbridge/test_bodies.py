"""Gates before bodies, on every route of every application: nothing is read of one that is refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Message

from adapters.common.asking import AskingRoute
from adapters.common.limits import BODY_BYTES
from adapters.fhir import document, intake
from adapters.fhir import surface as surface_of_feed
from adapters.fhir.names import Object
from adapters.fhir.references import Resources
from adapters.fhir.surface import DEEDS
from tests.fhir.test_surface import TOKEN as SENDER
from tests.fhir.test_surface import Endpoint
from tests.wardbridge.test_access import ALL, TOKEN, gate_for
from tests.wardbridge.test_http import surface
from wardbridge.config.authorisation import Grant
from wardbridge.security.route_rights import RULES

PIECE: Final = b"[]," * 1_000
MANY: Final = 1_000
"""Three megabytes: of what is refused none, or little more than the limit, is ever asked for."""
ASKED: Final = sorted(name for name, rule in RULES.items() if rule.deed)
READING: Final = sorted(name for name, rule in RULES.items() if rule.body_bytes)
SENDING: Final = sorted(name for name, deed in DEEDS.items() if deed)
FEED_TOKEN: Final = {"name": "sender", "secret": SENDER}


class Sending:
    """A client that sends without end; ``asked`` counts how many bytes were asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 0

    async def receive(self) -> Message:
        assert self.asked < MANY * len(PIECE), "it reads without end"
        self.asked += len(PIECE)
        return {"type": "http.request", "body": PIECE, "more_body": True}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]


async def ask(app: FastAPI, rule: str, headers: dict[str, str]) -> Sending:
    method, _, template = rule.partition(" ")
    path = template.replace("{ward:path}", "MED").replace("{sequence}", "1")
    path = path.replace("{designation}", "0" * 32)
    for name in ("{name}", "{number}", "{encounter}", "{topic}", "{file}"):
        path = path.replace(name, "x")
    sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope: dict[str, Any] = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
        "query_string": b"", "headers": [(b"host", b"bridge.test"), *sent], "state": {},
        "client": ("192.0.2.1", 4_711), "server": ("bridge.test", 80), "scheme": "http",
        "http_version": "1.1", "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip
    sending = Sending()
    await app(scope, sending.receive, sending.send)
    return sending


CHUNKED: Final = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
ANNOUNCED: Final = {"Content-Length": "100000000", "Content-Type": "application/json"}
BEARER: Final = {"Authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def guarded() -> AsyncIterator[FastAPI]:
    async with surface(gate=gate_for(Grant(may=ALL))) as running:
        yield running.app


async def each(
    app: FastAPI, rules: Iterable[str], headers: dict[str, str]
) -> dict[str, tuple[int, int]]:
    """For each route: the status, and how many bytes were asked for."""
    sent = {rule: await ask(app, rule, headers) for rule in rules}
    return {rule: (sending.status, sending.asked) for rule, sending in sent.items()}


@pytest.mark.parametrize("headers", [CHUNKED, ANNOUNCED, CHUNKED | {"Authorization": "Bearer x"}])
async def test_who_is_not_known_is_refused_before_anything_is_read(headers: dict[str, str]) -> None:
    async with guarded() as app:
        assert await each(app, ASKED, headers) == dict.fromkeys(ASKED, (401, 0))


async def test_who_may_not_is_refused_before_anything_is_read() -> None:
    async with surface(gate=gate_for(Grant(may=frozenset()))) as running:
        found = await each(running.app, ASKED, CHUNKED | BEARER)
        assert found == dict.fromkeys(ASKED, (403, 0))


async def test_no_route_reads_more_than_its_limit() -> None:
    async with guarded() as app:
        announced = await each(app, RULES, ANNOUNCED | BEARER)
        assert announced == dict.fromkeys(RULES, (413, 0))
        for rule, (status, asked) in (await each(app, RULES, CHUNKED | BEARER)).items():
            limit = RULES[rule].body_bytes
            assert asked <= limit + len(PIECE), rule
            assert asked <= BODY_BYTES + len(PIECE), rule
            assert limit or status == 413, rule


@pytest.mark.parametrize(
    "lie", ["1e9", "-1", "0x10", "٣", "1" * 5_000, "", " 5"], ids=lambda lie: lie[:8] or "nothing"
)
def test_a_length_that_lies_or_is_none_is_not_believed(lie: str) -> None:
    """What a server lets through of it; the limit counts what comes."""

    async def check() -> None:
        async with guarded() as app:
            headers = {"Content-Length": lie, "Content-Type": "application/json"}
            sending = await ask(app, "POST /v1/session", headers)
            assert sending.status == 413
            assert sending.asked <= RULES["POST /v1/session"].body_bytes + len(PIECE)

    asyncio.run(check())


# the endpoints of FHIR feeds


def endpoint(**more: object) -> Endpoint:
    return Endpoint(tokens=[FEED_TOKEN | more], max_body_bytes=8_000)


def test_every_route_of_a_feed_asks_and_has_its_deed() -> None:
    app = endpoint().app
    routes = [route for route in app.routes if isinstance(route, AskingRoute)]
    assert len(routes) == len(app.routes)
    assert sorted(f"{m} {r.path}" for r in routes for m in r.methods or ()) == sorted(DEEDS)
    assert {name for name, deed in DEEDS.items() if deed is None} == {
        "GET /fhir/metadata", "GET /openapi.json",
    }  # fmt: skip


def test_a_route_of_a_feed_without_a_deed_is_refused_to_everybody() -> None:
    found = endpoint()

    @found.app.post("/fhir/more")
    async def more() -> None: ...

    for headers in (CHUNKED, CHUNKED | {"Authorization": f"Bearer {SENDER}"}):
        sending = asyncio.run(ask(found.app, "POST /fhir/more", headers))
        assert (sending.status, sending.asked) == (403, 0)


def _of(**token: object) -> Callable[[dict[str, str], str], Sending]:
    return lambda headers, rule: asyncio.run(ask(endpoint(**token).app, rule, headers))


@pytest.mark.parametrize("rule", SENDING)
def test_a_feed_reads_nothing_of_whom_it_does_not_let_in(rule: str) -> None:
    shown = {"Authorization": f"Bearer {SENDER}"}
    for headers in (CHUNKED, ANNOUNCED, CHUNKED | {"Authorization": "Bearer x"}):
        sending = _of()(headers, rule)
        assert (sending.status, sending.asked) == (401, 0)
    sending = _of(may=[])(CHUNKED | shown, rule)
    assert (sending.status, sending.asked) == (403, 0)
    sending = _of()(ANNOUNCED | shown, rule)
    assert (sending.status, sending.asked) == (413, 0)
    sending = _of()(CHUNKED | shown, rule)
    assert sending.status == 413
    assert sending.asked <= 8_000 + len(PIECE)


def test_a_wrong_address_tells_nothing_to_whom_nobody_knows() -> None:
    sending = asyncio.run(ask(endpoint().app, "PUT /fhir/Encounter/not an id", CHUNKED))
    assert (sending.status, sending.asked) == (401, 0)


def test_a_body_that_is_still_coming_counts_as_waiting() -> None:
    async def check() -> None:
        found = endpoint()
        intake, coming = found.intake, asyncio.Event()
        seen: list[tuple[int, int]] = []

        async def slow() -> AsyncIterator[bytes]:
            yield b"{"
            await coming.wait()

        async def send() -> None:
            transport = httpx.ASGITransport(found.app)
            headers = {"Authorization": f"Bearer {SENDER}", "Content-Type": "application/fhir+json"}
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                await client.post("/fhir/Encounter", content=slow(), headers=headers)

        sending = asyncio.create_task(send())
        while not intake.figures.waiting_bytes:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
        seen.append((intake.figures.waiting, intake.figures.waiting_bytes))
        coming.set()
        await sending
        seen.append((intake.figures.waiting, intake.figures.waiting_bytes))
        assert seen == [(1, 1), (0, 0)]

    asyncio.run(check())


class Fetching:
    """Whoever notifies has nothing more to give."""

    async def read(self, reference: str) -> bytes | None:
        del reference
        return None

    async def beside(self, document: Object) -> Resources:
        del document
        return Resources()


def large(rule: str) -> dict[str, Any]:
    """What the route takes, larger than what is read on the loop."""
    encounter = {
        "resourceType": "Encounter",
        "id": "x",
        "status": "in-progress",
        "text": {"div": "x" * 40_000},
    }
    if "Encounter" in rule:
        return encounter
    kind = "history" if "notifications" in rule else "message" if "message" in rule else "batch"
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": encounter}] * 2}


@pytest.mark.parametrize("rule", [rule for rule in SENDING if not rule.startswith("GET")])
def test_what_is_large_is_read_written_and_answered_off_the_loop(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: dict[str, int] = {}

    def watched(module: Any, name: str) -> None:
        work = getattr(module, name)

        def told(*given: Any, **named: Any) -> Any:
            worked[name] = threading.get_ident()
            return work(*given, **named)

        monkeypatch.setattr(module, name, told)

    for module, name in (
        (document, "_look_at_depth"),
        (intake, "records_of"),
        (surface_of_feed, "of_bundle"),
    ):
        watched(module, name)
    found = Endpoint(fetch=Fetching(), tokens=[FEED_TOKEN])
    body, headers = large(rule), {"Authorization": f"Bearer {SENDER}"}
    method, _, path = rule.partition(" ")
    path = path.replace("{number}", "x")
    answer = found.send(method, path, body, headers)
    assert answer.status_code < 500, answer.text
    assert {"_look_at_depth", "records_of"} <= worked.keys()
    assert threading.get_ident() not in worked.values()


# signing in


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"token":"secret-of-somebody"}', 401), (b'{"token":"secret-\\ud800-of-somebody"}', 422),
        (b'{"token":["secret-of-somebody"]}', 422), (b'["secret-of-somebody"]', 422),
        (b'"secret-of-somebody"', 422), (b'{"token":"secret-of-somebody', 422), (b"", 422),
        (b"[" * 4_000 + b'"secret-of-somebody"', 400), (b'{"token":"secret-of-somebody\xff"}', 400),
        (b'{"token":"' + b"secret-of-somebody" * 300 + b'"}', 422), (b'{"token":1e999}', 422),
        (b'{"token":"secret-of-somebody\\u0000"}', 401), (b'{"toke":"secret-of-somebody"}', 422),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else None,
)  # fmt: skip
def test_whatever_is_shown_to_sign_in_is_judged_and_never_quoted(body: bytes, status: int) -> None:
    async def check() -> None:
        async with surface(gate=gate_for(Grant(may=ALL))) as running:
            headers = {"Content-Type": "application/json"}
            answer = await running.client.post("/v1/session", content=body, headers=headers)
            assert "secret" not in answer.text
            assert answer.status_code == status

    asyncio.run(check())


def test_bodies_that_are_on_their_way_have_a_limit_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.fhir.intake.MAX_WAITING_BYTES", 10_000)
    found = endpoint()
    with found.intake.admitted() as grow:  # another is on its way
        grow(9_999)
        headers = CHUNKED | {"Authorization": f"Bearer {SENDER}"}
        sending = asyncio.run(ask(found.app, "POST /fhir/Encounter", headers))
        assert (sending.status, sending.asked) == (503, len(PIECE))
    assert found.intake.figures.waiting_bytes == 0
