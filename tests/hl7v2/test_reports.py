"""Faults that others reported of their MLLP listeners and HL7 readers, each tried on ours.

The trait of each report, in a message of our own. Names: the project and the number of its report.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from adapters.hl7v2 import reader
from adapters.hl7v2.batch import split
from adapters.hl7v2.framing import Event, Frame, Framer, Garbage
from adapters.hl7v2.profile import Hl7Profile
from bus.memory import MemoryLog
from tests.hl7v2.lab import described, message, observed, reason
from tests.hl7v2.serving import Run, framed, numbered, serving

MARKED: Final = message("A14", {3: "HERE", 42: "W1"})


def framing(*pieces: bytes) -> Sequence[Event]:
    framer = Framer()
    return [event for piece in pieces for event in framer.feed(piece)] + framer.finish()


# -- a line end within a field: connect #1275, panates/hl7v2 #27, deoxxa/hl7 #3 ---------------------


@pytest.mark.parametrize("rest", ["a text|", "|", "^text|||", "text", "Text|"])
def test_a_segment_that_a_line_end_cuts_is_not_read_as_if_it_were_whole(rest: str) -> None:
    """An A14 without its PV1-42 would mark the ward of PV1-3: the wrong ward."""
    cut = message("A14", {3: "HERE", 20: f"x\r{rest}", 42: "W1"})
    assert reason(cut) == ("review", "segment-broken")
    assert reason(message("A40", {}, "MRG|4712\rx^^^LAB^MR")) == ("review", "segment-broken")


def test_of_a_segment_that_nobody_reads_a_cut_does_no_harm() -> None:
    report = message("A14", {42: "W1"}, "OBX|1|TX|R||line one\rline two\r\r  three|", "NTE|1||a\rb")
    assert observed(report).claims.mark is not None
    cut = message("A14", {42: "W1"}, "ZPM|1|W2\rrest|W3")
    assert observed(cut).claims.mark is not None
    marks = {"A14": ("ZPM-3",)}
    assert reason(cut, Hl7Profile(marks=marks)) == ("review", "segment-broken")


# -- two patients or visits in one message: connect #1275's kind; nothing tells who is meant -------------------

SECOND: Final = {
    "another patient": "PID|||9999^^^LAB^MR",
    "another visit": "PV1||I|||||||||||||||||V2",
    "another ward for the visit": "PV1||I|W2||||||||||||||||V1",
    "another event": "EVN||20260115115901",
    "another admission reason": "PV2|||x",
    "another movement": "ZBE|2^EHR|20260115115900||CANCEL|N|A14",
}


@pytest.mark.parametrize("event", ["A14", "A01", "A02", "A03", "A08", "A27", "A31", "A28"])
@pytest.mark.parametrize("second", SECOND)
def test_a_segment_that_stands_twice_and_differs_is_not_read_once(event: str, second: str) -> None:
    pair = {"PV2": ("PV2|||y",), "ZBE": ("ZBE|1^EHR|20260115115900||INSERT|N|A14",)}
    first = pair.get(SECOND[second][:3], ())
    assert reason(message(event, {42: "W1"}, *first)) != ("review", "segment-repeated")
    both = message(event, {42: "W1"}, *first, SECOND[second])
    assert reason(both) == ("review", "segment-repeated")


@pytest.mark.parametrize("end", ["", "|", "|||"])
@pytest.mark.parametrize("name", ["PID", "PV1", "EVN"])
def test_the_same_segment_twice_says_it_once(name: str, end: str) -> None:
    once = message("A14", {3: "HERE", 42: "W1"})
    (again,) = [line for line in once.decode().split("\r") if line.startswith(name)]
    twice = once + f"{again}{end}\r".encode()
    assert observed(twice).claims == observed(once).claims


def test_what_may_stand_many_times_still_may() -> None:
    many = message(
        "A14", {42: "W1"}, "NK1|1|A", "NK1|2|B", "OBX|1||X", "OBX|2||Y", "ZTR|1", "ZTR|2"
    )
    assert observed(many).claims.mark is not None


@pytest.mark.parametrize("end", ["", "\r", "\r\r", "\x1a", "\r\n\x1a", " \r", "ZZZ\r", "\x00"])
def test_what_files_end_with_cuts_nothing(end: str) -> None:
    assert observed(MARKED + end.encode()).claims.mark is not None


def test_line_feeds_within_a_text_of_a_batch_end_no_message() -> None:
    """connect #650: two line feeds in a report ended the message."""
    text = message("A14", {42: "W1"}, "OBX|1|TX|R||one\n\ntwo\n\nMSH is mentioned")
    found = split(b"BHS|^~\\&\r" + text + MARKED + b"BTS|2\r")
    assert (len(found.messages), found.troubles) == (2, ())
    assert [reason(each)[0] for each in found.messages] == ["accepted", "accepted"]


def test_a_file_that_ends_with_a_single_line_loses_nothing() -> None:
    """connect #2019."""
    last = MARKED.split(b"\r", maxsplit=1)[0]
    assert split(MARKED + last).messages[1] == last


# -- framing: dcm4che #465, camel 26259, connect #249, #423, #510, ipf #106, elixir-mllp #11 -----------


@pytest.mark.parametrize(
    "mark", [b"\xef\xbb\xbf", b"\xff\xfe", b"[2007-07-12 14:40:53]\r\n", b"\n", b"\x00"]
)
def test_whatever_stands_before_a_frame_the_frame_is_read(mark: bytes) -> None:
    assert Frame(MARKED) in framing(mark + framed(MARKED))
    assert [each for each in framing(framed(MARKED) + mark + framed(MARKED)) if isinstance(each, Frame)] == [
        Frame(MARKED), Frame(MARKED),
    ]  # fmt: skip


def test_a_mark_of_the_byte_order_within_the_frame_is_no_text() -> None:
    assert observed(b"\xef\xbb\xbf" + MARKED).trigger == "A14"


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n", b"\x00", b"\x00\n"])
@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_pipelined_message_of_which_only_a_part_has_come_is_not_lost(
    between: bytes, cut: int
) -> None:
    stream = framed(MARKED) + between + framed(MARKED)
    at = len(framed(MARKED) + between) + cut
    frames = [each for each in framing(stream[:at], stream[at:]) if not isinstance(each, Garbage)]
    assert frames == [Frame(MARKED), Frame(MARKED)]


def test_the_last_byte_or_the_last_two_may_come_alone() -> None:
    whole = framed(MARKED)
    for cut in (1, 2):
        assert framing(whole[:-cut], whole[-cut:]) == [Frame(MARKED)]


def test_the_answer_to_a_message_is_not_given_to_the_next(run: Run) -> None:
    """connect #329: after a form feed in OBX the next message got the answer of the one before."""

    async def play() -> None:
        async with serving(MemoryLog()) as (_, sender):
            await sender.send(
                framed(message("A14", {42: "W1"}, "OBX|1|TX|R||a\x0cb", msh={10: "F1"}))
            )
            assert await sender.answer() == ("AA", "F1")
            await sender.send(framed(numbered(2)))
            assert await sender.answer() == ("AA", "N2")

    run(play())


# -- escapes: python-hl7 #84, HL7-dotnetcore #53, #77, ruby-hl7 #80, dcm4che #845 ----------------------


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("\\E\\R\\", "\\R\\"),
        ("a\\E\\", "a\\"),
        ("BSV 4\\5 re.", "BSV 4\\5 re."),
        ("x\\X41\\\\X42\\y", "xABy"),
        ("\\E\\\\F\\\\R\\\\S\\\\T\\\\X484559\\", "\\|~^&HEY"),
        ("\\X00D\\", "\\X00D\\"),
    ],
)
def test_escapes_are_resolved_and_no_sign_is_swallowed(sent: str, read: str) -> None:
    assert reader.read(f"MSH|^~\\&|{sent}|".encode()).header.first(3) == read


def test_an_escaped_line_end_of_two_bytes_is_one_of_the_control_characters() -> None:
    payload = message("A14", {42: "W1^a\\X000d\\b"})
    assert reason(payload) == ("accepted", "text-cleaned")


# -- times: panates/hl7v2 #3 and #29, python-hl7 #62, node-hl7-client #205, NHapiTools #16 --------------


@pytest.mark.parametrize(
    ("sent", "at"),
    [
        ("20260115132215.844+0200", "11:22:15.844000"),
        ("202601151322-0330", "16:52:00"),
        ("20260115132215.8", "12:22:15.800000"),
    ],
)
def test_fractions_and_offsets_go_together(sent: str, at: str) -> None:
    seen = observed(message("A14", {42: "W1"}, evn={2: "", 6: sent}, msh={7: "20260115115500"}))
    assert seen.occurred_at is not None
    assert seen.occurred_at.time().isoformat() == at


# -- others: hl7apy #109, FHIR-Converter #78, connect #262 -----------------------------------------------


def test_msh_may_end_with_the_version() -> None:
    assert observed(MARKED.replace(b"|2.5.1\r", b"|2.7\r")).trigger == "A14"


def test_umlauts_stay() -> None:
    _, row = described(message("A14", {42: "W1"}, pid="4711^^^LAB^MR||Tübingenß^Ä^^^^^L"))
    assert (row.person.family, row.person.given) == ("Tübingenß", "Ä")


def test_enhanced_mode_names_sender_and_receiver_the_other_way_round(run: Run) -> None:
    async def play() -> bytes:
        async with serving(MemoryLog()) as (_, sender):
            header = {3: "EHR", 4: "A^B", 5: "WB", 6: "", 15: "AL", 16: "NE"}
            await sender.send(framed(message("A14", {42: "W1"}, msh=header)))
            return await sender.reader.readuntil(b"\x1c\r")

    answer = run(play())
    assert answer.startswith(b"\x0bMSH|^~\\&|WB||EHR|A^B|")
    assert b"\rMSA|CA|C1\r" in answer
