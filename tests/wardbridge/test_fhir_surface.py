"""The FHIR face over a real server: who may subscribe to what, what is read back, and by whom."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.common.tokens import hash_of
from bus.port import Record
from bus.records import records_of
from router.delivery.bundles import TOPIC
from router.delivery.channels.fhir import FhirAsked
from router.delivery.resources import encounter_id
from schemas import topics
from schemas.audit import Action, AuditEntry
from schemas.notification import DesignationData, Kind, Notification, Reason
from schemas.registration import Registration
from schemas.ward import Ward, WardRegister
from tests.delivery.backport import faults_of_bundle, faults_of_status, faults_of_subscription
from tests.delivery.notices import queued
from tests.wardbridge.leaving import Leaving
from tests.wardbridge.test_http import AT, Surface, data, surface, until
from wardbridge.api.fhir.answer import OperationRefusedError
from wardbridge.api.fhir.events import MAX_EVENTS
from wardbridge.api.fhir.subscription import (
    CONTENT,
    FILTER,
    HEARTBEAT,
    HIDDEN,
    MAX_COUNT,
    TIMEOUT,
    wanted_by,
)
from wardbridge.api.fhir.surface import SubscriptionSurface as FhirSurface
from wardbridge.config.access import AccessSection
from wardbridge.config.authorisation import Deed, Grant, Reader
from wardbridge.readmodels.census import Census
from wardbridge.runtime.roles import utc_now
from wardbridge.security.authenticator import Authenticator, Credentials
from wardbridge.subscriptions.registrar import NotRegisteredError, owner_of

Json = dict[str, Any]
ENDPOINT = "https://93.184.216.34/hook/geheim-1"
REGISTER = WardRegister([
    Ward(id="MED", name="Medicin", hospital="Norr"), Ward(id="KIR", name="Kirurgi", hospital="Norr"),
    Ward(id="IVA", name="Intensiv", hospital="Söder"),
])  # fmt: skip
TOKENS: Mapping[str, Mapping[str, Any]] = {
    "portal": {"wards": ("MED",), "may": ("read", "subscribe")},
    "region": {"hospitals": ("Norr",), "may": ("read", "subscribe"), "fields": "operational"},
    "screen": {"wards": ("MED",), "may": ("read",)},
    "admin": {"may": ("read", "subscribe", "operate")},
    "chief": {"may": ("read", "acknowledge", "operate"), "fields": "identified"},
    "operator": {"may": ("subscribe", "operate")},
}
ACCESS = AccessSection.model_validate(
    {"tokens": {name: {**said, "secret": f"the-token-of-{name}"} for name, said in TOKENS.items()}}
)


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer the-token-of-{name}"}


def gate() -> Authenticator:
    known = {
        name: (hash_of(f"the-token-of-{name}"), Reader(name, "token", (section.grant(),)))
        for name, section in ACCESS.tokens.items()
    }
    return Authenticator(
        Credentials(known, {}, None, session_days=1), REGISTER.hospital_of, utc_now
    )


def subscription(*filters: str, **changes: Any) -> Json:
    extensions = [{"url": FILTER, "valueString": each} for each in filters]
    channel = {
        "type": "rest-hook", "endpoint": ENDPOINT, "header": ["Authorization: Bearer geheim-2"],
        "payload": "application/fhir+json",
        "_payload": {"extension": [{"url": CONTENT, "valueCode": "full-resource"}]},
        "extension": [{"url": HEARTBEAT, "valueUnsignedInt": 60}],
    }  # fmt: skip
    found: Json = {
        "resourceType": "Subscription", "status": "requested", "reason": "beds", "criteria": TOPIC,
        **({"_criteria": {"extension": extensions}} if extensions else {}),
        "channel": {**channel, **changes.pop("channel", {})},
    }  # fmt: skip
    return {name: value for name, value in {**found, **changes}.items() if value is not None}


@asynccontextmanager
async def fhir(*records: Record) -> AsyncIterator[Surface]:
    census = Census(lambda _: "ehr")
    async with surface(
        *records, register=REGISTER, gate=gate(), access=ACCESS, census=census
    ) as running:
        yield running


def asked(work: Callable[[Surface], Any], *records: Record) -> Any:
    async def run() -> Any:
        async with fhir(*records) as running:
            return await work(running)

    return asyncio.run(run())


async def post(running: Surface, resource: Json, by: str = "portal") -> httpx.Response:
    return await running.client.post("/fhir/Subscription", json=resource, headers=bearer(by))


async def get(running: Surface, path: str, by: str = "portal") -> httpx.Response:
    return await running.client.get(f"/fhir/{path}", headers=bearer(by))


def audited(running: Surface) -> list[tuple[str, Action]]:
    entries = [
        AuditEntry.model_validate_json(r.value or b"")
        for r in records_of(running.log, topics.AUDIT)
    ]
    return [(each.reader, each.action) for each in entries]


# subscribing


def test_a_subscription_is_created_read_found_changed_and_deleted() -> None:
    async def work(running: Surface) -> None:
        made = await post(running, subscription("Encounter?location=MED&_tag=designated,withdrawn"))
        assert (made.status_code, made.headers["etag"]) == (201, 'W/"1"')
        assert made.headers["content-type"] == "application/fhir+json"
        resource = made.json()
        number = resource["id"]
        assert made.headers["location"] == f"http://bridge.test/fhir/Subscription/{number}"
        assert (resource["status"], resource["channel"]["header"]) == (
            "requested", [f"Authorization: {HIDDEN}"],
        )  # fmt: skip
        assert faults_of_subscription(resource) == []
        assert (await get(running, f"Subscription/{number}")).json() == resource
        for search, count in (
            ("", 1), ("?status=requested", 1), ("?status=active,error", 0), (f"?_id={number}", 1),
            (f"?url={ENDPOINT}", 1), ("?url=https://other.example", 0),
        ):  # fmt: skip
            found = (await get(running, f"Subscription{search}")).json()
            assert (found["total"], search) == (count, search)
        again = await running.client.put(
            f"/fhir/Subscription/{number}", json=resource, headers=bearer("portal")
        )
        assert (again.status_code, again.headers["etag"]) == (200, 'W/"2"')
        entry = running.registrations.known()[number]
        kept = running.registrations.asked(entry)
        assert isinstance(kept, FhirAsked)
        assert kept.sent_along() == {"Authorization": "Bearer geheim-2"}  # what was hidden is kept
        deleted = await running.client.delete(
            f"/fhir/Subscription/{number}", headers=bearer("portal")
        )
        assert (deleted.status_code, deleted.content) == (204, b"")
        assert (await get(running, f"Subscription/{number}")).status_code == 404
        assert audited(running) == [
            ("portal", Action.SUBSCRIBED), ("portal", Action.SUBSCRIBED),
            ("portal", Action.UNSUBSCRIBED),
        ]  # fmt: skip

    asked(work)


def extension(url: str, **value: Any) -> Json:
    return {"extension": [{"url": url, **value}]}


REFUSED = [
    # what is sent, the status, the element that is named
    (subscription(status=None), 422, "Subscription.status"),
    (subscription(status="on"), 422, "Subscription.status"),
    (subscription(reason=None), 422, "Subscription.reason"),
    (subscription(criteria="Encounter?status=planned"), 422, "Subscription.criteria"),
    (subscription("Patient?name=x"), 422, "Subscription.criteria.extension[0]"),
    (subscription("Encounter?location=MED", "Encounter?subject=x"), 422,
     "Subscription.criteria.extension[1]"),
    (subscription("Encounter?location="), 422, "Subscription.criteria.extension[0]"),
    (subscription("Encounter?_tag=overdue"), 422, "Subscription.criteria"),
    (subscription("Encounter?location=MED&service-provider=Norr"), 422, "Subscription.criteria"),
    (subscription(_criteria=extension("urn:x", valueString="Encounter?location=MED")), 422,
     "Subscription.criteria.extension[0]"),
    (subscription(end="tomorrow"), 422, "Subscription.end"),
    (subscription(end="2020-01-01T00:00:00Z"), 422, "Subscription.end"),
    (subscription(wardOfHope="MED"), 422, "Subscription.wardOfHope"),
    (subscription(modifierExtension=[]), 422, "Subscription.modifierExtension"),
    (subscription(channel={"type": "websocket"}), 422, "Subscription.channel.type"),
    (subscription(channel={"type": 7}), 422, "Subscription.channel.type"),
    (subscription(channel={"endpoint": ""}), 422, "Subscription.channel.endpoint"),
    (subscription(channel={"endpoint": "http://portal.example/"}), 422,
     "Subscription.channel.endpoint"),
    (subscription(channel={"endpoint": "https://geheim-3:geheim-4@93.184.216.34/"}), 422,
     "Subscription.channel.endpoint"),
    *((subscription(channel={"endpoint": wrong}), 422, "Subscription.channel.endpoint") for wrong in (
        "https://93.184.216.34/a\nb", " https://93.184.216.34/", "https://93.184.216.34/a b",
        "https://93.184.216.34/\x00", "https://93.184.216.34/#part", "https://224.0.0.1/",
        "https://169.254.169.254/", "https://[fe80::1]/", "https://0.0.0.0/",
    )),
    (subscription(channel={"payload": "application/fhir+xml"}), 422, "Subscription.channel.payload"),
    (subscription(channel={"_payload": {}}), 422, "Subscription.channel.payload.extension"),
    (subscription(channel={"_payload": extension(CONTENT, valueCode="all")}), 422,
     "Subscription.channel.payload.extension[0]"),
    (subscription(channel={"header": ["Host: other"]}), 422, "Subscription.channel.header"),
    (subscription(channel={"header": [f"Authorization: {HIDDEN}"]}), 422,
     "Subscription.channel.header"),
    (subscription(channel=extension(HEARTBEAT, valueUnsignedInt=-1)), 422,
     "Subscription.channel.extension[0]"),
    (subscription(channel=extension(TIMEOUT, valueUnsignedInt=999)), 422,
     "Subscription.channel.extension"),
    (subscription(channel=extension(MAX_COUNT, valueUnsignedInt=5)), 422,
     "Subscription.channel.extension[0]"),
    ({"resourceType": "Patient"}, 400, "resourceType"),
    (subscription("Encounter?location=KIR"), 403, None),
    (subscription("Encounter?location=MED,IVA"), 403, None),
    (subscription("Encounter?location=unknown"), 403, None),
    (subscription("Encounter?service-provider=Norr"), 403, None),
]  # fmt: skip


def test_what_cannot_be_done_as_asked_is_refused_with_the_element_that_asks_it() -> None:
    async def work(running: Surface) -> None:
        for resource, status, where in REFUSED:
            answer = await post(running, resource)
            (issue,) = answer.json()["issue"]
            assert (answer.status_code, issue.get("expression")) == (
                status, [where] if where else None,
            ), resource  # fmt: skip
            assert "geheim" not in answer.text
        assert running.registrations.known() == {}

    asked(work)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [(b"{", "application/fhir+json", 400), (b"[" * 60_000, "application/json", 400),
     (b"<Subscription/>", "application/fhir+xml", 415), (b" " * 70_000, "application/json", 413)],
)  # fmt: skip
def test_a_body_that_is_no_resource_is_refused(body: bytes, kind: str, status: int) -> None:
    async def work(running: Surface) -> None:
        headers = {**bearer("portal"), "Content-Type": kind}
        answer = await running.client.post("/fhir/Subscription", content=body, headers=headers)
        assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")

    asked(work)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text()
    | st.sampled_from(["\ud800", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", TIMEOUT]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["url", "extension", "valueCode", "valueUnsignedInt", "\ud800"]), inner,
        max_size=2,
    ),
    max_leaves=4,
)  # fmt: skip
NASTY: list[Any] = [
    None, [], {}, [1], "text", 10**400, "\ud800", [{"url": []}], [{"url": {}}], {"extension": [{}]},
    [{"url": TIMEOUT, "valueUnsignedInt": 10**400}], [{"url": HEARTBEAT, "valueUnsignedInt": 2**31}],
    {"extension": [{"url": CONTENT, "valueCode": []}]}, {"extension": [{"url": []}]},
    "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00",
]  # fmt: skip
TOP = ["status", "reason", "criteria", "_criteria", "end", "channel", "meta", "id"]
CHANNEL = ["type", "endpoint", "header", "payload", "_payload", "extension"]


async def is_answered(running: Surface, path: str, resource: Json) -> None:
    kind = {**bearer("admin"), "Content-Type": "application/fhir+json"}
    sent = json.dumps(resource).encode()
    answer = await running.client.post(f"/fhir/{path}", content=sent, headers=kind)
    says = answer.json()["resourceType"]
    is_refused = 400 <= answer.status_code < 500 and says == "OperationOutcome"
    assert is_refused or answer.status_code in {200, 201}, (resource, answer.text)


def with_value(name: str, value: Any) -> Json:
    if name in CHANNEL:
        return subscription(channel={name: value})
    return {**subscription(), name: value}


def test_whatever_is_posted_is_answered_and_is_no_fault_of_ours() -> None:
    async def work(running: Surface) -> None:
        for name in (*TOP, *CHANNEL):
            for value in NASTY:
                await is_answered(running, "Subscription", with_value(name, value))
        number = next(iter(running.registrations.known()))
        for value in NASTY:
            for parameter in (value, [{"name": "content", "value": value}], [{"name": value}]):
                resource = {"resourceType": "Parameters", "parameter": parameter}
                await is_answered(running, f"Subscription/{number}/$events", resource)

    asked(work)


@given(name=st.sampled_from([*TOP, *CHANNEL]), value=ANYTHING)
def test_whatever_a_subscription_says_is_understood_or_refused(name: str, value: Any) -> None:
    with suppress(OperationRefusedError):  # whatever else it raises were a 500
        wanted_by(with_value(name, value))
    with suppress(OperationRefusedError):
        wanted_by(subscription(channel={"extension": [{"url": value}]}))


def test_parameters_are_read_however_their_length_is_said() -> None:
    async def work(running: Surface) -> None:
        number = (await post(running, subscription())).json()["id"]

        async def pieces() -> AsyncIterator[bytes]:
            yield b'{"resourceType": "Parameters", "parameter": '
            yield b'[{"name": "eventsSinceNumber", "valueString": "soon"}]}'

        for sent, status in ((pieces(), 400), (b"", 200)):
            answer = await running.client.post(
                f"/fhir/Subscription/{number}/$events", content=sent,
                headers={**bearer("portal"), "Content-Type": "application/fhir+json"},
            )  # fmt: skip
            assert answer.status_code == status
        for operation in ("$events", "$status"):
            found = await get(running, f"Subscription/{number}/{operation}?_format=json")
            assert found.status_code == 200
        assert (await get(running, "Subscription/$status?_format=json")).status_code == 200

    asked(work)


def test_refusals_of_the_gate_and_of_the_framework_are_outcomes_too_and_others_are_not() -> None:
    async def work(running: Surface) -> None:
        for path, by, status in (
            ("Subscription", "nobody", 401), ("Subscription", "screen", 403),
            ("Subscription/a b", "portal", 404), ("Patient/1", "portal", 404),
            ("Basic/other", "portal", 404), ("Subscription?_sort=x", "portal", 400),
        ):  # fmt: skip
            answer = await get(running, path, by)
            assert (answer.status_code, answer.json()["resourceType"]) == (
                status,
                "OperationOutcome",
            )
        assert "WWW-Authenticate" in (await get(running, "Subscription", "nobody")).headers
        assert "detail" in (await running.client.get("/v1/subscribers")).json()

    asked(work)


def test_nobody_sees_or_changes_what_is_anothers_but_those_who_operate() -> None:
    async def work(running: Surface) -> None:
        made = (await post(running, subscription())).json()
        address = f"/fhir/Subscription/{made['id']}"
        for by, status in (("region", 404), ("admin", 200)):
            for path in (address, f"{address}/$status", f"{address}/$events"):
                assert (await running.client.get(path, headers=bearer(by))).status_code == status
        put = await running.client.put(address, json=made, headers=bearer("region"))
        assert put.status_code == 404
        assert (await running.client.delete(address, headers=bearer("region"))).status_code == 404
        assert (await get(running, "Subscription", "region")).json()["total"] == 0
        assert (await get(running, "Subscription/$status", "region")).json()["total"] == 0

    asked(work)


def test_a_change_is_of_the_version_that_was_read_and_lets_no_secret_go_elsewhere() -> None:
    async def work(running: Surface) -> None:
        made = (await post(running, subscription())).json()
        address = f"/fhir/Subscription/{made['id']}"

        async def put(resource: Json, **headers: str) -> int:
            sent = await running.client.put(
                address, json=resource, headers={**bearer("portal"), **headers}
            )
            return sent.status_code

        assert await put(made, **{"If-Match": 'W/"7"'}) == 412
        assert await put({**made, "id": "other"}) == 400
        elsewhere = {**made["channel"], "endpoint": "https://93.184.216.34/elsewhere"}
        assert await put({**made, "channel": elsewhere}) == 422
        assert await put(made, **{"If-Match": 'W/"1"'}) == 200
        assert await put({**made, "status": "off"}) == 200
        assert (await running.client.get(address, headers=bearer("portal"))).json()[
            "status"
        ] == "off"

    asked(work)


def test_somebody_has_only_so_many() -> None:
    async def work(running: Surface) -> None:
        made = [(await post(running, subscription())).status_code for _ in range(4)]
        assert made == [201, 201, 201, 409]
        assert (await post(running, subscription(), by="region")).status_code == 201

    asked(work)


def test_who_is_known_by_an_identity_provider_alone_owns_nothing() -> None:
    deeds: frozenset[Deed] = frozenset({"read", "subscribe"})
    with pytest.raises(NotRegisteredError, match="use a token or certificate"):
        owner_of(Reader("eva", "oidc", (Grant(may=deeds),)))
    by_cookie = owner_of(Reader("screen", "session", (Grant(may=deeds),)))
    assert by_cookie == owner_of(Reader("screen", "token", ()))


def test_no_secret_is_in_the_log() -> None:
    async def work(running: Surface) -> None:
        await post(running, subscription())
        kept = [record.value or b"" for record in records_of(running.log, topics.REGISTRATIONS)]
        assert len(kept) == 1
        assert not any(b"geheim" in value or b"93.184" in value for value in kept)
        assert Registration.model_validate_json(kept[0]).owner is not None

    asked(work)


# status and events


def test_the_status_counts_what_waits_and_is_found_by_id_and_state() -> None:
    async def work(running: Surface) -> None:
        number = (await post(running, subscription())).json()["id"]
        await post(running, subscription())
        running.log.append([queued(number, "MED", 1), queued(number, "MED", 2)])
        for path, count in (
            (f"Subscription/{number}/$status", 1), ("Subscription/$status", 2),
            (f"Subscription/$status?id={number}", 1), (f"Subscription/$status?id={number},x", 1),
            ("Subscription/$status?status=active", 0), ("Subscription/$status?status=requested", 2),
        ):  # fmt: skip
            bundle = (await get(running, path)).json()
            assert (bundle["total"], path) == (count, path)
            assert [faults_of_status(each["resource"]) for each in bundle.get("entry", [])] == [
                []
            ] * count
        (entry,) = (await get(running, f"Subscription/{number}/$status")).json()["entry"]
        said = {each["name"]: each for each in entry["resource"]["parameter"]}
        assert said["events-since-subscription-start"]["valueString"] == "2"
        posted = await running.client.post(
            "/fhir/Subscription/$status", headers=bearer("portal"),
            json={"resourceType": "Parameters", "parameter": [{"name": "id", "valueId": number}]},
        )  # fmt: skip
        assert posted.json()["total"] == 1

    asked(work)


def test_events_are_given_by_number_and_tell_no_more_than_was_subscribed() -> None:
    async def work(running: Surface) -> None:
        ids = extension(CONTENT, valueCode="id-only")
        number = (await post(running, subscription(channel={"_payload": ids}))).json()["id"]
        running.log.append([queued(number, "MED", each) for each in range(1, 6)])

        async def events(query: str, by: str = "portal") -> list[str]:
            answer = await get(running, f"Subscription/{number}/$events{query}", by)
            if answer.status_code != 200:
                return [answer.json()["resourceType"]]
            assert faults_of_bundle(answer.json()) == []
            assert b"resource" not in answer.content.partition(b"/Encounter/")[2]
            parameters = answer.json()["entry"][0]["resource"]["parameter"]
            parts = [each["part"] for each in parameters if each["name"] == "notification-event"]
            return [part[0]["valueString"] for part in parts]

        assert await events("") == ["1", "2", "3", "4", "5"]
        assert await events("?eventsSinceNumber=2&eventsUntilNumber=3") == ["2", "3"]
        assert await events("?content=full-resource&eventsSinceNumber=5") == ["5"]
        for wrong in ("?eventsSinceNumber=x", "?eventsSinceNumber=1,2", "?content=all", "?a=b"):
            assert await events(wrong) == ["OperationOutcome"]
        assert audited(running) == [("portal", Action.SUBSCRIBED)]  # nothing of a patient was seen

    asked(work)


def test_one_answer_has_so_many_events_and_the_rest_is_asked_for_by_number() -> None:
    async def work(running: Surface) -> None:
        number = (await post(running, subscription())).json()["id"]
        running.log.append([queued(number, "MED", each) for each in range(1, MAX_EVENTS + 6)])
        for since, count in ((1, MAX_EVENTS), (MAX_EVENTS + 1, 5)):
            found = await get(running, f"Subscription/{number}/$events?eventsSinceNumber={since}")
            parameters = found.json()["entry"][0]["resource"]["parameter"]
            told = [each for each in parameters if each["name"] == "notification-event"]
            assert len(told) == count

    asked(work)


def test_no_queue_is_walked_through_for_somebody_who_went_while_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release, walked, walk = threading.Event(), list[str](), FhirSurface._events

    def held(self: FhirSurface, asking: Reader, name: str, wanted: Any) -> Any:
        walked.append(asking.name)
        release.wait(30)
        return walk(self, asking, name, wanted)

    monkeypatch.setattr(FhirSurface, "_events", held)

    async def work(running: Surface) -> None:
        number = (await post(running, subscription())).json()["id"]
        path = f"/fhir/Subscription/{number}/$events"
        waits = asyncio.create_task(get(running, path.removeprefix("/fhir/")))
        await until(lambda: walked == ["portal"])
        going = Leaving(running.app, "GET", path, bearer("admin"))
        asks = asyncio.create_task(going.ask())
        await asyncio.sleep(0)
        going.left.set()
        release.set()
        assert (await waits).status_code == 200
        await asks
        assert walked == ["portal"]
        assert (await get(running, path.removeprefix("/fhir/"), "admin")).status_code == 200
        assert walked == ["portal", "admin"]

    asked(work)


def test_events_are_of_what_both_the_owner_and_whoever_asks_may_read() -> None:
    async def work(running: Surface) -> None:
        number = (await post(running, subscription())).json()["id"]
        running.log.append([queued(number, "MED", 1), queued(number, "KIR", 2)])
        for by, count in (("portal", 1), ("admin", 1), ("operator", 0)):
            answer = await get(running, f"Subscription/{number}/$events", by)
            assert (answer.text.count("event-number"), by) == (count, by)

    asked(work)


def test_whoever_reads_whole_encounters_by_their_events_is_noted() -> None:
    async def work(running: Surface) -> None:
        number = (await post(running, subscription())).json()["id"]
        running.log.append([queued(number, "MED", 1)])
        await get(running, f"Subscription/{number}/$events")
        assert ("portal", Action.READ) in audited(running)

    asked(work)


# the Encounter


def closed(ward: str, sequence: int, kind: Kind = Kind.WITHDRAWN) -> Notification:
    plain = data(ward, sequence)
    said = plain.model_copy(update={"kind": kind, "reason": Reason.REDESIGNATED, "version": 2})
    return Notification(
        id=f"{ward}-{sequence}", source="/wardbridge/lab", type="wardbridge.designation.x.v1",
        subject=ward, time=AT + timedelta(minutes=5), data=said,
    )  # fmt: skip


def address(of: DesignationData) -> str:
    return f"Encounter/{encounter_id(of.visit, of.ward)}"


# what it says of itself


def test_what_is_offered_is_what_there_is() -> None:
    async def work(running: Surface) -> None:
        metadata = (await running.client.get("/fhir/metadata")).json()
        (rest,) = metadata["rest"]
        codes = {"read": "GET /{}", "create": "POST ", "update": "PUT /{}", "delete": "DELETE /{}",
                 "search-type": "GET "}  # fmt: skip
        offered = {
            f"{codes[each['code']].partition(' ')[0]} {resource['type']}"
            f"{'/' if '/' in codes[each['code']] else ''}"
            for resource in rest["resource"]
            for each in resource["interaction"]
        }
        offered |= {
            f"GET Subscription/${each['name']}" for each in rest["resource"][0]["operation"]
        }
        paths = (await running.client.get("/openapi.json")).json()["paths"]
        there = {
            f"{method.upper()} {path.removeprefix('/fhir/').partition('{')[0]}"
            + (path.rpartition("}/")[2] if "}/" in path else "")
            for path, methods in paths.items()
            for method in methods
            if path.startswith("/fhir/") and path != "/fhir/metadata" and method != "post"
        } | {"POST Subscription"}
        assert offered == there
        topic = (await running.client.get("/fhir/Basic/patient-designated-to-ward")).json()
        assert TOPIC in str(topic)
        assert TOPIC in str(metadata)

    asked(work)
