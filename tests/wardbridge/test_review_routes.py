"""Review over HTTP: who sees what of it, and what they can do about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from adapters.common.tokens import hash_of
from bus.memory import MemoryLog
from bus.port import Log, LogError, Record
from bus.records import records_of
from schemas import topics
from schemas.audit import Action, AuditEntry
from schemas.review import ReviewItem, ReviewStep
from tests.reviewing.hospital import CONFIG, Hospital
from tests.reviewing.saying import after, item, record, step
from tests.reviewing.test_replay import MARKED, WARDS, encounter_of, listing
from tests.support.histories import Visit, message
from tests.wardbridge.test_http import Surface, over, until
from wardbridge.config.authorisation import Deed, Grant, Reader
from wardbridge.security.authenticator import Authenticator, Credentials

FAR: Final = datetime(2100, 1, 1, tzinfo=UTC)
MAY: Final[dict[str, frozenset[Deed]]] = {
    "chief": frozenset({"operate", "inspect"}),
    "operator": frozenset({"operate"}),
    "screen": frozenset({"read"}),
}


def gate() -> Authenticator:
    tokens = {
        name: (hash_of(f"{name}-shows-this-token"), Reader(name, "token", (Grant(may=may),)))
        for name, may in MAY.items()
    }
    return Authenticator(Credentials(tokens, {}, None, 30), lambda _: None, lambda: FAR)


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}-shows-this-token"}


class Desk:
    """The routes over a hospital's log, asked as one of those who have a token."""

    def __init__(self, hospital: Hospital, running: Surface, name: str = "chief") -> None:
        self.hospital = hospital
        self.running = running
        self.name = name

    async def get(self, path: str = "", **asked: Any) -> httpx.Response:
        url = f"/v1/review{path}"
        return await self.running.client.get(url, params=asked, headers=bearer(self.name))

    async def post(self, path: str, **said: Any) -> httpx.Response:
        url = f"/v1/review/{path}"
        return await self.running.client.post(url, json=said, headers=bearer(self.name))

    def by(self, name: str) -> Desk:
        return Desk(self.hospital, self.running, name)

    async def until_open(self, count: int) -> None:
        await until(lambda: len(ids(self.running)) == count)

    def audit(self) -> list[AuditEntry]:
        return [
            AuditEntry.model_validate_json(each.value or b"")
            for each in records_of(self.hospital.log, topics.AUDIT)
        ]


def ids(running: Surface) -> list[str]:
    return [each.id for each in running.review.index.items(lambda _: True, None, 20_000)]


@asynccontextmanager
async def desk(hospital: Hospital, *, is_open: bool = False) -> AsyncIterator[Desk]:
    shown = None if is_open else gate()
    async with over(hospital.log, shown, hospital.installation, hospital.clock) as running:
        await until(lambda: running.review.is_whole)
        yield Desk(hospital, running)


def run(
    hospital: Hospital, check: Callable[[Desk], Awaitable[None]], *, is_open: bool = False
) -> None:
    async def checked() -> None:
        async with desk(hospital, is_open=is_open) as running:
            await check(running)

    asyncio.run(checked())


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    return Hospital(tmp_path, *WARDS)


# -- the list --------------------------------------------------------------------------------------------


def test_what_waits_is_listed_oldest_first_and_asked_for_by_feed_reason_time_and_mark(
    hospital: Hospital,
) -> None:
    items = [
        item("a", 0, mark_unread=True),
        item("b", 1, feed="fhir"),
        item("c", 2, reason="visit-missing"),
        item("d", 3),
        item("e", 4),
    ]
    done = [step("d", "discarded", 9, by="anna", reason="a test"), step("e", "resolved", 9)]
    hospital.log.append([record(each) for each in reversed(items)])
    hospital.log.append([record(each) for each in done])

    async def check(desk: Desk) -> None:
        async def listed(**asked: Any) -> list[str]:
            answer = (await desk.get(**asked)).raise_for_status().json()
            return [each["item"]["id"] for each in answer["items"]]

        assert await listed() == ["a", "b", "c"]
        assert await listed(feed="fhir") == ["b"]
        assert await listed(reason="visit-missing") == ["c"]
        assert await listed(mark_unread=True) == ["a"]
        assert await listed(since=after(1).isoformat()) == ["b", "c"]
        assert await listed(until=after(1).isoformat()) == ["a"]
        assert await listed(state="settled") == ["d", "e"]
        assert await listed(state="all", feed="hl7") == ["a", "c", "d", "e"]
        settled = (await desk.get(state="settled", limit=1)).json()
        (found,) = settled["items"]
        assert (found["is_open"], found["steps"][0]["by"]) == (False, "anna")
        assert await listed(state="settled", after=settled["next"]) == ["e"]

    run(hospital, check)


def test_ten_thousand_are_listed_in_pages_none_twice_and_ended_at_once(hospital: Hospital) -> None:
    """Also where many have the same time, and one page's items end before the next is asked for."""
    for start in range(0, 10_050, 2_010):
        batch = range(start, start + 2_010)
        hospital.log.append([record(item(f"i{n:05}", n // 100)) for n in batch])

    async def check(desk: Desk) -> None:
        found: list[str] = []
        asked: dict[str, Any] = {"limit": 1_000}
        while asked.get("after", "") is not None:
            page = (await desk.get(**asked)).raise_for_status().json()
            found += [each["item"]["id"] for each in page["items"]]
            if len(found) == 1_000:
                await desk.post("discard", ids=found[-1:], because="a test")
                await desk.until_open(10_049)
            asked["after"] = page["next"]
        assert found == [f"i{n:05}" for n in range(10_050)]
        ended = (await desk.post("discard", reason="ward-unknown", because="a test")).json()
        assert (len(ended["items"]), ended["has_more"]) == (10_000, True)
        await desk.until_open(49)

    run(hospital, check)


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 0},
        {"limit": 1_001},
        {"after": "x"},
        {"state": "x"},
        {"since": "x"},
        {"feeds": "hl7"},
        {"feed": "nope"},
        {"reason": "nope"},
    ],
)
def test_what_is_asked_wrongly_is_refused(hospital: Hospital, asked: dict[str, Any]) -> None:
    async def check(desk: Desk) -> None:
        assert (await desk.get(**asked)).status_code == 422
        if asked.keys() <= {"feed", "reason"}:
            for path in ("replay", "resolve", "discard"):
                because = {} if path == "replay" else {"because": "x"}
                answer = await desk.post(path, **asked, **because)
                assert (answer.status_code, "there is no" in answer.text) == (422, True)

    run(hospital, check)


def test_until_review_has_been_read_nobody_is_told_that_nothing_waits(hospital: Hospital) -> None:
    async def check(desk: Desk) -> None:
        desk.running.review._caught_up.clear()
        desk.running.review._stopping.set()
        desk.running.review._thread.join()
        desk.running.review._caught_up.clear()
        assert (await desk.get()).status_code == 503
        assert (await desk.post("replay", all=True)).status_code == 503

    run(hospital, check)


# -- one item --------------------------------------------------------------------------------------------

SENT: dict[str, tuple[Callable[[Hospital], None], str, str]] = {
    "a message": (lambda h: h.say("A14", "V7", "W9"), "W9", "PV1-42"),
    "a resource": (
        lambda h: h.fhir(encounter_of("V7", "W9", h.start)),
        '{"reference": "Location/W9"}',
        "location",
    ),
    "an export": (lambda h: h.export(listing(MARKED, start=h.start)), "E9", "line"),
}


@pytest.mark.parametrize("name", SENT)
def test_who_may_inspect_sees_the_value_that_failed_and_is_noted_first(
    hospital: Hospital, name: str
) -> None:
    send, failed, where = SENT[name]
    send(hospital)
    (waiting,) = hospital.open()

    async def check(desk: Desk) -> None:
        shown = (await desk.get(f"/inputs/{waiting.id}")).raise_for_status().json()
        assert where in shown["item"]["where"]
        found = shown["input"]
        assert (found["form"], found["is_marked"], found["failed"]) == ("content", True, failed)
        assert found["before"]
        (entry,) = desk.audit()
        assert (entry.action, entry.reader, entry.about) == (Action.INPUT_READ, "chief", waiting.id)
        assert [each.patient is not None for each in entry.seen] == [True]

    run(hospital, check)


@pytest.mark.parametrize("name", SENT)
def test_others_see_reason_place_and_shape(hospital: Hospital, name: str) -> None:
    send, _, where = SENT[name]
    send(hospital)
    (waiting,) = hospital.open()

    async def check(desk: Desk) -> None:
        operator = desk.by("operator")
        shown = (await operator.get(f"/items/{waiting.id}")).raise_for_status().json()
        assert (shown["item"]["reason"], where in shown["item"]["where"]) == ("ward-unknown", True)
        found = shown["input"]
        assert (found["form"], found["is_marked"]) == ("shape", True)
        assert found["failed"] in {"A9", '{"reference": "Aaaaaaaa/A9"}'}
        text = found["before"] + found["failed"] + found["after"]
        assert not any(said in text for said in ("V7", "W9", "E9", "Örjan", "TEST", "Andersson"))
        assert (await operator.get(f"/inputs/{waiting.id}")).status_code == 403
        assert [(e.action, e.seen) for e in desk.audit()] == [
            (Action.REVIEW_READ, ()), (Action.REFUSED, ()),
        ]  # fmt: skip

    run(hospital, check)


def test_of_a_message_the_standard_s_word_on_its_structure_is_shown(hospital: Hospital) -> None:
    told = Visit("V7", hospital.start)
    hospital.hl7(message(told, "A14", "1", ward="W9").replace(b"PV1||I|", b"PV1|||"))
    (waiting,) = hospital.open()

    async def check(desk: Desk) -> None:
        shown = (await desk.by("operator").get(f"/items/{waiting.id}")).json()
        assert "PV1-2" in " ".join(shown["structure"])

    run(hospital, check)


def test_the_bytes_are_not_shown_where_that_cannot_be_noted(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital.say("A14", "V1", "W9")
    (waiting,) = hospital.open()

    def refuse(_: object) -> None:
        raise LogError("the disk is full")

    async def check(desk: Desk) -> None:
        monkeypatch.setattr(desk.running.log, "append", refuse)
        for path in ("inputs", "items"):
            answer = await desk.get(f"/{path}/{waiting.id}")
            assert answer.status_code == 503
            assert "W9" not in answer.text

    run(hospital, check)


def test_where_nobody_is_asked_nobody_sees_the_bytes(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    (waiting,) = hospital.open()

    async def check(desk: Desk) -> None:
        assert (await desk.get(f"/inputs/{waiting.id}")).status_code == 403
        assert (await desk.get(f"/items/{waiting.id}")).json()["input"]["form"] == "shape"

    run(hospital, check, is_open=True)


def test_a_protected_patient_s_item_says_no_more(hospital: Hospital) -> None:
    hospital.hl7(
        b"MSH|^~\\&|EHR|NORR|WB|REG|20260120050000||ADT^A14|1|P|2.5.1\r"
        b"PID|||P7^^^LAB^MR||Hemlig^Hanna\rPD1||||||||||||Y\rPV1||I|AKM||||||||||||||||V7"
        + b"|" * 23 + b"W9\r"
    )  # fmt: skip
    (waiting,) = hospital.open()

    async def check(desk: Desk) -> None:
        text = (await desk.by("operator").get(f"/items/{waiting.id}")).text
        assert not any(said in text for said in ("Hemlig", "Hanna", "P7", "V7"))

    run(hospital, check)


def test_of_an_item_whose_bytes_are_gone_it_is_said_what_is_left_to_do(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    (waiting,) = hospital.open()
    assert isinstance(hospital.log, MemoryLog)
    hospital.log.forget(topics.RAW)

    async def check(desk: Desk) -> None:
        shown = (await desk.get(f"/inputs/{waiting.id}")).json()
        assert (shown["input"], "kept no longer" in shown["why_not"]) == (None, True)
        (replayed,) = (await desk.post("replay", ids=[waiting.id])).json()["items"]
        assert (replayed["became"], replayed["why"]) == ("cannot", shown["why_not"])
        await desk.post("discard", ids=[waiting.id], because="it was sent again")
        await desk.until_open(0)

    run(hospital, check)


def test_an_item_of_a_feed_that_is_not_configured_any_more_can_be_seen_and_ended(
    hospital: Hospital,
) -> None:
    hospital.say("A14", "V1", "W9")
    (waiting,) = hospital.open()
    hospital.restart(*WARDS, config=CONFIG.replace("[feeds.hl7]", "[feeds.other]"))

    async def check(desk: Desk) -> None:
        assert [each.id for each in hospital.open()] == [waiting.id]
        shown = (await desk.get(f"/inputs/{waiting.id}")).json()["input"]
        assert (shown["is_marked"], "W9" in shown["before"]) == (False, True)
        (replayed,) = (await desk.post("replay", all=True)).json()["items"]
        assert (replayed["became"], "no feed" in replayed["why"]) == ("cannot", True)
        await desk.post("resolve", ids=[waiting.id], because="told by telephone")
        await desk.until_open(0)

    run(hospital, check)


@pytest.mark.parametrize("odd", ["none", "router|a/b", "a b", "ä"])
def test_an_item_that_is_not_there_is_none(hospital: Hospital, odd: str) -> None:
    async def check(desk: Desk) -> None:
        assert (await desk.get(f"/items/{odd}")).status_code == 404
        assert (await desk.post("replay", ids=[odd])).status_code == 404
        assert (await desk.post("discard", ids=[odd], because="x")).status_code == 404

    run(hospital, check)


# -- replay ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a message", "a resource"])
def test_a_preview_says_whom_a_replay_tells_and_a_replay_tells_them_once(
    hospital: Hospital, name: str
) -> None:
    send, _, _ = SENT[name]
    send(hospital)
    hospital.restart(*WARDS, "W9")

    async def check(desk: Desk) -> None:
        before = everything_in(hospital.log)
        ahead = (await desk.post("replay", all=True, preview=True)).raise_for_status().json()
        assert everything_in(hospital.log) == before, "it writes nothing but who asked"
        assert [each["became"] for each in ahead["items"]] == ["resolved"]
        assert [(n["ward"], n["kind"], n["visit"]["visit"]) for n in ahead["notices"]] == [
            ("W9", "designated", "V7")
        ]
        hospital.route()
        assert hospital.words() == [], "a preview is not done"
        await desk.until_open(1)
        done = (await desk.post("replay", reason="ward-unknown", by="Anna")).json()
        assert (done["is_preview"], done["notices"]) == (False, None)
        assert [each["became"] for each in done["items"]] == ["resolved"]
        hospital.route()
        assert [f"{n.subject} {n.data.visit.visit}" for n in hospital.notices()] == ["W9 V7"]
        await desk.until_open(0)
        again = (await desk.post("replay", ids=[each["item"] for each in done["items"]])).json()
        assert [each["became"] for each in again["items"]] == ["resolved"]
        hospital.route()
        assert len(hospital.notices()) == 1
        assert [(e.action, len(e.seen)) for e in desk.audit()] == [
            (Action.PREVIEWED, 1), (Action.REPLAYED, 0), (Action.REPLAYED, 0),
        ]  # fmt: skip
        assert {s.by for s in steps(hospital)} == {"Anna (chief)"}

    run(hospital, check)


def steps(hospital: Hospital) -> list[ReviewStep]:
    return [
        ReviewStep.model_validate_json(each.value or b"")
        for each in records_of(hospital.log, topics.REVIEWED)
    ]


def everything_in(log: Log) -> dict[str, dict[int, int]]:
    return {
        each.name: dict(log.ends(each.name)) for each in topics.TOPICS if each.name != topics.AUDIT
    }


def test_an_export_is_handed_to_its_feed_which_then_decides(hospital: Hospital) -> None:
    hospital.export(listing(MARKED, start=hospital.start))
    hospital.route()
    hospital.restart(*WARDS, "E9")

    async def check(desk: Desk) -> None:
        ahead = (await desk.post("replay", feed="elvis", preview=True)).json()
        assert [(n["ward"], n["kind"]) for n in ahead["notices"]] == [("E9", "designated")]
        done = (await desk.post("replay", feed="elvis")).json()
        assert [each["became"] for each in done["items"]] == ["asked"]
        hospital.exports()
        hospital.route()
        assert hospital.words() == ["E9 designated marked"]
        await desk.until_open(0)

    run(hospital, check)


def test_what_is_met_again_or_instead_is_said(hospital: Hospital) -> None:
    hospital.say("A14", "V1", "W9")
    hospital.say("A14", "", "W1")
    profile = '[feeds.hl7.profile]\nvisit = "PID-3"\n'
    hospital.restart(*WARDS, config=CONFIG + profile)

    async def check(desk: Desk) -> None:
        done = (await desk.post("replay", all=True, preview=True)).json()
        assert [each["became"] for each in done["items"]] == ["remains", "resolved"]
        assert [each["reason"] for each in done["met"]] == ["patient-unreadable"]

    run(hospital, check)


def test_two_who_replay_at_once_through_the_service_tell_once(hospital: Hospital) -> None:
    for number in range(5):
        hospital.say("A14", f"V{number}", "W9", minute=number)
    hospital.restart(*WARDS, "W9")

    async def check(desk: Desk) -> None:
        other = desk.by("operator")
        answers = await asyncio.gather(
            *(each.post("replay", all=True) for each in (desk, other, desk, other))
        )
        assert {answer.status_code for answer in answers} == {200}
        hospital.route()
        assert hospital.words() == ["W9 designated marked"] * 5
        await desk.until_open(0)

    run(hospital, check)


# -- the end ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deed", ["resolved", "discarded"])
def test_who_ends_an_item_is_named_with_what_they_say(hospital: Hospital, deed: str) -> None:
    hospital.say("A14", "V1", "W9")
    (waiting,) = hospital.open()

    async def check(desk: Desk) -> None:
        route = deed.removesuffix("d") if deed == "resolved" else "discard"
        said = {"ids": [waiting.id], "because": "told by telephone", "by": "Anna"}
        ended = (await desk.by("operator").post(route, **said)).raise_for_status().json()
        assert ended == {"items": [waiting.id], "has_more": False}
        await desk.until_open(0)
        (done,) = steps(hospital)
        assert (done.deed, done.by, done.reason) == (deed, "Anna (operator)", "told by telephone")
        (found,) = (await desk.get(state="settled")).json()["items"]
        assert found["steps"][0]["reason"] == "told by telephone"
        assert desk.audit()[0].action == deed
        assert desk.audit()[0].about == f"ids={waiting.id}"

    run(hospital, check)


def test_what_is_discarded_stays_so_and_what_is_resolved_opens_when_it_is_met_again(
    hospital: Hospital,
) -> None:
    for visit in ("V1", "V2"):
        hospital.say("A14", visit, "W9")
    one, other = hospital.open()

    async def check(desk: Desk) -> None:
        await desk.post("discard", ids=[one.id], because="x")
        await desk.post("resolve", ids=[other.id], because="x")
        await desk.until_open(0)
        hospital.restart(*WARDS)
        for visit in ("V1", "V2"):
            hospital.say("A14", visit, "W9")
        await desk.until_open(1)
        assert ids(desk.running) == [other.id]

    run(hospital, check)


WRONG: Final[list[dict[str, Any]]] = [
    {},
    {"all": True, "feed": "hl7"},
    {"ids": ["a"], "reason": "x"},
    {"ids": ["a"] * 501},
    {"all": False},
    {"everything": True},
    {"all": True, "by": "a\nb"},
    {"all": True, "by": "a" * 101},
]


@pytest.mark.parametrize("said", WRONG)
@pytest.mark.parametrize("route", ["replay", "resolve", "discard"])
def test_what_does_not_say_plainly_which_items_does_nothing(
    hospital: Hospital, said: dict[str, Any], route: str
) -> None:
    hospital.log.append([record(item("a"))])
    because = {} if route == "replay" else {"because": "x"}

    async def check(desk: Desk) -> None:
        assert (await desk.post(route, **said, **because)).status_code == 422
        assert ids(desk.running) == ["a"]

    run(hospital, check)


@pytest.mark.parametrize("because", [None, "", "x" * 501])
def test_nothing_ends_without_a_reason(hospital: Hospital, because: str | None) -> None:
    async def check(desk: Desk) -> None:
        assert (await desk.post("discard", all=True, because=because)).status_code == 422

    run(hospital, check)


def test_where_nobody_is_asked_a_person_has_to_name_themselves(hospital: Hospital) -> None:
    hospital.log.append([record(item("a"))])

    async def check(desk: Desk) -> None:
        for by in ("", "  "):
            for route in ("replay", "resolve", "discard"):
                said = {"all": True, "by": by} | ({} if route == "replay" else {"because": "x"})
                assert (await desk.post(route, **said)).status_code == 422
        answer = await desk.post("discard", all=True, by="Anna", because="x")
        assert answer.status_code == 200
        assert [each.by for each in steps(hospital)] == ["Anna"]

    run(hospital, check, is_open=True)


def test_who_may_not_operate_sees_and_does_nothing(hospital: Hospital) -> None:
    hospital.log.append([record(item("a"))])

    async def check(desk: Desk) -> None:
        screen = desk.by("screen")
        assert (await screen.get()).status_code == 403
        assert (await screen.get("/items/a")).status_code == 403
        for route in ("replay", "resolve", "discard"):
            assert (await screen.post(route, all=True, because="x")).status_code == 403
        assert steps(hospital) == []

    run(hospital, check)


def test_nothing_ends_and_nothing_is_read_again_where_that_cannot_be_noted(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital.say("A14", "V1", "W9")
    hospital.restart(*WARDS, "W9")
    append = hospital.log.append

    def refuse(records: list[Record]) -> None:
        if any(each.topic == topics.AUDIT for each in records):
            raise LogError("the disk is full")
        append(records)

    async def check(desk: Desk) -> None:
        monkeypatch.setattr(hospital.log, "append", refuse)
        for route in ("replay", "resolve", "discard"):
            because = {} if route == "replay" else {"because": "x"}
            assert (await desk.post(route, all=True, **because)).status_code == 503
        assert (await desk.post("replay", all=True, preview=True)).status_code == 503
        assert steps(hospital) == []
        assert [type(each) for each in hospital.open()] == [ReviewItem]

    run(hospital, check)
