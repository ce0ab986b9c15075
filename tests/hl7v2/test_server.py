"""The listener over real sockets: every way of sending, durability, order, limits, drain."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from itertools import count
from pathlib import Path

import pytest

from adapters.common.settings import Tls
from adapters.hl7v2 import connection as connection_module
from adapters.hl7v2.connection import KEEPALIVE_IDLE_S
from adapters.hl7v2.figures import ControlIds
from adapters.hl7v2.mapping import Hl7Normaliser
from adapters.hl7v2.profile import MllpListener
from adapters.hl7v2.server import MllpServer
from bus.memory import MemoryLog
from bus.port import LogError, LogFullError, RecordTooLargeError
from schemas import topics
from tests.hl7v2.lab import message, normaliser
from tests.hl7v2.serving import (
    GOOD,
    HeldLog,
    Run,
    Sender,
    framed,
    numbered,
    send_apart,
    serving,
    stored,
)
from tests.support.certificates import self_signed
from tests.support.logs import PickyLog

CARD = message("A15", {42: "W2"}, "NTE|1||copied from a \x1c card", "NTE|2||rest")
LATIN = message("A15", {42: "W2"}, "NTE|1||Ö").decode()
CASES: dict[str, tuple[list[bytes], list[str]]] = {
    "two in one write": ([framed(GOOD) * 2], ["AA", "AA"]),
    "three in one write": ([framed(GOOD) * 3], ["AA", "AA", "AA"]),
    "in pieces": ([framed(GOOD)[:20], framed(GOOD)[20:]], ["AA"]),
    "byte by byte": ([bytes([byte]) for byte in framed(GOOD)], ["AA"]),
    "FS and CR in separate packets": ([b"\x0b" + GOOD + b"\x1c", b"\r"], ["AA"]),
    "LF after FS CR": ([framed(GOOD) + b"\n", framed(GOOD)], ["AA", "AA"]),
    "bytes before VT": ([b"noise" + framed(GOOD)], ["AA"]),
    "FS without CR": ([b"\x0b" + GOOD + b"\x1c" + framed(GOOD)], ["AA", "AA"]),
    "FS without CR, and waiting": ([b"\x0b" + GOOD + b"\x1c"], ["AA"]),
    "FS in a text": ([framed(CARD) * 2], ["AA", "AA"]),
    "FS in a text, in pieces behind it": (
        [b"\x0b" + CARD.partition(b" card")[0], b" card" + framed(CARD).partition(b" card")[2]],
        ["AA"],
    ),
    "VT in a text": ([framed(CARD.replace(b"\x1c", b"\x0b")) * 2], ["AA", "AA"]),
    "NUL between frames": ([framed(GOOD) + b"\x00" + framed(GOOD) + b"\x00\x00"], ["AA", "AA"]),
    "no VT": ([GOOD + b"\x1c\r"], ["AA"]),
    "UTF-8 without MSH-18": ([framed(LATIN.encode())], ["AA"]),
    "latin-1 without MSH-18": ([framed(LATIN.encode("latin-1"))], ["AA"]),
    "latin-1 with MSH-18": (
        [framed(LATIN.replace("|2.5.1\r", "|2.5.1||||||8859/1\r").encode("latin-1"))],
        ["AA"],
    ),
    "latin-1 that calls itself UTF-8": (
        [framed(LATIN.replace("|2.5.1\r", "|2.5.1||||||UNICODE UTF-8\r").encode("latin-1"))],
        ["AA"],
    ),
    "two messages in one frame": ([framed(GOOD + GOOD)], ["AR"]),
    "not HL7": ([framed(b"Fax to ward 51")], ["AR"]),
    "an empty frame": ([framed(b"")], ["AR"]),
    "LF between segments": ([framed(GOOD.replace(b"\r", b"\n"))], ["AA"]),
    "CRLF between segments": ([framed(GOOD.replace(b"\r", b"\r\n"))], ["AA"]),
    "200 kB": ([framed(GOOD + b"OBX|1|" + b"x" * 200_000 + b"\r")], ["AA"]),
    "over the limit": ([framed(GOOD + b"x" * 1_000_000)], ["AR"]),
    "rubbish, then a good one": ([framed(b"?") + framed(GOOD)], ["AR", "AA"]),
}


async def _case(case: str) -> None:
    pieces, expected = CASES[case]
    log = MemoryLog()
    async with serving(log) as (server, sender):
        await sender.send(*pieces)
        assert [(await sender.answer())[0] for _ in expected] == expected
        await sender.send(framed(GOOD))
        assert await sender.answer() == ("AA", "C1"), "the connection stays open and in step"
        await sender.send(b"")
        accepted = len(stored(log, topics.OBSERVATIONS))
        assert accepted == expected.count("AA") + 1
        assert len(stored(log, topics.RAW)) == server.figures.messages


@pytest.mark.parametrize("case", CASES)
def test_each_way_of_sending_is_answered_rightly(run: Run, case: str) -> None:
    run(_case(case))


def test_no_answer_before_it_is_durable_and_answers_keep_the_order(run: Run) -> None:
    async def play() -> None:
        log = HeldLog()
        async with serving(log) as (_, sender):
            await send_apart(sender, log, numbered(1), numbered(2), numbered(3))
            log.held[1](None)
            log.held[2](None)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(sender.reader.read(1), 0.05)
            log.held[0](None)
            answers = [await sender.answer() for _ in range(3)]
            assert answers == [("AA", "N1"), ("AA", "N2"), ("AA", "N3")]

    run(play())


def test_a_failing_log_is_ae_never_aa(run: Run) -> None:
    async def play() -> None:
        log = HeldLog()
        async with serving(log) as (server, sender):
            await send_apart(sender, log, numbered(1), b"rubbish", numbered(2))
            log.held[0](LogFullError("no room"))
            log.held[1](LogFullError("no room"))
            log.held[2](None)
            answers = [await sender.answer() for _ in range(3)]
            assert answers == [("AE", "N1"), ("AE", ""), ("AA", "N2")]
            assert server.figures.not_stored == 2

    run(play())


def test_what_one_turn_brings_is_handed_over_in_one_call(run: Run) -> None:
    async def play() -> None:
        log = HeldLog()
        async with serving(log) as (_, sender):
            await sender.send(framed(numbered(1)) + framed(numbered(2)) + framed(numbered(3)))
            await log.holds(1)
            log.held[0](None)
            answers = [await sender.answer() for _ in range(3)]
            assert answers == [("AA", "N1"), ("AA", "N2"), ("AA", "N3")]
            assert len(log.held) == 1

    run(play())


@pytest.mark.parametrize(
    ("error", "at_once", "answer"),
    [
        (RecordTooLargeError("too large"), True, "AR"),
        (LogError("a value it cannot take"), False, "AE"),
    ],
)
def test_one_message_that_the_log_refuses_costs_no_other(
    run: Run, error: LogError, *, at_once: bool, answer: str
) -> None:
    async def play() -> None:
        log = PickyLog(error, at_once=at_once)
        async with serving(log) as (_, sender):
            bad = message("A15", {42: "W2"}, "NTE|1||BAD", msh={10: "N2"})
            await sender.send(framed(numbered(1)) + framed(bad) + framed(numbered(3)))
            answers = [await sender.answer() for _ in range(3)]
            assert answers == [("AA", "N1"), (answer, "N2"), ("AA", "N3")]
            assert len(stored(log, topics.RAW)) == 2

    run(play())


def test_a_closed_log_is_ae_and_the_connection_stays(run: Run) -> None:
    async def play() -> None:
        log = MemoryLog()
        async with serving(log) as (_, sender):
            log.close()
            await sender.send(framed(numbered(1)))
            assert await sender.answer() == ("AE", "N1")

    run(play())


def test_a_message_that_becomes_too_large_a_record_is_refused_for_good(run: Run) -> None:
    async def play() -> None:
        others = "".join(f"~{'9' * 190}{n}^^^X^AN" for n in range(45))
        merges = (f"MRG|{n}^^^LAB^MR" for n in range(100))
        payload = message("A40", {}, *merges, pid=f"4711^^^LAB^MR{others}")
        async with serving(MemoryLog()) as (server, sender):
            await sender.send(framed(payload))
            assert await sender.answer() == ("AR", "C1")
            assert server.figures.too_large == 1

    run(play())


def test_a_half_closed_socket_is_answered_to_the_end(run: Run) -> None:
    async def play() -> None:
        log = HeldLog()
        async with serving(log) as (_, sender):
            await sender.send(framed(numbered(1)) + framed(numbered(2)) + b"\x0bMSH|half")
            sender.writer.write_eof()
            await log.holds(1)
            log.held[0](None)
            rest = await sender.end()
            assert rest.count(b"MSA|AA|N") == 2

    run(play())


def test_a_sender_that_stalls_amid_a_frame_is_disconnected(run: Run) -> None:
    async def play() -> None:
        listener = MllpListener(port=0, stall_s=0.05)
        async with serving(MemoryLog(), listener) as (server, sender):
            await sender.send(framed(numbered(1)) + b"\x0bMSH|^~")
            assert (await sender.end()).count(b"MSA|AA|N1") == 1
            assert server.figures.stalled == 1

    run(play())


@pytest.mark.parametrize("noise", [b"", b"\x00", b"\x00\x00\n", b"?", b"hello", b"?\x1c"])
def test_an_idle_sender_is_not_stalled(run: Run, noise: bytes) -> None:
    async def play() -> None:
        listener = MllpListener(port=0, stall_s=0.02)
        async with serving(MemoryLog(), listener) as (server, sender):
            await sender.send(framed(numbered(0)) + noise)
            assert await sender.answer() == ("AA", "N0")
            other = Sender(await asyncio.open_connection(*sender.writer.get_extra_info("peername")))
            await other.send(b"\x0b")
            assert await other.end() == b"", "the stalled one goes first"
            await sender.send(framed(numbered(1)))
            assert await sender.answer() == ("AA", "N1")
            assert server.figures.noise_bytes == len(noise.strip(b"\n\x1c"))
            other.writer.close()

    run(play())


def test_what_is_not_read_is_not_silence(run: Run) -> None:
    async def play() -> None:
        async with serving(MemoryLog()) as (server, sender):
            await sender.send(framed(GOOD))
            await sender.answer()
            (connection,) = server._connections
            connection.data_received(b"\x0b" + GOOD + b"\x1c")
            connection._paused = True
            connection._look_if_quiet(connection._heard_at, 0)
            assert server.figures.messages == 1
            connection._paused = False
            connection._look_if_quiet(connection._heard_at - 1, 0)
            assert server.figures.messages == 1, "something came meanwhile"
            connection._look_if_quiet(connection._heard_at, 0)
            assert server.figures.messages == 2

    run(play())


def test_reading_pauses_while_too_much_is_on_its_way(run: Run) -> None:
    async def play() -> None:
        log = HeldLog()
        async with serving(log, MllpListener(port=0, max_unanswered=2)) as (_, sender):
            await sender.send(framed(numbered(1)) * 3)
            await log.holds(1)
            await sender.send(framed(numbered(2)))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(log.holds(2), 0.05)
            log.held[0](None)
            await log.holds(2)
            log.held[1](None)
            assert [(await sender.answer())[1] for _ in range(4)] == ["N1", "N1", "N1", "N2"]

    run(play())


def test_reading_goes_on_when_what_was_on_its_way_is_answered(run: Run) -> None:
    async def play() -> None:
        async with serving(MemoryLog(), MllpListener(port=0, max_unanswered_bytes=1)) as (
            _,
            sender,
        ):
            for number in range(3):
                await sender.send(framed(numbered(number)))
                assert await sender.answer() == ("AA", f"N{number}")

    run(play())


def test_the_system_looks_after_senders_that_vanish(run: Run) -> None:
    async def play() -> None:
        async with serving(MemoryLog()) as (server, sender):
            await sender.send(framed(GOOD))
            await sender.answer()
            (connection,) = server._connections
            assert connection._transport is not None
            peer = connection._transport.get_extra_info("socket")
            assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == KEEPALIVE_IDLE_S

    run(play())


async def another(server: MllpServer) -> Sender:
    return Sender(await asyncio.open_connection("127.0.0.1", server.port))


@pytest.mark.parametrize("begun", [b"", b"\x0bMSH|half"], ids=["idle", "amid a frame"])
def test_those_who_are_silent_keep_nobody_out(run: Run, begun: bytes) -> None:
    """Of whom nothing is on its way the one that has been silent longest goes for one more."""

    async def play() -> None:
        listener = MllpListener(port=0, max_connections=3)
        async with serving(MemoryLog(), listener) as (server, oldest):
            await oldest.send(framed(numbered(1)) + begun)
            assert await oldest.answer() == ("AA", "N1")
            crowd = [await another(server) for _ in range(2)]
            for number, each in enumerate(crowd, 2):
                await each.send(framed(numbered(number)))
                assert await each.answer() == ("AA", f"N{number}")
            late = await another(server)
            await late.send(framed(numbered(4)))
            assert await late.answer() == ("AA", "N4")
            assert await oldest.end() == b""
            assert server.figures.counts()["connections_for_another"] == 1
            for number, each in enumerate((*crowd, late), 5):
                await each.send(framed(numbered(number)))
                assert await each.answer() == ("AA", f"N{number}")
                each.writer.close()

    run(play())


def test_who_waits_for_an_answer_stays_whoever_comes(run: Run) -> None:
    async def play() -> None:
        log = HeldLog()
        async with serving(log, MllpListener(port=0, max_connections=1)) as (server, sender):
            await sender.send(framed(numbered(1)))
            await log.holds(1)
            late = await another(server)
            assert await late.end() == b""
            late.writer.close()
            assert server.figures.counts()["connections_refused"] == 1
            log.held[0](None)
            assert await sender.answer() == ("AA", "N1")

    run(play())


def test_an_idle_sender_is_disconnected_only_where_its_feed_says_so(run: Run) -> None:
    async def play() -> None:
        listener = MllpListener(port=0, idle_s=0.05)
        async with serving(MemoryLog(), listener) as (server, sender):
            silent = await another(server)
            await sender.send(framed(numbered(1)))
            assert await sender.answer() == ("AA", "N1")
            assert (await sender.end(), await silent.end()) == (b"", b"")
            silent.writer.close()
            assert server.figures.counts()["connections_idle"] == 2
            assert server.figures.stalled == 0
        assert MllpListener().idle_s is None

    run(play())


def test_a_frame_that_drips_without_end_is_given_up(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "FRAME_WITHIN_S", 0.2)

    async def play() -> None:
        async with serving(MemoryLog(), MllpListener(port=0, stall_s=0.15)) as (server, sender):
            await sender.send(framed(numbered(1)))
            assert await sender.answer() == ("AA", "N1")
            await sender.send(b"\x0b")
            while not server.figures.stalled:
                with contextlib.suppress(ConnectionError):
                    await sender.send(b"M")
                await asyncio.sleep(0.01)
            assert await sender.end() == b""

    run(play())


def test_a_busy_sender_whose_every_piece_ends_amid_a_frame_is_not_given_up(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "FRAME_WITHIN_S", 10.0)

    async def play() -> None:
        async with serving(MemoryLog()) as (server, _):
            (connection,) = server._connections
            clock = count(1_000.0)  # each look at it is a second later
            monkeypatch.setattr(connection_module, "_now", lambda: next(clock))
            stream = b"".join(framed(numbered(number)) for number in range(40))
            size = len(framed(numbered(10)))
            for start in range(0, len(stream) - size, size):
                connection.data_received(stream[start + 5 : start + 5 + size])
                assert connection._framer.mid_frame
                assert not connection.stalled(next(clock))

    run(play())


def test_a_sender_that_does_not_read_its_answers_is_disconnected_some_time(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "WRITE_WITHIN_S", 0.1)

    async def play() -> None:
        async with serving(MemoryLog(), MllpListener(port=0, stall_s=0.1)) as (server, sender):
            (connection,) = server._connections
            connection.pause_writing()  # as the transport does whose buffer is full
            assert await sender.end() == b""
            assert server.figures.counts()["connections_unread"] == 1

    run(play())


def test_drain_answers_what_is_on_its_way_and_takes_nothing_more(run: Run) -> None:
    async def play() -> None:
        log = HeldLog()
        async with serving(log) as (server, sender):
            await sender.send(framed(numbered(1)))
            await log.holds(1)
            draining = asyncio.create_task(server.drain())
            await asyncio.sleep(0)
            log.held[0](None)
            assert (await sender.end()).count(b"MSA|AA|N1") == 1
            await draining
            with pytest.raises(OSError, match=r"[Cc]onnect"):
                await asyncio.open_connection("127.0.0.1", server.port)

    run(play())


def test_drain_gives_up_on_a_log_that_never_answers(run: Run) -> None:
    async def play() -> None:
        log = HeldLog()
        async with serving(log) as (server, sender):
            await sender.send(framed(numbered(1)))
            await log.holds(1)
            await server.drain(timeout_s=0.01)
            assert await sender.end() == b""

    run(play())


def test_a_fault_of_ours_is_ae_and_in_review(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> object:
        raise ZeroDivisionError

    async def play() -> None:
        log = MemoryLog()
        async with serving(log) as (server, sender):
            await sender.send(framed(GOOD))
            assert (await sender.answer())[0] == "AE"
            assert server.figures.outcomes["review", "internal-error"] == 1
            assert len(stored(log, topics.REVIEW)) == 1

    monkeypatch.setattr(Hl7Normaliser, "read", read)
    run(play())


def test_figures(run: Run) -> None:
    async def play() -> None:
        async with serving(MemoryLog()) as (server, sender):
            await sender.send(b"??" + framed(GOOD) + framed(message("A24")) + framed(b"fax"))
            for _ in range(3):
                await sender.answer()
            figures = server.figures
            assert figures.outcomes == {
                ("accepted", "accepted"): 1, ("ignored", "links"): 1, ("review", "not-hl7"): 1,
            }  # fmt: skip
            assert figures.answers == {"AA": 2, "AR": 1}
            assert (figures.noise_bytes, figures.control_ids_reused, figures.messages) == (2, 1, 3)
            assert figures.last_seen is not None
            assert {name: count for name, count in figures.counts().items() if count} == {
                "connections": 1, "connections_total": 1, "messages": 3, "control_ids_reused": 1,
                "payload_bytes": figures.payload_bytes, "noise_bytes": 2,
                "answers_AA": 2, "answers_AR": 1, "in_review_in_a_row": 1,
            }  # fmt: skip

    run(play())


def test_control_ids_are_remembered_within_bounds() -> None:
    ids = ControlIds(remembered=2)
    assert [ids.reused("a", b"1"), ids.reused("a", b"1"), ids.reused("a", b"2")] == [
        False, False, True,
    ]  # fmt: skip
    ids.reused("b", b"")
    ids.reused("c", b"")
    assert not ids.reused("a", b"3"), "the oldest was forgotten"


def test_tls(run: Run, tmp_path: Path) -> None:
    ours = self_signed(tmp_path, "ours")

    async def play() -> None:
        listener = MllpListener(port=0, tls=Tls(certificate_file=ours.file, key_file=ours.key))
        server = MllpServer(normaliser(), MemoryLog(), listener)
        await server.start()
        context = ssl.create_default_context(cafile=ours.file)
        sender = Sender(
            await asyncio.open_connection(
                "127.0.0.1", server.port, ssl=context, server_hostname="localhost"
            )
        )
        await sender.send(framed(numbered(1)))
        assert await sender.answer() == ("AA", "N1")
        sender.writer.close()
        await server.drain()

    run(play())
