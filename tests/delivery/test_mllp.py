"""Attempts at a real MLLP listener, which may do anything."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import hl7
import pytest
from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from adapters.common.settings import Tls
from router.delivery.addresses import Policy
from router.delivery.channel import AttemptResult, Channel, Outgoing
from router.delivery.channels.mllp import verdict_of
from router.delivery.refusal import CLOSED, SPEAKS_NO_TLS, WANTS_TLS, PlainPort
from tests.delivery.channels import opened
from tests.delivery.notices import AT, notice
from tests.support.certificates import self_signed
from tests.support.lab_receiver import (
    Behaviour,
    LabReceiver,
    accepting,
    answering,
    closing,
    dripping,
    flooding,
    garbling,
    hanging,
    mistaking,
    mistaking_first,
    resetting,
)
from tests.support.listening import TlsListener

OUTGOING = Outgoing(7, notice("MED", 3), 0.0)
NEXT = Outgoing(8, notice("MED", 4), 0.0)
TAKEN = AttemptResult()


def channel_to(port: int, **said: Any) -> Channel:
    return opened("mllp", "lab", **{"host": "127.0.0.1", "port": port, "tls": False, **said})


async def attempts(channel: Channel, outgoing: Sequence[Outgoing]) -> list[AttemptResult]:
    try:
        return [await channel.send(each) for each in outgoing]
    finally:
        await channel.close()


def attempt(port: int, *outgoing: Outgoing, timeout_s: float = 10.0) -> list[AttemptResult]:
    return asyncio.run(attempts(channel_to(port, timeout_s=timeout_s), outgoing or [OUTGOING]))


@pytest.mark.parametrize(
    ("behaviour", "refusal", "unwanted"),
    [
        (answering("AA"), None, False),
        (answering("CA"), None, False),
        (answering("AE"), "answered AE", False),
        (answering("CE"), "answered CE", False),
        (answering("AR"), "answered AR", True),
        (answering("CR"), "answered CR", True),
        (answering("XX"), "no answer within the time limit", False),
        (mistaking, "no answer within the time limit", False),
        (mistaking_first, None, False),
        (garbling, "no answer within the time limit", False),
        (hanging, "no answer within the time limit", False),
        (dripping, "no answer within the time limit", False),
        (flooding, "its answer is too long", False),
        (resetting, "it closed the connection before the answer", False),
    ],
)
def test_what_is_not_a_yes_to_this_message_is_a_refusal(
    behaviour: Behaviour, refusal: str | None, *, unwanted: bool
) -> None:
    with LabReceiver(lambda _: behaviour) as receiver:
        assert attempt(receiver.port, timeout_s=0.5) == [AttemptResult(refusal, unwanted=unwanted)]
    assert len(receiver.calls) == 1


def test_nobody_there_is_a_refusal() -> None:
    with LabReceiver() as receiver:
        port = receiver.port
    assert attempt(port)[0].refusal == "nobody listens there"


def test_a_name_that_leads_into_this_network_is_not_called_unless_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def here(_: str, port: int, *__: object, **___: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", here)
    with LabReceiver() as receiver:
        for allowed in (False, True):
            channel = channel_to(receiver.port, host="lab.example", allow_private=allowed)
            (answer,) = asyncio.run(attempts(channel, [OUTGOING]))
            assert (answer.refusal is None) is allowed
    assert len(receiver.calls) == 1


def test_a_receiver_of_the_other_kind_is_named_as_that(tmp_path: Path) -> None:
    with LabReceiver() as receiver:
        channel = channel_to(receiver.port, tls=True, timeout_s=2)
        (answer,) = asyncio.run(attempts(channel, [OUTGOING]))
    assert answer.refusal in {SPEAKS_NO_TLS, "no answer within the time limit"}
    own = self_signed(tmp_path, "server")
    with TlsListener(Tls(certificate_file=own.file, key_file=own.key).context()) as port:
        assert attempt(port)[0].refusal == WANTS_TLS


@pytest.mark.parametrize(
    ("course", "asked_at"),
    [
        ("-" * 30, [0]),  # never an answer: at once
        ("-" * 191, [0, 90, 190]),  # and now and then again: it may be changed to TLS
        ("+" + "-" * 9, []),
        ("+" + "-" * 30, [10]),
        ("+-" * 30, []),
        ("+" + "----------" + "+" + "----------", [10, 21]),
    ],
)
def test_it_is_asked_once_whether_a_port_that_closes_connections_wants_tls(
    course: str, asked_at: list[int]
) -> None:
    """Each time is a connection more and a wait of seconds, at which the next notices wait."""

    async def asked() -> list[int]:
        connections: list[int] = []

        def closes(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(at)
            writer.close()

        async with await asyncio.start_server(closes, "127.0.0.1", 0) as server:
            plain = PlainPort(Policy(allow_private=True), *server.sockets[0].getsockname())
            for at, answered in enumerate(course):  # noqa: B007 - `closes` reads it
                if answered == "+":
                    plain.answered()
                else:
                    assert await plain.explained(CLOSED) == CLOSED
        return connections

    assert asyncio.run(asked()) == asked_at


def test_messages_share_a_connection_until_it_is_closed() -> None:
    with LabReceiver() as receiver:
        assert attempt(receiver.port, OUTGOING, NEXT, OUTGOING) == [TAKEN] * 3
        assert len({heard.connection for heard in receiver.calls}) == 1


def test_a_connection_that_the_receiver_closed_is_made_anew() -> None:
    with LabReceiver(lambda _: closing) as receiver:
        answers = attempt(receiver.port, *[OUTGOING, NEXT] * 3)
    assert answers.count(TAKEN) >= 3  # whether the close was seen in time is the network's to say
    assert len({heard.connection for heard in receiver.calls}) >= 3


def test_a_receiver_that_was_away_is_found_again() -> None:
    async def run() -> list[bool]:
        with LabReceiver() as receiver:
            port = receiver.port
            channel = channel_to(port)
            answers = [await channel.send(OUTGOING)]
        answers.append(await channel.send(NEXT))
        with LabReceiver(port=port):
            answers += [await channel.send(NEXT), await channel.send(NEXT)]
            await channel.close()
        return [answer.refusal is None for answer in answers]

    first, _, *others = asyncio.run(run())
    assert first
    assert others[-1]


def test_an_answer_that_comes_late_is_credited_to_nothing_else() -> None:
    calls = count(1)

    with LabReceiver(lambda _: hanging if next(calls) == 1 else accepting) as receiver:
        first, second = attempt(receiver.port, OUTGOING, NEXT, timeout_s=0.5)
        assert (first.refusal, second) == ("no answer within the time limit", TAKEN)
        one, other = receiver.calls
        assert one.connection != other.connection


def test_a_letter_that_the_character_set_lacks_is_refused_for_itself() -> None:
    odd = Outgoing(1, notice("Ω", 3), 0.0)
    (answer,) = asyncio.run(attempts(channel_to(1, charset="8859/1"), [odd]))
    assert answer == AttemptResult("it has a letter that 8859/1 lacks", unwanted=True)


def test_a_test_message_is_about_nobody_and_waits_for_what_is_under_way() -> None:
    async def run(port: int) -> list[AttemptResult]:
        channel = channel_to(port)
        try:
            return [*await asyncio.gather(channel.send(OUTGOING), channel.test("test-1", AT))]
        finally:
            await channel.close()

    with LabReceiver() as receiver:
        assert asyncio.run(run(receiver.port)) == [TAKEN, TAKEN]
    (told,), (test,) = receiver.calls, receiver.tests
    assert told.connection == test.connection
    parsed = parse_message(test.payload.decode(), validation_level=VALIDATION_LEVEL.STRICT)
    assert parsed.validate()
    assert [segment.name for segment in parsed.children] == [
        "MSH",
        "NMD_N02_CLOCK_AND_STATS_WITH_NOTES",
    ]
    assert test.control_id == "test-1"


@pytest.mark.parametrize(
    ("frame", "verdict"),
    [
        (b"\x0bMSH|^~\\&|A\rMSA|AA|7.x\r\x1c", TAKEN),
        (b"\r\x0bMSH|^~\\&|A\nMSA|AA|7.x\n\x1c", TAKEN),
        (b"MSH#^~\\&#A\rMSA#AE#7.x#text\rERR#\r\x1c", AttemptResult("answered AE", said="text")),
        (b"\x0bMSH|^~\\&|A\rMSA|AA|8.x\r\x1c", None),
        (b"\x0bMSH|^~\\&|A\rMSA|AA\r\x1c", None),
        (b"\x0bMSA|AA|7.x\r\x1c", None),
        (b"\x0bMSH\x1c", None),
        (b"\x1c", None),
        ("\x0bMSH|^~\\&|Å\rMSA|AA|7.x|åäö\r\x1c".encode(), TAKEN),
    ],
)
def test_what_an_answer_says(frame: bytes, verdict: AttemptResult | None) -> None:
    assert verdict_of(frame, "7.x") == verdict


def test_python_hl7_takes_and_answers_it() -> None:
    heard, answers = asyncio.run(_with_python_hl7(plain))
    assert answers == [TAKEN, TAKEN]
    assert [str(each["MSH.F9.R1.C2"]) for each in heard] == ["A14", "A14"]
    assert [str(each["PV1.F19.R1.C1"]) for each in heard] == ["3", "4"]


@pytest.mark.parametrize(
    ("shown", "trusted", "taken"),
    [("client", "server", True), (None, "server", False), ("client", "other", False)],
    ids=["known to each other", "we show no certificate", "it shows an unknown one"],
)
def test_each_side_shows_its_certificate(
    tmp_path: Path,
    shown: str | None,
    trusted: str,
    *,
    taken: bool,
) -> None:
    own = {name: self_signed(tmp_path, name) for name in ("server", "client", "other")}

    keys = {"certificate_file": f"{shown}.pem", "key_file": f"{shown}.key"} if shown else {}

    def channel(port: int) -> Channel:
        said = {"host": "localhost", "port": port, "ca_file": f"{trusted}.pem", **keys}
        return opened("mllp", "lab", tmp_path, **said, timeout_s=20)

    tls = Tls(
        certificate_file=own["server"].file,
        key_file=own["server"].key,
        client_ca_file=own["client"].file,
    )
    heard, answers = asyncio.run(_with_python_hl7(channel, tls.context()))
    assert [answer.refusal is None for answer in answers] == [taken] * 2
    assert len(heard) == (2 if taken else 0)


def plain(port: int) -> Channel:
    return channel_to(port)


async def _with_python_hl7(
    make: Callable[[int], Channel], tls: ssl.SSLContext | None = None
) -> tuple[list[hl7.Message], list[AttemptResult]]:
    """Two notices to its server; what it read, and what came of it."""
    heard: list[hl7.Message] = []
    serving: list[asyncio.Task[None]] = []

    async def serve(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        try:
            while True:
                message = await reader.readmessage()
                heard.append(message)
                writer.writemessage(message.create_ack())
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def connected(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        serving.append(asyncio.create_task(serve(reader, writer)))

    server = await start_hl7_server(connected, "127.0.0.1", 0, encoding="utf-8", ssl=tls)
    async with server:
        channel = make(server.sockets[0].getsockname()[1])
        answers = [await channel.send(each) for each in (OUTGOING, NEXT)]
        await channel.close()
        await asyncio.gather(*serving)
    return heard, answers
