"""Where a trouble stands in the bytes, and what is left of these for those who may not see them."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.common.locating import ByteSpan, Located, shape_of
from adapters.elvis import locating as elvis
from adapters.elvis.format import ExportFormat
from adapters.fhir import locating as fhir
from adapters.hl7v2 import locating as hl7v2

FORM: Final = ExportFormat()
LETTERS_AND_DIGITS: Final = (string.ascii_letters + string.digits).encode()

MESSAGE: Final = (
    b"MSH|^~\\&|EHR|NORR|WB|NORR|20260120070000||ADT^A14^ADT_A05|C1|P|2.5.1\r"
    b"PID|1||P77^^^NORR^PI~191212121212^^^SE^NI||Andersson^Anna\r"
    b"PV1|1|I|AKM^2^1||||||||||||||||V9\r"
)
PLACES: Final = [
    ("MSH-1", b"|"),
    ("MSH-2", b"^~\\&"),
    ("MSH-3", b"EHR"),
    ("MSH-9", b"ADT^A14^ADT_A05"),
    ("MSH-9.2", b"A14"),
    ("PID-3", b"P77^^^NORR^PI~191212121212^^^SE^NI"),
    ("PID-3.1", b"P77"),
    ("PID-5.2", b"Anna"),
    ("PV1-3", b"AKM^2^1"),
    ("PV1-3.2", b"2"),
    ("PV1-3.9", b""),  # the component is not there
    ("PV1-19", b"V9"),
    ("PV1-44", b""),  # the field is not there
]


def failed(payload: bytes, located: Located) -> bytes | None:
    return None if located.failed is None else payload[slice(*located.failed)]


@pytest.mark.parametrize(("where", "is_there"), PLACES)
def test_a_field_of_a_message_is_found(where: str, is_there: bytes) -> None:
    assert failed(MESSAGE, hl7v2.locate(MESSAGE, where)) == is_there


@pytest.mark.parametrize("where", ["ZZZ-1", "PV1", "", "the third field", "PV1-"])
def test_what_names_no_field_of_the_message_marks_none(where: str) -> None:
    assert hl7v2.locate(MESSAGE, where) == Located(ByteSpan(0, len(MESSAGE)))


def test_what_a_line_end_has_cut_out_of_a_field_names_no_segment() -> None:
    payload = MESSAGE.replace(b"Andersson", b"von\rANDERSSON")
    assert b"ANDERS" not in shape_of(payload, hl7v2.kept(payload))


def test_a_message_with_marks_of_its_own_is_read_by_them() -> None:
    payload = MESSAGE.replace(b"|", b"#").replace(b"^", b"!")
    assert failed(payload, hl7v2.locate(payload, "PV1-3.2")) == b"2"


def test_a_message_s_shape_names_segments_and_event_and_nobody() -> None:
    shape = shape_of(MESSAGE, hl7v2.kept(MESSAGE)).decode()
    assert shape.splitlines() == [
        "MSH|^~\\&|AAA|AAAA|AA|AAAA|99999999999999||ADT^A14^ADT_A05|A9|A|2.5.1",
        "PID|9||A99^^^AAAA^AA~999999999999^^^AA^AA||Aaaaaaaaa^Aaaa",
        "PV1|9|A|AAA^9^9||||||||||||||||A9",
    ]


BUNDLE: Final = json.dumps(
    {
        "resourceType": "Bundle",
        "entry": [
            {"resource": {"resourceType": "Encounter", "id": "e1", "note": 'a "}" in text'}},
            {
                "resource": {
                    "resourceType": "Encounter",
                    "status": "planned",
                    "location": [{"location": {"display": "AKM"}}, {"location": {}}],
                    "extension": [{"valueReference": {"reference": "Location/L1"}}],
                    "period": {"start": "2026-01-20"},
                }
            },
        ],
    },
    indent=1,
).encode()  # fmt: skip
ELEMENTS: Final = [
    ("Bundle.entry[1].resource.status", b'"planned"'),
    ("Bundle.entry[1].resource.location[0].location.display", b'"AKM"'),
    ("Bundle.entry[1].resource.location[1].location.display", b"{}"),  # the deepest that is there
    ("Bundle.entry[1].resource.period.start", b'"2026-01-20"'),
    ("Bundle.entry[0].resource.id", b'"e1"'),
]


@pytest.mark.parametrize(("where", "is_there"), ELEMENTS)
def test_an_element_of_a_bundle_is_found_within_its_resource(where: str, is_there: bytes) -> None:
    located = fhir.locate(BUNDLE, where)
    found = failed(BUNDLE, located)
    assert found is not None
    assert b"".join(found.split()) == is_there
    resource = json.loads(BUNDLE[slice(*located.part)])
    assert resource == json.loads(BUNDLE)["entry"][int(where[13])]["resource"]


def test_what_is_beside_a_resource_is_found_in_its_entry() -> None:
    payload = b'{"entry": [{"resource": {}, "request": {"method": "PATCH"}}]}'
    located = fhir.locate(payload, "Bundle.entry[0].request.method")
    assert payload[slice(*located.part)] == b'{"resource": {}, "request": {"method": "PATCH"}}'
    assert failed(payload, located) == b'"PATCH"'


def test_a_choice_element_is_found_by_its_first_part() -> None:
    located = fhir.locate(BUNDLE, "Bundle.entry[1].resource.extension[0].value")
    assert b"Location/L1" in (failed(BUNDLE, located) or b"")


def test_a_lone_resource_is_shown_whole() -> None:
    payload = b'{"resourceType": "Encounter", "status": "planned"}'
    located = fhir.locate(payload, "Encounter.status")
    assert located.part == ByteSpan(0, len(payload))
    assert failed(payload, located) == b'"planned"'


def test_a_body_s_shape_names_members_and_nobody() -> None:
    payload = (
        b'{"Ek": 1, "name": [{"family": "Ek", "age": 7, "alive": true}], "a \\"b\\"": "x:\\"y\\""}'
    )
    assert shape_of(payload, fhir.kept(payload)) == (
        b'{"Aa": 9, "name": [{"family": "Aa", "age": 9, "alive": aaaa}], "a \\"a\\"": "a:\\"a\\""}'
    )


def test_an_xml_body_s_shape_names_its_tags() -> None:
    payload = b'<Encounter><status value="planned"/></Encounter>'
    assert shape_of(payload, fhir.kept(payload)) == (
        b'<Encounter><status value="aaaaaaa"/></Encounter>'
    )


EXPORT: Final = (
    b"Sjukhus;Norr\r\n"
    b"Avdelning;Patient;Planerad utskrivning;Avsedd avdelning\r\n"
    b'AKM;"191212121212; Ek";;HJ1\r\n'
    b"AKM;202001010000;x;\r\n"
)


@pytest.fixture(name="columns")
def _columns() -> ExportFormat:
    names = FORM.columns.model_copy(
        update={"patient": "Patient", "intended_ward": "Avsedd avdelning"}
    )
    return FORM.model_copy(update={"columns": names, "delimiter": ";", "charset": "utf-8"})


@pytest.mark.parametrize(
    ("where", "line", "cell"),
    [
        ("line 3, column Avsedd avdelning", 3, b"HJ1"),
        ("line 3, column Patient", 3, b'"191212121212; Ek"'),
        ("line 4, column Avsedd avdelning", 4, b""),
        ("line 4, byte 3", 4, b"M"),
        ("line 4, column Ingen", 4, None),
        ("line 4", 4, None),
    ],
)
def test_a_cell_is_found_and_only_its_line_is_shown(
    columns: ExportFormat, where: str, line: int, cell: bytes | None
) -> None:
    located = elvis.locate(EXPORT, where, columns)
    lines = EXPORT.splitlines(keepends=True)
    assert EXPORT[slice(*located.part)] == lines[line - 1]
    assert located.head is not None
    assert EXPORT[slice(*located.head)] == lines[1]
    assert failed(EXPORT, located) == cell


@pytest.mark.parametrize("where", ["", "line 99", "somewhere"])
def test_of_a_file_as_a_whole_only_the_beginning_is_shown(
    columns: ExportFormat, where: str
) -> None:
    located = elvis.locate(EXPORT, where, columns)
    assert b"191212121212" not in EXPORT[slice(*located.part)]


def test_an_export_s_shape_names_its_columns(columns: ExportFormat) -> None:
    shape = shape_of(EXPORT, elvis.kept(EXPORT, columns)).decode()
    assert "Avsedd avdelning" in shape
    assert "999999999999; Aa" in shape


LOCATE: Final[dict[str, Callable[[bytes, str], Located]]] = {
    "hl7v2": hl7v2.locate,
    "fhir": fhir.locate,
    "elvis": lambda payload, where: elvis.locate(payload, where, FORM),
}
KEPT: Final[dict[str, Callable[[bytes], Iterable[ByteSpan]]]] = {
    "hl7v2": hl7v2.kept,
    "fhir": fhir.kept,
    "elvis": lambda payload: elvis.kept(payload, FORM),
}
WHERES: Final = [each for each, _ in (*PLACES, *ELEMENTS)] + ["line 2, column X", "line 1, byte 9"]
PIECES: Final = st.sampled_from(
    [b"MSH|^~\\&|", b"PV1|", b"|", b"^", b"\r", b"\n", b'"', b"{", b"}", b"[", b"]", b":", b",", b";",
     b'"entry"', b'"resource"', b"\\", b"\xff", b"AKM", b"7", b"\x00"]
)  # fmt: skip
BYTES: Final = st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=30).map(b"".join))


@pytest.mark.parametrize("kind", LOCATE)
@given(payload=BYTES, where=st.one_of(st.sampled_from(WHERES), st.text(max_size=20)))
def test_whatever_the_bytes_are_a_place_lies_within_them(
    kind: str, payload: bytes, where: str
) -> None:
    part, place, head = LOCATE[kind](payload, where)
    for span in filter(None, (part, place, head)):
        assert 0 <= span.start <= span.end <= len(payload)
    if place is not None:
        assert part.start <= place.start <= place.end <= part.end


@pytest.mark.parametrize("kind", KEPT)
@given(payload=BYTES)
def test_a_shape_has_the_length_of_the_bytes(kind: str, payload: bytes) -> None:
    assert len(shape_of(payload, KEPT[kind](payload))) == len(payload)


@given(payload=st.binary(max_size=200))
def test_a_shape_says_nothing_of_what_is_not_kept(payload: bytes) -> None:
    shape = shape_of(payload)
    assert not set(shape) & (set(LETTERS_AND_DIGITS) - set(b"9Aa"))
    assert all(byte < 0x80 for byte in shape)
