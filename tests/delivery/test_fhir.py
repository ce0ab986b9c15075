"""FHIR notifications: what they look like, one attempt at a real server, and a subscription's life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import pytest

from bus.memory import MemoryLog
from router.delivery.bundles import event_notification
from router.delivery.channel import INCOMPLETE, AttemptResult
from router.delivery.channels.fhir import FhirChannelSettings, RestHook
from router.delivery.channels.kind import endpoint_of
from router.delivery.headers import HeaderError, headers_of
from router.delivery.history import history_of
from router.delivery.lanes import RetryTerms
from router.delivery.posting import Poster
from router.delivery.resources import encounter_id, encounter_of
from router.delivery.sender import GONE, Sender
from router.delivery.subscription_status import standing_of
from schemas.base import VisitRef
from schemas.delivery import Outcome
from schemas.notification import Kind
from schemas.observation import Location, Protection
from schemas.registration import Content
from tests.delivery.backport import faults_of_bundle
from tests.delivery.dispatching import AtWork, at_work, receipts, state
from tests.delivery.dispatching import until_so as until
from tests.delivery.notices import AT, BESIDE, WHO, queued
from tests.delivery.notifications import FOLDER, outgoing, said, speaker, written
from tests.fhir.lab import claimed
from tests.fhir.test_person import read
from tests.support.receiver import Behaviour, HttpReceiver, answering, dripping, hanging, resetting

T = TypeVar("T")
QUICK = RetryTerms(first_pause_s=0.001, longest_pause_s=0.01, pauses=True)


# what is said


def test_every_kind_of_notification_is_as_it_was() -> None:
    assert {name: written(bundle) for name, bundle in said().items()} == {
        path.stem: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()
    }


@pytest.mark.parametrize("name", said())
def test_every_kind_of_notification_is_as_the_guide_has_it(name: str) -> None:
    assert faults_of_bundle(said()[name]) == []


@pytest.mark.parametrize("content", Content)
def test_the_same_notice_is_the_same_bytes_and_tells_no_more_than_was_asked(
    content: Content,
) -> None:
    bodies = {event_notification(speaker(content), outgoing()) for _ in range(3)}
    (body,) = bodies
    assert (b"planned" in body) == (content is Content.FULL_RESOURCE)
    assert (b"/Encounter/" in body) == (content is not Content.EMPTY)
    assert b'"MED"' not in body or content is Content.FULL_RESOURCE


def test_our_own_adapter_reads_the_same_plan_from_it() -> None:
    of = {"subject": {"identifier": {"system": "urn:oid:1.2.3.4", "value": "4711"}}}
    planned = outgoing(hospital=None).notice
    claims = claimed(encounter_of(planned.data, planned.time) | of)
    assert claims.mark == Location(ward="MED", room="4", bed="2")
    assert claims.expected_at == planned.data.expected_at
    arrived = outgoing(Kind.ARRIVED, hospital=None).notice
    claims = claimed(encounter_of(arrived.data, arrived.time) | of)
    assert (claims.mark, claims.place) == (None, Location(ward="MED", room="4", bed="2"))


def test_our_own_adapter_reads_the_same_person_from_it() -> None:
    planned = outgoing(hospital=None, protected=True).notice
    found = read(encounter_of(planned.data, planned.time, BESIDE))
    (row,), (seen,) = found.patients, found.observations
    assert (row.number.kind, row.number.value) == (WHO.kind, WHO.number)
    assert row.person.model_dump() == WHO.model_dump(include={"family", "given", "born", "sex"})
    assert seen.claims.place == Location(ward="AKM")
    assert seen.claims.protection is not Protection.NONE


def test_what_could_not_be_told_in_time_is_the_minimum_and_says_so() -> None:
    planned = outgoing(hospital=None).notice
    whole = encounter_of(planned.data, planned.time)
    found = encounter_of(planned.data, planned.time, INCOMPLETE)
    said = found["meta"]["tag"].pop()
    assert said == {"system": "urn:x-wardbridge:fields", "code": "incomplete"}
    assert found == whole


def test_an_encounter_is_of_one_visit_at_one_ward_and_its_id_names_neither() -> None:
    visits = [VisitRef(source="ehr", visit="4711"), VisitRef(source="ehr4711", visit="")]
    ids = {encounter_id(visit, ward) for visit in visits for ward in ("MED", "KIR")}
    assert len(ids) == 4
    assert all("4711" not in each and "MED" not in each and len(each) <= 64 for each in ids)


@pytest.mark.parametrize(
    "line",
    ["Authorization", "A: ", ": b", "A: b\r\nB: c", "Å: b", "A: Söder", "Host: other.example",
     "content-length: 0", "Transfer-Encoding: chunked", "Content-Encoding: gzip",
     "User-Agent: curl", "Cookie: a=b", "Webhook-Signature: v1,x", "webhook-id: 7"],
)  # fmt: skip
def test_a_header_that_cannot_be_sent_along_is_refused_unquoted(line: str) -> None:
    with pytest.raises(HeaderError) as refused:
        headers_of(["X-Good: yes", line])
    assert line not in str(refused.value)


def test_a_header_is_given_once() -> None:
    assert headers_of(["Authorization: Bearer a b"]) == {"Authorization": "Bearer a b"}
    with pytest.raises(HeaderError):
        headers_of(["X-A: 1", "x-a: 2"])


# one attempt


def hook(url: str, heartbeat_s: float | None = None, revision: int = 0) -> RestHook:
    said = {"url": url, "timeout_s": 0.5, "headers": ["Authorization: Bearer geheim"]}
    of_tests = FhirChannelSettings.model_validate(said | {"allow_private": True})
    settings = of_tests.model_copy(update={"heartbeat_s": heartbeat_s})  # quicker than it may be
    return RestHook(speaker(Content.ID_ONLY), settings, Poster(settings), revision)


def attempt(url: str, act: Callable[[RestHook], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        channel = hook(url)
        try:
            return await act(channel)
        finally:
            await channel.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (answering(200), AttemptResult(status=200)),
        (answering(500), AttemptResult("answered 500", 500)),
        (answering(410), AttemptResult("410 Gone", 410, gone=True)),
        (answering(422), AttemptResult("answered 422", 422, unwanted=True)),
        (answering(429, Retry_After="17"), AttemptResult("answered 429", 429, 17.0)),
        (hanging, AttemptResult("no answer within the time limit")),
        (dripping, AttemptResult("no answer within the time limit")),
    ],
)
def test_what_an_answer_means(behaviour: Behaviour, expected: AttemptResult) -> None:
    with HttpReceiver(lambda _: behaviour) as receiver:
        assert attempt(receiver.url, lambda channel: channel.send(outgoing())) == expected
    (call,) = receiver.calls
    assert call.headers["content-type"] == "application/fhir+json"
    assert call.headers["authorization"] == "Bearer geheim"
    assert call.event == said()["id_only"]


def test_a_reset_is_a_refusal() -> None:
    with HttpReceiver(lambda _: resetting) as receiver:
        answer = attempt(receiver.url, lambda channel: channel.send(outgoing()))
    assert answer.refusal == "it closed the connection before the answer"


def test_a_trial_is_about_nobody_and_moves_no_count() -> None:
    with HttpReceiver() as receiver:
        attempt(receiver.url, lambda channel: channel.test("test-1", AT))
    (call,) = receiver.taken
    assert kinds(receiver) == ["heartbeat"]
    assert faults_of_bundle(call.event) == []
    assert b"events-since" not in call.body


# a subscription's life


def kinds(receiver: HttpReceiver) -> list[str]:
    return [parameter(call.event, "type") for call in list(receiver.taken)]


def parameter(bundle: dict[str, Any], name: str) -> str:
    parameters = bundle["entry"][0]["resource"]["parameter"]
    found = [each for each in parameters if each["name"] == name]
    return str(next(value for key, value in found[0].items() if key != "name"))


def numbers(receiver: HttpReceiver) -> list[int]:
    return [
        int(parameter(call.event, "events-since-subscription-start"))
        for call in list(receiver.taken)
        if parameter(call.event, "type") == "event-notification"
    ]


@contextmanager
def telling(
    log: MemoryLog,
    url: str,
    terms: RetryTerms = QUICK,
    heartbeat_s: float | None = None,
    revision: int = 0,
) -> Iterator[AtWork]:
    """A sender at work, in a thread of its own."""
    with at_work(log, Sender("s", hook(url, heartbeat_s, revision), terms)) as working:
        yield working


def standing(log: MemoryLog, url: str, revision: int = 0) -> tuple[str, int | None]:
    found = standing_of(log, "s", endpoint_of(url, revision), is_off=False)
    return found.state, found.reached


def test_nothing_is_told_before_the_handshake_is_answered() -> None:
    log, refused = MemoryLog(), iter([500, 429, 404])
    log.append([queued("s", "MED", number) for number in range(1, 4)])

    def behave(_: object) -> Behaviour:
        return answering(next(refused, 204))

    with HttpReceiver(behave) as receiver:
        assert standing(log, receiver.url) == ("requested", 3)
        with telling(log, receiver.url):
            receiver.wait_for(lambda receiver: len(receiver.taken) == 4)
            until(lambda: standing(log, receiver.url) == ("active", 3))
    assert kinds(receiver) == ["handshake", *["event-notification"] * 3]
    assert [parameter(call.event, "type") for call in receiver.calls[:4]] == ["handshake"] * 4
    assert numbers(receiver) == [1, 2, 3]


@pytest.mark.parametrize(("status", "paused"), [(410, GONE), (500, "no handshake: answered 500")])
def test_an_endpoint_that_answers_no_handshake_is_in_error_until_somebody_asks_again(
    status: int, paused: str
) -> None:
    log, answers = MemoryLog(), [status]
    log.append([queued("s", "MED", 1)])
    terms = RetryTerms(refused_after_s=0.01, first_pause_s=0.001, longest_pause_s=0.01, pauses=True)
    with HttpReceiver(lambda _: answering(answers[0])) as receiver:
        with telling(log, receiver.url, terms):
            until(lambda: standing(log, receiver.url) == ("error", 1))
            assert state(log).paused == paused
            answers[0] = 204
        with telling(log, receiver.url, terms):  # a restart alone changes nothing
            pass
        assert receiver.taken == []
        with telling(log, receiver.url, terms, revision=2):
            receiver.wait_for(lambda receiver: len(receiver.taken) == 2)
            until(lambda: standing(log, receiver.url, 2) == ("active", 1))
    assert kinds(receiver) == ["handshake", "event-notification"]


def test_an_endpoint_that_takes_nothing_is_in_error_and_misses_nothing() -> None:
    """No notice is given up for its age: all go out once somebody says that it is there again."""
    log, broken = MemoryLog(), [False]
    terms = RetryTerms(give_up_after_s=0.05, first_pause_s=0.001, longest_pause_s=0.01, pauses=True)
    with (
        HttpReceiver(lambda _: answering(500 if broken[0] else 204)) as receiver,
        telling(log, receiver.url, terms, heartbeat_s=0.2) as working,
    ):
        receiver.wait_for(lambda receiver: len(receiver.taken) == 1)
        broken[0] = True
        log.append([queued("s", "MED", number) for number in range(1, 4)])
        until(lambda: standing(log, receiver.url) == ("error", 3))
        assert state(log).paused == "takes nothing: answered 500"
        assert receipts(log) == []
        broken[0] = False
        receiver.wait_for(lambda receiver: "heartbeat" in kinds(receiver))
        told = receiver.taken[-1].event
        assert parameter(told, "status") == "error"
        working.do(working.dispatcher.senders["s"].resume)
        receiver.wait_for(lambda receiver: len(numbers(receiver)) == 3)
        until(lambda: standing(log, receiver.url) == ("active", 3))
    assert numbers(receiver) == [1, 2, 3]
    assert kinds(receiver).count("handshake") == 2
    assert {each.outcome for each in receipts(log)} == {Outcome.DELIVERED}


def test_one_that_is_refused_for_itself_is_parked_and_can_be_asked_for() -> None:
    log = MemoryLog()
    log.append([queued("s", "MED", number) for number in range(1, 4)])
    terms = RetryTerms(refused_after_s=0.01, first_pause_s=0.001, longest_pause_s=0.01, pauses=True)

    def behave(call: Any) -> Behaviour:
        return answering(422 if b'"event-number","valueString":"2"' in call.body else 204)

    with HttpReceiver(behave) as receiver:
        with telling(log, receiver.url, terms):
            receiver.wait_for(lambda receiver: len(receiver.taken) == 3)
            until(lambda: len(receipts(log)) == 3)
        assert standing(log, receiver.url) == ("active", 3)
    assert numbers(receiver) == [1, 3]
    assert [each.outcome for each in receipts(log)][1] is Outcome.PARKED
    assert [each.sequence for each in history_of(log, "s").since(1)] == [1, 2, 3]


def test_a_receiver_that_restarts_is_sent_the_rest_once() -> None:
    log = MemoryLog()
    with ExitStack() as stack:
        with HttpReceiver(lambda _: answering(204, Connection="close")) as before:
            stack.enter_context(telling(log, before.url))
            log.append([queued("s", "MED", 1)])
            before.wait_for(lambda receiver: numbers(receiver) == [1])
        log.append([queued("s", "MED", 2), queued("s", "MED", 3)])
        with HttpReceiver(port=before.port) as after:
            after.wait_for(lambda receiver: len(numbers(receiver)) == 2)
            until(lambda: standing(log, after.url) == ("active", 3))
    assert numbers(after) == [2, 3]
    assert kinds(after) == ["event-notification"] * 2


def test_heartbeats_come_only_in_silence() -> None:
    log = MemoryLog()
    with HttpReceiver() as receiver, telling(log, receiver.url, heartbeat_s=0.05):
        receiver.wait_for(lambda receiver: kinds(receiver).count("heartbeat") == 2)
        log.append([queued("s", "MED", 1)])
        receiver.wait_for(lambda receiver: numbers(receiver) == [1])
        receiver.wait_for(lambda receiver: kinds(receiver)[-1] == "heartbeat")
    first, last = receiver.taken[1], receiver.taken[-1]
    counts = [parameter(c.event, "events-since-subscription-start") for c in (first, last)]
    assert counts == ["0", "1"]


def test_who_is_paused_by_hand_hears_nothing_and_shows_as_off() -> None:
    log = MemoryLog()
    with HttpReceiver() as receiver:
        with telling(log, receiver.url, heartbeat_s=0.01) as working:
            receiver.wait_for(lambda receiver: len(receiver.taken) > 1)
            sender = working.dispatcher.senders["s"]
            working.do(lambda: sender.pause("they move house, says Eva"))
            until(lambda: standing(log, receiver.url)[0] == "off")
            heard = len(receiver.calls)
            log.append([queued("s", "MED", 1)])
            until(lambda: standing(log, receiver.url) == ("off", 1))
        assert len(receiver.calls) <= heard + 1  # one may have been under way
        found = standing_of(log, "s", endpoint_of(receiver.url), is_off=False)
        assert "Eva" not in (found.error or "")


def test_events_are_numbered_alike_before_and_after_they_have_ended() -> None:
    log = MemoryLog()
    log.append([queued("s", "MED", 1), queued("other", "MED", 1), queued("s", "MED", 2)])
    before = [(each.sequence, each.notice.id) for each in history_of(log, "s").since(1)]
    with HttpReceiver() as receiver, telling(log, receiver.url):
        until(lambda: len(receipts(log)) == 2)
    log.append([queued("s", "MED", 1, sequence=1), queued("s", "MED", 3)])
    after = [(each.sequence, each.notice.id) for each in history_of(log, "s").since(1)]
    assert before == [(1, "MED-1"), (2, "MED-2")]
    assert after == [*before, (3, "MED-3")]
    assert standing(log, receiver.url)[1] == 3


def test_the_state_that_is_kept_does_not_tell_the_address() -> None:
    ends = {hook(f"https://portal.example/{token}").endpoint for token in ("secret-1", "secret-2")}
    ends.add(hook("https://portal.example/secret-1", revision=2).endpoint)
    assert len(ends) == 3
    assert not any("portal" in each for each in ends)
