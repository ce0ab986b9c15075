"""Pulling from a server: pages, retries, tokens, references, rounds that fail half-way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qs

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.common.outcome import InputOutcome
from adapters.fhir.client import FhirClient, RemoteError, TryAgainError
from adapters.fhir.grant import ASSERTION_TYPE, BackendToken
from adapters.fhir.intake import Intake
from adapters.fhir.lookup import ResourceLookup
from adapters.fhir.poller import Poller
from adapters.fhir.positions import Positions
from adapters.fhir.references import Resources
from adapters.fhir.remote import Backend, Remote
from bus.memory import MemoryLog
from bus.port import RecordTooLargeError, TopicPartition
from schemas import topics
from tests.fhir.lab import Json, at, encounter, normaliser
from tests.fhir.test_surface import Clock, Endpoint, told
from tests.support.answering import answering
from tests.support.logs import PickyLog

BASE = "https://ehr.test/r4/"
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
SHOWN = "opens nothing"
PATIENT: Json = {"resourceType": "Patient", "id": "p", "identifier": [{"value": "4711"}]}
BED: Json = {
    "resourceType": "Location", "id": "b", "physicalType": {"coding": [{"code": "bd"}]},
    "name": "12", "partOf": {"reference": "Location/w"},
}  # fmt: skip
WARD: Json = {"resourceType": "Location", "id": "w", "identifier": [{"value": "N51"}]}
STAY: Json = encounter(subject={"reference": "Patient/p"}, location=[at("b")])

Answer = httpx.Response | Callable[[httpx.Request], httpx.Response]
T = TypeVar("T")


class Server:
    """A FHIR server as a table of answers; a list is used up from its front."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.authorizations: list[str] = []
        self.slept: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        address = str(request.url).removeprefix(BASE)
        self.asked.append(address)
        self.authorizations.append(request.headers.get("authorization", ""))
        answer = self.answers.get(address, httpx.Response(404))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def client(self, grant: BackendToken | None = None, **remote: object) -> FhirClient:
        http = answering(self)
        settings = Remote.model_validate({"base_url": BASE, "page_size": 2} | remote)
        return FhirClient(settings, http, self.sleep, grant)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def pages(client: FhirClient, query: str) -> list[bytes]:
    return [page.payload async for page in client.search(query, 2)]


def page(*resources: Json, following: str | None = None) -> Json:
    link = [{"relation": "next", "url": following}] if following else []
    entries = [{"resource": each, "search": {"mode": "match"}} for each in resources]
    return {"resourceType": "Bundle", "type": "searchset", "link": link, "entry": entries}


def test_a_search_goes_on_to_its_last_page() -> None:
    server = Server({
        "Encounter?patient=1&_count=2": page(following=f"{BASE}?page=2"),
        "?page=2": page(following="?page=3"),
        "?page=3": page(),
    })  # fmt: skip
    assert len(run(pages(server.client(), "Encounter?patient=1"))) == 3


@pytest.mark.parametrize(
    "following",
    ["https://elsewhere.test/r4/?page=2", f"{BASE}../admin", "https://ehr.test/r45/Encounter"],
)
def test_a_page_elsewhere_is_not_asked_for(following: str) -> None:
    server = Server({"Encounter?_count=2": page(following=following)})
    with pytest.raises(RemoteError, match="another server"):
        run(pages(server.client(token=SHOWN), "Encounter"))
    assert server.asked == ["Encounter?_count=2"]


def test_pages_in_a_circle_end() -> None:
    server = Server({"Encounter?_count=2": page(following=f"{BASE}Encounter?_count=2")})
    with pytest.raises(RemoteError, match="circle"):
        run(pages(server.client(), "Encounter"))


def test_a_page_that_is_gone_is_no_end() -> None:
    server = Server({"Encounter?_count=2": page(following=f"{BASE}?page=2")})
    with pytest.raises(RemoteError, match="a page of the search is not there"):
        run(pages(server.client(), "Encounter"))


def test_a_server_that_asks_for_patience_gets_it() -> None:
    busy = httpx.Response(429, headers={"Retry-After": "7"})
    until = httpx.Response(503, headers={
        "Date": "Thu, 15 Jan 2026 12:00:00 GMT", "Retry-After": "Thu, 15 Jan 2026 12:00:09 GMT",
    })  # fmt: skip
    server = Server({"Encounter/1": [busy, until, httpx.ConnectError("cut"), STAY]})
    assert run(server.client().read("Encounter/1")) is not None
    assert server.slept[:2] == [7.0, 9.0]
    assert 0 < server.slept[2] <= 3.0


def test_no_server_makes_us_wait_for_ever() -> None:
    busy = httpx.Response(429, headers={"Retry-After": "86400"})
    server = Server({"Encounter/1": [busy, STAY]})
    run(server.client().read("Encounter/1"))
    assert server.slept == [120.0]


def test_what_is_not_there_is_none_and_what_is_refused_is_an_error() -> None:
    server = Server({"Encounter/2": httpx.Response(403)})
    assert run(server.client().read("Encounter/1")) is None
    with pytest.raises(RemoteError, match="403"):
        run(server.client().read("Encounter/2"))
    assert server.slept == []


def _beside(server: Server, clock: Clock) -> ResourceLookup:
    return ResourceLookup(server.client(), 60, clock)


def test_what_an_encounter_refers_to_is_fetched_upwards_and_remembered() -> None:
    clock = Clock()
    server = Server({"Patient/p": PATIENT, "Location/b": BED, "Location/w": WARD})
    lookup = _beside(server, clock)
    known = run(lookup.beside(STAY))
    assert server.asked == ["Patient/p", "Location/b", "Location/w"]
    run(lookup.beside(STAY))
    assert server.asked[3:] == ["Patient/p"], "a protection that was added must count at once"
    clock.now = 61
    run(lookup.beside(STAY))
    assert server.asked[4:] == ["Patient/p", "Location/b", "Location/w"]
    outcome = normaliser().normalise(json.dumps(STAY).encode(), NOW, known)
    place = outcome.observations[0].claims.place
    assert place is not None
    assert (place.ward, place.bed) == ("N51", "12")


def test_what_was_not_there_is_asked_for_again() -> None:
    server = Server({"Location/b": BED, "Location/w": WARD})
    lookup = _beside(server, Clock())
    assert normalised(run(lookup.beside(STAY))).reason == "reference-unresolved"
    server.answers["Patient/p"] = PATIENT
    assert normalised(run(lookup.beside(STAY))).reason == "accepted"


def normalised(known: Resources) -> InputOutcome:
    return normaliser().normalise(json.dumps(STAY).encode(), NOW, known)


def test_what_is_in_the_bundle_or_elsewhere_is_not_fetched() -> None:
    server = Server({})
    foreign = encounter(
        subject={"reference": "https://elsewhere.test/Patient/p"},
        serviceProvider={"reference": "urn:uuid:1"},
        location=[{"location": {"reference": "#c"}}],
    )
    run(_beside(server, Clock()).beside(foreign))
    run(_beside(server, Clock()).beside(page(STAY, PATIENT, BED, WARD)))
    assert server.asked == []


def test_a_reference_refused_to_us_leaves_the_rest_readable() -> None:
    answers = {"Patient/p": httpx.Response(403), "Location/b": BED, "Location/w": WARD}
    known = run(_beside(Server(answers), Clock()).beside(STAY))
    outcome = normaliser().normalise(json.dumps(STAY).encode(), NOW, known)
    assert outcome.reason == "reference-unresolved"


class Round:
    """A poller on a log in memory."""

    def __init__(self, server: Server, *searches: str, log: MemoryLog | None = None) -> None:
        self.log = log or MemoryLog()
        self.now = NOW
        intake = Intake(normaliser(), self.log, lambda: self.now, 10)
        remote = Remote(base_url=BASE, searches=searches, look_back_s=60, overlap_s=30)
        client = server.client(give_up_s=0.001)
        lookup = ResourceLookup(client, 60, Clock())
        positions = Positions(self.log, "fhir", BASE)
        self.poller = Poller(remote, lookup, intake, positions, lambda: self.now)

    def stored(self, topic: str) -> int:
        return sum(self.log.ends(topic).values())


def test_each_page_of_a_round_is_an_input_and_the_round_moves_on() -> None:
    search = "Encounter?_lastUpdated=ge{since}"
    first = "Encounter?_lastUpdated=ge2026-01-15T11:59:00Z&_count=50"
    second = "Encounter?_lastUpdated=ge2026-01-15T11:59:30Z&_count=50"
    left_out = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning"}]}
    server = Server({
        first: page(STAY, following="?page=2"), "?page=2": page(left_out), second: page(),
        "Patient/p": PATIENT, "Location/b": BED, "Location/w": WARD,
    })  # fmt: skip
    rounds = Round(server, search)
    run(rounds.poller.round())
    assert (rounds.poller.rounds, rounds.poller.failure) == (1, None)
    assert rounds.stored(topics.RAW) == 2
    assert rounds.stored(topics.OBSERVATIONS) == 1
    assert rounds.stored(topics.REVIEW) == 1  # something was left out: never taken for absence
    rounds.now = NOW + timedelta(seconds=60)
    run(rounds.poller.round())
    assert second in server.asked


def test_a_round_that_fails_amid_its_pages_is_asked_for_again() -> None:
    first = "Encounter?_lastUpdated=ge2026-01-15T11:59:00Z&_count=50"
    server = Server({first: page(following="?page=2"), "?page=2": httpx.Response(500)})
    rounds = Round(server, "Encounter?_lastUpdated=ge{since}")
    run(rounds.poller.round())
    assert rounds.poller.failure == "search 1 of 1: the server: status 500"
    server.answers["?page=2"] = page()
    rounds.now = NOW + timedelta(seconds=60)
    run(rounds.poller.round())
    assert rounds.poller.failure is None
    assert server.asked.count(first) == 2


LOGIN: Json = {"text": "<html>please sign in</html>"}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, **LOGIN),
        httpx.Response(200, json={"resourceType": "OperationOutcome"}),
        httpx.Response(200, json={"resourceType": "Bundle", "link": "next"}),
        httpx.Response(404),
        httpx.ReadError("cut"),
        OverflowError("nobody has thought of it"),
    ],
    ids=["login-page", "outcome", "odd-links", "not-there", "cut", "a-fault"],
)
def test_a_search_that_fails_costs_no_other_search_its_round(answer: Any) -> None:
    server = Server({
        "Encounter?patient=1&_count=50": answer, "Encounter?patient=2&_count=50": page(STAY),
        "Patient/p": PATIENT,
    })  # fmt: skip
    rounds = Round(server, "Encounter?patient=1", "Encounter?patient=2")
    run(rounds.poller.round())
    assert (rounds.poller.failure or "").startswith("search 1 of 2: ")
    assert "patient" not in (rounds.poller.failure or "")
    assert (rounds.poller.rounds, rounds.stored(topics.RAW)) == (0, 1)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, **LOGIN),
        httpx.Response(200, json={}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"access_token": "T", "expires_in": "soon"}),
        httpx.Response(401),
    ],
    ids=["login-page", "empty", "list", "odd-time", "refused"],
)
def test_a_token_endpoint_that_gives_no_token_is_a_failure_of_the_round(
    answer: httpx.Response,
) -> None:
    grant = _grant(lambda _: answer, lambda: NOW)
    client = Server({"Encounter/1": STAY}).client(grant, give_up_s=0.001)
    with pytest.raises(RemoteError, match="token"):
        run(client.read("Encounter/1"))


def test_a_round_that_says_what_the_last_one_said_is_not_kept_again() -> None:
    search = "Encounter?patient=p&_count=50"
    server = Server({search: page(STAY) | {"id": "1", "timestamp": "2026-01-15T12:00:00Z"}})
    rounds = Round(server, "Encounter?patient=p")
    kept = []
    for _ in range(3):
        run(rounds.poller.round())
        kept.append((rounds.stored(topics.RAW), rounds.stored(topics.REVIEW)))
    server.answers[search] |= {"id": "2", "timestamp": "2026-01-15T12:01:00Z"}
    run(rounds.poller.round())
    assert kept == [(1, 1)] * 3
    assert rounds.stored(topics.REVIEW) == 1, "the Patient is still missing, and that is known"
    server.answers["Patient/p"] = PATIENT
    run(rounds.poller.round())
    assert rounds.stored(topics.OBSERVATIONS) == 1, "the same page says more now"


def test_a_page_that_is_more_than_a_record_takes_is_asked_for_by_smaller_ones() -> None:
    padded = page(STAY) | {"text": {"div": "x" * 1_000_000}}
    server = Server({
        "Encounter?patient=p&_count=50": padded, "Encounter?patient=p&_count=25": padded,
        "Encounter?patient=p&_count=12": page(STAY), "Patient/p": PATIENT,
    })  # fmt: skip
    rounds = Round(server, "Encounter?patient=p")
    run(rounds.poller.round())
    assert (rounds.poller.rounds, rounds.poller.failure) == (1, None)
    assert rounds.stored(topics.RAW) == 1


PADDED: Json = page(STAY) | {"text": {"div": "x" * 1_000_000}}


def _with_large_page(following: str | None = None) -> Server:
    """A server whose pages are too large down to those of a single resource."""
    padded = PADDED | {"link": page(following=following)["link"]}
    sizes = (50, 25, 12, 6, 3, 1)
    answers: dict[str, Any] = {f"Encounter?patient=p&_count={size}": padded for size in sizes}
    return Server(answers | {"Patient/p": PATIENT, "?page=2": page(STAY)})


def test_a_resource_that_no_record_holds_costs_itself_and_is_in_review() -> None:
    server = _with_large_page(following="?page=2")
    rounds = Round(server, "Encounter?patient=p")
    for _ in range(3):
        run(rounds.poller.round())
    assert (rounds.poller.rounds, rounds.poller.failure) == (3, None)
    assert (rounds.stored(topics.RAW), rounds.stored(topics.OBSERVATIONS)) == (2, 1)
    (item,) = rounds.log.scan(TopicPartition(topics.REVIEW, 0), 0, 10)
    said = json.loads(item.value or b"")
    assert (said["reason"], said["mark_unread"], said["repeatable"]) == ("too-large", True, False)


def test_what_follows_from_a_page_may_be_more_than_a_record_takes() -> None:
    """The log refuses the envelope of the second page, not the page itself."""
    search, bad = "Encounter?patient=p&_count={}", page(STAY | {"text": {"div": "BAD"}})
    server = Server({search.format(size): bad for size in (50, 25, 12, 6, 3, 1)})
    server.answers["Patient/p"] = PATIENT
    log = PickyLog(RecordTooLargeError("too large"), at_once=True)
    rounds = Round(server, "Encounter?patient=p", log=log)
    run(rounds.poller.round())
    assert rounds.poller.failure is None
    assert rounds.stored(topics.REVIEW) == 1


def test_a_page_that_is_larger_than_anything_ends_the_round_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.fhir.client.MAX_SKIPPED_BYTES", 900_000)
    rounds = Round(_with_large_page(), "Encounter?patient=p")
    run(rounds.poller.round())
    assert "in one answer" in (rounds.poller.failure or "")


def _names_only(*names: str) -> Json:
    events = [
        {"eventNumber": str(number), "focus": {"reference": name}}
        for number, name in enumerate(names or ("Encounter/e1",), 1)
    ]
    status = {
        "resourceType": "SubscriptionStatus", "type": "event-notification",
        "notificationEvent": events,
    }  # fmt: skip
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}


def test_what_a_notification_names_is_fetched_before_it_is_answered() -> None:
    server = Server({"Encounter/e1": STAY, "Patient/p": PATIENT})
    endpoint = Endpoint(fetch=_beside(server, Clock()))
    response = endpoint.send("POST", "/fhir/notifications", _names_only())
    assert (response.status_code, told(response)[0][1]) == (200, "notification-fetched")
    assert endpoint.kept()[:2] == (2, 1)
    assert json.loads(endpoint.stored(topics.RAW)[0].value or b"") == STAY


@pytest.mark.parametrize("name", ["Encounter/none", "https://elsewhere.test/r4/Encounter/e1"])
def test_what_is_named_and_not_to_be_had_is_told_and_in_review(name: str) -> None:
    endpoint = Endpoint(fetch=_beside(Server({}), Clock()))
    response = endpoint.send("POST", "/fhir/notifications", _names_only(name))
    assert (response.status_code, told(response)[0][1]) == (422, "notification-without-content")
    assert endpoint.kept() == (1, 0, 1)


@pytest.mark.parametrize(
    ("fetched", "told_of", "kept"),
    [
        (True, [("information", "accepted", None)], (2, 2, 0)),
        (False, [("error", "notification-without-content", "Bundle.entry[0].resource")], (1, 1, 1)),
    ],
)
def test_one_that_is_named_beside_one_that_is_given_is_not_forgotten(
    fetched: bool,  # noqa: FBT001 - a table's column
    told_of: list[tuple[str, str, None]],
    kept: tuple[int, int, int],
) -> None:
    given = encounter(id="e2", identifier=[{"type": {"coding": [{"code": "VN"}]}, "value": "V2"}])
    notification = _names_only("Encounter/e1", "Encounter/e2")
    notification["entry"].append({"resource": given})
    server = Server({"Encounter/e1": STAY, "Patient/p": PATIENT})
    endpoint = Endpoint(fetch=_beside(server, Clock()) if fetched else None)
    response = endpoint.send("POST", "/fhir/notifications", notification)
    assert (response.status_code, told(response)) == (200, told_of)
    assert endpoint.kept() == kept


def test_so_many_of_what_a_notification_names_are_fetched_and_the_others_are_in_review(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.fhir.surface.MAX_FETCHED", 3)
    server = Server({f"Encounter/e{number}": STAY for number in range(6)} | {"Patient/p": PATIENT})
    endpoint = Endpoint(fetch=_beside(server, Clock()))
    names = _names_only(*(f"Encounter/e{number}" for number in range(6)))
    response = endpoint.send("POST", "/fhir/notifications", names)
    assert (response.status_code, told(response)[0][1]) == (422, "notification-without-content")
    assert (endpoint.kept()[0], endpoint.kept()[2]) == (4, 1)


def test_a_notification_whose_names_cannot_be_fetched_is_to_be_sent_again() -> None:
    server = Server({"Encounter/e1": httpx.Response(503)})
    lookup = ResourceLookup(server.client(give_up_s=0.001), 60, Clock())
    endpoint = Endpoint(fetch=lookup)
    response = endpoint.send("POST", "/fhir/notifications", _names_only())
    assert (response.status_code, told(response)[0][1]) == (503, "not-fetched")
    assert endpoint.kept() == (0, 0, 0)


# tokens


class Issuer:
    """An authorisation server that counts what it gives."""

    def __init__(self) -> None:
        self.forms: list[dict[str, list[str]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.forms.append(parse_qs(request.content.decode()))
        body = {"access_token": f"T{len(self.forms)}", "expires_in": 300}
        return httpx.Response(200, json=body)


KEY = ec.generate_private_key(ec.SECP384R1())
BACKEND = Backend(
    token_url="https://auth.test/token",  # noqa: S106 - an address
    client_id="wardbridge", key_file="key.pem", key_id="k1", algorithm="ES384",
)  # fmt: skip


def _grant(
    issuer: Callable[[httpx.Request], httpx.Response], now: Callable[[], datetime]
) -> BackendToken:
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    http = answering(issuer)
    return BackendToken(BACKEND, pem, http, now)


def test_a_token_is_asked_for_with_an_assertion_that_the_server_can_check() -> None:
    issuer = Issuer()
    now = datetime.now(UTC)
    assert run(_grant(issuer, lambda: now).token()) == "T1"
    (form,) = issuer.forms
    assert form["grant_type"] == ["client_credentials"]
    assert form["client_assertion_type"] == [ASSERTION_TYPE]
    said = form["client_assertion"][0]
    claims = jwt.decode(said, KEY.public_key(), algorithms=["ES384"], audience=BACKEND.token_url)
    assert (claims["iss"], claims["sub"]) == ("wardbridge", "wardbridge")
    assert claims["exp"] - claims["iat"] <= 300
    assert jwt.get_unverified_header(said)["kid"] == "k1"


def test_a_token_is_kept_until_shortly_before_it_ends_and_each_assertion_is_new() -> None:
    issuer, clock = Issuer(), Clock()
    grant = _grant(issuer, lambda: NOW + timedelta(seconds=clock.now))

    async def ask() -> list[str]:
        found = []
        for clock.now in (0, 239, 240):
            found.append(await grant.token())
        return found

    assert run(ask()) == ["T1", "T1", "T2"]
    assertions = {form["client_assertion"][0] for form in issuer.forms}
    assert len(assertions) == 2


def test_a_token_that_is_not_taken_is_replaced() -> None:
    issuer = Issuer()
    grant = _grant(issuer, lambda: NOW)
    server = Server({"Encounter/1": [httpx.Response(401), STAY]})
    assert run(server.client(grant).read("Encounter/1")) is not None
    assert server.authorizations == ["Bearer T1", "Bearer T2"]


def test_without_a_grant_a_refused_token_is_an_error_at_once() -> None:
    server = Server({"Encounter/1": httpx.Response(401)})
    with pytest.raises(RemoteError, match="401") as caught:
        run(server.client(token=SHOWN).read("Encounter/1"))
    assert not isinstance(caught.value, TryAgainError)
    assert server.authorizations == [f"Bearer {SHOWN}"]
