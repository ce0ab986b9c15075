"""Addresses are compared as addresses; links to further pages may be long, and end."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir.address import normal, parsed
from adapters.fhir.client import FhirClient, RemoteError
from adapters.fhir.limits import MAX_LINK_CHARS
from adapters.fhir.remote import Remote
from tests.fhir.lab import at, bundle, claimed, encounter
from tests.fhir.test_pull import Server, page, pages, run
from tests.support.answering import answering

BASE = "https://ehr.test/r4"


def nobody(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody is asked")


def client(base: str = BASE) -> FhirClient:
    async def sleep(_seconds: float) -> None:
        return

    return FhirClient(Remote(base_url=base), answering(nobody), sleep)


@pytest.mark.parametrize(
    "base",
    [BASE, f"{BASE}/", "HTTPS://EHR.test:443/r4", "https://ehr.test./r4", "https://ehr.test/%724"],
)
@pytest.mark.parametrize(
    "reference",
    [
        "Location/1", "https://ehr.test/r4/Location/1", "HTTPS://EHR.TEST/r4/Location/1",
        "https://ehr.test:443/r4/Location/1", "https://ehr.test/r4/Location/1/", "https://ehr.test./r4/Location/1",
        "https://ehr.test/%724/Location/%31", "https://ehr.test/r4/./x/../Location/1",
        "https://ehr.test/r4/Location/1#here",
    ],
)  # fmt: skip
def test_every_spelling_of_an_address_below_the_base_is_ours(base: str, reference: str) -> None:
    found = client(base).address(reference)
    assert found is not None
    assert normal(found) == f"{BASE}/Location/1"


@pytest.mark.parametrize(
    "reference",
    [
        "http://ehr.test/r4/Location/1",  # another scheme: in the clear
        "https://ehr.test:8443/r4/Location/1", "https://ehr.test:0x1bb/r4/Location/1",
        "https://ehr.test/r45/Location/1", "https://ehr.test/R4/Location/1", "https://ehr.test/",
        "https://ehr.test/r4/../admin", "https://ehr.test/r4/%2e%2e/admin", "https://ehr.test/r4/..%2Fadmin/..",
        "../admin", "/admin", "//elsewhere.test/r4/Location/1", "https://elsewhere.test/r4/Location/1",
        "https://ehr.test@elsewhere.test/r4/x", "https://ehr.test:443@elsewhere.test/r4/x",
        "https://who:secret@ehr.test/r4/x", "https://ehr.test\\@elsewhere.test/r4/x",
        "https://ehr.test.elsewhere.test/r4/x", "ftp://ehr.test/r4/x", "https://[::1/r4", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_what_lies_elsewhere_is_never_asked(reference: str) -> None:
    assert client().address(reference) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://A.test/x", "https://a.test:443/x/"),
        ("http://a.test:80", "HTTP://A.TEST/"),
        ("https://a.test/%7Ex?y=%3a", "https://a.test/~x?y=%3A"),
        ("https://a.test/a/b/../c", "https://a.test/a/c"),
    ],
)
def test_two_spellings_of_one_address_are_one(one: str, other: str) -> None:
    assert normal(one) == normal(other)
    assert normal(normal(one)) == normal(one)


@pytest.mark.parametrize(
    "text", ["Location/1", "urn:uuid:1", "#x", "", "https://[", "http://a.test:x/"]
)
def test_what_is_no_address_stays_as_it_is(text: str) -> None:
    assert normal(text) == text


@given(st.text(max_size=40) | st.text(max_size=40).map(lambda each: f"https://{each}"))
def test_any_text_has_a_normal_form_that_is_its_own(text: str) -> None:
    assert normal(normal(text)) == normal(text)
    assert parsed(text) is None or parsed(text) == parsed(normal(text))


def test_an_entry_is_found_by_any_spelling_of_its_address() -> None:
    ward = {"resourceType": "Location", "identifier": [{"value": "N51"}]}
    stay = encounter(
        location=[at("x", location={"reference": "HTTPS://EHR.test:443/r4/Location/w/_history/2"})]
    )
    document = bundle("collection", stay, ward)
    document["entry"][1]["fullUrl"] = "https://ehr.test/r4/Location/w"
    place = claimed(document).place
    assert place is not None
    assert place.ward == "N51"


def test_a_link_to_the_next_page_may_be_long() -> None:
    token = "t" * (MAX_LINK_CHARS - 40)
    server = Server({"Encounter?_count=2": page(following=f"?ct={token}"), f"?ct={token}": page()})
    assert len(run(pages(server.client(), "Encounter"))) == 2


def test_a_link_that_nobody_can_follow_ends_the_search_with_a_reason() -> None:
    server = Server({"Encounter?_count=2": page(following="?ct=" + "t" * MAX_LINK_CHARS)})
    with pytest.raises(RemoteError, match="text-unreadable"):
        run(pages(server.client(), "Encounter"))


def test_a_link_is_asked_for_as_the_server_wrote_it() -> None:
    signed = "https://EHR.test:443/r4/?ct=a%2fb%3d#x"
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query.decode())
        return httpx.Response(200, json=page(following=signed if len(asked) == 1 else None))

    async def all_pages() -> int:
        http = answering(answer)
        found = FhirClient(Remote(base_url=BASE), http, asyncio.sleep)
        return len([each async for each in found.search("Encounter", 2)])

    assert run(all_pages()) == 2
    assert asked[1] == "ct=a%2fb%3d"


@pytest.mark.parametrize("spelling", ["https://ehr.test/r4/Encounter?_count=2", "HTTPS://EHR.test:443/r4/Encounter?_count=2",
                                      "Encounter?_count=2#again"])  # fmt: skip
def test_a_circle_ends_however_its_links_are_spelled(spelling: str) -> None:
    server = Server({"Encounter?_count=2": page(following=spelling)})
    with pytest.raises(RemoteError, match="circle"):
        run(pages(server.client(), "Encounter"))


def test_pages_without_end_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.fhir.client.MAX_PAGES", 20)
    answers = {f"?page={number}": page(following=f"?page={number + 1}") for number in range(50)}
    server = Server(answers | {"Encounter?_count=2": page(following="?page=0")})
    with pytest.raises(RemoteError, match="more than 20 pages"):
        run(pages(server.client(), "Encounter"))
