"""The simulated receiver: it does what its script says, notice by notice, and tells what came."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from bus.memory import MemoryLog
from router.delivery.channel import Channel
from router.delivery.sender import GONE, Sender
from tests.delivery.channels import KEY, SECRET, opened, webhook
from tests.delivery.dispatching import QUICK, dispatching, receipts, until
from tests.delivery.notices import queued
from tests.wardbridge.support import command
from wardbridge.simulate.noticing import Noticed, SeenNotice
from wardbridge.simulate.playing import PlayedPart, Playing, Protocol
from wardbridge.simulate.script import HTTP_WORDS, MLLP_WORDS, steps_of


def steps(script: str, *, mllp: bool = False) -> list[str]:
    words = MLLP_WORDS if mllp else HTTP_WORDS
    return [str(step) for step in islice(steps_of(script, words, with_status=not mllp), 6)]


@pytest.mark.parametrize(
    ("script", "first"),
    [
        ("", ["ok"] * 6),
        ("500", ["500", *["ok"] * 5]),
        ("500*2, hang,429:30 ,", ["500", "500", "hang", "429:30", "ok", "ok"]),
        ("500*", ["500"] * 6),
        ("ok*3,drip*0,close*", ["ok"] * 3 + ["close"] * 3),
    ],
)
def test_a_script_has_a_step_for_each_notice(script: str, first: list[str]) -> None:
    assert steps(script) == first


def test_hl7_has_steps_of_its_own() -> None:
    assert steps("AE*2,AR,other,flood,AA", mllp=True) == ["AE", "AE", "AR", "other", "flood", "AA"]


@pytest.mark.parametrize(
    "script",
    ["sleep", "50", "99", "600", "1000", "500*x", "500:", "hang:3", "AE", "500;ok", "５００"],
)
def test_what_is_no_step_is_named_and_what_there_is(script: str) -> None:
    with pytest.raises(ValueError, match=r"is no step: there is .*hang, drip") as refused:
        steps(script)
    assert str(refused.value).startswith(f"{script!r} ")
    assert "500 or 429:30" in str(refused.value)


@pytest.mark.parametrize("script", ["500", "hangs", "AE:3"])
def test_what_is_no_step_of_hl7_is_named(script: str) -> None:
    with pytest.raises(ValueError, match="is no step: there is ok, hang, drip, close, other"):
        steps(script, mllp=True)


def test_what_is_missing_and_repeated_is_known() -> None:
    noticed = Noticed()
    for number in (3, 4, 7, 4, None):
        noticed.take(SeenNotice(number, "", ""))
    assert (len(noticed.taken), noticed.repeated, noticed.missing()) == (3, 1, [5, 6])


@contextmanager
def playing(
    protocol: str, script: str, **more: Any
) -> Iterator[tuple[int, list[dict[str, Any]], Playing]]:
    lines: list[str] = []
    found: list[dict[str, Any]] = []

    def say(line: str) -> None:
        lines.append(line)
        found.append(json.loads(line))

    play = Playing(PlayedPart(Protocol(protocol), script, **more), say)
    with play.receiver() as receiver:
        yield receiver.port, found, play
    assert not any(quoted in line for line in lines for quoted in ("visit", "ehr", "Testsson"))


def channel(protocol: str, port: int, **said: Any) -> Channel:
    url = f"http://127.0.0.1:{port}/"
    if protocol == "webhook":
        return webhook(url, timeout_s=0.3, **said)
    if protocol == "fhir":
        return opened("fhir", url=url, timeout_s=0.3, content="id-only")
    return opened("mllp", host="127.0.0.1", port=port, tls=False, timeout_s=0.3)


HTTP_SCRIPT = "500, hang, drip, close, 429:0, 400"
SCRIPTS = {
    "webhook": HTTP_SCRIPT,
    "fhir": HTTP_SCRIPT,
    "mllp": "AE, hang, drip, close, other, flood, AR",
}


@pytest.mark.parametrize("protocol", SCRIPTS)
async def test_a_notice_is_delivered_after_everything_that_the_script_does(protocol: str) -> None:
    log, script = MemoryLog(), SCRIPTS[protocol]
    log.append([queued("portal", "MED", 1), queued("portal", "MED", 2)])
    with playing(protocol, script) as (port, lines, play):
        async with dispatching(log, Sender("portal", channel(protocol, port), QUICK)):
            await until(lambda: len(receipts(log)) == 2)
    wanted = [*script.split(", "), "ok"]
    told = [(each["number"], each["answered"]) for each in lines if each.get("number")]
    assert told == [*((1, step) for step in wanted), (2, "ok")]
    assert [each.attempts for each in receipts(log)] == [len(wanted), 1]
    assert json.loads(play.summary()) == {"taken": 2, "repeated": 0, "missing": []}


async def test_a_ward_that_is_refused_holds_up_no_other() -> None:
    log = MemoryLog()
    log.append([queued("portal", ward, number) for number, ward in enumerate("ABAB", 1)])
    with playing("webhook", "500*", ward="A") as (port, lines, play):
        async with dispatching(log, Sender("portal", channel("webhook", port), QUICK)):
            await until(lambda: len(receipts(log)) == 2)
    assert {each["ward"] for each in lines if each["answered"] == "500"} == {"A"}
    assert json.loads(play.summary()) == {"taken": 2, "repeated": 0, "missing": [3]}


async def test_410_ends_it_until_it_is_resumed() -> None:
    log = MemoryLog()
    log.append([queued("portal", "A", 1)])
    with playing("webhook", "410") as (port, _lines, _play):
        sender = Sender("portal", channel("webhook", port), QUICK)
        async with dispatching(log, sender):
            await until(lambda: sender.standing().trouble == GONE)
            sender.resume()
            await until(lambda: len(receipts(log)) == 1)


async def test_what_is_not_signed_is_refused() -> None:
    log = MemoryLog()
    log.append([queued("portal", "A", 1)])
    with playing("webhook", "", keys=[b"o" * 24]) as (port, lines, _play):
        sender = Sender("portal", channel("webhook", port), QUICK)
        async with dispatching(log, sender):
            await until(lambda: sender.standing().refused)
            tried = sender.standing().tried
    assert tried is not None
    assert tried.status == 401, "the test notice tells it before the first patient"
    assert {(each["what"], each["answered"]) for each in lines} == {("wrong signature", "401")}
    with playing("webhook", "", keys=[b"o" * 24, KEY]) as (port, _lines, play):
        async with dispatching(log, Sender("portal", channel("webhook", port), QUICK)):
            await until(lambda: play.noticed.taken == {1})


async def test_what_it_says_of_its_refusal_is_shown() -> None:
    for protocol, script in (("webhook", "500*"), ("mllp", "AE*")):
        log = MemoryLog()
        log.append([queued("portal", "A", 1)])
        with playing(protocol, script) as (port, _lines, _play):
            sender = Sender("portal", channel(protocol, port), QUICK)
            async with dispatching(log, sender):
                await until(lambda: sender.standing().refused)  # noqa: B023 - awaited here
                (lane,) = sender.standing().refused
        assert "refused" in lane.said.lower()


def test_the_command_says_where_it_listens_and_at_the_end_what_it_took(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    arguments = ["simulate", "receiver", "webhook", "--port", "0", "--script", "500",
                 "--secret-file", str(tmp_path / "key")]  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "wardbridge", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONSAFEPATH": "1"},
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stdout is not None
        port = int(process.stderr.readline().rpartition(":")[2])
        log = MemoryLog()
        log.append([queued("portal", "A", 1)])
        _deliver(log, port)
        process.send_signal(signal.SIGINT)
        *lines, summary = [json.loads(line) for line in process.stdout]
        assert process.wait(20) == 0
    assert [each["answered"] for each in lines if each.get("number")] == ["500", "ok"]
    assert summary == {"taken": 1, "repeated": 0, "missing": []}


def _deliver(log: MemoryLog, port: int) -> None:
    async def deliver() -> None:
        async with dispatching(log, Sender("portal", channel("webhook", port), QUICK)):
            await until(lambda: len(receipts(log)) == 1)

    asyncio.run(deliver())


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("mllp", "--script", "500"), "--script: '500' is no step"),
        (("webhook", "--script", "nap"), "--script: 'nap' is no step"),
        (("webhook", "--host", "203.0.113.1"), "203.0.113.1:9080: "),
        (("webhook", "--secret-file", "none"), "none cannot be read"),
    ],
)
def test_what_cannot_be_played_is_refused(arguments: tuple[str, ...], why: str) -> None:
    done = command("simulate", "receiver", *arguments)
    assert done.returncode == 2
    assert why in done.stderr
