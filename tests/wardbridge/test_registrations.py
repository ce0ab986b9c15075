"""Subscribers that are registered over HTTP: by those who operate, sealed, and told without a restart."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from bus.memory import MemoryLog
from bus.port import LogError, Record, Stored, TopicPartition
from bus.records import records_of
from bus.runner import StepRunner
from router.delivery.adt import TOLD
from router.delivery.bundles import SubscriptionStatus
from router.delivery.channels import KINDS
from router.delivery.channels.fhir import FhirAsked
from router.delivery.channels.kind import Opening
from router.delivery.channels.mllp import MllpAsked
from router.delivery.channels.webhook import WebhookAsked
from router.delivery.fanout import GROUP, FanOut
from router.delivery.receipts import deliveries
from router.delivery.registry import SubscriberRegistry, record_of, removal_of
from router.delivery.sender import GONE, Sender
from router.delivery.subscription import Subscription
from router.delivery.subscription_status import standing_of
from schemas import topics
from schemas.delivery import Outcome, SubscriberState
from schemas.notification import Kind
from schemas.registration import Content, Owner, Registration
from tests.delivery.notices import decided, queued
from tests.support.lab_receiver import LabReceiver
from tests.support.receiver import HttpReceiver, answering
from tests.wardbridge.support import configured, in_process
from tests.wardbridge.test_fhir_surface import ACCESS, REGISTER
from tests.wardbridge.test_http import until
from wardbridge.api.fhir.subscription import resource_of
from wardbridge.api.fhir.subscription_store import SubscriptionStore
from wardbridge.config.access import AccessSection
from wardbridge.config.authorisation import ANYBODY, Deed, Grant, Reader
from wardbridge.config.load import load
from wardbridge.config.models import RegistrationsSection
from wardbridge.runtime.delivery import delivery_of
from wardbridge.runtime.roles import utc_now
from wardbridge.security.sealing import Seal, SealError
from wardbridge.subscriptions.registrar import NotRegisteredError, Registrar, WantedRegistration
from wardbridge.subscriptions.registrations import Registrations, may_read_as, revealed

AT = datetime(2026, 1, 15, 8, tzinfo=UTC)
URL = "https://93.184.216.34/hook/geheim-1"
KEY = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def wanted(url: str = URL, **more: Any) -> WantedRegistration:
    return WantedRegistration(
        "webhook", WebhookAsked.model_validate({"url": url, "secrets": [KEY]}), **more
    )


def test_who_reads_names_at_one_ward_has_none_told_of_a_hospital(tmp_path: Path) -> None:
    seal = Seal(tmp_path, None)
    known = Registrations(MemoryLog(), seal, RegistrationsSection(), None, {})
    registrar = Registrar(MemoryLog(), known, REGISTER, utc_now, 3)
    everywhere: frozenset[Deed] = frozenset({"operate"})
    reads: frozenset[Deed] = frozenset({"read"})
    asking = Reader("anna", "oidc", (
        Grant(may=everywhere), Grant(frozenset({"MED"}), fields="identified", may=reads),
    ))  # fmt: skip

    def enlist(**of: Any) -> None:
        registrar.enlist(asking, "portal", wanted(fields="identified", **of))

    for more in ({}, {"hospitals": ("Söder",)}, {"wards": ("MED",), "hospitals": ("Söder",)}):
        with pytest.raises(NotRegisteredError, match="you may not read identified fields"):
            enlist(**more)
    enlist(wards=("MED",))


@pytest.mark.parametrize(
    ("may", "fields", "wanted", "told"),
    [
        (["operate", "read"], "identified", "identified", "identified"),
        (["operate", "read"], "identified", "operational", "operational"),
        (["operate", "read"], "operational", "identified", "operational"),
        (["operate"], "identified", "identified", "minimal"),
        (["read"], "identified", "identified", "minimal"),
        (None, "", "identified", "minimal"),
    ],
)
def test_a_name_is_told_no_more_than_those_who_operate_may_read_by_now(
    may: list[str] | None, fields: str, wanted: str, told: str, tmp_path: Path
) -> None:
    said = {"secret": "0123456789abcdef", "may": may, "fields": fields}
    access = AccessSection.model_validate({"tokens": {"x": said}}) if may else None
    known = Registrations(MemoryLog(), Seal(tmp_path, None), RegistrationsSection(), access, {})
    for channel in ("webhook", "mllp"):
        assert known.level_at(registered(fields=wanted, channel=channel))("MED", "Norr") == told


def test_who_has_several_roles_has_what_each_gives() -> None:
    provider = {
        "issuer": "https://id.example", "audience": "w", "jwks_url": "https://id.example/keys",
        "roles": {"a": {"may": ["operate"]}, "b": {"may": ["read"], "fields": "identified"}},
    }  # fmt: skip
    assert AccessSection.model_validate({"oidc": provider}).most_of_operators() == "identified"
    provider["roles"] = {"b": {"may": ["read"], "fields": "identified"}}
    assert AccessSection.model_validate({"oidc": provider}).most_of_operators() == "minimal"


def test_of_a_fhir_subscription_its_owners_rights_decide_at_each_ward(tmp_path: Path) -> None:
    content = Content.FULL_RESOURCE
    seal = Seal(tmp_path, None)
    seal.make()

    def level(owner: Owner | None, ward: str, hospital: str) -> str:
        known = Registrations(MemoryLog(), seal, RegistrationsSection(), ACCESS, {})
        sealed = seal.closed("s1", revealed(FhirAsked(url=URL, content=content)))
        of = registered("s1", owner=owner, channel="fhir", sealed=sealed)
        return known.level_at(of)(ward, hospital)

    region = Owner(name="region", how="token")
    assert level(region, "MED", "Norr") == "operational"
    assert level(region, "IVA", "Söder") == "minimal"
    assert level(Owner(name="gone", how="token"), "MED", "Norr") == "minimal"
    assert level(None, "MED", "Norr") == "minimal"
    content = Content.ID_ONLY
    assert level(region, "MED", "Norr") == "minimal"


def test_a_name_is_nobody_elses_and_never_used_again(tmp_path: Path) -> None:
    log = MemoryLog()
    section = load(configured(tmp_path, in_process() + WEBHOOK), tmp_path, {}).settings.subscribers
    seal = Seal(tmp_path, None)
    known = Registrations(log, seal, RegistrationsSection(), None, section)
    registrar = Registrar(log, known, REGISTER, utc_now, 3)
    with pytest.raises(NotRegisteredError, match="the configuration has"):
        registrar.enlist(ANYBODY, "fixed", wanted())
    registrar.enlist(ANYBODY, "portal", wanted())
    log.append([record_of(registered("fixed"))])  # registered before it stood in the file
    assert "fixed" not in known.known()
    assert registrar.remove(ANYBODY, "portal")
    with pytest.raises(NotRegisteredError, match="an earlier subscriber"):
        registrar.enlist(ANYBODY, "portal", wanted())


WEBHOOK = f"""
[subscribers.fixed.webhook]
url = "{URL}"
secrets = ["{KEY}"]
"""


TOPIC = """
[subscribers.topic.fhir]
url = "https://93.184.216.34/hook/geheim-1"
headers = ["Authorization: Bearer geheim-2"]
"""


def test_a_subscription_of_the_configuration_is_its_owners_to_look_at(tmp_path: Path) -> None:
    text = in_process() + TOPIC
    section = load(configured(tmp_path, text), tmp_path, {}).settings.subscribers["topic"]
    owned = section.model_copy(update={"token": "portal"})
    log = MemoryLog()
    known = Registrations(
        log, Seal(tmp_path, None), RegistrationsSection(), ACCESS, {"topic": owned}
    )
    book = SubscriptionStore(
        log, Registrar(log, known, REGISTER, utc_now, 3), "https://b.example/fhir", utc_now
    )
    assert book.entries(Reader("region", "token", ())) == {}
    (entry,) = book.entries(Reader("portal", "token", ())).values()
    assert entry.is_configured
    assert book.standing(entry).state == "requested"
    channel = KINDS["fhir"].open(section.settings, Opening("topic", tmp_path))
    log.append(
        [state_row(SubscriberState(subscriber="topic", endpoint=channel.endpoint, introduced=True))]
    )
    assert book.standing(entry).state == "active"
    resource = resource_of(entry.registration, entry.settings, book.standing(entry))
    assert "geheim-2" not in str(resource)


@pytest.mark.parametrize(
    ("paused", "told"),
    [
        ("takes nothing: ConnectionRefusedError: [Errno 111] ('127.0.0.1', 9098)",
         "takes nothing: not reachable"),
        ("no handshake: no answer within the time limit", "no handshake: not reachable"),
        ("no handshake: ServerDisconnectedError: answered 200", "no handshake: not reachable"),
        ("takes nothing: answered 500", "takes nothing: answered 500"),
        (GONE, GONE),
    ],
)  # fmt: skip
def test_an_owner_is_told_that_they_are_not_reached_and_nothing_of_the_network(
    paused: str, told: str
) -> None:
    log = MemoryLog()
    log.append([state_row(SubscriberState(subscriber="s", endpoint="e", paused=paused))])
    assert standing_of(log, "s", "e", is_off=False) == SubscriptionStatus("error", 0, told)


def state_row(state: SubscriberState) -> Record:
    name = state.subscriber
    return Record(topics.SUBSCRIBERS, name, name, state.model_dump_json().encode())


# what is sealed


def test_what_is_sealed_opens_for_its_own_name_with_its_own_key_only(tmp_path: Path) -> None:
    seal, secrets = Seal(tmp_path, None), b'{"url": "geheim-1"}'
    with pytest.raises(SealError, match="restore it"):
        seal.closed("portal", secrets)
    seal.make()
    closed = seal.closed("portal", secrets)
    assert closed != seal.closed("portal", secrets)
    assert Seal(tmp_path, None).opened("portal", closed) == secrets
    other = Seal(tmp_path / "other", None)
    (tmp_path / "other").mkdir()
    other.make()
    for opened_by, name, text in (
        (seal, "other", closed), (other, "portal", closed), (seal, "portal", closed[:-8]),
        (seal, "portal", "not base64"), (seal, "portal", ""),
    ):  # fmt: skip
        with pytest.raises(SealError) as error:
            opened_by.opened(name, text)
        assert "geheim" not in str(error.value)
    assert (tmp_path / "subscribers.key").stat().st_mode & 0o077 == 0
    (tmp_path / "short.key").write_text("short")
    with pytest.raises(SealError, match="too short"):
        Seal(tmp_path, Path("short.key")).closed("portal", secrets)


# who is told


def registered(name: str = "s", **more: Any) -> Registration:
    base = Registration(name=name, at=AT, channel="webhook", sealed="")
    return base.model_copy(update=more)


OWNED = Owner(name="portal", how="token")


@pytest.mark.parametrize(
    ("owner", "access", "ward", "allowed"),
    [
        (OWNED, ACCESS, "MED", True),
        (OWNED, ACCESS, "KIR", False),
        (Owner(name="region", how="token"), ACCESS, "KIR", True),
        (Owner(name="region", how="token"), ACCESS, "IVA", False),
        (Owner(name="screen", how="token"), ACCESS, "MED", False),  # may not subscribe any more
        (Owner(name="gone", how="token"), ACCESS, "MED", False),
        (Owner(name="portal", how="certificate"), ACCESS, "MED", False),
        (Owner(name="", how="nobody-asked"), ACCESS, "MED", False),
        (Owner(name="", how="nobody-asked"), None, "MED", True),
        (None, ACCESS, "MED", True),
    ],
)
def test_an_owner_is_told_of_what_they_may_read_by_now(
    owner: Owner | None, access: AccessSection | None, ward: str, *, allowed: bool
) -> None:
    assert may_read_as(owner, access)(ward, REGISTER.hospital_of(ward)) == allowed


def queue(log: MemoryLog) -> list[tuple[str | None, str]]:
    return [
        (each.key, json.loads(each.value or b"")["id"]) for each in records_of(log, topics.OUTGOING)
    ]


def test_whoever_is_registered_is_told_of_all_that_is_decided_after_and_nothing_before(
    tmp_path: Path,
) -> None:
    log = MemoryLog()
    known = Registrations(log, Seal(tmp_path, None), RegistrationsSection(), ACCESS, {})
    registrar = Registrar(log, known, REGISTER, utc_now, 3)
    step = FanOut(lambda: known.subscriptions(AT))
    fan_out = StepRunner(log, GROUP, step, lambda *_: (), prepare=step.prepare)
    step.begin(log)
    log.append([decided("MED", 1)])
    reader = Reader("portal", "token", (ACCESS.tokens["portal"].grant(),))
    registrar.subscribe(reader, "s", WantedRegistration("fhir", FhirAsked(url=URL)))
    log.append([decided("MED", 2), decided("KIR", 3)])  # the fan-out is behind; KIR is not theirs
    fan_out.run_once()
    assert queue(log) == [("s", "MED-2")]
    log.append([removal_of(known.known()["s"]), decided("MED", 4)])
    fan_out.run_once()
    assert queue(log) == [("s", "MED-2")]


def test_a_registration_that_is_over_or_off_is_told_of_nothing(tmp_path: Path) -> None:
    log = MemoryLog()
    known = Registrations(log, Seal(tmp_path, None), RegistrationsSection(), None, {})
    over, going = utc_now() - timedelta(hours=1), utc_now() + timedelta(hours=1)
    log.append([
        record_of(registered("over", end=over)), record_of(registered("off", off=True)),
        record_of(registered("going", end=going)), decided("MED", 1),
    ])  # fmt: skip
    step = FanOut(lambda: known.subscriptions(AT))
    step.begin(log)
    StepRunner(log, GROUP, step, lambda *_: (), prepare=step.prepare).run_once()
    assert queue(log) == [("going", "MED-1")]
    assert known.told(utc_now()).keys() == {"going"}


def test_what_nobody_waits_for_is_passed_over_at_the_start() -> None:
    log = MemoryLog()
    log.append([decided("MED", number) for number in range(1, 4)])
    step = FanOut(lambda: [Subscription("s", since={0: 2})])
    step.begin(log)
    StepRunner(log, GROUP, step, lambda *_: (), prepare=step.prepare).run_once()
    assert queue(log) == [("s", "MED-3")]


@pytest.mark.parametrize("partitions", [1, 4])
def test_the_registry_is_as_new_as_it_is_asked_for(partitions: int) -> None:
    log = MemoryLog(partitions)
    registry = SubscriberRegistry(log)
    assert registry.current() == ({}, {})
    for number in range(20):
        log.append([record_of(registered(f"s{number}"))])
        assert len(registry.current().registered) == number + 1
    log.append([record_of(registered("s3", revision=2)), removal_of(registered("s4"))])
    current = registry.current()
    assert (len(current.registered), current.registered["s3"].revision) == (20, 2)
    assert [name for name, each in current.registered.items() if each.removed] == ["s4"]
    assert SubscriberRegistry(log).current() == current
    assert registry.current() is current


class Failing(MemoryLog):
    """Fails at the ``fails``-th scan."""

    def __init__(self, fails: int) -> None:
        super().__init__(1)
        self._left = fails

    def scan(self, at: TopicPartition, offset: int, limit: int) -> Sequence[Stored]:
        self._left -= 1
        if self._left == 0:
            raise LogError("away")
        return super().scan(at, offset, limit)


@pytest.mark.parametrize("fails", [1, 2])
def test_the_registry_forgets_nothing_when_the_log_fails_meanwhile(fails: int) -> None:
    log = Failing(fails)
    log.append([record_of(registered("s"))])
    registry = SubscriberRegistry(log)
    with pytest.raises(LogError):
        registry.current()
    assert registry.current().registered.keys() == {"s"}


def test_an_owner_without_rights_is_not_told_what_waits_either(tmp_path: Path) -> None:
    log = MemoryLog()
    known = Registrations(log, Seal(tmp_path, None), RegistrationsSection(), ACCESS, {})
    owners = {name: Owner(name=name, how="token") for name in ("portal", "gone", "screen")}
    log.append([record_of(registered(name, owner=owner)) for name, owner in owners.items()])
    assert known.told(utc_now()).keys() == {"portal"}


def test_one_that_is_over_holds_nothing_back(tmp_path: Path) -> None:
    log = MemoryLog()
    known = Registrations(log, Seal(tmp_path, None), RegistrationsSection(), None, {})
    log.append([decided("MED", number) for number in range(1, 4)])
    log.append([record_of(registered("over", end=AT, since={0: 0}))])
    log.append([record_of(registered("going", since={0: 2}))])
    FanOut(lambda: known.subscriptions(AT)).begin(log)
    assert log.committed(GROUP) == {TopicPartition(topics.DESIGNATIONS, 0): 2}


def test_of_two_who_register_a_new_name_at_once_one_is_first(tmp_path: Path) -> None:
    log = MemoryLog()
    known = Registrations(log, Seal(tmp_path, None), RegistrationsSection(), None, {})
    registrar, began = Registrar(log, known, REGISTER, utc_now, 3), threading.Barrier(2)

    def register(url: str) -> tuple[Registration, bool, str | None]:
        began.wait(20)
        return registrar.enlist(ANYBODY, "portal", wanted(url))

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(register, [URL, f"{URL}/2"]))
    assert sorted((each.revision, is_new) for each, is_new, _ in done) == [(1, True), (2, False)]


# while it runs


class Delivering(NamedTuple):
    registrar: Registrar
    senders: Mapping[str, Sender]


@asynccontextmanager
async def delivering(folder: Path, log: MemoryLog, more: str = "") -> AsyncIterator[Delivering]:
    text = in_process() + "\n[registrations]\nallow_private = true\n" + more
    installation = load(configured(folder, text), folder, {})
    component = delivery_of(log, installation, utc_now)
    await component.start()
    known = Registrations.of(log, installation)
    try:
        registrar = Registrar(log, known, installation.register, utc_now, 3)
        yield Delivering(registrar, component.dispatcher.senders)
        assert component.failure() is None
    finally:
        await component.stop()


def webhook(receiver: HttpReceiver, **more: Any) -> WantedRegistration:
    return wanted(receiver.url, **more)


def test_senders_come_change_and_go_while_the_service_runs(tmp_path: Path) -> None:
    async def run(first: HttpReceiver, second: HttpReceiver) -> None:
        log = MemoryLog()
        async with delivering(tmp_path, log) as (registrar, senders):
            log.append([decided("MED", 1)])
            registrar.enlist(ANYBODY, "portal", webhook(first))
            log.append([decided("MED", 2)])
            await until(lambda: len(first.taken) == 1)
            (sender,) = senders.values()
            registrar.enlist(ANYBODY, "portal", webhook(second, wards=("KIR",)))
            await until(lambda: sender not in senders.values())
            log.append([decided("MED", 3), decided("KIR", 4)])
            await until(lambda: len(second.taken) == 1)
            registrar.remove(ANYBODY, "portal")
            log.append([decided("KIR", 5)])
            await until(lambda: len(senders) == 0)

    with HttpReceiver() as first, HttpReceiver() as second:
        asyncio.run(run(first, second))
    assert [call.event["id"] for call in first.taken] == ["MED-2"]
    (call,) = second.taken
    assert Verifier(KEY).verify(call.body, call.headers)["subscriptionsequence"] == 2
    assert len(second.calls) == 1


def test_a_registered_receiver_of_hl7_is_told(tmp_path: Path) -> None:
    async def run(receiver: LabReceiver) -> None:
        log = MemoryLog()
        said = {"host": "127.0.0.1", "port": receiver.port, "tls": False}
        async with delivering(tmp_path, log) as (registrar, _):
            settings = MllpAsked.model_validate(said)
            registrar.enlist(
                ANYBODY, "lab", WantedRegistration("mllp", settings, kinds=tuple(TOLD))
            )
            log.append([decided("MED", 1)])
            await until(lambda: len(receiver.taken) == 1)

    with LabReceiver() as receiver:
        asyncio.run(run(receiver))
    (heard,) = receiver.taken
    assert (heard.trigger, heard.ward, heard.sequence) == ("ADT^A14^ADT_A05", "MED", 1)


OWNED_BY = """
[http.access.tokens.portal]
secret = "0123456789abcdef0123456789abcdef"
wards = ["MED"]
may = ["read", "subscribe"]
"""


def test_what_waits_for_an_owner_who_may_not_be_told_any_more_is_not_sent(tmp_path: Path) -> None:
    async def run(receiver: HttpReceiver) -> MemoryLog:
        log = MemoryLog()
        async with delivering(tmp_path, log, OWNED_BY) as (registrar, _):
            of_med = webhook(receiver, wards=("MED",))
            owner = Reader("portal", "token", (ACCESS.tokens["portal"].grant(),))
            registrar.subscribe(owner, "s", of_med)
            log.append([queued("s", "KIR", 1), queued("s", "MED", 2)])  # of KIR when it was decided
            await until(lambda: len(receiver.taken) == 1)
            await until(lambda: len(list(deliveries(log, "s"))) == 2)
        return log

    with HttpReceiver() as receiver:
        log = asyncio.run(run(receiver))
    assert [call.event["id"] for call in receiver.calls] == ["MED-2"]
    outcomes = {each.ward: each.outcome for each in deliveries(log, "s")}
    assert outcomes == {"KIR": Outcome.SKIPPED, "MED": Outcome.DELIVERED}


def test_after_a_restart_what_waited_is_told(tmp_path: Path) -> None:
    said = {"status": 500}

    async def run(receiver: HttpReceiver) -> None:
        log = MemoryLog()
        async with delivering(tmp_path, log) as (registrar, _):
            registrar.enlist(ANYBODY, "portal", webhook(receiver))
            log.append([decided("MED", 1)])
            await until(lambda: len(receiver.calls) > 0)
        said["status"] = 204
        async with delivering(tmp_path, log):
            await until(lambda: len(receiver.taken) == 1)

    with HttpReceiver(lambda _: answering(said["status"])) as receiver:
        asyncio.run(run(receiver))
    assert receiver.taken[0].sequence == 1


def test_one_whose_key_is_gone_says_so_and_disturbs_nobody(tmp_path: Path) -> None:
    async def run(receiver: HttpReceiver) -> None:
        log = MemoryLog()
        async with delivering(tmp_path, log) as (registrar, _):
            registrar.enlist(ANYBODY, "lost", webhook(receiver, kinds=(Kind.DESIGNATED,)))
            registrar.enlist(ANYBODY, "good", webhook(receiver))
            (tmp_path / "subscribers.key").rename(tmp_path / "elsewhere.key")
        installation = load(tmp_path / "test.toml", tmp_path, {})
        component = delivery_of(log, installation, utc_now)
        await component.start()
        log.append([decided("MED", 1)])
        senders = component.dispatcher.senders.values()
        await until(lambda: all(each.standing().trouble for each in senders))
        troubles = [each.standing().trouble or "" for each in senders]
        assert len(troubles) == 2
        assert all("subscribers.key" in each and "restore it" in each for each in troubles)
        assert component.failure() is None
        await component.stop()

    with HttpReceiver() as receiver:
        asyncio.run(run(receiver))
    assert receiver.calls == []


@pytest.mark.parametrize(
    ("lines", "file"),
    [
        ('ca_file = "ca.pem"', "ca.pem"),
        ('certificate_file = "c.pem"\nkey_file = "k.pem"', "c.pem"),
    ],
)
def test_a_certificate_that_cannot_be_used_stops_only_its_subscriber(
    lines: str, file: str, tmp_path: Path
) -> None:
    """Of the configuration. Everybody else is told, and what waits for this one is kept."""

    async def run(receiver: HttpReceiver) -> None:
        url = f'url = "{receiver.url}"\nsecrets = ["{KEY}"]\nallow_private = true\n'
        more = f"[subscribers.good.webhook]\n{url}[subscribers.bad.webhook]\n{url}{lines}\n"
        log = MemoryLog()
        async with delivering(tmp_path, log, more) as (_, senders):
            log.append([decided("MED", 1)])
            await until(lambda: len(receiver.taken) == 1)
            await until(lambda: senders["bad"].standing().trouble is not None)
            trouble = senders["bad"].standing().trouble or ""
            assert f"{tmp_path / file} cannot be read" in trouble
            assert senders["good"].standing().trouble is None
            assert senders["bad"].standing().waiting == 1

    with HttpReceiver() as receiver:
        asyncio.run(run(receiver))
