"""Previews for somebody who has gone: others wait for them, and nobody for what they say."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.reviewing.hospital import Hospital
from tests.reviewing.test_replay import WARDS
from tests.wardbridge.leaving import Leaving
from tests.wardbridge.test_http import Surface, until
from tests.wardbridge.test_review_routes import Desk, bearer, hospital, run
from wardbridge.reviewing.replay import InputReplay

__all__ = ["hospital"]


def leaving(running: Surface) -> Leaving:
    """Whoever asks for a preview of all, and goes."""
    said = b'{"all": true, "preview": true}'
    return Leaving(running.app, "POST", "/v1/review/replay", bearer("chief"), said)


@pytest.mark.parametrize("read", [1, 3, 10])
def test_a_preview_for_somebody_who_has_gone_is_not_read_to_its_end(
    read: int, hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others wait for it, and nobody for what it says: neither the rest is read, nor anything noted."""
    for number in range(10):
        hospital.say("A14", f"V{number}", f"NEW{number}")
    hospital.restart(*WARDS)
    steps: list[int] = []

    async def check(desk: Desk) -> None:
        loop, going, go_on = asyncio.get_running_loop(), leaving(desk.running), InputReplay._go_on

        def watched(replay: InputReplay) -> None:
            steps.append(len(steps))
            if len(steps) == read + 1:  # once before anything is read
                loop.call_soon_threadsafe(going.left.set)
                while not replay._has_gone():
                    time.sleep(0.001)
            go_on(replay)

        monkeypatch.setattr(InputReplay, "_go_on", watched)
        await going.ask()
        assert len(steps) == read + 1
        assert desk.audit() == []
        monkeypatch.setattr(InputReplay, "_go_on", go_on)
        ahead = (await desk.post("replay", all=True, preview=True)).raise_for_status().json()
        assert len(ahead["items"]) == 10

    run(hospital, check)


def test_a_preview_for_somebody_who_goes_while_it_waits_is_not_begun(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital.say("A14", "V1", "NEW")
    hospital.restart(*WARDS)
    release, planned = threading.Event(), list[InputReplay]()

    def held(replay: InputReplay) -> None:
        if replay not in planned:
            planned.append(replay)
            release.wait(30)
        go_on(replay)

    go_on = InputReplay._go_on
    monkeypatch.setattr(InputReplay, "_go_on", held)
    made: list[str] = []
    monkeypatch.setattr(InputReplay, "_made", lambda _, name: made.append(name))

    async def check(desk: Desk) -> None:
        first, second = leaving(desk.running), leaving(desk.running)
        asking = [asyncio.create_task(first.ask())]
        await until(lambda: len(planned) == 1)
        asking.append(asyncio.create_task(second.ask()))
        await until(lambda: second.has_been_read)
        first.left.set()
        second.left.set()
        await until(lambda: first.has_been_missed and second.has_been_missed)
        release.set()
        await asyncio.gather(*asking)
        assert (len(planned), made) == (2, [])

    run(hospital, check)
