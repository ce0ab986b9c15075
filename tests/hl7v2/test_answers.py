"""One answer a message, of the message that it answers, in the order of receipt."""

from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.common.receipt import ReceiptClock
from adapters.common.settings import Tls
from adapters.hl7v2.profile import Hl7Profile, MllpListener
from adapters.hl7v2.server import MllpServer
from bus.memory import MemoryLog
from schemas import topics
from schemas.observation import Envelope
from tests.hl7v2.lab import RECEIVED_AT, message, normaliser
from tests.hl7v2.serving import GOOD, TIMEOUT_S, Run, Sender, framed, numbered, serving, stored
from tests.support.certificates import self_signed

CARD = message("A15", {42: "W2"}, "NTE|1||copied from a \x1c card", "NTE|2||rest")


def test_receipts_keep_the_order_of_sending_on_every_connection(run: Run) -> None:
    async def play() -> None:
        log = MemoryLog()
        async with serving(log) as (server, sender):
            server._clock = ReceiptClock(lambda: RECEIVED_AT)
            other = Sender(await asyncio.open_connection("127.0.0.1", server.port))
            for number in range(3):
                for each in (sender, other):
                    await each.send(framed(numbered(number)) * 2)
                    for _ in range(2):
                        await each.answer()
            other.writer.close()
        envelopes = [Envelope.model_validate_json(v) for v in stored(log, topics.OBSERVATIONS) if v]
        assert [each.received_at - RECEIVED_AT for each in envelopes] == [
            timedelta(microseconds=number) for number in range(12)
        ]
        stamps = [each.observations[0].stamp.received_at for each in envelopes]
        assert stamps == [each.received_at for each in envelopes]

    run(play())


def test_two_listeners_have_clocks_of_their_own(run: Run) -> None:
    async def play() -> None:
        log = MemoryLog()
        async with serving(log) as (one, _), serving(log) as (other, _):
            assert one._clock is not other._clock

    run(play())


@pytest.mark.parametrize("ending", [b"\x1c\r", b"\x1c", b"\x1c\x00", b"\x1c\n"])
def test_frames_end_alike_over_tls(run: Run, tmp_path: Path, ending: bytes) -> None:
    ours = self_signed(tmp_path, "ours")
    trusting = ssl.create_default_context(cafile=ours.file)

    async def play() -> None:
        listener = MllpListener(port=0, tls=Tls(certificate_file=ours.file, key_file=ours.key))
        server = MllpServer(normaliser(), MemoryLog(), listener)
        await server.start()
        sender = Sender(
            await asyncio.open_connection(
                "127.0.0.1", server.port, ssl=trusting, server_hostname="localhost"
            )
        )
        for _ in range(2):  # and nothing of the first is left over
            await sender.send(b"\x0b" + CARD + ending)
            assert await sender.answer() == ("AA", "C1")
        assert server.figures.messages == 2
        sender.writer.close()
        await server.drain()

    run(play())


@pytest.mark.parametrize("cut", range(1, len(framed(CARD)), 7))
def test_one_message_one_answer_however_the_bytes_are_cut(run: Run, cut: int) -> None:
    async def play() -> None:
        log = MemoryLog()
        async with serving(log) as (_, sender):
            await sender.send(framed(CARD)[:cut])
            await asyncio.sleep(0)
            await sender.send(framed(CARD)[cut:] + framed(numbered(1)))
            assert [await sender.answer() for _ in range(2)] == [("AA", "C1"), ("AA", "N1")]
            sender.writer.write_eof()
            assert await sender.end() == b""
            assert len(stored(log, topics.RAW)) == 2

    run(play())


SOS = message("A15", msh={3: "SÖS", 18: "UNICODE UTF-16"}).decode()
REFUSED: dict[str, bytes] = {
    "delimiters that repeat a sign": GOOD.replace(b"^~\\&", b"^~\\\\&"),
    "a character set that cannot be read": SOS.encode(),
    "letters of such a set in MSH itself": SOS.encode("latin-1"),
    "an escape to a set that nobody declared": message("A15", {42: "W2"}, "NTE|1||\x1b$B;3"),
    "two messages": GOOD + message("A15", {42: "W3"}, msh={10: "C2"}),
    "two messages without a line end between them": GOOD[:-1] + message("A15", msh={10: "C2"}),
    "a batch": b"FHS|^~\\&|\rBHS|^~\\&|\r" + GOOD + b"BTS|1\rFTS|1\r",
    "a line of something else in front": b"hello\r" + GOOD,
    "bytes in front": b"\x00\x01hello " + GOOD,
    "too large": GOOD + b"x" * 1_000_000,
    "too many segments": GOOD + b"NTE|\r" * 6_000,
    "too many fields": GOOD + b"|" * 2_000,
    "UTF-16": GOOD.decode().encode("utf-16-le"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_message_is_answered_with_its_control_id(run: Run, case: str) -> None:
    async def play() -> None:
        log = MemoryLog()
        async with serving(log) as (_, sender):
            await sender.send(framed(REFUSED[case]))
            if case == "UTF-16":
                async with asyncio.timeout(TIMEOUT_S):
                    answer = await sender.reader.readuntil(b"\x1c\r")
                assert "MSA|AR|C1\r" in answer[1:-2].decode("utf-16-le")
            else:
                assert await sender.answer() == ("AR", "C1")
            await sender.send(framed(numbered(2)))
            assert await sender.answer() == ("AA", "N2"), "one answer each"
            assert len(stored(log, topics.OBSERVATIONS)) == 1

    run(play())


def test_a_name_that_the_feed_has_to_explain_is_no_fault_of_the_sender(run: Run) -> None:
    async def play(profile: Hl7Profile) -> tuple[str, str]:
        async with serving(MemoryLog(), adapter=normaliser(profile)) as (_, sender):
            await sender.send(framed(message("A15", {42: "W2"}, "NTE|1||Ö", msh={18: "OWN"})))
            return await sender.answer()

    assert run(play(Hl7Profile())) == ("AA", "C1")
    assert run(play(Hl7Profile(review_answer="AE"))) == ("AE", "C1")


def test_review_is_answered_as_the_feed_asks(run: Run) -> None:
    async def play(profile: Hl7Profile) -> str:
        async with serving(MemoryLog(), adapter=normaliser(profile)) as (_, sender):
            await sender.send(framed(message("A17")))
            return (await sender.answer())[0]

    assert run(play(Hl7Profile())) == "AA"
    assert run(play(Hl7Profile(review_answer="AE"))) == "AE"
