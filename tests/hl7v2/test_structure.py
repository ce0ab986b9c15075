"""What the standard says of a message's structure: found, in plain words, and without any value."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hl7v2.limits import MAX_CHECKED_SEGMENTS
from adapters.hl7v2.structure import SECTIONS, STRUCTURES, findings
from adapters.hl7v2.triggers import TRIGGERS
from tests.hl7v2.corpora import messages, present
from tests.hl7v2.lab import message, segment

HEAD = "MSH|^~\\&|EHR|NORR|WB|WB|20260302091500||ADT^A14^ADT_A05|1|P|2.5.1"
EVN, PID = "EVN||20260302091500", "PID|1||4711^^^LAB^MR||Provsson^Bo^^^^^L"
PV1 = "PV1|1|I|W1^12^2"


def found(*lines: str, end: str = "\r") -> list[str]:
    return [str(each) for each in findings(end.join((*lines, "")).encode())]


def test_what_is_as_the_standard_has_it_has_no_finding() -> None:
    assert found(HEAD, EVN, PID, PV1) == []


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            (HEAD, PID, PV1),
            "EVN is missing: ADT_A05 cannot do without it (HL7 v2.5.1, section 3.4.1)",
        ),
        (
            (HEAD, EVN, PID),
            "PV1 is missing: ADT_A05 cannot do without it (HL7 v2.5.1, section 3.4.3)",
        ),
        (
            (HEAD, EVN, PID, PV1, PV1),
            "PV1 stands there more than once: ADT_A05 has one (HL7 v2.5.1, section 3.4.3)",
        ),
        (
            (HEAD, EVN, PID, PV1, "MRG|4712^^^LAB^MR"),
            "MRG is no segment of ADT_A05 (HL7 v2.5.1, section 3.4.9)",
        ),
        ((HEAD, EVN, PID, PV1, "QXX|1"), "QXX is no segment of version 2.5.1"),
        (
            (HEAD, EVN, PV1, PID),
            "PID stands behind PV1, and belongs before it (HL7 v2.5.1, section 3.4.2)",
        ),
        (
            (HEAD, EVN, "PID|1||4711^^^LAB^MR", PV1),
            "PID-5 is required, and missing (HL7 v2.5.1, section 3.4.2.5)",
        ),
        (
            (HEAD, EVN, PID, PV1, "PV2|||a~b"),
            "PV2-3 repeats, and may not (HL7 v2.5.1, section 3.4.4.3)",
        ),
        (
            (HEAD, EVN, PID, "PV1|1|Q"),
            "PV1-2 holds a code that table 0004 does not list (HL7 v2.5.1, section 3.4.3.2)",
        ),
        (
            (HEAD, EVN, PID, "PV1|1|I|" + "^" * 15 + "x"),
            "PV1-3 has components that data type PL has not (HL7 v2.5.1, section 3.4.3.3)",
        ),
        (
            (HEAD, EVN, PID + "|" * 60 + "x", PV1),
            "PID has more fields than version 2.5.1 knows (HL7 v2.5.1, section 3.4.2)",
        ),
        (
            (HEAD.replace("2.5.1", "2.8"), EVN, PID.replace("|4711", "|4711", 1) + "||||A^B", PV1),
            "PID-9 is withdrawn in this version (HL7 v2.5.1, section 3.4.2.9)",
        ),
        (
            (HEAD.replace("2.5.1", "9.9"), EVN, PID, PV1),
            "MSH-12 names no version that is known: looked at as 2.5.1 (HL7 v2.5.1, section 2.15.9.12)",
        ),
        (
            (HEAD.replace("ADT^A14^ADT_A05", "ADT^A99"), EVN, PID, PV1),
            "MSH-9 names no structure that version 2.5.1 has (HL7 v2.5.1, section 2.15.9.9)",
        ),
    ],
)
def test_what_is_not_as_the_standard_has_it_is_told(lines: tuple[str, ...], told: str) -> None:
    assert told in found(*lines)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("marks", ["|^~\\&", "#^~\\&", "^~|\\&", "|#!@$"])
def test_delimiters_and_line_ends_are_the_messages_own(end: str, marks: str) -> None:
    lines = [HEAD, EVN, "PID|1||4711^^^LAB^MR", "PV1|1|Q|W1^12^2"]
    table = str.maketrans("|^~\\&", marks)
    said = found(*(line.translate(table) for line in lines), end=end)
    assert [text.split(" (")[0] for text in said] == [
        "PID-5 is required, and missing",
        "PV1-2 holds a code that table 0004 does not list",
    ]


def test_segments_of_no_group_are_seen_and_those_of_ours_let_be() -> None:
    """With ``find_groups`` hl7apy drops all of these and calls the message valid."""
    zbe = segment("ZBE", {1: "m1", 2: "20260302", 4: "INSERT"})
    assert found(HEAD, EVN, PID, PV1, zbe, "ZZZ|" + "x|" * 100) == []
    assert found(HEAD, EVN, PID, PV1, "PR1|1||A^B", "IN1|1|A|B") != []
    assert [
        text for text in found(HEAD, EVN, PID, PV1, "PR1|1", "IN1|1") if "is no segment" in text
    ] == []


@pytest.mark.parametrize("event", [event for event in TRIGGERS if event not in {"A19", "Z99"}])
def test_every_event_has_a_structure_also_without_msh_9_3(event: str) -> None:
    payload = message(event, msh={12: "2.5.1"})
    assert "MSH-9 names no structure" not in " ".join(map(str, findings(payload)))


def test_every_structure_of_the_table_is_one_and_sections_are_numbers() -> None:
    assert set(STRUCTURES.values()).isdisjoint(STRUCTURES)
    assert all(section.replace(".", "").isdigit() for section in SECTIONS.values())


def test_a_message_that_cannot_be_read_is_told_why() -> None:
    assert found("hello") == [
        "MSH cannot be read: it does not begin with MSH (HL7 v2.5.1, section 2.15.9)"
    ]
    assert "another MSH begins" in found(HEAD, EVN, HEAD)[0]


VALUE = "Zqxjv"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["PID", "PV1", "EVN", "NK1", "MSA", "OBX", "ZZZ", VALUE, "Zq", "zqx"]),
            st.lists(st.sampled_from([VALUE, "", f"{VALUE}^{VALUE}&{VALUE}", f"{VALUE}~{VALUE}",
                                      f"{VALUE} not in table HL70001 in element {VALUE}.{VALUE}_1",
                                      f"a\n{VALUE}", "NN" + VALUE]), max_size=12),
        ),
        max_size=4,
    ),
    st.sampled_from(["2.5.1", "2.3", "2.8", VALUE, ""]),
)  # fmt: skip
@settings(max_examples=40)
def test_no_value_is_ever_in_a_finding(lines: list[tuple[str, list[str]]], version: str) -> None:
    head = HEAD.replace("2.5.1", version).replace("EHR", VALUE)
    said = found(head, *("|".join((name, *fields)) for name, fields in lines))
    assert not [text for text in said if VALUE.casefold() in text.casefold()]


@given(st.binary(max_size=80))
@settings(max_examples=40)
def test_any_bytes_have_findings_or_none(tail: bytes) -> None:
    for payload in (tail, HEAD.encode() + b"\r" + tail):
        findings(payload)


def test_the_work_is_bounded() -> None:
    many = ["NTE|1"] * (MAX_CHECKED_SEGMENTS + 50)
    assert found(HEAD, EVN, PID, PV1, *many, "QXX|1") == [
        "NTE is no segment of ADT_A05 (HL7 v2.5.1, section 2.15.10)"
    ]


def test_nobody_waits_for_hl7apy_who_does_not_ask() -> None:
    code = (
        "import sys, wardbridge.ingest.kinds, adapters.hl7v2.structure\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'hl7apy']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@present
def test_foreign_messages_are_told_of_in_our_words() -> None:
    """One of each file: what is told has no word of a message in it that hl7apy would quote."""
    files: dict[str, bytes] = {}
    for foreign in messages():
        if foreign.is_adt:
            files.setdefault(foreign.file, foreign.payload)
    told = [str(each) for payload in list(files.values())[::4] for each in findings(payload)]
    assert len(told) > 20
    assert not [text for text in told if "'" in text or "<" in text or "Error" in text]
