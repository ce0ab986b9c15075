"""The journal says each change of condition once, both ways."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.e2e.test_service import AT, started
from tests.support.histories import Visit, message
from tests.support.labs import lab_on_sqlite
from tests.support.mllp import MllpClient
from tests.support.receiver import HttpReceiver, answering
from tests.support.service import Service
from wardbridge.api.view import _unquoted
from wardbridge.parts.steadiness import STEADY_S
from wardbridge.runtime.journal import LOOK_EVERY_S, START_WITHIN_S, Journal

Said = list[tuple[str, str, str | None]]


class Watched:
    """Some names and what is wrong with each, looked at as time goes by."""

    def __init__(self) -> None:
        self.states: dict[str, str | None] = {}
        self.now_s = 0.0
        self.journal = Journal(lambda: dict(self.states), lambda: self.now_s)

    def passes(self, seconds: float, **states: str | None) -> Said:
        """What is said while this is how it is."""
        self.states |= states
        until_s = self.now_s + seconds
        with capture_logs() as logged:
            while self.now_s < until_s:
                self.now_s += LOOK_EVERY_S
                self.journal.look()
        return [(each["event"], each["component"], each.get("reason")) for each in logged]


@pytest.fixture
def watched() -> Watched:
    made = Watched()
    assert made.passes(LOOK_EVERY_S, router=None, ticker=None, webhook=None) == []
    return made


@pytest.mark.parametrize("name", ["router", "ticker", "webhook"])
def test_each_change_is_said_once_both_ways(watched: Watched, name: str) -> None:
    full = "LogFullError: the disk is full"
    assert watched.passes(300, **{name: full}) == [("not_well", name, full)]
    assert watched.passes(300, **{name: None}) == [("well_again", name, None)]
    assert watched.passes(300, **{name: full}) == [("not_well", name, full)]


def test_another_reason_is_said_and_other_numbers_are_not_another(watched: Watched) -> None:
    assert len(watched.passes(60, webhook="3 wards wait: answered 500")) == 1
    assert watched.passes(60, webhook="12 wards wait: answered 503") == []
    assert len(watched.passes(60, webhook="the endpoint answered 410 Gone")) == 1


def test_what_is_well_for_a_moment_only_has_not_become_well(watched: Watched) -> None:
    said = watched.passes(10, ticker="away")
    for _ in range(20):
        said += watched.passes(STEADY_S / 2, ticker=None)
        said += watched.passes(4, ticker="away")
    assert said == [("not_well", "ticker", "away")]


def test_a_part_that_starts_is_not_said_unless_it_does_not_come() -> None:
    watched = Watched()
    assert watched.passes(START_WITHIN_S / 2, tail="what is kept is still read") == []
    assert watched.passes(300, tail=None) == []
    other = Watched()
    said = other.passes(300, router="its process starts")
    assert said == [("not_well", "router", "its process starts")]


def test_a_subscriber_that_is_removed_is_forgotten(watched: Watched) -> None:
    watched.passes(10, webhook="answered 500")
    del watched.states["webhook"]
    assert watched.passes(60) == []
    assert len(watched.passes(10, webhook="answered 500")) == 1


def test_what_cannot_be_asked_now_is_asked_the_next_time() -> None:
    watched = Watched()
    watched.passes(10, router=None)
    asks = iter([False, True])

    def ask() -> dict[str, str | None]:
        if next(asks):
            return {"router": "away"}
        raise RuntimeError

    watched.journal._states = ask
    with capture_logs() as logged:
        watched.journal.look()
        watched.journal.look()
    assert [each["event"] for each in logged] == ["not_looked", "not_well"]


@given(st.integers(0, 2**32 - 1).map(Random))
def test_whatever_happens_bad_and_well_alternate_for_each(random: Random) -> None:
    watched = Watched()
    watched.passes(2, a=None, b=None)
    said: Said = []
    for _ in range(20):
        name = random.choice("ab")
        said += watched.passes(random.choice([2, 8, 30]), **{name: random.choice([None, "away"])})
    for name in "ab":
        events = [event for event, component, _ in said if component == name]
        assert events == ["not_well", "well_again"] * (len(events) // 2) + ["not_well"] * (
            len(events) % 2
        )


def test_the_words_of_whoever_paused_it_are_not_in_the_journal() -> None:
    assert _unquoted("paused by hand: Svensson has called") == "paused by hand"
    assert _unquoted("answered 500") == "answered 500"
    assert _unquoted(None) is None


# -- the real service ------------------------------------------------------------------------------------

FULL_BYTES = 20_000  # fewer than the log has once it was written to
WEBHOOK = """
[subscribers.portal.webhook]
url = "{url}"
secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
allow_private = true
"""


def test_a_webhook_dead_and_alive_and_a_feed_refused_and_well_are_said_once_each(
    tmp_path: Path,
) -> None:
    answers = {True: answering(204), False: answering(500)}
    is_alive = [False]
    with HttpReceiver(lambda _: answers[is_alive[0]]) as receiver:
        play(tmp_path, receiver, is_alive)


def test_a_full_disk_and_room_again_are_said_once_each(tmp_path: Path) -> None:
    """No file of the service may grow: what a full disk answers, without filling one."""
    service = started(lab_on_sqlite(tmp_path))
    with MllpClient(service.mllp_port) as client:
        client.ask(message(Visit("V1", AT), "A14", "1", ward="W1"))
        limit_files(service, FULL_BYTES)
        assert b"MSA|AE|2" in client.ask(message(Visit("V2", AT), "A14", "2", ward="W1"))
        until_said(service, "not_well", "ticker")  # and the router, if it had something to decide
        limit_files(service, resource.RLIM_INFINITY)
        until_said(service, "well_again", "ticker")
        assert b"MSA|AA|2" in client.ask(message(Visit("V2", AT), "A14", "2", ward="W1"))
        for name in {each["component"] for each in journal(service)}:
            until_said(service, "well_again", name)
    assert service.stop() == 0
    said = journal(service)
    for name in {each["component"] for each in said}:
        events = [each["event"] for each in said if each["component"] == name]
        assert events == ["not_well", "well_again"], name
    assert {each["reason"].split(":")[0] for each in said if "reason" in each} == {"LogFullError"}


def limit_files(service: Service, limit_bytes: int) -> None:
    assert service.process is not None
    for process in (service.process.pid, *service.children()):
        limits = limit_bytes, resource.RLIM_INFINITY
        resource.prlimit(process, resource.RLIMIT_FSIZE, limits)


def play(tmp_path: Path, receiver: HttpReceiver, is_alive: list[bool]) -> None:
    service = lab_on_sqlite(tmp_path)
    text = service.config.read_text(encoding="utf-8") + WEBHOOK.format(url=receiver.url)
    service.config.write_text(text, encoding="utf-8")
    started(service)
    with MllpClient(service.mllp_port) as client:
        client.ask(message(Visit("V1", AT), "A14", "1", ward="W1"))
        for number in range(4):
            client.ask(message(Visit("", AT), "A14", f"x{number}", ward="W1"))
        until_said(service, "not_well", "feed hl7")
        until_said(service, "not_well", "subscriber portal")
        is_alive[0] = True
        client.ask(message(Visit("V2", AT), "A14", "2", ward="W1"))
        until_said(service, "well_again", "feed hl7")
        until_said(service, "well_again", "subscriber portal")
    assert service.stop() == 0
    said = [(each["event"], each["component"]) for each in journal(service)]
    assert sorted(said) == sorted(
        (event, name)
        for event in ("not_well", "well_again")
        for name in ("feed hl7", "subscriber portal")
    )


@retry(
    stop=stop_after_delay(200), wait=wait_fixed(0.1),
    retry=retry_if_exception_type(AssertionError), reraise=True,
)  # fmt: skip
def until_said(service: Service, event: str, name: str) -> None:
    assert (event, name) in [(each["event"], each["component"]) for each in journal(service)]


def journal(service: Service) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in service.said().splitlines() if line.startswith("{"))
    return [each for each in lines if each["event"] in {"not_well", "well_again"}]
