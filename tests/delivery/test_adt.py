"""Notices as ADT messages: their structure as hl7apy knows it, and what our own adapter reads."""

from datetime import UTC, datetime
from itertools import product
from typing import get_args

import hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from router.delivery.adt import TOLD, Pending, Style, Version, control_id, message_of
from router.delivery.channel import INCOMPLETE, Outgoing
from schemas.fields import Identity
from schemas.identifiers import IdentifierKind
from schemas.notification import Kind
from schemas.observation import Location, PatientIdentifier, Protection, What
from tests.delivery.notices import AT, BESIDE, FROM, WHO, notice
from tests.hl7v2.lab import KEYER, described, observed, reason

SOON = datetime(2026, 1, 15, 10, tzinfo=UTC)
EVENTS = [
    # notice, pending, MSH-9, what our own adapter takes it for
    (Kind.DESIGNATED, "admission", "ADT^A14^ADT_A05", What.ADMISSION_PLANNED),
    (Kind.CHANGED, "admission", "ADT^A14^ADT_A05", What.ADMISSION_PLANNED),
    (Kind.WITHDRAWN, "admission", "ADT^A27^ADT_A21", What.PLAN_CANCELLED),
    (Kind.DESIGNATED, "transfer", "ADT^A15^ADT_A15", What.TRANSFER_PLANNED),
    (Kind.CHANGED, "transfer", "ADT^A15^ADT_A15", What.TRANSFER_PLANNED),
    (Kind.WITHDRAWN, "transfer", "ADT^A26^ADT_A21", What.PLAN_CANCELLED),
]


def told(kind: Kind, **said: object) -> Outgoing:
    plain = notice("MED", 3, kind=kind)
    data = plain.data.model_copy(update={"room": "4", "bed": "2", "expected_at": SOON} | said)
    return Outgoing(7, plain.model_copy(update={"data": data}), 0.0)


@pytest.mark.parametrize("version", get_args(Version))
@pytest.mark.parametrize(("kind", "pending", "event", "what"), EVENTS)
def test_each_event_is_valid_and_read_back_as_the_same_plan(
    kind: Kind, pending: Pending, event: str, what: What, version: Version
) -> None:
    payload = message_of("lab", told(kind), Style(pending=pending, version=version))
    parsed = parse_message(payload.decode(), validation_level=VALIDATION_LEVEL.STRICT)
    assert parsed.validate()
    assert (parsed.msh.msh_9.value, parsed.version) == (event, version)
    seen = observed(payload)
    assert (seen.what, seen.visit, seen.recorded_at) == (what, "3@ehr", AT)
    assert seen.claims.mark == Location(ward="MED", room="4", bed="2")
    assert seen.claims.expected_at == (None if kind is Kind.WITHDRAWN else SOON)


@pytest.mark.parametrize("version", get_args(Version))
def test_what_could_not_be_told_in_time_is_the_minimum_and_says_so(version: Version) -> None:
    style = Style(version=version)
    whole = message_of("lab", told(Kind.DESIGNATED), style).decode()
    of = told(Kind.DESIGNATED)._replace(beside=INCOMPLETE)
    header, _, rest = message_of("lab", of, style).decode().partition("\r")
    assert f"{header.removesuffix('|||INCOMPLETE')}\r{rest}" == whole
    parsed = parse_message(f"{header}\r{rest}", validation_level=VALIDATION_LEVEL.STRICT)
    assert parsed.validate()
    assert parsed.msh.msh_21.value == "INCOMPLETE"


def test_every_kind_that_is_told_is_in_the_table_above() -> None:
    assert {(kind, pending) for kind, pending, *_ in EVENTS} == set(
        product(TOLD, get_args(Pending))
    )


def test_there_is_no_person_in_it_and_nothing_that_deletes_one() -> None:
    message = hl7.parse(message_of("lab", told(Kind.DESIGNATED), Style()).decode())
    assert str(message.segment("PID")[3]) == "3^^^ehr^VN"
    assert str(message.segment("PID")[5]) == "^^^^^^S"
    assert [str(segment[0]) for segment in message] == ["MSH", "EVN", "PID", "PV1", "PV2"]
    assert '""' not in str(message)


@pytest.mark.parametrize("version", get_args(Version))
@pytest.mark.parametrize(("kind", "pending", "event", "what"), EVENTS)
def test_who_it_is_is_valid_and_read_back_as_the_same_person(
    kind: Kind, pending: Pending, event: str, what: What, version: Version
) -> None:
    of = told(kind, protected=True)._replace(beside=BESIDE)
    payload = message_of("lab", of, Style(pending=pending, version=version))
    parsed = parse_message(payload.decode(), validation_level=VALIDATION_LEVEL.STRICT)
    assert parsed.validate()
    assert parsed.msh.msh_9.value == event
    seen, row = described(payload)
    assert (seen.what, seen.visit) == (what, "3@ehr")
    number = PatientIdentifier(kind=WHO.kind, value=WHO.number, assigner="1.2.752.129.2.1.3.1")
    assert (row.patient, row.number) == (KEYER.of(row.source).key(number), number)
    assert row.person.model_dump() == WHO.model_dump(include={"family", "given", "born", "sex"})
    assert seen.claims.protection is Protection.CONFIDENTIAL
    message = hl7.parse(payload.decode())
    assert str(message.segment("PV1")[3]) == "AKM^^^Norr"
    assert str(message.segment("PV2")[9]) == "20260115140000+0000"


def test_what_is_not_known_of_somebody_is_left_out() -> None:
    nameless = BESIDE.model_copy(update={
        "details": None, "patient": Identity(number="17", kind=IdentifierKind.LOCAL, assigner="LAB"),
    })  # fmt: skip
    message = hl7.parse(
        message_of("lab", told(Kind.DESIGNATED)._replace(beside=nameless), Style()).decode()
    )
    pid = message.segment("PID")
    assert str(pid[3]) == "17^^^LAB^PI~3^^^ehr^VN"
    assert [str(pid[field]) for field in (5, 7, 8)] == ["^^^^^^U", "", ""]
    assert [str(segment[0]) for segment in message] == ["MSH", "EVN", "PID", "PV1", "PV2"]
    assert str(message["PV1.F3"]) == ""


def test_a_name_with_a_letter_that_the_receiver_lacks_is_left_out_and_the_notice_told() -> None:
    foreign = BESIDE.model_copy(update={"patient": WHO.model_copy(update={"family": "Łuczak"})})
    of = told(Kind.DESIGNATED)._replace(beside=foreign)
    text = message_of("lab", of, Style(charset="8859/1")).decode("iso8859-1")
    pid = hl7.parse(text).segment("PID")
    assert (str(pid[5]), str(pid[8])) == ("^^^^^^U", "M")
    assert WHO.number in str(pid[3])
    assert "Łuczak" in message_of("lab", of, Style()).decode()


@pytest.mark.parametrize("letter", ["Ł", "–"])
@pytest.mark.parametrize(
    "where", ["from_ward", "from_hospital", "number", "assigner", "family", "given"]
)
def test_nothing_that_is_told_besides_loses_a_notice_for_a_letter(where: str, letter: str) -> None:
    who, lies_at = WHO.model_copy(update={"kind": IdentifierKind.LOCAL}), FROM
    if where.startswith("from"):
        lies_at = lies_at.model_copy(update={where: f"A{letter}"})
    else:
        who = who.model_copy(update={where: f"A{letter}"})
    beside = BESIDE.model_copy(update={"patient": who, "details": lies_at})
    of = told(Kind.DESIGNATED)._replace(beside=beside)
    text = message_of("lab", of, Style(charset="8859/1")).decode("iso8859-1")
    assert ("AKM" in text) == (not where.startswith("from"))
    assert (WHO.number in text) == (where not in {"number", "assigner"})


def test_the_mark_of_a_protected_person_does_not_hang_on_the_name() -> None:
    nameless = BESIDE.model_copy(update={"patient": None, "protected": True})
    text = message_of("lab", told(Kind.DESIGNATED)._replace(beside=nameless), Style()).decode()
    assert "PD1||||||||||||Y\r" in text


def test_a_time_that_is_no_longer_known_is_deleted_at_the_receiver() -> None:
    changed = observed(message_of("lab", told(Kind.CHANGED, expected_at=None), Style()))
    assert changed.claims.says("expected_at")
    assert changed.claims.expected_at is None
    first = observed(message_of("lab", told(Kind.DESIGNATED, expected_at=None), Style()))
    assert not first.claims.says("expected_at")


def test_the_same_notice_is_the_same_bytes_and_its_number_leads_its_control_id() -> None:
    one, again = told(Kind.DESIGNATED), told(Kind.DESIGNATED)._replace(queued_at_s=99.0)
    assert message_of("lab", one, Style()) == message_of("lab", again, Style())
    assert control_id("lab", one).startswith("7.")
    assert control_id("lab", one) != control_id("other", one)
    assert len(control_id("lab", one._replace(sequence=10**11 - 1))) == 20


@pytest.mark.parametrize("ward", ["ÅÄÖ-1", "A|B", "A^B", "A&B~C", "A\\B"])
def test_whatever_a_ward_is_called_it_is_read_back(ward: str) -> None:
    plain = notice(ward, 3)
    payload = message_of("lab", Outgoing(7, plain, 0.0), Style())
    mark = observed(payload).claims.mark
    assert mark is not None
    assert mark.ward == ward


def test_a_line_end_in_a_wards_name_ends_no_segment() -> None:
    payload = message_of("lab", Outgoing(7, notice("A\rPID|9", 3), 0.0), Style())
    assert payload.count(b"\rPID|") == 1
    assert reason(payload) == ("accepted", "text-unreadable"), (
        "a reader lets no control character in"
    )


def test_latin_1_has_swedish_letters_and_refuses_what_it_lacks() -> None:
    style = Style(charset="8859/1")
    payload = message_of("lab", Outgoing(7, notice("ÅÄÖ-1", 3), 0.0), style)
    assert "ÅÄÖ-1".encode("iso8859-1") in payload
    mark = observed(payload).claims.mark
    assert mark is not None
    assert mark.ward == "ÅÄÖ-1"
    with pytest.raises(UnicodeEncodeError):
        message_of("lab", Outgoing(7, notice("Ω", 3), 0.0), style)


def test_names_stand_where_the_receiver_looks_for_them() -> None:
    style = Style("transfer", "WB", "REG", "ORBIT", "NORR", "T", "2.5", patient_class="I")
    message = hl7.parse(message_of("lab", told(Kind.DESIGNATED), style).decode())
    header = [str(message[f"MSH.F{field}"]) for field in (3, 4, 5, 6, 7, 11, 12, 18)]
    assert header == [
        "WB", "REG", "ORBIT", "NORR", "20260115080000+0000", "T", "2.5", "UNICODE UTF-8",
    ]  # fmt: skip
    assert str(message["PV1.F2"]) == "I"
