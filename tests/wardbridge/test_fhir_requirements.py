"""What the subscriptions guide asks for and no other test shows; and that the table names tests that exist.

The table is docs/reference/fhir-requirements.md.
"""

from __future__ import annotations

import asyncio
import csv
import json
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from bus.memory import MemoryLog
from router.delivery.bundles import TOPIC
from router.delivery.sender import Sender
from router.delivery.subscription import Subscription
from schemas.notification import Kind
from tests.delivery.dispatching import QUICK, dispatching, until
from tests.delivery.notices import notice, queued
from tests.delivery.test_fhir import hook, kinds, parameter
from tests.support.receiver import HttpReceiver, answering
from tests.wardbridge.test_fhir_surface import asked, bearer, extension, get, post, subscription
from tests.wardbridge.test_http import Surface
from wardbridge.api.fhir.capability import IG
from wardbridge.api.fhir.subscription import FILTER, MAX_COUNT, filters_in

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "fhir-requirements.md"
CORPUS: Final = ROOT.parent / "shared" / "corpora" / "inferno-subscriptions" / "requirements.csv"
_ROW: Final = re.compile(r"\| (\d+) \| ([A-Z ]+) \| (.+) \| (yes|no|–) \| (.+) \|")


class Row(NamedTuple):
    """One requirement of servers."""

    number: int
    strength: str
    text: str
    met: str
    shown: str


def rows() -> list[Row]:
    found = _ROW.findall(PAGE.read_text(encoding="utf-8"))
    return [Row(int(number), *rest) for number, *rest in found]


def listed(begins: str) -> list[int]:
    (line,) = re.findall(
        rf"^{begins}: ([\d, ]+)\.$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return [int(number) for number in line.split(", ")]


def test_every_requirement_has_a_test_that_exists_or_a_reason() -> None:
    for row in rows():
        if row.met == "yes":
            file, _, name = row.shown.strip("`").partition("::")
            text = (ROOT / file).read_text(encoding="utf-8")
            assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), row
        else:
            assert row.met == "no" or row.strength == "MAY", f"{row}: a duty is met or it is not"
            assert "::" not in row.shown


def test_each_number_stands_there_once() -> None:
    numbers = [row.number for row in rows()] + listed("Of clients") + listed("Deprecated")
    assert sorted(numbers) == list(range(2, 140))


@pytest.mark.skipif(not CORPUS.exists(), reason="the list is not here")
def test_the_table_is_of_the_list() -> None:
    with CORPUS.open(encoding="utf-8", newline="") as file:
        known = {int(each["ID"]): each for each in csv.DictReader(file)}
    assert {n for n, each in known.items() if each["Actors"] == "Client"} == set(
        listed("Of clients")
    )
    deprecated = {n for n, each in known.items() if each["Conformance"] == "DEPRECATED"}
    assert deprecated == set(listed("Deprecated"))
    assert {(row.number, row.strength) for row in rows()} == {
        (n, known[n]["Conformance"]) for n in known.keys() - deprecated - {*listed("Of clients")}
    }


# what the others do not show


def test_what_is_claimed_is_declared_with_its_addresses() -> None:
    async def work(running: Surface) -> None:
        said = (await running.client.get("/fhir/metadata")).json()
        assert said["instantiates"] == [f"{IG}/CapabilityStatement/backport-subscription-server-r4"]
        ((of_subscription, *_),) = (rest["resource"] for rest in said["rest"])
        assert of_subscription["supportedProfile"] == [
            f"{IG}/StructureDefinition/backport-subscription"
        ]
        (topic,) = of_subscription["extension"]
        assert topic == {
            "url": f"{IG}/StructureDefinition/capabilitystatement-subscriptiontopic-canonical",
            "valueCanonical": TOPIC,
        }
        assert {each["definition"].rpartition("/")[2] for each in of_subscription["operation"]} == {
            "backport-subscription-status", "backport-subscription-events",
        }  # fmt: skip

    asked(work)


@pytest.mark.parametrize(
    "queries", [["location=MED&_tag=withdrawn"], ["location=MED", "_tag=withdrawn"]]
)
def test_several_filters_are_all_to_be_met(queries: list[str]) -> None:
    extensions = [{"url": FILTER, "valueString": f"Encounter?{query}"} for query in queries]
    found = filters_in({"extension": extensions})
    wants = Subscription(
        "s", frozenset(found.wards), frozenset(found.hospitals), frozenset(found.kinds)
    )
    told = {
        (ward, kind)
        for ward in ("MED", "KIR")
        for kind in Kind
        if wants.wants(notice(ward, 1, kind=kind).data)
    }
    assert told == {("MED", Kind.WITHDRAWN)}


def test_status_of_one_ignores_what_is_asked_of_many() -> None:
    async def work(running: Surface) -> None:
        number = (await post(running, subscription())).json()["id"]
        await post(running, subscription())
        for query, count in (
            ("?id=another", 1), ("?status=off", 1), (f"?id=another,{number}&status=error", 1),
        ):  # fmt: skip
            bundle = (await get(running, f"Subscription/{number}/$status{query}")).json()
            assert (bundle["type"], bundle["total"]) == ("searchset", count)
        for states, count in (("active,requested", 2), ("active,error", 0)):
            bundle = (await get(running, f"Subscription/$status?status={states}")).json()
            assert (bundle["type"], bundle["total"], len(bundle.get("entry", []))) == (
                "searchset", count, count,
            )  # fmt: skip

    asked(work)


async def refused_at(running: Surface, **channel: Any) -> tuple[int, list[str]]:
    answer = await post(running, subscription(channel=channel))
    return answer.status_code, answer.json()["issue"][0]["expression"]


def test_a_channel_of_another_kind_is_refused_at_its_element() -> None:
    of = extension(
        f"{IG}/StructureDefinition/backport-channel-type",
        valueCoding={"system": "urn:x", "code": "queue"},
    )

    async def work(running: Surface) -> None:
        assert await refused_at(running, _type=of) == (422, ["Subscription.channel._type"])

    asked(work)


@pytest.mark.parametrize("version", ["5.0", "4.3", "3.0"])
def test_a_notification_in_another_version_of_fhir_is_refused(version: str) -> None:
    async def work(running: Surface) -> None:
        payload = f"application/fhir+json; fhirVersion={version}"
        assert await refused_at(running, payload=payload) == (422, ["Subscription.channel.payload"])

    asked(work)


async def told_by(receiver: HttpReceiver, *records: Any, heartbeat_s: float | None = None) -> None:
    """A day later the sender looks again."""
    log, now = MemoryLog(), [1e9]
    sender = Sender("s", hook(receiver.url, heartbeat_s), QUICK, clock=lambda: now[0])
    async with dispatching(log, sender):
        await until(lambda: len(receiver.calls) == 1)
        now[0] += 86_400
        sender.wake()
        log.append(records)
        await until(lambda: len(receiver.calls) >= 1 + len(records))


async def test_without_a_heartbeat_period_nothing_is_said_in_silence() -> None:
    with HttpReceiver() as receiver:
        await told_by(receiver, queued("s", "MED", 1))
    assert kinds(receiver) == ["handshake", "event-notification"]


async def test_a_maximal_count_is_taken_and_a_notification_has_one_event() -> None:
    with HttpReceiver() as receiver:
        await told_by(receiver, *(queued("s", "MED", number) for number in (1, 2, 3)))
    for call in receiver.taken[1:]:
        assert len(re.findall(rb'"notification-event"', call.body)) == 1

    async def work(running: Surface) -> None:
        with_count = {"extension": [{"url": MAX_COUNT, "valuePositiveInt": 1}]}
        made = await running.client.post(
            "/fhir/Subscription", json=subscription(channel=with_count), headers=bearer("portal")
        )
        assert made.status_code == 201

    await _at_surface(work)


async def _at_surface(work: Any) -> None:
    await asyncio.to_thread(asked, work)  # which has an event loop of its own


async def test_in_error_heartbeats_go_on_and_say_so() -> None:
    log, now = MemoryLog(), [1e9]
    gone = iter([204])
    with HttpReceiver(lambda _: answering(next(gone, 410))) as receiver:
        sender = Sender("s", hook(receiver.url, 60.0), QUICK, clock=lambda: now[0])
        async with dispatching(log, sender):
            await until(lambda: len(receiver.calls) == 1)
            log.append([queued("s", "MED", 1)])
            await until(lambda: sender.standing().trouble is not None)
            now[0] += 61
            sender.wake()
            await until(lambda: len(receiver.calls) >= 3)
    last = json.loads(receiver.calls[2].body)
    assert [parameter(last, name) for name in ("type", "status")] == ["heartbeat", "error"]
