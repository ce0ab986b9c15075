"""One stream of several wards: all of them and no other, each once and in its order, from wherever it goes on."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.port import Record, TopicPartition
from schemas import topics
from tests.wardbridge.test_fhir_surface import ACCESS, REGISTER, bearer, gate
from tests.wardbridge.test_http import Surface, notice, notices, parsed, stream, surface, until
from wardbridge.api.directory import MAX_WARDS
from wardbridge.api.several import AT_ONCE, PATTERN, LastTold, StreamPosition

WARDS = ("MED", "KIR", "IVA")


def decided(*wards: str) -> list[Record]:
    """A notice of each in turn, numbered by ward."""
    count: dict[str, int] = {}
    for ward in wards:
        count[ward] = count.get(ward, 0) + 1
    begun = dict.fromkeys(count, 0)
    found = []
    for ward in wards:
        begun[ward] += 1
        found.append(notice(ward, begun[ward]))
    return found


def told(events: list[dict[str, str]]) -> list[str]:
    return [json.loads(event["data"])["id"] for event in events]


async def heard(running: Surface, query: str, count: int, after: str | None = None) -> Any:
    async with stream(running, f"/v1/stream{query}", after) as events:
        return await notices(events, count)


def test_the_chosen_wards_are_told_and_no_other() -> None:
    async def check() -> None:
        async with (
            surface() as running, stream(running, "/v1/stream?ward=MED&ward=IVA") as events,
        ):  # fmt: skip
            running.log.append(decided("MED", "KIR", "IVA", "KIR", "MED"))
            assert told(await notices(events, 3)) == ["MED-1", "IVA-1", "MED-2"]

    asyncio.run(check())


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(WARDS), min_size=1, max_size=12), st.sampled_from([1, 3]), st.data()
)
def test_whoever_comes_back_gets_what_came_after_each_once_and_in_its_wards_order(
    wards: list[str], partitions: int, data: st.DataObject
) -> None:
    chosen = data.draw(st.sets(st.sampled_from(WARDS), min_size=1))
    records = decided(*wards)
    wanted = {ward: [f"{ward}-{n}" for n in range(1, wards.count(ward) + 1)] for ward in chosen}
    count = sum(map(len, wanted.values()))
    query = "?" + "&".join(f"ward={ward}" for ward in chosen)

    async def check() -> None:
        async with surface(*records, partitions=partitions) as running:
            whole = await heard(running, query, count, "-")
            for ward, numbers in wanted.items():
                assert [each for each in told(whole) if each.startswith(ward)] == numbers
            cut = data.draw(st.integers(0, count - 1)) if count else 0
            if count:
                again = await heard(running, query, count - cut - 1, whole[cut]["id"])
                assert told(again) == told(whole)[cut + 1 :]

    asyncio.run(check())


def test_more_than_is_told_at_once_is_told_too() -> None:
    async def check() -> None:
        wards = [WARDS[number % 2] for number in range(3 * AT_ONCE)]
        async with surface(*decided(*wards)) as running:
            found = told(await heard(running, "?ward=MED&ward=KIR", 3 * AT_ONCE, "-"))
            assert found == [f"{ward}-{1 + number // 2}" for number, ward in enumerate(wards)]

    asyncio.run(check())


def test_what_comes_between_the_directory_and_the_stream_is_not_missed() -> None:
    async def check() -> None:
        async with surface(*decided("MED", "KIR")) as running:
            place = (await running.get("/v1/wards"))["last_event_id"]
            running.log.append([notice("KIR", 2)])
            assert told(await heard(running, "", 1, place)) == ["KIR-2"]

    asyncio.run(check())


def test_a_silent_stream_has_a_place_to_come_back_to() -> None:
    async def check() -> None:
        async with surface(*decided("MED")) as running:
            async with running.client.stream("GET", "/v1/stream") as response:
                first = await anext(parsed(response.aiter_lines()))
            running.log.append([notice("MED", 2)])
            assert told(await heard(running, "", 1, first["id"])) == ["MED-2"]

    asyncio.run(check())


@pytest.mark.parametrize(
    ("after", "reason"), [("0.7.1", "ahead"), ("0.0.1", "other-log"), ("0.0.1_9.4.1", "ahead")]
)
def test_where_it_cannot_go_on_it_says_so(after: str, reason: str) -> None:
    async def check() -> None:
        async with surface(*decided("MED", "KIR")) as running:
            (reset,) = await heard(running, "", 1, after)
            assert (reset["event"], json.loads(reset["data"])) == ("reset", {"reason": reason})
            running.log.append([notice("MED", 2)])
            assert told(await heard(running, "", 1, reset["id"])) == ["MED-2"]

    asyncio.run(check())


def test_what_is_kept_no_longer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        async with surface(*decided("MED", "KIR")) as running:
            monkeypatch.setattr(running.log, "starts", lambda _: {0: 2})
            (reset,) = await heard(running, "", 1, "-")
            assert json.loads(reset["data"]) == {"reason": "too-old"}

    asyncio.run(check())


def test_a_stream_has_only_so_many_wards() -> None:
    async def work(running: Surface) -> None:
        for count, status in ((MAX_WARDS + 1, 422), (MAX_WARDS, 403)):
            query = "&".join(["ward=X"] * count)
            answer = await running.client.get(f"/v1/stream?{query}", headers=bearer("screen"))
            assert answer.status_code == status

    asked(work)


def asked(work: Callable[[Surface], Any]) -> None:
    async def run() -> None:
        async with surface(
            *decided(*WARDS), register=REGISTER, gate=gate(), access=ACCESS
        ) as running:
            await until(lambda: running.hub.board.history("IVA") is not None)
            await work(running)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("by", "query", "status"),
    [
        ("nobody", "", 401), ("screen", "?ward=KIR", 403), ("screen", "?ward=MED&ward=KIR", 403),
        ("screen", "?ward=NOWHERE", 403), ("admin", "?ward=NOWHERE", 404),
        ("screen", "?hospital=Söder", 403), ("region", "?hospital=Norr&hospital=Söder", 403),
        ("admin", "?after=1.2", 422), ("operator", "", 403),
    ],
)  # fmt: skip
def test_nobody_hears_of_wards_that_they_may_not_read(by: str, query: str, status: int) -> None:
    async def work(running: Surface) -> None:
        answer = await running.client.get(f"/v1/stream{query}", headers=bearer(by))
        assert answer.status_code == status

    asked(work)


@pytest.mark.parametrize(
    ("by", "query", "wards"),
    [
        ("admin", "", {"MED", "KIR", "IVA"}), ("region", "", {"MED", "KIR"}), ("screen", "", {"MED"}),
        ("admin", "?hospital=Norr", {"MED", "KIR"}), ("admin", "?hospital=Norr&ward=IVA", {*WARDS}),
    ],
)  # fmt: skip
def test_without_a_choice_it_is_what_one_may_read(by: str, query: str, wards: set[str]) -> None:
    async def work(running: Surface) -> None:
        headers = {**bearer(by), "Last-Event-ID": "-"}
        async with running.client.stream("GET", f"/v1/stream{query}", headers=headers) as response:
            events = parsed(response.aiter_lines())
            await anext(events)
            found = await notices(events, len(wards))
        assert {json.loads(each["data"])["subject"] for each in found} == wards

    asked(work)


def test_the_directory_has_the_wards_that_one_may_read() -> None:
    async def work(running: Surface) -> None:
        for by, wards in (("admin", ["KIR", "MED", "IVA"]), ("screen", ["MED"])):
            shown = (await running.client.get("/v1/wards", headers=bearer(by))).json()["wards"]
            assert [each["ward"] for each in shown] == wards
        assert shown[0] == {
            "ward": "MED", "name": "Medicin", "hospital": "Norr", "care_type": "somatic",
            "fields": "minimal", "may_acknowledge": False, "sequence": 1,
            "last_event_id": shown[0]["last_event_id"],
        }  # fmt: skip

    asked(work)


@given(
    st.dictionaries(
        st.integers(0, 99), st.tuples(st.integers(0, 10**12), st.integers(0, 10**13)), max_size=4
    )
)
def test_a_place_is_read_as_it_is_written(spots: dict[int, tuple[int, int]]) -> None:
    place = StreamPosition({at: LastTold(*spot) for at, spot in spots.items()})
    assert re.fullmatch(PATTERN, str(place))
    assert StreamPosition.parsed(str(place)) == place
    assert all(
        place.offset(TopicPartition(topics.DESIGNATIONS, at).partition) == s[0]
        for at, s in spots.items()
    )
