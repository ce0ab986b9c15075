"""How many listen at once, and what waits for them."""

from __future__ import annotations

import asyncio

from tests.wardbridge.test_http import ids, notice, notices, stream, surface, until
from wardbridge.readmodels.broadcaster import Seats


def test_many_notices_at_once_cut_nobody_off() -> None:
    """However many a look at the log brings: a listener reads them when it can."""

    async def check() -> None:
        async with surface(limit=2) as running:
            async with stream(running, "/v1/wards/MED/stream") as events:
                running.log.append([notice("MED", n) for n in range(1, 1_001)])
                found = await notices(events, 1_000)
            assert ids(found) == [("message", str(n)) for n in range(1, 1_001)]
            assert running.hub.cut_off == 0

    asyncio.run(check())


def test_a_listener_for_whom_too_much_else_waits_is_ended_and_delays_nobody() -> None:
    async def check() -> None:
        async with surface(notice("MED", 1), limit=2) as running:
            listener = running.hub.listen("MED")
            async with stream(running, "/v1/wards/MED/stream", after=1) as events:
                for _ in range(4):
                    running.hub._publish("MED", "acknowledged", b"{}")
                    await anext(events)
                assert (listener.has_ended, running.hub.cut_off) == (True, 1)
                assert running.hub.listeners() == 1

    asyncio.run(check())


def test_no_reader_takes_the_streams_of_all_others() -> None:
    async def check() -> None:
        seats = Seats(5, of_one_reader=3)
        assert [seats.take("token/wall") for _ in range(4)] == [True, True, True, False]
        assert [seats.take("token/portal") for _ in range(3)] == [True, True, False]
        seats.leave("token/wall")
        assert seats.take("token/portal")
        open_to_all = Seats(5, of_one_reader=3)
        assert [open_to_all.take("") for _ in range(6)] == [True] * 5 + [False]

    asyncio.run(check())


def test_streams_that_still_wait_for_their_history_count_too() -> None:
    async def check() -> None:
        async with surface(max_streams=1, is_read=False) as running:
            path = "/v1/wards/MED/stream"
            async with running.client.stream("GET", path) as first:
                assert first.status_code == 200
                assert running.hub.listeners() == 0
                assert (await running.client.get(path)).status_code == 503
            await until(lambda: not len(running.seats))

    asyncio.run(check())


def test_streams_beyond_the_limit_are_refused_and_the_probes_are_not() -> None:
    async def check() -> None:
        async with surface(max_streams=1) as running:
            path = "/v1/wards/MED/stream"
            async with stream(running, path):
                assert (await running.client.get(path)).status_code == 503
                assert await running.get("/livez") == {"alive": True}
            await until(lambda: not running.hub.listeners())
            async with stream(running, path):
                assert running.hub.listeners() == 1

    asyncio.run(check())
