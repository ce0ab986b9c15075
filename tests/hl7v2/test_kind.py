"""Which messages are ADT, which are positively another kind, and which wait for a person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.kind import OTHER_TYPES, SHARED
from adapters.hl7v2.triggers import TRIGGERS, Unconcerned
from tests.hl7v2.lab import RECEIVED_AT, message, normaliser, observed, reason

UNCLEAR, MISSING, UNKNOWN = "message-kind-unclear", "trigger-missing", "trigger-unknown"
WARD = {42: "W1"}


def of(kind: str, event: str = "") -> bytes:
    return message("A14", WARD, msh={9: kind}, evn={1: event})


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("ADT^A14^ADT_A05", ""), ("ADT^A14", ""), ("adt^a14", ""), ("Adt^A14^adt_a05", ""),
        (" ADT ^ A14 ", ""), ("ADT^A14^ADT_A14", "A08"), ("ADT_A14", ""), ("adt_a14", ""),
        ("ADT_A14", "A14"), ("ADT_A05", "A14"), ("ADT_A01", "A14"), ("ADT A14", ""), ("ADT-A14", ""),
        ("ADT_ A14", ""), ("ADT^A14~ADT^A08", ""),
    ],
)  # fmt: skip
def test_what_is_meant_is_read(kind: str, event: str) -> None:
    assert observed(of(kind, event)).trigger == "A14"


@pytest.mark.parametrize(
    ("kind", "event", "code"),
    [
        ("ADT_A05", "", UNCLEAR), ("ADT_A01", "", UNCLEAR), ("ADT_A14", "A08", UNCLEAR),
        ("ADT_A05", "A01", UNCLEAR), ("ADT$A14", "", UNCLEAR), ("ADTA14", "", UNCLEAR),
        ("ADT#A14#ADT_A05", "", UNCLEAR), ("XYZ^A14", "", UNCLEAR), ("A14", "", UNCLEAR),
        ("ORU^A14", "", UNCLEAR), ("ORU^R01^ADT_A01", "", UNCLEAR), ("ORU^?", "", UNCLEAR),
        ("ZZZ^Z01", "", UNCLEAR), ("ORUR01", "", UNCLEAR), ("ADT_A14^A08", "", UNCLEAR),
        ("", "", MISSING), ('""', "", MISSING), ("^A14", "", MISSING), ("ADT", "A14", MISSING),
        ("ADT&A14", "", MISSING), ("ADT~A14", "", MISSING), ('ADT^""', "", MISSING),
        ("ADT^A99", "", UNKNOWN), ("ADT^R01", "", UNKNOWN), ("ADT_A99", "", UNKNOWN),
        ("ADT^ADT_A14", "", UNKNOWN), ("ADT-Z01", "", UNKNOWN),
    ],
)  # fmt: skip
def test_what_is_not_clear_waits(kind: str, event: str, code: str) -> None:
    assert reason(of(kind, event)) == ("review", code)


@pytest.mark.parametrize("kind", sorted(OTHER_TYPES))
def test_another_type_of_the_standard_is_ignored(kind: str) -> None:
    for said in (kind, f"{kind}^R01", f"{kind.lower()}^r01^{kind}_R01", f"{kind}^K21"):
        assert reason(of(said)) == ("ignored", "not-adt")


@pytest.mark.parametrize("kind", ["ACK", "ACK^A14", "ACK^A14^ACK", "QRY^A19", "ADR^A19"])
def test_answers_and_queries_about_adt_are_no_adt(kind: str) -> None:
    assert reason(of(kind)) == ("ignored", "not-adt")


@pytest.mark.parametrize("marks", ["^~\\&", "~^\\&", "#~\\&", "^", "$%!&"])
def test_whatever_the_delimiters_an_adt_is_never_ignored(marks: str) -> None:
    payload = of("ADT^A14^ADT_A05").replace(b"^~\\&", marks.encode(), 1)
    assert reason(payload)[0] in {"accepted", "review"}


@given(st.text(st.sampled_from("ADTadt014^~&_ #|-Z9"), max_size=10))
def test_only_what_is_another_type_or_of_no_concern_is_ignored(kind: str) -> None:
    outcome = normaliser().normalise(of(kind), RECEIVED_AT)
    if outcome.verdict == "ignored":
        first, _, rest = kind.replace("|", "^").partition("^")
        event = rest.partition("^")[0].strip().upper()
        of_no_concern = isinstance(TRIGGERS.get(event), Unconcerned)
        assert first.strip().upper() in OTHER_TYPES or of_no_concern


def test_events_that_share_a_structure_are_in_the_table_of_events() -> None:
    assert {event for events in SHARED.values() for event in events.split()} <= set(TRIGGERS)


@pytest.mark.parametrize(
    ("event", "code"),
    [("A23", "visit-deletion-not-read"), ("A29", "person-deletion-not-read")],
)
def test_what_is_deleted_may_be_what_a_ward_waits_for(event: str, code: str) -> None:
    assert reason(message(event)) == ("review", code)
