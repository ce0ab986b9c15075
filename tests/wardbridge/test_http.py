"""The HTTP surface over a real server: lists, streams, probes, metrics."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import pytest

from adapters.common.settings import Tls
from bus.memory import MemoryLog
from bus.port import Log, LogError, Record
from bus.runner import StepRunner
from schemas import topics
from schemas.base import VisitRef
from schemas.notification import DesignationData, Kind, Notification, Reason
from schemas.ward import Ward, WardRegister
from tests.wardbridge.steps import IdleStep
from wardbridge.api.app import Noted, Serving, make_app
from wardbridge.api.view import View
from wardbridge.config.access import AccessSection
from wardbridge.config.load import load
from wardbridge.config.models import Installation, RegistrationsSection
from wardbridge.ingest.kind import Clock
from wardbridge.net.server import HttpServer
from wardbridge.readmodels.board import Board
from wardbridge.readmodels.broadcaster import Broadcaster, Seats
from wardbridge.readmodels.census import Census
from wardbridge.readmodels.disclosure import Disclosure
from wardbridge.readmodels.history import Pages
from wardbridge.readmodels.identities import Identities
from wardbridge.readmodels.log_follower import LogFollower
from wardbridge.readmodels.occupancy import occupancies
from wardbridge.reviewing.component import ReviewFollower
from wardbridge.reviewing.desk import Desk
from wardbridge.routing.component import RouterComponent
from wardbridge.routing.progress import RouterProgress
from wardbridge.runtime.roles import utc_now
from wardbridge.security.audit import Trail
from wardbridge.security.authenticator import Authenticator
from wardbridge.security.refusals import Refusals
from wardbridge.security.sealing import Seal
from wardbridge.subscriptions.registrar import Registrar
from wardbridge.subscriptions.registrations import Registrations

AT = datetime(2026, 1, 15, 8, tzinfo=UTC)
OPEN = WardRegister(open_register=True)
CLOSED = WardRegister([Ward(id="MED", name="Medicin", hospital="Norr")])


def data(ward: str, sequence: int, visit: str = "1", hours: int = 0) -> DesignationData:
    return DesignationData(
        kind=Kind.DESIGNATED, reason=Reason.MARKED, realm="lab", ward=ward, hospital=None,
        visit=VisitRef(source="ehr", visit=visit), version=1, sequence=sequence, announced_at=AT,
        expected_at=AT + timedelta(hours=hours) if hours else None,
    )  # fmt: skip


def notice(ward: str, sequence: int, visit: str = "1") -> Record:
    event = Notification(
        id=f"{ward}-{sequence}", source="/wardbridge/lab", type="wardbridge.designation.x.v1",
        subject=ward, time=AT, data=data(ward, sequence, visit),
    )  # fmt: skip
    return Record(topics.DESIGNATIONS, ward, ward, event.model_dump_json().encode())


def row(ward: str, visit: str, hours: int = 0, *, gone: bool = False) -> Record:
    value = None if gone else data(ward, 1, visit, hours).model_dump_json().encode()
    return Record(topics.INBOUND, ward, f"{ward}|ehr|{visit}", value)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nothing else tells of it
        await asyncio.sleep(0)


LEAST = """
[realms.lab]
[sources.ehr]
[feeds.hl7]
kind = "hl7v2-mllp"
source = "ehr"
port = 2575
[wards]
open = true
[authority.lab]
default = "ehr"
"""


def installed(folder: Path) -> Installation:
    """The least that is one."""
    path = folder / "wardbridge.toml"
    path.write_text(LEAST, encoding="utf-8")
    return load(path, folder, {})


class Surface:
    """A server over a log."""

    def __init__(  # noqa: PLR0913, PLR0917 - one for each thing that a test may vary
        self,
        log: Log,
        register: WardRegister,
        limit: int,
        max_streams: int,
        gate: Authenticator | None,
        tls: Tls | None,
        census: Census | None,
        access: AccessSection | None = None,
        installation: Installation | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.log = log
        board = Board()
        zone = ZoneInfo("Europe/Stockholm")
        free = occupancies(board, census, register, lambda: AT, zone) if census else None
        sees_more = census is not None
        known = Disclosure(census, register, Identities(census.aliases)) if census else None
        self.hub = Broadcaster(board, limit, known, free)
        self.tail = LogFollower(
            log, self.hub.take, wait_s=0.02, with_census=sees_more, with_patients=sees_more
        )
        self.runner = StepRunner(log, "router", IdleStep(), lambda *_: ())
        self.runner.run_once()
        self.router = RouterComponent(self.runner)
        progress = RouterProgress(log, self.router, 60.0)
        self.review = ReviewFollower(log, wait_s=0.02)
        self.view = View(
            log,
            self.hub,
            Pages(log, board),
            register,
            self.router,
            progress,
            (),
            (self.tail,),
            None,
            self.review,
            0.05,
            utc_now,
        )
        gate = gate or Authenticator(None, register.hospital_of, utc_now)
        trail = Trail(
            log, utc_now, timedelta(hours=1), census.patient_of if census else lambda _: None
        )
        self.folder = TemporaryDirectory()
        seal = Seal(Path(self.folder.name), None)
        terms = RegistrationsSection(allow_private=True)
        self.registrations = Registrations(log, seal, terms, access, {})
        registrar = Registrar(log, self.registrations, register, utc_now, max_per_owner=3)
        installation = installation or installed(Path(self.folder.name))
        desk = Desk(log, installation, clock, self.review.index)
        serving = Serving(registrar, "http://bridge.test/fhir", desk)
        self.seats = Seats(max_streams, of_one_reader=5)
        self.refusals = Refusals(log, utc_now)
        gate.noted, gate.is_ward = self.refusals.note, self.view.is_ward
        noted = Noted(trail, self.refusals)
        self.app = make_app(self.view, gate, noted, self.seats, serving)
        self.server = HttpServer(self.app, "127.0.0.1", 0, tls)
        self.client = httpx.AsyncClient(timeout=10)

    @asynccontextmanager
    async def at_work(self, *, is_read: bool) -> AsyncIterator[None]:
        await self.start(is_read=is_read)
        try:
            yield
        finally:
            await self.stop()

    async def start(self, *, is_read: bool) -> None:
        if is_read:
            await self.tail.start()
            await self.review.start()
        await self.server.start()
        await until(lambda: not self.server.blocking())
        await until(lambda: not (is_read and self.view.blocking()))
        self.client.base_url = httpx.URL(f"http://127.0.0.1:{self.server.bound_port()}")

    async def stop(self) -> None:
        await self.client.aclose()
        await self.tail.stop()
        await self.review.stop()
        self.hub.close()
        await self.server.stop()
        self.folder.cleanup()

    async def get(self, path: str) -> Any:
        return (await self.client.get(path)).raise_for_status().json()

    async def until_seen(self, sequence: int, ward: str = "MED") -> None:
        await until(lambda: self.hub.board.last_id(ward).sequence >= sequence)


@asynccontextmanager
async def surface(  # noqa: PLR0913 - see above
    *records: Record,
    register: WardRegister = OPEN,
    limit: int = 256,
    partitions: int = 1,
    is_read: bool = True,
    max_streams: int = 10,
    gate: Authenticator | None = None,
    tls: Tls | None = None,
    census: Census | None = None,
    access: AccessSection | None = None,
    installation: Installation | None = None,
) -> AsyncIterator[Surface]:
    """``is_read``: the tail has read what is kept, as some time after a start."""
    log = MemoryLog(partitions)
    log.append(records)
    running = Surface(log, register, limit, max_streams, gate, tls, census, access, installation)
    async with running.at_work(is_read=is_read):
        yield running
    log.close()


@asynccontextmanager
async def over(
    log: Log,
    gate: Authenticator | None = None,
    installation: Installation | None = None,
    clock: Clock = utc_now,
) -> AsyncIterator[Surface]:
    """As one of several processes on it."""
    running = Surface(log, OPEN, 256, 10, gate, None, None, None, installation, clock)
    async with running.at_work(is_read=True):
        yield running


@asynccontextmanager
async def stream(running: Surface, path: str, after: int | str | None = None) -> AsyncIterator[Any]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    async with running.client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        events = parsed(response.aiter_lines())
        while "retry" not in await anext(events):  # then the listener is registered
            pass
        yield events


async def parsed(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, str]]:
    """Events as their fields; a comment is an event without fields."""
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.strip()
        else:
            yield fields
            fields = {}


async def notices(events: AsyncIterator[dict[str, str]], count: int) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    while len(found) < count:
        event = await anext(events)
        if event:
            found.append(event)
    return found


def ids(events: list[dict[str, str]]) -> list[tuple[str, str]]:
    """What each is, and its number."""
    return [(event.get("event", "message"), event["id"].partition(".")[0]) for event in events]


def test_a_list_has_those_on_the_way_expected_first_at_the_top() -> None:
    async def check() -> None:
        records = [notice("MED", 1), row("MED", "1"), row("MED", "2", 3), row("MED", "3", 2),
                   row("MED", "4"), row("MED", "4", gone=True), row("KIR", "5")]  # fmt: skip
        async with surface(*records) as running:
            answer = await running.get("/v1/wards/MED/inbound")
            assert [p["visit"]["visit"] for p in answer["patients"]] == ["3", "2", "1"]
            assert (answer["ward"], answer["sequence"]) == ("MED", 1)
            assert answer["patients"][0]["expected_at"] == "2026-01-15T10:00:00Z"
            assert (await running.get("/v1/wards/GER/inbound"))["patients"] == []

    asyncio.run(check())


def test_no_ward_at_all_is_no_ward_of_an_open_register_either() -> None:
    async def check() -> None:
        async with surface() as running:
            for path in ("/v1/wards//inbound", "/v1/wards//stream"):
                assert (await running.client.get(path)).status_code == 404

    asyncio.run(check())


def test_the_published_paths_name_the_ward_plainly() -> None:
    async def check() -> None:
        async with surface() as running:
            paths = (await running.get("/openapi.json"))["paths"]
            assert {"/v1/wards/{ward}/inbound", "/v1/wards/{ward}/stream"} <= paths.keys()

    asyncio.run(check())


def test_a_closed_register_has_names_and_answers_404_for_others() -> None:
    async def check() -> None:
        async with surface(register=CLOSED) as running:
            assert (await running.get("/v1/wards/MED/inbound"))["name"] == "Medicin"
            for path in ("/v1/wards/KIR/inbound", "/v1/wards/KIR/stream"):
                assert (await running.client.get(path)).status_code == 404

    asyncio.run(check())


@pytest.mark.parametrize("ward", ["IVA/HIA", "Åre 3", "a%2Fb", "x/inbound"])
def test_a_ward_is_found_whatever_signs_its_code_has(ward: str) -> None:
    async def check() -> None:
        async with surface(row(ward, "1"), notice(ward, 1)) as running:
            path = f"/v1/wards/{quote(ward, safe='')}"
            answer = await running.get(f"{path}/inbound")
            assert (answer["ward"], len(answer["patients"])) == (ward, 1)
            async with stream(running, f"{path}/stream", after=0) as events:
                assert ids(await notices(events, 1)) == [("message", "1")]

    asyncio.run(check())


def test_a_stream_tells_what_happens_from_now_on() -> None:
    async def check() -> None:
        async with surface(notice("MED", 1)) as running:
            async with stream(running, "/v1/wards/MED/stream") as events:
                running.log.append([notice("MED", 2), notice("KIR", 1), notice("MED", 3)])
                found = await notices(events, 2)
            assert ids(found) == [("message", "2"), ("message", "3")]
            assert json.loads(found[0]["data"])["data"]["sequence"] == 2

    asyncio.run(check())


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_stream_resumes_after_the_last_event_without_a_gap(partitions: int) -> None:
    async def check() -> None:
        kept = [notice(ward, n) for n in range(1, 500) for ward in ("MED", "KIR")]
        async with surface(*kept, partitions=partitions) as running:
            async with stream(running, "/v1/wards/MED/stream", after=3) as events:
                running.log.append([notice("MED", 500)])
                found = await notices(events, 497)
            assert ids(found) == [("message", str(n)) for n in range(4, 501)]

    asyncio.run(check())


def test_the_place_to_resume_from_can_be_in_the_address() -> None:
    async def check() -> None:
        async with (
            surface(notice("MED", 1), notice("MED", 2)) as running,
            stream(running, "/v1/wards/MED/stream?after=0") as events,
        ):
            assert ids(await notices(events, 2)) == [("message", "1"), ("message", "2")]

    asyncio.run(check())


def test_a_stream_resumes_after_the_newest_notice_of_a_list() -> None:
    async def check() -> None:
        async with surface(notice("MED", 1), notice("MED", 2)) as running:
            last = (await running.get("/v1/wards/MED/inbound"))["last_event_id"]
            async with stream(running, "/v1/wards/MED/stream", after=last) as events:
                running.log.append([notice("MED", 3)])
                (found,) = await notices(events, 1)
            assert ids([found]) == [("message", "3")]
            async with stream(running, "/v1/wards/MED/stream", after=found["id"]) as events:
                running.log.append([notice("MED", 4)])
                assert ids(await notices(events, 1)) == [("message", "4")]

    asyncio.run(check())


@pytest.mark.parametrize(
    ("after", "reason"),
    [(1, "too-old"), (9, "ahead"), ("4.1", "too-old"), ("5.1", "other-log"), ("6.1", "other-log")],
    ids=["no longer kept", "never given", "not to be compared", "given twice", "the newest too"],
)
def test_where_it_cannot_resume_it_says_so_and_goes_on(after: int | str, reason: str) -> None:
    async def check() -> None:
        async with surface(notice("MED", 5), notice("MED", 6)) as running:
            async with stream(running, "/v1/wards/MED/stream", after=after) as events:
                running.log.append([notice("MED", 7)])
                found = await notices(events, 2)
            assert ids(found) == [("reset", "6"), ("message", "7")]
            assert json.loads(found[0]["data"]) == {
                "ward": "MED", "reason": reason, "sequence": 6,
            }  # fmt: skip

    asyncio.run(check())


def test_a_notice_that_another_process_has_shown_already_is_not_said_to_be_ahead() -> None:
    """As a listener that comes from a process whose look at the log was a moment earlier."""

    async def check() -> None:
        async with surface(notice("MED", 1)) as running:
            idle, go_on = threading.Event(), threading.Event()

            def wait(*_: object) -> bool:
                idle.set()
                return go_on.wait(30)

            with pytest.MonkeyPatch.context() as held:
                held.setattr(running.log, "wait", wait)
                await asyncio.to_thread(idle.wait, 30)
                running.log.append([notice("MED", 2)])
                headers = {"Last-Event-ID": "2"}
                path = "/v1/wards/MED/stream"
                async with running.client.stream("GET", path, headers=headers) as response:
                    events = parsed(response.aiter_lines())
                    assert await anext(events) == {}  # it is only kept waiting
                    go_on.set()
                    running.log.append([notice("MED", 3)])
                    told = [event for event in await notices(events, 2) if "id" in event]
            assert ids(told) == [("message", "3")]

    asyncio.run(check())


def test_a_ward_whose_notices_are_all_gone_resets_at_once_and_when_the_next_shows_the_gap() -> None:
    async def check() -> None:
        async with surface() as running:
            async with stream(running, "/v1/wards/MED/stream", after=3) as events:
                assert ids(await notices(events, 1)) == [("reset", "0")]
                running.log.append([notice("MED", 6)])
                found = await notices(events, 2)
            assert ids(found) == [("reset", "5"), ("message", "6")]

    asyncio.run(check())


def test_who_asks_for_all_is_told_when_the_first_are_no_longer_kept() -> None:
    async def check() -> None:
        async with surface() as running:
            async with stream(running, "/v1/wards/MED/stream", after=0) as events:
                running.log.append([notice("MED", 5)])
                found = await notices(events, 2)
            assert ids(found) == [("reset", "4"), ("message", "5")]

    asyncio.run(check())


def test_who_asks_for_what_comes_next_is_not_told_of_what_was() -> None:
    async def check() -> None:
        async with surface() as running, stream(running, "/v1/wards/MED/stream") as events:
            running.log.append([notice("MED", 5)])
            assert ids(await notices(events, 1)) == [("message", "5")]

    asyncio.run(check())


def test_a_history_with_a_missing_number_is_not_resumed_across_it() -> None:
    async def check() -> None:
        async with surface(notice("MED", 1), notice("MED", 2), notice("MED", 4)) as running:
            async with stream(running, "/v1/wards/MED/stream", after=1) as events:
                assert ids(await notices(events, 1)) == [("reset", "4")]
            async with stream(running, "/v1/wards/MED/stream", after=3) as events:
                assert ids(await notices(events, 1)) == [("message", "4")]

    asyncio.run(check())


def test_after_a_start_no_list_is_shown_before_it_is_whole() -> None:
    async def check() -> None:
        async with surface(row("MED", "1"), is_read=False) as running:
            early = await running.client.get("/v1/wards/MED/inbound")
            assert (early.status_code, early.headers["Retry-After"]) == (503, "1")
            assert early.json()["detail"] == "the notices kept are being read"
            await running.tail.start()
            await until(lambda: not running.view.blocking())
            answer = await running.get("/v1/wards/MED/inbound")
            assert [p["visit"]["visit"] for p in answer["patients"]] == ["1"]

    asyncio.run(check())


def test_after_a_start_a_listener_waits_for_its_history_and_resumes_in_it() -> None:
    """Not: "this log never gave that number", only because it has not been read so far yet."""

    async def check() -> None:
        kept = [notice("MED", number) for number in range(1, 10)]
        async with surface(*kept, is_read=False) as running:
            path, headers = "/v1/wards/MED/stream", {"Last-Event-ID": "7"}
            async with running.client.stream("GET", path, headers=headers) as response:
                events = parsed(response.aiter_lines())
                assert await anext(events) == {}  # a heartbeat
                await running.tail.start()
                found = [event for event in await notices(events, 3) if "id" in event]
            assert ids(found) == [("message", "8"), ("message", "9")]

    asyncio.run(check())


def test_a_list_that_can_no_longer_be_followed_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def check() -> None:
        async with surface(row("MED", "1")) as running:
            with monkeypatch.context() as gone:
                gone.setattr(running.log, "written", refuse)
                await until(lambda: running.tail.blocking() is not None)
                answer = await running.client.get("/v1/wards/MED/inbound")
                assert answer.status_code == 503
            await until(lambda: running.tail.blocking() is None)
            assert len((await running.get("/v1/wards/MED/inbound"))["patients"]) == 1

    asyncio.run(check())


def test_a_silent_stream_sends_a_heartbeat() -> None:
    async def check() -> None:
        async with surface() as running, stream(running, "/v1/wards/MED/stream") as events:
            assert await anext(events) == {}

    asyncio.run(check())


def test_a_listener_that_leaves_is_forgotten() -> None:
    async def check() -> None:
        async with surface() as running:
            async with stream(running, "/v1/wards/MED/stream"):
                assert running.hub.listeners() == 1
            await until(lambda: not running.hub.listeners())

    asyncio.run(check())


@pytest.mark.parametrize("wrong", ["yesterday", "-1", "7.", "7.x", "1" * 16])
def test_a_wrong_last_event_id_is_refused(wrong: str) -> None:
    async def check() -> None:
        async with surface() as running:
            answer = await running.client.get(
                "/v1/wards/MED/stream", headers={"Last-Event-ID": wrong}
            )
            assert answer.status_code == 422

    asyncio.run(check())


def test_streams_end_when_the_service_does() -> None:
    async def check() -> None:
        async with surface() as running, stream(running, "/v1/wards/MED/stream") as events:
            running.hub.close()
            assert [event async for event in events if event] == []

    asyncio.run(check())


def refuse(*_arguments: object) -> None:
    raise LogError("the disk is gone")
