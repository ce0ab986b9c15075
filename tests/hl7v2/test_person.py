"""Who a message says that somebody is: PID-5, PID-7 and PID-8, and only where it is to be kept."""

from __future__ import annotations

import pytest

from adapters.common.feed import Input, records_of
from adapters.common.keys import raw_pointer
from adapters.common.outcome import InputOutcome
from adapters.hl7v2.mapping import Hl7Normaliser
from adapters.hl7v2.profile import Hl7Profile
from schemas import topics
from schemas.patient import PatientRow
from tests.hl7v2.lab import FEED, KEYER, OPEN, RECEIVED_AT, message, segment

LOCAL, OTHER = "4711^^^LAB^MR", "4712^^^LAB^MR"
DESCRIBING = Hl7Normaliser(FEED, Hl7Profile(), OPEN, KEYER, describe=True)
PLAIN = Hl7Normaliser(FEED, Hl7Profile(), OPEN, KEYER)


def pid(name: str = "", born: str = "", sex: str = "", number: str = LOCAL) -> str:
    """From PID-3 on."""
    return f"{number}||{name}||{born}|{sex}"


def read(payload: bytes) -> InputOutcome:
    return DESCRIBING.normalise(payload, RECEIVED_AT)


def row(payload: bytes) -> PatientRow:
    (found,) = read(payload).patients
    return found


@pytest.mark.parametrize(
    ("said", "person"),
    [
        (pid(), {}),
        (pid("Svensson^Anna", "19500102", "F"),
         {"family": "Svensson", "given": "Anna", "born": "1950-01-02", "sex": "female"}),
        (pid("Svensson^Anna^Maria"), {"family": "Svensson", "given": "Anna Maria"}),
        (pid("Svensson"), {"family": "Svensson", "given": None}),
        (pid("^Anna"), {"family": None, "given": "Anna"}),
        (pid("von Essen&von&Essen^Bo"), {"family": "von Essen", "given": "Bo"}),
        (pid("Ek^A^^^^^M~Alm^A^^^^^L"), {"family": "Alm", "given": "A"}),
        (pid("Ek^A^^^^^D~Alm^A"), {"family": "Alm", "given": "A"}),
        (pid("Ek^A^^^^^M~Ask^A^^^^^A"), {}),  # a maiden name and an alias
        (pid("~Ek^A"), {"family": "Ek", "given": "A"}),
        (pid('""^""'), {"family": None, "given": None}),
        (pid('""^Anna'), {"family": None, "given": "Anna"}),
        (pid('""', '""', '""'), {"family": None, "given": None, "born": None, "sex": None}),
        (pid(r"O\T\Ek^Åsa"), {"family": "O&Ek", "given": "Åsa"}),
        (pid(born="1950"), {"born": "1950"}),
        (pid(born="195001"), {"born": "1950-01"}),
        (pid(born="195001020304+0100"), {"born": "1950-01-02"}),
        (pid(sex="m"), {"sex": "male"}),
        (pid(sex="A"), {"sex": "other"}),
        (pid(sex="U"), {"sex": "unknown"}),
    ],
)  # fmt: skip
def test_a_person_is_as_the_message_says(said: str, person: dict[str, str | None]) -> None:
    payload = message("A14", {3: "W1"}, pid=said)
    assert not read(payload).warnings
    assert row(payload).person.model_dump(exclude_unset=True) == person


@pytest.mark.parametrize(
    ("said", "reason", "where"),
    [
        (pid(born="19500231"), "time-unreadable", "PID-7"),
        (pid(born="1950-01-02"), "time-unreadable", "PID-7"),
        (pid(born="0000"), "time-unreadable", "PID-7"),
        (pid(sex="X"), "code-unknown", "PID-8"),
        (pid("S" * 201), "text-too-long", "PID-5"),
    ],
)
def test_what_cannot_be_read_is_absent_and_told_without_its_value(
    said: str, reason: str, where: str
) -> None:
    outcome = read(message("A14", {3: "W1"}, pid=said))
    (warning,) = outcome.warnings
    assert (warning.reason, warning.where) == (reason, where)
    assert said.split("|", 1)[1].strip("|") not in warning.detail
    (found,) = outcome.patients
    assert found.person.model_fields_set == set()
    assert outcome.observations == PLAIN.normalise(message("A14", {3: "W1"}, pid=said), RECEIVED_AT).observations  # fmt: skip


def test_it_is_told_by_whom_of_whom_and_when() -> None:
    payload = message("A14", {3: "W1"}, pid=pid("Ek^A"))
    (said,), found = read(payload).observations, row(payload)
    assert (found.realm, found.source, found.feed) == ("region", "ehr", "hl7")
    assert (found.patient, found.identifiers) == (said.patient.key, said.patient.identifiers)
    assert (found.number.value, found.stamp, found.merged_into) == ("4711", said.stamp, None)


def test_the_number_is_the_one_that_the_key_is_made_from() -> None:
    found = row(message("A14", {3: "W1"}, pid=pid("Ek^A", number=f"99^^^X^AN~{LOCAL}")))
    assert (found.number.value, len(found.identifiers)) == ("4711", 2)
    assert KEYER.of(found.source).key(found.number) == found.patient


def test_the_same_description_is_one_row_and_another_is_another() -> None:
    def key(trigger: str, name: str) -> str:
        return row(message(trigger, {3: "W1"}, pid=pid(name))).key

    assert key("A14", "Ek^A") == key("A02", "Ek^A")
    assert len({key("A14", name) for name in ("Ek^A", "Ek^B", "Alm^A", "")}) == 4
    assert "Ek" not in key("A14", "Ek^A")


def test_a_merge_describes_who_remains_and_says_for_whom_they_stand() -> None:
    merge = message("A40", None, segment("MRG", {1: OTHER}), pid=pid("Ek^A"))
    remains, ceases = read(merge).patients
    assert (remains.number.value, remains.person.family, remains.merged_into) == ("4711", "Ek", None)  # fmt: skip
    assert (ceases.number.value, ceases.merged_into) == ("4712", remains.patient)
    assert ceases.person.model_fields_set == set()
    speaks_on = row(message("A02", pid=pid(number=OTHER)))
    assert (speaks_on.patient, speaks_on.key == ceases.key) == (ceases.patient, False)


def test_it_is_one_with_the_input_and_nothing_of_it_is_kept_unless_asked() -> None:
    payload = message("A14", {3: "W1"}, pid=pid("Ek^A", "1950", "F"))
    pointer = raw_pointer(payload, RECEIVED_AT, FEED.name)
    for reader, expected in ((DESCRIBING, 1), (PLAIN, 0)):
        outcome = reader.normalise(payload, RECEIVED_AT)
        records = records_of(FEED, Input(pointer, RECEIVED_AT), payload, outcome)
        (kept,) = [[r for r in records if r.topic == topics.PATIENTS]]
        assert len(kept) == expected
        assert not any(b"Ek" in (r.value or b"") for r in records
                       if r.topic not in {topics.RAW, topics.PATIENTS})  # fmt: skip


def test_what_is_not_used_describes_nobody() -> None:
    assert read(message("A14", {3: "W1", 19: ""}, pid=pid("Ek^A"))).patients == ()
