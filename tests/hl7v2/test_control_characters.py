"""No control character leaves this adapter: not in a value, not in a key, not in an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.common.text import cleaned, is_readable
from adapters.hl7v2.mapping import Hl7Normaliser
from adapters.hl7v2.profile import Hl7Profile
from schemas.observation import Location
from tests.hl7v2.lab import FEED, KEYER, OPEN, RECEIVED_AT, message, segment

DESCRIBING = Hl7Normaliser(FEED, Hl7Profile(), OPEN, KEYER, describe=True)
HIDDEN = ["\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\x9b", "\u2028", "\u202e", "\u200b"]
ESCAPED = ["\\X00\\", "\\X0D\\", "\\X1B5B\\", "\\X7F\\", "\\XC29B\\", "\\XE280AE\\"]
SIGNS = [f"1{sign}2" for sign in HIDDEN + ESCAPED]

ZBE_CANCEL = {2: "20260115115900", 4: "CANCEL", 5: "N", 6: "A02"}


def _troubles(payload: bytes) -> tuple[str, list[tuple[str, str | None]]]:
    outcome = DESCRIBING.normalise(payload, RECEIVED_AT)
    beside = [(warning.reason, warning.where) for warning in outcome.warnings]
    if outcome.verdict == "review":
        return "review", [(outcome.reason, outcome.where), *beside]
    return outcome.verdict.value, beside


@pytest.mark.parametrize("text", SIGNS)
def test_an_identifier_withholds_and_a_code_is_absent(text: str) -> None:
    unreadable = "text-unreadable"
    assert _troubles(message("A14", {42: "W1", 19: text})) == ("review", [(unreadable, "PV1-19")])
    for pid in (f"{text}^^^LAB^MR", f"4711^^^{text}^MR", f"4711^^^LAB^MR~{text}^^^X^AN"):
        assert _troubles(message("A14", {42: "W1"}, pid=pid)) == ("review", [(unreadable, "PID-3")])
    ceasing = segment("MRG", {1: f"{text}^^^LAB^MR"})
    assert _troubles(message("A40", {}, ceasing)) == ("review", [(unreadable, "MRG-1")])
    for field in (3, 42):
        assert _troubles(message("A02" if field == 3 else "A14", {field: f"{text}^1"})) == (
            "accepted", [(unreadable, f"PV1-{field}")],
        )  # fmt: skip
    assert _troubles(message("A02", {2: text})) == ("accepted", [(unreadable, "PV1-2")])
    assert _troubles(message("A02", {17: text})) == ("accepted", [(unreadable, "PV1-17")])
    zbe = segment("ZBE", {1: "m1", 2: "20260115115900", 4: "INSERT", 5: "N", 7: text})
    assert _troubles(message("A02", {3: "W1"}, zbe)) == ("accepted", [(unreadable, "ZBE-7")])


@pytest.mark.parametrize("text", SIGNS)
def test_a_movement_without_a_readable_id_is_never_read_as_its_event(text: str) -> None:
    cancel = message("A02", {3: "W1"}, segment("ZBE", {1: text} | ZBE_CANCEL))
    assert _troubles(cancel) == ("review", [("text-unreadable", "ZBE-1")])
    insert = message("A02", {3: "W1"}, segment("ZBE", {1: text, 4: "INSERT"}))
    assert _troubles(insert) == ("accepted", [("text-unreadable", "ZBE-1")])


@pytest.mark.parametrize("text", SIGNS)
def test_a_cancel_of_a_ward_that_cannot_be_read_waits(text: str) -> None:
    assert _troubles(message("A27", {42: text})) == (
        "review",
        [("cancel-of-unknown-ward", "PV1-42")],
    )


@pytest.mark.parametrize("sign", ["\x00", "\x1b", "\x9b", "\u202e", "\\X00\\", "\\XC29B\\"])
def test_room_bed_and_name_are_cleaned_with_one_warning_each(sign: str) -> None:
    payload = message("A14", {42: f"W1^{sign}1{sign}2^{sign}"}).replace(
        b"PID|||4711^^^LAB^MR", f"PID|||4711^^^LAB^MR||Prov{sign}sson^B{sign}o^^^^^L".encode()
    )
    for _ in range(2):  # the second time, the location is known already
        outcome = DESCRIBING.normalise(payload, RECEIVED_AT)
        assert sorted((warning.reason, warning.where) for warning in outcome.warnings) == [
            ("text-cleaned", "PID-5"), ("text-cleaned", "PV1-42"),
        ]  # fmt: skip
        (observation,), (row,) = outcome.observations, outcome.patients
        assert observation.claims.mark == Location(ward="W1", room="12")
        assert (row.person.family, row.person.given) == ("Provsson", "Bo")


def test_a_blank_takes_the_place_of_a_line_end_in_free_text() -> None:
    outcome = DESCRIBING.normalise(message("A14", {42: "W1^Room\\X0A\\1"}), RECEIVED_AT)
    assert outcome.observations[0].claims.mark == Location(ward="W1", room="Room 1")


ANY_TEXT = st.text(
    st.one_of(
        st.sampled_from([text for sign in SIGNS for text in sign] + list("^~&\\|#XFSRTE0D1B")),
        st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"),
    ),
    max_size=12,
)
FIELDS = st.dictionaries(st.sampled_from([2, 3, 6, 10, 11, 16, 17, 19, 42]), ANY_TEXT)


@given(
    st.sampled_from(["A01", "A02", "A08", "A14", "A27", "A31", "A40", "Z99"]),
    FIELDS,
    ANY_TEXT,
    st.dictionaries(st.sampled_from([1, 4, 5, 6, 7]), ANY_TEXT),
    ANY_TEXT,
)
def test_whatever_is_sent_no_control_character_is_let_out(
    trigger: str, pv1: dict[int, str], pid: str, zbe: dict[int, str], name: str
) -> None:
    payload = message(
        trigger, pv1, segment("MRG", {1: name}), segment("ZBE", zbe), pid=f"{pid}||{name}"
    )
    outcome = DESCRIBING.normalise(payload, RECEIVED_AT)
    for observation in outcome.observations:
        for text in _texts(observation.model_dump(mode="json")):
            assert text == cleaned(text)
        assert is_readable(observation.visit or "")
        assert all(is_readable(each.value) for each in observation.patient.identifiers)
    for row in outcome.patients:
        assert all(text == cleaned(text) for text in _texts(row.model_dump(mode="json")))


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list | tuple):
        return [text for each in value for text in _texts(each)]
    return []
