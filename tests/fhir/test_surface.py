"""The endpoint: what each request is answered, what of it is stored, who is let in."""

from __future__ import annotations

import asyncio
import json
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.common.settings import Tls
from adapters.fhir.intake import Intake
from adapters.fhir.listener import FhirListener
from adapters.fhir.surface import Fetch, FhirEndpoint
from bus.memory import MemoryLog
from bus.port import LogError, LogFullError, Record, RecordTooLargeError, Stored, TopicPartition
from schemas import topics
from tests.fhir.lab import FEED, Json, at, bundle, encounter, normaliser
from tests.fhir.test_markup import ENCOUNTER as XML
from tests.support.certificates import self_signed
from tests.support.logs import PickyLog
from wardbridge.net.server import HttpServer

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
FHIR = {"Content-Type": "application/fhir+json", "Prefer": "return=OperationOutcome"}
TOKEN = "a-token-of-the-tests-own"  # noqa: S105 - it opens nothing
OPENS = {"Authorization": f"Bearer {TOKEN}"}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class FullLog(MemoryLog):
    def submit(self, records: Sequence[Record], on_done: Callable[[LogError | None], None]) -> None:
        del records
        on_done(LogFullError("no room"))


class Endpoint:
    """One feed's endpoint on a log in memory."""

    def __init__(
        self,
        log: MemoryLog | None = None,
        profile: dict[str, object] | None = None,
        fetch: Fetch | None = None,
        **listener: object,
    ) -> None:
        self.log = log or MemoryLog()
        self.clock = Clock()
        settings = FhirListener.model_validate(listener)
        reader = normaliser(**(profile or {}))
        self.intake = Intake(reader, self.log, lambda: NOW, settings.max_waiting)
        surface = FhirEndpoint(self.intake, settings, lambda: NOW, self.clock, fetch)
        self.app = surface.app()

    def send(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        return asyncio.run(self._send(method, path, _content(body), FHIR | (headers or {})))

    async def post(self, path: str, body: object) -> httpx.Response:
        """Within a loop that others share."""
        return await self._send("POST", path, _content(body), FHIR)

    async def _send(
        self, method: str, path: str, content: bytes | None, headers: dict[str, str]
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ward.test") as client:
            return await client.request(method, path, content=content, headers=headers)

    def stored(self, topic: str) -> list[Stored]:
        return list(self.log.scan(TopicPartition(topic, 0), 0, 100))

    def kept(self) -> tuple[int, int, int]:
        """How many raw records, envelopes and review items."""
        names = (topics.RAW, topics.OBSERVATIONS, topics.REVIEW)
        return tuple(len(self.stored(name)) for name in names)  # type: ignore[return-value]


def _content(body: object) -> bytes | None:
    return body if isinstance(body, bytes | None) else json.dumps(body).encode()


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


def told(response: httpx.Response) -> list[tuple[str, str, str | None]]:
    """Severity, reason and expression of each issue."""
    assert response.headers["content-type"] == "application/fhir+json"
    found = response.json()
    assert found["resourceType"] == "OperationOutcome", found
    return [
        (
            each["severity"],
            each["details"]["coding"][0]["code"],
            next(iter(each.get("expression", [])), None),
        )
        for each in found["issue"]
    ]


GOOD: Json = encounter(location=[at("A"), at("B", "planned")])


def test_a_created_encounter_is_durable_before_the_answer(endpoint: Endpoint) -> None:
    response = endpoint.send("POST", "/fhir/Encounter", GOOD)
    assert response.status_code == 201
    assert response.headers["location"] == "http://ward.test/fhir/Encounter/e1"
    assert told(response) == [("information", "accepted", None)]
    assert endpoint.kept() == (1, 1, 0)


def test_the_bytes_are_kept_as_they_came(endpoint: Endpoint) -> None:
    payload = json.dumps(GOOD, indent=3).encode() + b"\n"
    endpoint.send("POST", "/fhir/Encounter", payload)
    assert endpoint.stored(topics.RAW)[0].value == payload


def test_xml_is_taken_as_it_came(endpoint: Endpoint) -> None:
    headers = {"Content-Type": "application/fhir+xml"}
    response = endpoint.send("POST", "/fhir/Encounter", XML.encode(), headers)
    assert (response.status_code, told(response)[0][1]) == (201, "accepted")
    assert endpoint.stored(topics.RAW)[0].value == XML.encode()


def test_an_encounter_is_updated_by_its_id_and_by_its_identifier(endpoint: Endpoint) -> None:
    assert endpoint.send("PUT", "/fhir/Encounter/e1", GOOD).status_code == 200
    assert endpoint.send("PUT", "/fhir/Encounter?identifier=V1", GOOD).status_code == 200
    assert endpoint.send("PUT", "/fhir/Encounter?identifier=|V1", GOOD).status_code == 200
    assert endpoint.kept()[0] == 3


def test_a_condition_that_says_no_more_than_the_body_is_none(endpoint: Endpoint) -> None:
    for condition in ('W/"1"', '"1"', "1"):
        sent = endpoint.send("PUT", "/fhir/Encounter/e1", GOOD, {"If-Match": condition})
        assert sent.status_code == 200
    entry = _asked(GOOD, ifMatch='W/"1"')
    whole = endpoint.send("POST", "/fhir", {**bundle("transaction"), "entry": [entry]})
    assert whole.json()["entry"][0]["response"]["status"] == "200 OK"


BATCH = bundle("batch", GOOD, encounter(id="e2", status="here"))


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "reason", "where"),
    [
        ("POST", "/fhir/Encounter", b"{", {}, 400, "not-json", None),
        ("POST", "/fhir/Encounter", b'"\xff"', {}, 400, "charset-unreadable", None),
        ("POST", "/fhir/Encounter", b"", {}, 400, "not-json", None),
        ("POST", "/fhir/Encounter", encounter(status="here"), {}, 422, "status-unknown", "Encounter.status"),
        ("POST", "/fhir/Encounter", encounter(status=[]), {}, 400, "element-of-wrong-type", "Encounter.status"),
        ("POST", "/fhir/Encounter", encounter(admission={}), {}, 422, "other-fhir-version", "Encounter.admission"),
        ("POST", "/fhir/Encounter", encounter(subject={"reference": "Patient/9"}), {}, 422, "reference-unresolved", "Encounter.subject.reference"),
        ("POST", "/fhir/Encounter", GOOD, {"Content-Type": "text/plain"}, 415, "content-type-not-read", None),
        ("POST", "/fhir/Encounter", GOOD, {"Content-Type": "application/fhir+json; charset=latin-1"}, 415, "content-type-not-read", None),
        ("POST", "/fhir/Encounter", GOOD, {"Content-Type": "application/fhir+json; fhirVersion=5.0"}, 422, "other-fhir-version", None),
        ("PUT", "/fhir/Encounter/e1", GOOD, {"If-Match": 'W/"2"'}, 412, "condition-not-offered", None),
        ("PUT", "/fhir/Encounter/e1", GOOD, {"If-Match": "*"}, 412, "condition-not-offered", None),
        ("PUT", "/fhir/Encounter/e1", encounter(meta={"lastUpdated": "2026-01-15T10:00:00Z"}), {"If-Match": 'W/""'}, 412, "condition-not-offered", None),
        ("PUT", "/fhir/Encounter/e1", GOOD, {"If-None-Match": "*"}, 412, "condition-not-offered", None),
        ("POST", "/fhir/Encounter", GOOD, {"If-None-Exist": "identifier=V1"}, 412, "condition-not-offered", None),
        ("POST", "/fhir/Encounter", GOOD, {"Content-Encoding": "gzip"}, 415, "content-type-not-read", None),
        ("PUT", "/fhir/Encounter?identifier=V1&identifier=V2", GOOD, {}, 400, "id-differs", "Encounter.identifier"),
        ("PUT", "/fhir/Encounter/e2", GOOD, {}, 400, "id-differs", "Encounter.id"),
        ("PUT", "/fhir/Encounter?identifier=V2", GOOD, {}, 400, "id-differs", "Encounter.identifier"),
        ("PUT", "/fhir/Encounter?status=planned", GOOD, {}, 400, "id-differs", "Encounter.identifier"),
        ("POST", "/fhir/Encounter", bundle("batch"), {}, 400, "resource-elsewhere", None),
        ("POST", "/fhir", GOOD, {}, 400, "resource-elsewhere", None),
        ("POST", "/fhir", bundle("message", GOOD), {}, 400, "resource-elsewhere", "Bundle.type"),
        ("POST", "/fhir", bundle("transaction", GOOD, encounter(id="x", status="y")), {}, 422, "status-unknown", "Bundle.entry[1].resource.status"),
        ("POST", "/fhir/$process-message", bundle("message", GOOD), {}, 422, "message-header-missing", "Bundle.entry[0].resource"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_answered_with_a_reason_and_is_in_review(  # noqa: PLR0913, PLR0917
    endpoint: Endpoint,
    method: str,
    path: str,
    body: object,
    headers: dict[str, str],
    status: int,
    reason: str,
    where: str | None,
) -> None:
    response = endpoint.send(method, path, body, headers)
    assert (response.status_code, told(response)) == (status, [("error", reason, where)])
    assert endpoint.kept() == (1, 0, 1)
    item = json.loads(endpoint.stored(topics.REVIEW)[0].value or b"")
    assert (item["reason"], item["withheld"]) == (reason, True)


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/fhir/Encounter/e1", 405, "no-such-interaction"),
        ("DELETE", "/fhir/Encounter/e1", 405, "no-such-interaction"),
        ("POST", "/fhir/Patient", 404, "no-such-route"),
        ("GET", "/", 404, "no-such-route"),
        ("POST", "/fhir/Encounter/", 404, "no-such-route"),
        ("PUT", "/fhir/Encounter/a%20b", 400, "id-unreadable"),
    ],
)
def test_what_is_not_offered_is_answered_with_an_outcome(
    endpoint: Endpoint, method: str, path: str, status: int, reason: str
) -> None:
    response = endpoint.send(method, path)
    assert (response.status_code, told(response)) == (status, [("error", reason, None)])
    assert endpoint.kept() == (0, 0, 0)


def test_a_batch_is_answered_entry_by_entry_and_a_transaction_as_a_whole(
    endpoint: Endpoint,
) -> None:
    response = endpoint.send("POST", "/fhir/", BATCH)  # as many write the base
    assert (response.status_code, response.json()["type"]) == (200, "batch-response")
    entries = [each["response"] for each in response.json()["entry"]]
    assert [each["status"] for each in entries] == ["200 OK", "422 Unprocessable Entity"]
    assert entries[1]["outcome"]["issue"][0]["severity"] == "error"
    whole = endpoint.send("POST", "/fhir", bundle("transaction", GOOD, encounter(id="e2")))
    assert [each["response"]["status"] for each in whole.json()["entry"]] == ["200 OK"] * 2
    assert endpoint.kept() == (2, 2, 1)


def _asked(document: Json, **request: str) -> Json:
    return {"resource": document, "request": {"method": "PUT", "url": "Encounter/e1"} | request}


@pytest.mark.parametrize(
    ("entry", "reason", "element"),
    [
        (_asked(GOOD, ifMatch='W/"2"'), "condition-not-offered", "ifMatch"),
        (_asked(GOOD, method="POST", ifNoneExist="identifier=V1"), "condition-not-offered", "ifNoneExist"),
        (_asked(GOOD, method="PATCH"), "method-not-read", "method"),
        (_asked(GOOD, url="Encounter/e2"), "id-differs", "url"),
        (_asked(GOOD, url="Encounter?identifier=V2"), "id-differs", "url"),
    ],
    ids=["if-match", "if-none-exist", "patch", "another-id", "another-identifier"],
)  # fmt: skip
def test_what_an_entry_asks_and_is_not_done_is_never_answered_with_a_yes(
    endpoint: Endpoint, entry: Json, reason: str, element: str
) -> None:
    where = f"Bundle.entry[0].request.{element}"
    whole = endpoint.send("POST", "/fhir", {**bundle("transaction"), "entry": [entry]})
    assert told(whole) == [("error", reason, where)]
    each = endpoint.send("POST", "/fhir", {**bundle("batch"), "entry": [entry]})
    (response,) = (entry["response"] for entry in each.json()["entry"])
    issue = response["outcome"]["issue"][0]
    assert (each.status_code, issue["details"]["coding"][0]["code"]) == (200, reason)
    assert response["status"].startswith("4")
    assert endpoint.kept() == (2, 0, 2)


def test_each_entry_is_answered_by_what_was_done(endpoint: Endpoint) -> None:
    entries = [
        _asked(GOOD, method="POST", url="Encounter"),
        _asked(GOOD, url="Encounter?identifier=V1&_format=json"),
        _asked({"resourceType": "Observation"}, method="POST", url="Observation"),
    ]
    response = endpoint.send("POST", "/fhir", {**bundle("transaction"), "entry": entries})
    told_of = [each["response"] for each in response.json()["entry"]]
    assert [each["status"] for each in told_of] == ["201 Created", "200 OK", "200 OK"]
    assert ["outcome" in each for each in told_of] == [False, False, True]


def test_a_message_is_taken_by_what_it_is_about_and_never_by_what_else_it_brings(
    endpoint: Endpoint,
) -> None:
    header = {"resourceType": "MessageHeader", "focus": [{"reference": "Encounter/e1"}]}
    other = encounter(id="e2", identifier=[{"value": "V2", "type": {"coding": [{"code": "VN"}]}}])
    path = "/fhir/$process-message"
    taken = endpoint.send("POST", path, bundle("message", header, GOOD, other))
    assert (taken.status_code, told(taken)) == (200, [("information", "accepted", None)])
    (envelope,) = endpoint.stored(topics.OBSERVATIONS)
    visits = [each["visit"] for each in json.loads(envelope.value or b"")["observations"]]
    assert visits == ["V1"]
    gone = endpoint.send("POST", path, bundle("message", header, other))
    where = "Bundle.entry[0].resource.focus[0]"
    assert (gone.status_code, told(gone)) == (422, [("error", "reference-unresolved", where)])


def test_a_doubt_beside_the_rest_is_a_warning(endpoint: Endpoint) -> None:
    response = endpoint.send("POST", "/fhir/Encounter", encounter(location=[at("A", "maybe")]))
    assert response.status_code == 201
    assert told(response) == [
        ("warning", "location-status-unknown", "Encounter.location[0].status")
    ]
    assert endpoint.kept() == (1, 1, 1)


def test_what_only_the_lean_reader_accepts_is_told_with_its_place(endpoint: Endpoint) -> None:
    response = endpoint.send("POST", "/fhir/Encounter", encounter(wardOfHope="W1"))
    assert response.status_code == 201
    assert told(response) == [("warning", "degraded", "Encounter.wardOfHope")]
    assert endpoint.intake.figures.degraded == 1


def test_a_subscription_shakes_hands_and_brings_its_encounters(endpoint: Endpoint) -> None:
    status = {"resourceType": "SubscriptionStatus", "type": "handshake"}
    hands = endpoint.send("POST", "/fhir/notifications", bundle("history", status))
    assert (hands.status_code, told(hands)) == (200, [("information", "subscription-alive", None)])
    status = status | {"type": "event-notification"}
    event = endpoint.send("POST", "/fhir/notifications", bundle("history", status, GOOD))
    assert event.status_code == 200
    empty = endpoint.send("POST", "/fhir/notifications", bundle("history", status))
    assert empty.status_code == 422  # something happened, and nobody says what
    failing = bundle("history", status | {"type": "heartbeat", "status": "error"})
    assert (
        told(endpoint.send("POST", "/fhir/notifications", failing))[0][1] == "subscription-failing"
    )
    assert endpoint.kept() == (4, 1, 2)


def test_a_log_that_cannot_write_is_a_503_and_never_a_yes() -> None:
    endpoint = Endpoint(FullLog())
    response = endpoint.send("POST", "/fhir/Encounter", GOOD)
    assert (response.status_code, told(response)) == (503, [("error", "not-stored", None)])
    assert response.headers["retry-after"] == "1"
    assert endpoint.intake.figures.not_stored == 1


def test_who_shows_no_token_of_the_feed_is_not_let_in() -> None:
    token = {"name": "millennium", "secret": TOKEN, "may": ["encounter"]}
    endpoint = Endpoint(tokens=[token])
    for shown in (
        {},
        {"Authorization": "Bearer another token, not theirs"},
        {"Authorization": TOKEN},
    ):
        response = endpoint.send("POST", "/fhir/Encounter", GOOD, shown)
        assert (response.status_code, told(response)[0][1]) == (401, "token-missing")
        assert response.headers["www-authenticate"] == "Bearer"
    assert endpoint.send("POST", "/fhir", BATCH, OPENS).status_code == 403
    assert endpoint.kept() == (0, 0, 0)
    assert endpoint.send("POST", "/fhir/Encounter", GOOD, OPENS).status_code == 201
    assert endpoint.send("GET", "/fhir/metadata").status_code == 200  # FHIR: for whoever asks


def test_an_endpoint_that_others_reach_asks_who_they_are() -> None:
    with pytest.raises(ValueError, match="nobody is asked"):
        FhirListener(host="10.0.0.1")
    tls = {"certificate_file": "c", "key_file": "k"}
    with pytest.raises(ValueError, match="nobody is asked"):
        FhirListener.model_validate({"host": "10.0.0.1", "tls": tls})
    FhirListener.model_validate({"host": "10.0.0.1", "tls": tls | {"client_ca_file": "ca"}})
    FhirListener.model_validate({"host": "10.0.0.1", "tokens": [{"name": "x", "secret": TOKEN}]})


def test_more_requests_than_the_feed_takes_are_told_when_to_come_again() -> None:
    endpoint = Endpoint(max_requests_per_s=2)
    codes = [endpoint.send("POST", "/fhir/Encounter", GOOD).status_code for _ in range(3)]
    assert codes == [201, 201, 429]
    assert endpoint.send("POST", "/fhir/Encounter", GOOD).headers["retry-after"] == "1"
    endpoint.clock.now = 0.5
    assert endpoint.send("POST", "/fhir/Encounter", GOOD).status_code == 201
    assert endpoint.intake.figures.refused_at_the_door == 2


def test_the_capability_statement_says_what_is_offered() -> None:
    for edition, release in (("R4", "4.0.1"), ("R4B", "4.3.0"), ("R5", "5.0.0")):
        found = Endpoint(profile={"edition": edition}).send("GET", "/fhir/metadata").json()
        assert (found["resourceType"], found["fhirVersion"]) == ("CapabilityStatement", release)
        offered = found["rest"][0]["resource"][0]
        assert (offered["versioning"], offered["updateCreate"]) == ("no-version", False)
        assert {each["code"] for each in offered["interaction"]} == {"create", "update"}


MODELS = {
    "R4": ("fhir.resources.R4B.capabilitystatement", "fhir.resources.R4B.operationoutcome",
           "fhir.resources.R4B.bundle"),
    "R5": ("fhir.resources.capabilitystatement", "fhir.resources.operationoutcome",
           "fhir.resources.bundle"),
}  # fmt: skip


@pytest.mark.parametrize("edition", ["R4", "R5"])
def test_what_the_endpoint_says_is_what_the_specification_has(edition: str) -> None:
    endpoint = Endpoint(profile={"edition": edition})
    statement, outcome, response = (import_module(name) for name in MODELS[edition])
    statement.CapabilityStatement.model_validate(endpoint.send("GET", "/fhir/metadata").json())
    refused = endpoint.send("POST", "/fhir/Encounter", encounter(status="here"))
    outcome.OperationOutcome.model_validate(refused.json())
    response.Bundle.model_validate(endpoint.send("POST", "/fhir", bundle("batch")).json())


# over a real server


@asynccontextmanager
async def listening(endpoint: Endpoint, tls: Tls | None = None) -> AsyncIterator[str]:
    server = HttpServer(endpoint.app, "127.0.0.1", 0, tls)
    await server.start()
    try:
        yield f"{'https' if tls else 'http'}://localhost:{server.bound_port()}"
    finally:
        await server.stop()


def over_http(
    endpoint: Endpoint,
    use: Callable[[str], Awaitable[Any]],
    tls: Tls | None = None,
) -> Any:
    async def run() -> Any:
        async with listening(endpoint, tls) as url:
            return await use(url)

    return asyncio.run(run())


PIECE = b" " * 65_536
PIECES = 800  # 52 MB


async def _large_body() -> AsyncIterator[bytes]:
    for _ in range(PIECES):
        yield PIECE


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused_while_it_comes(announced: bool) -> None:  # noqa: FBT001
    endpoint = Endpoint()
    headers = FHIR | ({"Content-Length": str(PIECES * len(PIECE))} if announced else {})

    async def use(url: str) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.post(
                f"{url}/fhir/Encounter", content=_large_body(), headers=headers
            )

    tracemalloc.start()
    response = over_http(endpoint, use)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000  # of client and server together: nothing keeps what comes
    assert (response.status_code, told(response)) == (413, [("error", "too-large", None)])
    assert endpoint.intake.figures.too_large == 1
    assert endpoint.kept() == (0, 0, 0)


def test_the_endpoint_answers_after_a_body_that_was_too_large() -> None:
    endpoint = Endpoint()

    async def use(url: str) -> list[int]:
        async with httpx.AsyncClient() as client:
            address = f"{url}/fhir/Encounter"
            large = await client.post(address, content=b" " * 2_000_000, headers=FHIR)
            good = await client.post(address, content=json.dumps(GOOD), headers=FHIR)
            return [large.status_code, good.status_code]

    assert over_http(endpoint, use) == [413, 201]


def test_requests_side_by_side_are_each_stored_once() -> None:
    endpoint = Endpoint()

    async def use(url: str) -> list[int]:
        async with httpx.AsyncClient() as client:
            posts = (
                client.post(f"{url}/fhir/Encounter", content=json.dumps(each), headers=FHIR)
                for each in _many()
            )
            return [each.status_code for each in await asyncio.gather(*posts)]

    assert over_http(endpoint, use) == [201] * 30
    assert endpoint.kept() == (30, 30, 0)
    assert FEED.name.encode() == dict(endpoint.stored(topics.RAW)[0].headers)["feed"]


@pytest.mark.parametrize(
    ("error", "at_once", "status"),
    [
        (RecordTooLargeError("too large"), True, 413),
        (LogError("a value it cannot take"), False, 503),
    ],
)
def test_one_body_that_the_log_refuses_costs_no_other(
    error: LogError, *, at_once: bool, status: int
) -> None:
    log = PickyLog(error, at_once=at_once)
    bodies = [encounter(1), encounter(2, text={"div": "BAD"}), encounter(3)]

    async def play() -> list[int]:
        endpoint = Endpoint(log)
        sent = (endpoint.post("/fhir/Encounter", each) for each in bodies)
        return [response.status_code for response in await asyncio.gather(*sent)]

    assert asyncio.run(play()) == [201, status, 201]


def _many() -> Iterator[Json]:
    return (encounter(number, location=[at("A")]) for number in range(1, 31))


def test_who_shows_no_certificate_of_the_feed_is_not_let_in(tmp_path: Path) -> None:
    ours, theirs = self_signed(tmp_path, "ours"), self_signed(tmp_path, "theirs")
    tls = Tls(certificate_file=ours.file, key_file=ours.key, client_ca_file=theirs.file)

    async def use(url: str) -> list[int]:
        context = ssl.create_default_context(cafile=ours.file)
        async with httpx.AsyncClient(verify=context) as stranger:
            with pytest.raises(httpx.TransportError):
                await stranger.get(f"{url}/fhir/metadata")
        context.load_cert_chain(*theirs)
        async with httpx.AsyncClient(verify=context) as client:
            response = await client.post(f"{url}/fhir/Encounter", json=GOOD)
        return [response.status_code]

    assert over_http(Endpoint(), use, tls) == [201]
