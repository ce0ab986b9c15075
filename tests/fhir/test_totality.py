"""Whatever an input holds costs what it is in, and nothing beside it: a value, an entry, never a fault.

Each fault is tried at every place where it can stand: alone, in a batch, on a page, in the first, a
middle and the last entry.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from adapters.common.outcome import InputOutcome, Verdict
from adapters.common.text import cleaned
from adapters.fhir.document import read
from adapters.fhir.limits import MAX_ELEMENTS
from adapters.fhir.names import EditionName
from adapters.fhir.references import logical_id, token_of
from adapters.fhir.refusal import ResourceRefusedError
from adapters.fhir.strict import first_fault
from adapters.fhir.times import read_time
from tests.fhir.lab import RECEIVED_AT, Json, at, bundle, encounter, normaliser, outcome

GOOD: Final = [
    encounter(id=f"g{number}", identifier=[{"type": {"coding": [{"code": "VN"}]}, "value": f"G{number}"}])
    for number in range(3)
]  # fmt: skip
MARK: Final = "FAULT"

FAULTS: Final[dict[str, str]] = {
    "an unknown contained resource": '"contained":[{"resourceType":"Foo","id":"x"}]',
    "a contained resource of no type": '"contained":[{"id":"x"}]',
    "contained that is no list": '"contained":{"resourceType":"Patient"}',
    "contained that is empty": '"location":[{"status":"active","location":{"reference":"#x"}}],"contained":[{}]',
    "contained of things": '"contained":[1,null,[],"x"]',
    "an unknown element": '"wardOfHope":{"a":[1,2,{}]}',
    "a number of 5,000 digits": f'"length":{{"value":{"9" * 5_000}}}',
    "a number without bounds": '"length":{"value":1e999}',
    "half a surrogate pair": '"text":{"status":"generated","div":"\\ud800"}',
    "a key twice in what nobody asks": '"length":{"value":1,"value":2}',
    "a class that is a text": '"class":"IMP"',
    "a participant that is no list": '"participant":{"type":[]}',
    "participants of things": '"participant":[null,1]',
    "a location that is no list": '"location":{"status":"active"}',
    "locations of things": '"location":[null,{"status":"active"}]',
    "a reference that is a number": '"location":[{"status":"active","location":{"reference":1}}]',
    "a period of a text": '"location":[{"status":"active","period":"now"}]',
    ".NET's empty date": '"period":{"start":"0001-01-01T00:00:00+14:00"}',
    "the last date": '"period":{"end":"9999-12-31T23:59:59-14:00"}',
    "an empty provider": '"serviceProvider":{}',
    "a provider that is a list": '"serviceProvider":[]',
    "labels of things": '"meta":{"lastUpdated":"2026-01-15T10:00:00Z","security":[null]}',
    "extensions of things": '"extension":[null,{"url":1}]',
    "a name with an escape sequence": '"serviceProvider":{"display":"\\u001b[31m"}',
}
"""JSON members of an Encounter that is used all the same."""

WITHHOLD: Final[dict[str, str]] = {
    "a status that is a list": '"status":[]',
    "a key twice": '"status":"planned"',
    "identifiers of things": '"identifier":[null]',
    "a subject that is a list": '"subject":[]',
    "a subject with a key twice": '"subject":{"identifier":{"value":"1"},"identifier":{"value":"2"}}',
    "a modifier": '"modifierExtension":[{"url":"urn:not"}]',
    "a version of a list": '"meta":[]',
    "a time without bounds": '"meta":{"lastUpdated":"99999-01-01T00:00:00Z"}',
    "a number with NUL": '"identifier":[{"type":{"coding":[{"code":"VN"}]},"value":"V\\u0000"}]',
}
"""Members that withhold the Encounter they stand in."""


def with_fault(member: str) -> str:
    """The text of an Encounter with a member replaced or added; ``a key twice`` is added to its own."""
    name = member.partition(":")[0].strip('"')
    kept = encounter(id="bad")
    if member != WITHHOLD["a key twice"]:
        kept.pop(name, None)
    return f"{json.dumps(kept)[:-1]},{member}}}"


def among_good(kind: str, fault: str, position: int) -> bytes:
    """A Bundle of good Encounters with a faulty one at a position."""
    texts = [json.dumps(each) for each in GOOD]
    texts.insert(position, fault)
    entries = ",".join(f'{{"resource":{text}}}' for text in texts)
    return f'{{"resourceType":"Bundle","type":"{kind}","entry":[{entries}]}}'.encode()


def visits(found: InputOutcome) -> list[str | None]:
    return [each.visit for each in found.observations]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_value_costs_at_most_its_element(fault: str) -> None:
    text = with_fault(FAULTS[fault])
    alone = outcome(text.encode())
    assert (alone.verdict, len(alone.observations)) == (Verdict.ACCEPTED, 1), alone
    assert alone.observations[0].visit == "V1"
    whole = outcome(among_good("transaction", text, 1))
    assert visits(whole) == ["G0", "V1", "G1", "G2"]


@pytest.mark.parametrize("fault", [*WITHHOLD, "no object", "a thing", "no type", "an alien"])
@pytest.mark.parametrize("kind", ["batch", "searchset", "history", "collection"])
@pytest.mark.parametrize("position", range(4))
def test_an_entry_costs_itself_alone(kind: str, fault: str, position: int) -> None:
    others = {"no object": "[]", "a thing": "1", "no type": "{}", "an alien": '{"resourceType":7}'}
    text = others[fault] if fault in others else with_fault(WITHHOLD[fault])
    found = outcome(among_good(kind, text, position))
    assert visits(found) == ["G0", "G1", "G2"]
    (trouble,) = (each for each in found.warnings if each.withholds)
    assert trouble.where is not None
    assert trouble.where.startswith(f"Bundle.entry[{position}]")
    assert trouble.reason != "internal-error"


@pytest.mark.parametrize("fault", WITHHOLD)
@pytest.mark.parametrize("kind", ["transaction", "message"])
def test_a_transaction_and_a_message_stand_or_fall_together(kind: str, fault: str) -> None:
    header = {"resourceType": "MessageHeader", "focus": []}
    text = among_good(kind, with_fault(WITHHOLD[fault]), 1).decode()
    found = outcome(
        text.replace('"entry":[', f'"entry":[{{"resource":{json.dumps(header)}}},').encode()
    )
    assert (found.verdict, found.observations) == (Verdict.REVIEW, ())
    assert found.reason != "internal-error"


@pytest.mark.parametrize(
    "entry",
    ["null", "[]", '"x"', '{"request":[]}', '{"fullUrl":1}', '{"search":"match"}',
     '{"response":{"lastModified":1}}', '{"modifierExtension":[{}]}', '{"resource":1}'],
)  # fmt: skip
def test_an_entry_that_is_none_costs_itself_alone(entry: str) -> None:
    texts = [f'{{"resource":{json.dumps(each)}}}' for each in GOOD]
    payload = f'{{"resourceType":"Bundle","type":"batch","entry":[{entry},{",".join(texts)}]}}'
    found = outcome(payload.encode())
    assert visits(found) == ["G0", "G1", "G2"]
    (trouble,) = (each for each in found.warnings if each.withholds)
    assert (trouble.where or "").startswith("Bundle.entry[0]")


def test_a_protection_mark_that_cannot_be_read_counts_as_one() -> None:
    for label in (None, {"system": 1}, {"code": "R\x00"}):
        meta = encounter()["meta"] | {"security": [label]}
        claims = outcome(encounter(meta=meta)).observations[0].claims
        assert claims.protection == "unknown"


LARGE: Final[dict[str, bytes]] = {
    "200,000 empty entries": b'{"resourceType":"Bundle","type":"batch","entry":[' + b"{}," * 200_000 + b"{}]}",
    "a batch of lists": b'{"resourceType":"Bundle","type":"batch","entry":[' + b"[]," * 250_000 + b"[]]}",
    "200,000 locations": json.dumps(encounter(location=[{}] * 200_000)).encode(),
    "100,000 identifiers": json.dumps(encounter(identifier=[{"value": "1"}] * 50_000)).encode(),
    "200,000 contained": json.dumps(encounter(contained=[{}] * 200_000)).encode(),
    "200,000 labels": json.dumps(encounter(meta={"security": [{}] * 200_000})).encode(),
    "200,000 XML elements": b'<Bundle xmlns="http://hl7.org/fhir">' + b"<entry/>" * 100_000 + b"</Bundle>",
    "deep XML": b'<Bundle xmlns="http://hl7.org/fhir">' + b"<a>" * 200_000,
    "deep narrative": b'<Encounter xmlns="http://hl7.org/fhir"><text><div xmlns="http://www.w3.org/1999/xhtml">' + b"<b>" * 50_000,
    "deep JSON": b'{"resourceType":"Encounter","a":' + b"[" * 400_000,
    "5,000 numbers of 150 digits": b'{"resourceType":"Encounter","a":[' + (b"9" * 150 + b",") * 5_000 + b"1]}",
    "an endless number": b'{"resourceType":"Encounter","a":' + b"9" * 800_000 + b"}",
}  # fmt: skip
MOST_S: Final = 5.0
"""Generous: the machine may be busy. Work that grows with the square takes minutes."""


@pytest.mark.parametrize("case", LARGE)
def test_what_is_larger_than_anything_real_is_bounded_before_the_work(case: str) -> None:
    reader = normaliser()
    began = time.process_time()
    found = reader.normalise(LARGE[case], RECEIVED_AT)
    assert time.process_time() - began < MOST_S
    assert found.reason != "internal-error"


def test_more_entries_than_any_bundle_has_are_refused_by_their_count() -> None:
    assert outcome(LARGE["200,000 empty entries"]).reason == "too-many-elements"
    most = bundle("batch", *[GOOD[0]] * 3)
    most["entry"] += [{}] * (MAX_ELEMENTS - 3)
    assert len(outcome(most).observations) == 3


EXTREMES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20),
    st.sampled_from(
        ["", " ", "\x00", "\ud800", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "#", "#x",
         "Location?", "?identifier=|", "urn:uuid:", "Location/", "/", "http://[", "x" * 3_000, "é" * 300]
    ),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=5), st.none(), max_size=2),
)  # fmt: skip


def _places(node: object, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    found = [here] if here else []
    for key, value in inner:
        found += _places(value, (*here, key))
    return found


def _everything() -> Json:
    """An Encounter that has all that is asked of one, with what it refers to."""
    patient = {
        "resourceType": "Patient", "id": "p", "identifier": [{"system": "urn:x", "value": "1"}],
        "name": [{"use": "official", "family": "A", "given": ["B"]}], "birthDate": "1990-01-02",
        "gender": "female", "meta": {"security": [{"system": "s", "code": "R"}]},
    }  # fmt: skip
    ward = {
        "resourceType": "Location", "id": "w", "name": "W", "identifier": [{"value": "W"}],
        "partOf": {"reference": "Location/site"}, "managingOrganization": {"reference": "#o"},
        "physicalType": {"coding": [{"code": "wa"}]},
    }  # fmt: skip
    stay = encounter(
        subject={"reference": "Patient/p"},
        contained=[{"resourceType": "Organization", "id": "o", "identifier": [{"value": "H"}]}],
        serviceProvider={"reference": "#o", "display": "H"},
        participant=[
            {"type": [{"coding": [{"code": "ADM"}]}], "individual": {"reference": "Practitioner/d"}}
        ],
        location=[
            at("w", "planned", period={"start": "2026-01-15T14:00:00Z"}),
            at("v", physicalType={"coding": [{"code": "bd"}]}, extension=[{"url": "x"}]),
        ],
        period={"start": "2026-01-15T09:00:00Z", "end": "2026-01-16T09:00:00Z"},
    )
    found = bundle("searchset", patient, ward, stay)
    found["entry"][2] |= {
        "search": {"mode": "match"},
        "request": {"method": "PUT", "url": "Encounter/e1"},
    }
    return found


@settings(max_examples=300)
@given(st.data(), st.sampled_from(["R4", "R5"]))
def test_any_value_at_any_place_has_an_outcome_that_is_no_fault_of_ours(
    data: st.DataObject, edition: str
) -> None:
    document = _everything()
    document["entry"].append({"resource": copy.deepcopy(GOOD[0])})
    place = data.draw(st.sampled_from(_places(document)))
    inner: Any = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = data.draw(EXTREMES)
    payload = json.dumps(document).encode()
    found = normaliser(edition=edition).normalise(payload, RECEIVED_AT)
    event(f"{found.verdict.value} {found.reason}")
    reasons = {found.reason, *(each.reason for each in found.warnings)}
    assert "internal-error" not in reasons
    if edition == "R4" and place[0] == "entry" and place[1:2] not in {(), (3,)}:
        assert "G0" in visits(found), "another entry has cost the good one its use"


PARSERS: Final[dict[str, Callable[[str], object]]] = {
    "time": lambda text: read_time(text, "x", ZoneInfo("Europe/Stockholm")),
    "logical id": logical_id,
    "condition": token_of,
    "JSON": lambda text: _or_refused(lambda: read(text.encode("utf-8", "surrogatepass"))),
    "XML": lambda text: _or_refused(lambda: read(b"<" + text.encode("utf-8", "surrogatepass"))),
}


def _or_refused(parse: Callable[[], object]) -> object:
    try:
        return parse()
    except ResourceRefusedError as refused:
        return refused.trouble.reason


@pytest.mark.parametrize("parser", PARSERS)
@given(
    text=EXTREMES.filter(lambda each: isinstance(each, str)) | st.text(st.characters(codec=None))
)
def test_every_parser_of_a_text_gives_a_value_or_a_reason(parser: str, text: str) -> None:
    PARSERS[parser](text)


@given(EXTREMES, st.sampled_from(["R4", "R4B", "R5"]))
def test_the_stricter_reader_gives_a_place_or_none(value: Any, edition: EditionName) -> None:
    for name in ("contained", "status", "location", "x\x1b"):
        found = first_fault(encounter(**{name: [value]}), edition)
        assert found is None or cleaned(found) == found
    named = first_fault(encounter(contained=[{"resourceType": value}]), edition)
    assert named is None or named.startswith("Encounter")
