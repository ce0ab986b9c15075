"""Who is let in over HTTP, to which wards, and how it is shown."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args
from urllib.parse import unquote_to_bytes

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Match

from adapters.common.asking import AskingRoute
from adapters.common.tokens import hash_of
from schemas.fields import Level
from schemas.ward import Ward, WardRegister
from tests.support.certificates import self_signed
from tests.wardbridge.test_http import surface
from wardbridge.api.stream import while_allowed
from wardbridge.config.access import HttpTls
from wardbridge.config.authorisation import Deed, Grant, Reader
from wardbridge.config.certificate import alternative_name, subject_name
from wardbridge.security.authenticator import Authenticator, Credentials
from wardbridge.security.route_rights import RULES
from wardbridge.security.session import COOKIE, Session, opened, sealed

NOW = datetime(2026, 1, 15, 8, tzinfo=UTC)
TOKEN, OTHER = "a-token-for-the-tests", "another-token-for-the-tests"
WARDS = (
    "MED",
    "KIR",
    "IVA/HIA",
    "x/inbound",
    "a%2Fb",
    "Åre 3",
    "MED/../KIR",
    "%2e%2e/KIR",
    "MED;KIR",
)
REGISTER = WardRegister(
    [
        Ward(id=ward, name=ward, hospital="Norr" if ward.startswith("M") else "Söder")
        for ward in WARDS
    ]
)
ALL: frozenset[Deed] = frozenset(get_args(Deed))


def gate_for(*grants: Grant, until: datetime = NOW) -> Authenticator:
    reader = Reader("screen", "token", grants)
    known = Credentials({"screen": (hash_of(TOKEN), reader)}, {}, None, session_days=30)
    return Authenticator(known, REGISTER.hospital_of, lambda: until)


async def _application() -> FastAPI:
    async with surface(register=REGISTER) as running:
        return running.app


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return asyncio.run(_application())


@pytest.fixture(scope="module")
def routes(app: FastAPI) -> list[APIRoute]:
    return [route for route in app.routes if isinstance(route, APIRoute)]


def rules_of(route: APIRoute) -> list[str]:
    return [f"{method} {route.path}" for method in route.methods or ()]


def asked(
    route: APIRoute, ward: str = "MED", headers: Iterable[tuple[str, str]] = (), **scope: Any
) -> Request:
    """A request as the server makes it, once the router has found the route."""
    path = route.path.replace("{ward:path}", quoted(ward)).replace("{name}", "portal")
    path = path.replace("{sequence}", "1").replace("{designation}", "0" * 32)
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    found: dict[str, Any] = {
        "type": "http", "method": rules_of(route)[0].partition(" ")[0], "headers": raw, "root_path": "",
        "path": unquote_to_bytes(path).decode(), "query_string": b"", "state": {}, **scope,
    }  # fmt: skip
    match, child = route.matches(found)
    assert match is Match.FULL
    return Request({**found, **child})


def quoted(ward: str) -> str:
    return "".join(f"%{byte:02x}" for byte in ward.encode())


def answer(gate: Authenticator, request: Request) -> int:
    try:
        asyncio.run(gate(request))
    except HTTPException as refused:
        return refused.status_code
    return 200


def shown(token: str = TOKEN) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


# the routes


def test_every_route_has_a_rule_and_the_reverse(routes: list[APIRoute]) -> None:
    assert sorted(rule for route in routes for rule in rules_of(route)) == sorted(RULES)


def test_every_route_asks_the_gate(app: FastAPI) -> None:
    """No mount, no route of the framework's own: whatever is added stands behind the table."""
    assert [route for route in app.routes if not isinstance(route, AskingRoute)] == []


def test_what_is_open_shows_nothing_of_a_patient() -> None:
    """To be read by whoever adds one: each needs its reason in the table's docstring."""
    assert {name for name, rule in RULES.items() if rule.deed is None} == {
        "GET /livez", "GET /readyz", "POST /v1/session", "DELETE /v1/session",
        "GET /wards/{ward:path}", "GET /pages/{file}", "GET /openapi.json",
        "GET /fhir/metadata", "GET /fhir/Basic/{topic}",
    }  # fmt: skip
    assert {
        name for name, rule in RULES.items()
        if "{ward" in name and rule.deed in {"metrics", "operate"}
    } == set()  # fmt: skip


def test_a_route_without_a_rule_is_refused_to_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused() -> int:
        async with surface() as running:
            monkeypatch.delitem(RULES, "GET /livez")
            return (await running.client.get("/livez")).status_code

    assert asyncio.run(refused()) == 403


# the wards


def some(names: Iterable[str]) -> st.SearchStrategy[frozenset[Any]]:
    return st.frozensets(st.sampled_from(sorted(names)))


GRANTS = st.builds(
    Grant,
    some(WARDS),
    some(("Norr", "Söder")),
    st.sampled_from(get_args(Level)),
    some(ALL),
)


@given(st.lists(GRANTS, max_size=3), st.sampled_from((*WARDS, "med", "MED ", "", "unknown")))
def test_no_route_lets_a_token_beyond_its_wards(
    routes: list[APIRoute], grants: list[Grant], ward: str
) -> None:
    gate = gate_for(*grants)
    hospital = REGISTER.hospital_of(ward)
    for route in routes:
        deed = RULES[rules_of(route)[0]].deed
        if deed is None or "{ward" not in route.path:
            continue
        request = asked(route, ward, shown())
        assert request.path_params["ward"] == ward  # what is judged is what the route gets
        allowed = any(
            deed in grant.may
            and (
                not (grant.wards or grant.hospitals)
                or ward in grant.wards
                or (hospital is not None and hospital in grant.hospitals)
            )
            for grant in grants
        )
        assert answer(gate, request) == (200 if allowed else 403)


@pytest.mark.parametrize("rule", sorted(name for name, rule in RULES.items() if rule.deed))
def test_without_anything_shown_nothing_is_answered(rule: str, routes: list[APIRoute]) -> None:
    (route,) = (route for route in routes if rule in rules_of(route))
    gate = gate_for(Grant(may=ALL))
    for headers in ([], [("Authorization", TOKEN)], [("Authorization", f"Basic {TOKEN}")],
                    shown(OTHER), shown(""), shown(f"{TOKEN}x"), shown(TOKEN.upper()),
                    [*shown(), *shown()], [*shown(OTHER), *shown()],
                    [("Cookie", f"{COOKIE}={TOKEN}")]):  # fmt: skip
        request = asked(route, headers=headers)
        with pytest.raises(HTTPException) as refused:
            asyncio.run(gate(request))
        assert refused.value.status_code == 401
        assert (refused.value.headers or {})["WWW-Authenticate"] == 'Bearer realm="wardbridge"'
        assert not hasattr(request.state, "reader")
    assert gate.refused["401"] == 10
    assert answer(gate, asked(route, headers=shown())) == 200


@pytest.mark.parametrize("rule", sorted(name for name, rule in RULES.items() if rule.deed))
def test_a_refusal_names_the_right_that_is_missing(rule: str, routes: list[APIRoute]) -> None:
    (route,) = (route for route in routes if rule in rules_of(route))
    deed = RULES[rule].deed
    assert deed is not None
    elsewhere = Grant(wards=frozenset({"KIR"}), may=ALL)
    for grant, words in (
        (Grant(may=ALL - {deed}), f"`{deed}`"),
        (elsewhere, f"`{deed}`, of this ward"),
    ):
        if grant is elsewhere and "{ward" not in route.path:
            continue
        with pytest.raises(HTTPException) as refused:
            asyncio.run(gate_for(grant)(asked(route, headers=shown())))
        assert refused.value.status_code == 403
        assert str(refused.value.detail).endswith(f"it needs {words}")


def test_what_is_refused_does_not_tell_whether_the_ward_exists(routes: list[APIRoute]) -> None:
    route = next(route for route in routes if route.path.endswith("/inbound"))
    gate = gate_for(Grant(wards=frozenset({"MED"}), may=ALL))
    told = set()
    for ward in ("KIR", "no such ward"):
        with pytest.raises(HTTPException) as refused:
            asyncio.run(gate(asked(route, ward, shown())))
        told.add((refused.value.status_code, refused.value.detail))
    assert len(told) == 1


def test_one_grant_says_nothing_about_the_wards_of_another() -> None:
    reader = Reader("x", "token", (
        Grant(frozenset({"MED"}), fields="operational", may=frozenset({"read"})),
        Grant(may=frozenset({"read", "acknowledge"})),
        Grant(frozenset({"KIR"}), fields="operational", may=frozenset({"acknowledge"})),
    ))  # fmt: skip
    assert reader.level_at("MED", None) == "operational"
    assert reader.level_at("KIR", None) == "minimal"  # operational there, but not to read
    assert reader.may_at("acknowledge", "MED", None)


# browsers


def a_request() -> Request:
    route = SimpleNamespace(path="/v1/session")
    return Request(
        {"type": "http", "method": "POST", "path": "/v1/session", "headers": [], "route": route}
    )


def cookie_of(gate: Authenticator) -> list[tuple[str, str]]:
    value, _ = gate.signed_in(a_request(), TOKEN)
    return [("Cookie", f"{COOKIE}={value}")]


def test_a_screen_signs_in_once_until_the_session_ends(routes: list[APIRoute]) -> None:
    route = next(route for route in routes if route.path.endswith("/inbound"))
    gate = gate_for(Grant(may=ALL))
    cookie = cookie_of(gate)
    request = asked(route, headers=cookie)
    asyncio.run(gate(request))
    assert (request.state.reader.name, request.state.reader.how) == ("screen", "session")
    assert request.state.reader.until == NOW + timedelta(days=30)
    later = gate_for(Grant(may=ALL), until=NOW + timedelta(days=30))
    assert answer(later, asked(route, headers=cookie)) == 401
    with pytest.raises(HTTPException):
        gate.signed_in(a_request(), OTHER)
    assert answer(gate, asked(route, headers=[*cookie, *shown(OTHER)])) == 401  # the token counts


SECRET = hash_of(TOKEN)
SEALED = sealed(Session("screen", NOW + timedelta(days=1)), SECRET)


def test_a_cookie_holds_no_token_and_opens_with_its_token_only() -> None:
    assert TOKEN not in SEALED
    assert SECRET.hex() not in SEALED
    assert opened(SEALED, {"screen": SECRET}, NOW) == Session("screen", NOW + timedelta(days=1))
    assert opened(SEALED, {"screen": hash_of(OTHER)}, NOW) is None
    assert opened(SEALED, {"other": SECRET}, NOW) is None


@given(st.integers(0, len(SEALED) - 1), st.characters(max_codepoint=255))
def test_a_cookie_that_was_changed_anywhere_is_none(place: int, sign: str) -> None:
    changed = SEALED[:place] + sign + SEALED[place + 1 :]
    expected = Session("screen", NOW + timedelta(days=1)) if changed == SEALED else None
    assert opened(changed, {"screen": SECRET}, NOW) == expected


@given(st.text(st.characters(max_codepoint=255), max_size=200))
def test_whatever_a_cookie_holds_is_judged(text: str) -> None:
    assert opened(text, {"screen": SECRET, "": SECRET}, NOW) is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("Sec-Fetch-Site", "same-origin")], 200),
        ([("Sec-Fetch-Site", "none")], 200),
        ([("Sec-Fetch-Site", "same-site")], 403),
        ([("Sec-Fetch-Site", "cross-site")], 403),
        ([("Origin", "https://ward.example")], 200),
        ([("Origin", "https://evil.example")], 403),
        ([("Origin", "https://ward.example:8443")], 403),
        ([("Origin", "null")], 403),
        ([], 200),
    ],
)
def test_no_page_of_another_site_can_have_a_browser_act(
    headers: list[tuple[str, str]], expected: int, routes: list[APIRoute]
) -> None:
    for route in routes:
        if rules_of(route)[0].startswith("GET"):
            continue
        gate = gate_for(Grant(may=ALL))
        all_headers = [("Host", "ward.example"), *cookie_of(gate), *headers]
        assert answer(gate, asked(route, headers=all_headers)) == expected


def test_the_names_of_certificates_are_compared_in_one_form() -> None:
    assert alternative_name("DNS:Portal.Example") == "DNS:portal.example"
    assert alternative_name("URI:urn:X") == "URI:urn:X"
    assert subject_name("CN=a\\2c b,O=Region") == subject_name("CN=a\\, b,O=Region")
    with pytest.raises(ValueError, match="as in"):
        subject_name("portal")


@pytest.mark.parametrize(
    ("shows", "token", "expected"),
    [
        ("portal", None, 200),
        ("portal", "token-that-is-nobodys", 401),
        (None, TOKEN, 200),
        (None, None, 401),
        ("stranger", None, "no connection"),
    ],
)
def test_a_client_is_known_by_its_certificate(
    shows: str | None, token: str | None, expected: object, tmp_path: Path
) -> None:
    server, portal, stranger = (
        self_signed(tmp_path, name) for name in ("server", "portal", "stranger")
    )
    tls = HttpTls(
        certificate_file=server.file,
        key_file=server.key,
        client_ca_file=portal.file,
        client_certificate="optional",
    )
    by_certificate = {"DNS:localhost": Reader("portal", "certificate", (Grant(may=ALL),))}
    tokens = {"screen": (SECRET, Reader("screen", "token", (Grant(may=ALL),)))}
    gate = Authenticator(
        Credentials(tokens, by_certificate, None, 30), REGISTER.hospital_of, lambda: NOW
    )
    context = ssl.create_default_context(cafile=server.file)
    if shows:
        context.load_cert_chain(*(portal if shows == "portal" else stranger))

    async def asking() -> object:
        async with surface(register=REGISTER, gate=gate, tls=tls) as running:
            url = f"https://localhost:{running.server.bound_port()}/v1/wards/MED/inbound"
            async with httpx.AsyncClient(verify=context, trust_env=False) as client:
                try:
                    headers = {"Authorization": f"Bearer {token}"} if token else {}
                    return (await client.get(url, headers=headers)).status_code
                except (httpx.ConnectError, httpx.ReadError):
                    return "no connection"

    assert asyncio.run(asking()) == expected


@given(
    st.integers(1, 20),
    st.lists(st.integers(0, 10), min_size=1, max_size=20),
)
def test_a_stream_ends_when_the_right_to_it_does(ends: int, steps: list[int]) -> None:
    clock = iter(NOW + timedelta(seconds=sum(steps[: n + 1])) for n in range(len(steps)))

    async def beats() -> AsyncGenerator[bytes, None]:
        for _ in steps:
            yield b": still here"

    async def count() -> int:
        until = NOW + timedelta(seconds=ends)
        return len([beat async for beat in while_allowed(beats(), until, lambda: next(clock))])

    expected = [n for n in range(len(steps)) if sum(steps[: n + 1]) >= ends]
    assert asyncio.run(count()) == (expected[0] if expected else len(steps))
