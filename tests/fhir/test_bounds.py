"""What is just within a bound of ``adapters.fhir.limits`` is read, and what is beyond it is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from adapters.fhir import lookup as looking
from adapters.fhir import poller
from adapters.fhir.client import RemoteError
from adapters.fhir.document import parsed, read
from adapters.fhir.element import Element, resource
from adapters.fhir.limits import (
    MAX_ABOVE,
    MAX_BODY_BYTES,
    MAX_CHECKED,
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_EMPTY_PAGES,
    MAX_EXPRESSION_CHARS,
    MAX_MODELS,
    MAX_NODES,
    MAX_REMEMBERED_BYTES,
    MAX_STEPS,
    MAX_TYPE_CHARS,
    MAX_URI_CHARS,
    ROOM_FOR_RECORD_BYTES,
)
from adapters.fhir.markup import _model
from adapters.fhir.references import Resources
from adapters.fhir.refusal import ResourceRefusedError
from adapters.fhir.strict import first_fault
from schemas.topics import MAX_RECORD_BYTES
from tests.fhir.lab import encounter
from tests.fhir.test_pull import STAY, Server, page, pages, run
from tests.fhir.test_surface import Clock

XML = "http://hl7.org/fhir"


def test_the_largest_body_fits_into_a_record() -> None:
    assert MAX_BODY_BYTES + ROOM_FOR_RECORD_BYTES == MAX_RECORD_BYTES


def nested(levels: int) -> bytes:
    inner = levels - 1  # the resource itself is one
    return b'{"resourceType":"Encounter","a":' + b"[" * inner + b"]" * inner + b"}"


def nested_xml(levels: int) -> bytes:
    inner = levels - 1
    return f'<Encounter xmlns="{XML}">{"<a>" * inner}{"</a>" * inner}</Encounter>'.encode()


@pytest.mark.parametrize("made", [nested, nested_xml])
def test_a_resource_has_only_so_many_levels(made: Callable[[int], bytes]) -> None:
    assert read(made(MAX_DEPTH))["resourceType"] == "Encounter"
    with pytest.raises(ResourceRefusedError, match="nested-too-deep"):
        read(made(MAX_DEPTH + 1))


def test_a_body_has_only_so_many_xml_elements() -> None:
    def body(count: int) -> bytes:
        return f'<Bundle xmlns="{XML}">{"<a/>" * (count - 1)}</Bundle>'.encode()

    assert read(body(MAX_NODES))["resourceType"] == "Bundle"
    with pytest.raises(ResourceRefusedError, match="too-many-elements"):
        read(body(MAX_NODES + 1))


def test_an_address_has_only_so_many_characters() -> None:
    assert Element({"a": "x" * MAX_URI_CHARS}, "E").uri("a")
    with pytest.raises(ResourceRefusedError, match="text-unreadable"):
        Element({"a": "x" * (MAX_URI_CHARS + 1)}, "E").uri("a")


def test_of_a_type_only_so_many_characters_are_told() -> None:
    assert len(resource({"resourceType": "A" * 1_000_000}).path) == MAX_TYPE_CHARS


def test_an_integer_has_only_so_many_digits() -> None:
    assert isinstance(parsed(b"9" * MAX_DIGITS), int)
    assert not isinstance(parsed(b"9" * (MAX_DIGITS + 1)), int)


def chain(count: int) -> tuple[Element, Resources]:
    """Locations, each part of the next one."""
    found = Resources()
    made = [Element({"resourceType": "Location", "id": f"l{n}"}, "Location") for n in range(count)]
    for lower, upper in pairwise(made):
        lower.content["partOf"] = {"reference": f"Location/{upper.content['id']}"}
    for each in made:
        found.add("", each)
    return made[0], found


def length(ways: Iterator[Element]) -> int:
    return len(list(ways))


@pytest.mark.parametrize("circle", [False, True])
def test_only_so_many_steps_are_taken_upwards(circle: bool) -> None:  # noqa: FBT001 - a table's column
    stay = Element(encounter(), "Encounter")
    start, resources = chain(3 * MAX_ABOVE)
    if circle:
        start.content["partOf"] = {"reference": "Location/l0"}
    expected = (1, 1) if circle else (MAX_STEPS, MAX_ABOVE)
    way = length(resources.follow(start, "partOf", stay)), length(resources.above(start, stay))
    assert way == expected


def test_only_so_large_an_encounter_is_checked_by_the_stricter_reader() -> None:
    """The name of an unknown element is the sender's, and is told in part."""
    wrong = {"resourceType": "Encounter", "x" * 1_000: 1}
    told = first_fault(wrong, "R4") or ""
    assert 10 < len(told) <= MAX_EXPRESSION_CHARS
    small = wrong | {"extension": [{}] * (MAX_CHECKED - 2)}
    large = wrong | {"extension": [{}] * (MAX_CHECKED + 1)}
    assert first_fault(small, "R4") != "Encounter"
    assert first_fault(large, "R4") == "Encounter"


def test_only_so_many_names_of_types_are_remembered() -> None:
    assert _model.cache_info().maxsize == MAX_MODELS


# a server that is asked


@pytest.mark.parametrize("empty", [MAX_EMPTY_PAGES, MAX_EMPTY_PAGES + 1])
def test_only_so_many_empty_pages_are_gone_through(empty: int) -> None:
    found = {
        f"?page={n}": page(*([STAY] if n > empty else []), following=f"?page={n + 1}")
        for n in range(1, empty + 2)
    }
    found[f"?page={empty + 1}"] = page(STAY)
    server = Server({"Encounter?_count=2": found.pop("?page=1"), **found})
    if empty <= MAX_EMPTY_PAGES:
        assert len(run(pages(server.client(), "Encounter"))) == empty + 1
        return
    with pytest.raises(RemoteError, match="pages in a row are empty"):
        run(pages(server.client(), "Encounter"))


def asking_for(*names: str) -> dict[str, object]:
    places = [{"location": {"reference": f"Location/{name}"}} for name in names]
    return encounter(location=places)


def test_only_so_much_of_what_is_fetched_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "MAX_REMEMBERED", 2)
    names = ("a", "b", "c")
    server = Server({
        f"Location/{name}": {"resourceType": "Location", "id": name} for name in names
    })  # fmt: skip
    beside = looking.ResourceLookup(server.client(), 60, Clock()).beside
    for _ in range(2):
        run(beside(asking_for("a", "b", "c")))
    assert len(server.asked) == 6
    run(beside(asking_for("b", "c")))
    assert len(server.asked) == 6


@pytest.mark.parametrize("is_large", [False, True])
def test_what_is_large_is_asked_for_each_time(is_large: bool) -> None:  # noqa: FBT001 - a table's column
    place = {"resourceType": "Location", "id": "a", "description": ""}
    room = MAX_REMEMBERED_BYTES - len(json.dumps(place, separators=(",", ":")))
    place["description"] = "x" * (room + is_large)
    server = Server({"Location/a": place})
    beside = looking.ResourceLookup(server.client(), 60, Clock()).beside
    for _ in range(3):
        run(beside(asking_for("a")))
    assert len(server.asked) == (3 if is_large else 1)


def test_only_so_many_pages_are_known_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "MAX_REMEMBERED", 2)
    known = poller.TakenHashes()
    for digest in (b"1", b"2", b"3"):
        known.add(digest)
    assert [known.has(digest) for digest in (b"1", b"2", b"3")] == [False, True, True]
