"""Work for one message is bounded before it begins: counted in parts that are made, and in bytes kept."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest

from adapters.common import identity
from adapters.hl7v2 import location, reader, times
from adapters.hl7v2.batch import split
from adapters.hl7v2.errors import Hl7Error
from adapters.hl7v2.figures import ControlIds
from adapters.hl7v2.header import header_of
from adapters.hl7v2.limits import (
    MAX_CACHED_CHARS,
    MAX_COMPONENTS,
    MAX_FIELDS,
    MAX_MERGES,
    MAX_REPETITIONS,
    MAX_SEGMENTS,
    MAX_SUBCOMPONENTS,
    REMEMBERED_CONTROL_IDS,
)  # fmt: skip
from adapters.hl7v2.mapping import FrameReading, Hl7Normaliser
from adapters.hl7v2.profile import Hl7Profile
from tests.hl7v2.lab import FEED, KEYER, OPEN, RECEIVED_AT, message, segment

DESCRIBING = Hl7Normaliser(FEED, Hl7Profile(), OPEN, KEYER, describe=True)
MOST_CALLS = 100_000
"""Of Python functions for one message, however it is made: a tenth of a second. An ordinary one has 300."""
NUMBER = "200001012384^^^&1.2.752.129.2.1.3.1&ISO^NNSWE"


def read(payload: bytes) -> tuple[str, str, str | None]:
    outcome = DESCRIBING.normalise(payload, RECEIVED_AT)
    return outcome.verdict.value, outcome.reason, outcome.where


def calls_of(work: Callable[[], object]) -> int:
    """How many functions are called, ours, the libraries' and C's."""
    count = 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    gc.disable()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def _numbers(owner: int, count: int) -> str:
    return "~".join(f"{owner}-{number}^^^LAB^AN" for number in range(count))


ZBE = segment("ZBE", {1: "m", 2: "20260115", 4: "UPDATE", 5: "Y", 6: "A02", 7: "W1"})
HUGE: dict[str, bytes] = {
    "440,000 repetitions of PID-3": message("A14", {42: "W1"}, pid="~".join(["1"] * 440_000)),
    "as many as are looked at": message(
        "A14", {42: "W1"}, pid="~".join([NUMBER] * MAX_REPETITIONS)
    ),
    "numbers in the last of many": message("A14", {42: "W1"}, pid="~" * 100 + NUMBER),
    "repetitions of PID-5": message("A14", {42: "W1"}, pid=NUMBER + "||" + "A^B~" * 200_000),
    "components of PID-5": message("A14", {42: "W1"}, pid=NUMBER + "||" + "A^" * 400_000),
    "components of PID-3": message("A14", {42: "W1"}, pid=NUMBER + "^x" * 400_000),
    "subcomponents of PID-3": message("A14", {42: "W1"}, pid="1^^^" + "a&" * 400_000),
    "components of PV1-42": message("A14", {42: "W1" + "^" * 800_000}),
    "subcomponents of PV1-42": message("A14", {42: "&" * 800_000}),
    "repetitions of PV1-3": message("A02", {3: "W1~" * 280_000}),
    "escapes in PV1-42": message("A14", {42: "\\T\\" * 290_000}),
    "escapes in PID-5": message("A14", {42: "W1"}, pid=NUMBER + "||" + "\\T\\" * 290_000),
    "one long escape": message("A14", {42: "\\X" + "41" * 400_000 + "\\"}),
    "escapes in the visit's number": message("A14", {19: "\\E\\" * 290_000}),
    "escape signs": message("A14", {42: "\\" * 800_000}),
    "fields": message("A14", {42: "W1"}, "ZZZ" + "|" * 800_000),
    "fields of MSH": message("A14", {42: "W1"}).replace(b"\r", b"|" * 800_000 + b"\r", 1),
    "short segments": message("A14", {42: "W1"}, *["Z"] * 400_000),
    "empty segments": message("A14", {42: "W1"}) + b"\r" * 800_000,
    "segments with line feeds": message("A14", {42: "W1"}, *["NTE|1\nNTE|2"] * 60_000),
    "long segments": message("A14", {42: "W1"}, *["NTE|1||" + "x" * 900] * 900),
    "merges": message("A40", {}, *[f"MRG|{n}^^^LAB^MR" for n in range(30_000)]),
    "PIDs of a merge": message("A40", {}, *["PID|||1^^^LAB^MR"] * 30_000, "MRG|2^^^LAB^MR"),
    "the largest merges that are read": message(
        "A40",
        {},
        *[f"MRG|{_numbers(n, 4)}" for n in range(MAX_MERGES)],
        pid=f"{NUMBER}~{_numbers(9_999, 49)}",
    ),
    "larger ones": message("A40", {}, *[f"MRG|{_numbers(n, 50)}" for n in range(MAX_MERGES)]),
    "a long time": message("A14", {42: "W1"}, evn={2: "2026" + "0" * 800_000}),
    "long delimiters": b"MSH|" + b"^~" * 400_000 + b"|EHR\rPID|1",
    "long names of character sets": message("A14", {42: "W1"}, msh={18: "8859/1~" * 100_000}),
    "one long name of a character set": message("A14", {42: "W1"}, msh={18: "8" * 800_000}),
    "a long type": message("A14", {42: "W1"}, msh={9: "ADT" * 200_000}),
    "components of a type": message("A14", {42: "W1"}, msh={9: "ADT" + "^" * 800_000}),
    "a long control id": message("A14", {42: "W1"}, msh={10: "9" * 800_000}),
    "other messages' headers": message("A14", {42: "W1"}, *["NTE|MSH|MSH"] * 4_000),
    "the letters MSH": message("A14", {42: "W1"}, "NTE|" + "MSH" * 200_000),
    "ZBE with everything": message("A02", {3: "W1"}, ZBE + "|" + "~" * 800_000),
    "a long class": message("A02", {3: "W1", 2: "I" * 800_000}),
}


@pytest.mark.parametrize("case", HUGE)
def test_the_work_for_a_message_is_bounded(case: str) -> None:
    payload = HUGE[case]
    found: list[FrameReading] = []
    calls = calls_of(lambda: found.append(DESCRIBING.read(payload, RECEIVED_AT)))
    assert calls < MOST_CALLS, calls
    outcome = found[0].outcome
    assert len(outcome.warnings) <= 20
    assert sum(len(each.model_dump_json()) for each in outcome.observations) < 900_000
    assert all(len(trouble.detail) < 300 for trouble in outcome.warnings)


@pytest.mark.parametrize(
    "piece",
    [
        b"\r",
        b"\n",
        b" ",
        b"\x00",
        b"\x0c",
        b"\xef\xbb\xbf",
        b"MSH",
        b"\rMS",
        b"\r MSHx",
        b"MSH|^|",
        b"|",
    ],
)
@pytest.mark.parametrize("front", [b"", b"x", b"MSH|^~\\&|", b"BHS|\r"])
def test_bytes_of_nothing_cost_no_more_than_their_number(piece: bytes, front: bytes) -> None:
    """What took the square of their number would take hours, and is ended by the time-out of every test."""
    payload = front + piece * (800_000 // len(piece))
    header_of(payload)
    split(payload)
    DESCRIBING.read(payload, RECEIVED_AT)


def test_the_largest_merges_of_the_table_are_read() -> None:
    assert read(HUGE["the largest merges that are read"]) == ("accepted", "accepted", None)


TOO_MANY = "too-many-parts"


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        (message("A14", {}, *["NTE|1"] * MAX_SEGMENTS), ("review", TOO_MANY, "MSH")),
        (message("A14", {}, "ZZZ" + "|" * (MAX_FIELDS + 1)), ("review", TOO_MANY, None)),
        (message("A14", {}, pid="~" * MAX_REPETITIONS + "1"), ("review", "patient-unreadable", "PID-3")),
        (
            message("A14", {}, pid="~".join(str(n) for n in range(identity.MAX_IDENTIFIERS + 1))),
            ("review", "patient-unreadable", "PID-3"),
        ),
        (message("A40", {}, *["MRG|2"] * (MAX_MERGES + 1)), ("review", "merge-unreadable", "MRG-1")),
        (
            message("A40", {}, *["MRG|" + "~2" * 250] * 2),
            ("review", "merge-unreadable", "MRG-1"),
        ),
        (
            message("A14", {42: "W1"}, pid="1||" + "A^B~" * MAX_REPETITIONS),
            ("accepted", TOO_MANY, None),
        ),
    ],
)  # fmt: skip
def test_what_is_over_a_limit_is_told_with_its_place(
    payload: bytes, told: tuple[str, str, str | None]
) -> None:
    assert read(payload) == told
    if told[0] == "accepted":
        (warning,) = DESCRIBING.normalise(payload, RECEIVED_AT).warnings
        assert (warning.reason, warning.where) == (TOO_MANY, "PID-5")


@pytest.mark.parametrize(
    "payload",
    [
        message("A14", {42: "W1"}, *["NTE|1"] * (MAX_SEGMENTS - 5)),
        message("A14", {42: "W1"}, *["NTE|1"] * (MAX_SEGMENTS - 5)).replace(b"\r", b"\r\n"),
        message("A14", {42: "W1"}, "ZZZ" + "|" * MAX_FIELDS),
        message("A14", {42: "W1"}, pid="~" * (MAX_REPETITIONS - 1) + "1"),
        message("A40", {}, *[f"MRG|{n + 2}" for n in range(MAX_MERGES)], pid="1"),
        message("A14", {42: "W1" + "^" * MAX_COMPONENTS}),
        message("A14", {42: "W1" + "&" * MAX_SUBCOMPONENTS}),
    ],
)
def test_what_is_just_within_a_limit_is_read(payload: bytes) -> None:
    assert read(payload)[:2] == ("accepted", "accepted")


def test_what_is_remembered_of_control_ids_does_not_grow_with_them() -> None:
    ids = ControlIds()
    for number in range(300):
        assert not ids.reused(f"{number}" + "9" * 800_000, b"")
    kept = sum(sys.getsizeof(key) + sys.getsizeof(each) for key, each in ids._contents.items())
    assert kept < 300 * 120
    assert ids.reused("7" + "9" * 800_000, b"other")
    for number in range(REMEMBERED_CONTROL_IDS):
        ids.reused(str(number), b"")
    assert len(ids._contents) == REMEMBERED_CONTROL_IDS
    assert not ids.reused("8" + "9" * 800_000, b"other"), "the oldest were forgotten"


def test_no_long_text_is_remembered_with_what_was_read_of_it() -> None:
    adapter = Hl7Normaliser(FEED, Hl7Profile(), OPEN, KEYER)
    before = times._written.cache_info().currsize
    known: Any = adapter._claims._locations._known
    for number in range(50):
        text = f"W{number}^" + "x" * (MAX_CACHED_CHARS + 1)
        adapter.normalise(
            message("A14", {42: text}, evn={2: f"2026{number}" + "0" * 100}), RECEIVED_AT
        )
        with pytest.raises(Hl7Error):
            reader.read(b"MSH|" + b"^~\\" * 1_000 + str(number).encode() + b"|")
    assert known.cache_info().currsize == 0
    assert times._written.cache_info().currsize - before <= 1
    assert reader.delimiters_of.cache_info().currsize <= 64
    assert known.cache_info().maxsize == location.MOST_KNOWN
