"""Calls that are no notices: where they may lead, what is no answer, and what the reason tells."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.common.calls import HttpRequest, HttpResponse, NoAnswerError
from adapters.fhir.client import FhirClient, RemoteError
from adapters.fhir.grant import BackendToken, GrantError
from adapters.fhir.remote import Backend, Remote
from router.delivery.addresses import AddrInfo, Policy
from router.delivery.http import reason_of, session
from tests.support.receiver import (
    Behaviour,
    Handler,
    HttpReceiver,
    answering,
    dripping,
    hanging,
    resetting,
)
from tests.wardbridge.support import configured, in_process
from tests.wardbridge.test_config import problems
from wardbridge.cli._shared import reached_at
from wardbridge.config.load import load
from wardbridge.config.log import RegistrySection
from wardbridge.logstore.schema_registry import RegistryError, SchemaRegistry, Subject
from wardbridge.net.calls import Calls, HttpAnswer, answer_to, ask, lines
from wardbridge.security.jwks import fetch_from

LEADS_OUT = {
    "log.kafka.registry.url": '[log]\nengine = "kafka"\n[log.kafka]\nbrokers = "localhost:9092"\n'
    '[log.kafka.registry]\nurl = "{}"\n',
    "http.access.oidc.jwks_url": '[http.access.oidc]\nissuer = "i"\naudience = "a"\njwks_url = "{}"\n'
    "[http.access.oidc.roles.nurse]\n",
    "feeds.encounters.pull.base_url": '[feeds.encounters]\nkind = "fhir"\nsource = "ehr"\n'
    'profile = {{ claims = ["place"] }}\n[feeds.encounters.pull]\nbase_url = "{}"\n',
    "feeds.encounters.pull.backend.token_url": '[feeds.encounters]\nkind = "fhir"\nsource = "ehr"\n'
    'profile = {{ claims = ["place"] }}\n[feeds.encounters.pull]\nbase_url = "https://ehr.example"\n'
    '[feeds.encounters.pull.backend]\nclient_id = "w"\nkey_file = "k"\nkey_id = "k"\ntoken_url = "{}"\n',
    "subscribers.portal.webhook.url": "[subscribers.portal.webhook]\nallow_private = true\n"
    'secrets = ["whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]\nurl = "{}"\n',
    "subscribers.region.fhir.url": "[subscribers.region.fhir]\nallow_private = true\n"
    'url = "{}"\n',
}  # fmt: skip
"""Every key of the configuration with a URL that this service calls."""
NEVER_CALLED = [
    "https://169.254.169.254/x", "https://①⑥⑨.254.169.254/", "https://169。254。169。254/",
    "https://[fe80::1]/", "https://[::ffff:169.254.169.254]/", "https://0.0.0.0/", "https://224.0.0.1/",
    "https://0xa9fea9fe/", "https://0xa9.0xfe.169.254/", "https://2852039166/",
    "https://025177524776/", "https://0251.0376.0251.0376/", "https://169.16689662/", "https://１６９.２５４.１６９.２５４/",
    "https://１６９．２５４．１６９．２５４/", "https://[::169.254.169.254]/", "https://[64:ff9b::a9fe:a9fe]/",
    "https://%31%36%39.254.169.254/",
    "https://user:pass@ehr.example/", "https://ehr.example/#x", "https://ehr.example:99999/",
    "https:///x", "https://", "ftp://ehr.example/", "ehr.example", "https://ehr example/", "https://a..b/",
]  # fmt: skip


@pytest.mark.parametrize("url", NEVER_CALLED)
@pytest.mark.parametrize("key", LEADS_OUT)
def test_an_address_that_cannot_or_must_not_be_called_is_refused_at_its_key(
    key: str, url: str, tmp_path: Path
) -> None:
    found = problems(f"{in_process()}\n{LEADS_OUT[key].format(url)}", tmp_path)
    at = key.removesuffix(".url")  # where a model says it, not a key
    assert any(f" {at}" in f" {problem}" for problem in found), found


@pytest.mark.parametrize(
    "url", ["https://10.1.2.3/x", "https://ehr.internal/", "https://127.0.0.1/"]
)
@pytest.mark.parametrize("key", LEADS_OUT)
def test_who_operates_may_have_this_network_called(key: str, url: str, tmp_path: Path) -> None:
    for name in ("k", "c"):
        (tmp_path / name).write_text("", encoding="utf-8")
    load(configured(tmp_path, f"{in_process()}\n{LEADS_OUT[key].format(url)}"), tmp_path, {})


def asked(url: str, within_s: float = 5.0) -> HttpAnswer:
    return ask(HttpRequest(url, "POST", body=b"{}"), within_s=within_s)


def no_answer(url: str, within_s: float = 5.0) -> str:
    with pytest.raises(NoAnswerError) as caught:
        asked(url, within_s)
    return str(caught.value)


def test_an_answer_is_whole_and_a_redirect_is_one() -> None:
    with HttpReceiver(lambda _: answering(307, Location="/elsewhere")) as receiver:
        answer = asked(receiver.url)
    assert (answer.status, answer.is_success, answer.headers["LOCATION"]) == (
        307,
        False,
        "/elsewhere",
    )
    assert len(receiver.calls) == 1


def breaking_off(handler: Handler) -> None:
    """Promise more than is sent."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"{}")
    handler.close_connection = True


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (hanging, "no answer within the time limit"), (dripping, "no answer within the time limit"),
        (resetting, "it closed the connection before the answer"),
        (breaking_off, "its answer breaks off"),
    ],
)  # fmt: skip
def test_half_an_answer_is_none(behaviour: Behaviour, reason: str) -> None:
    with HttpReceiver(lambda _: behaviour) as receiver:
        assert no_answer(receiver.url, 0.5) == reason


def pulled(url: str) -> None:
    async def sleep(_seconds: float) -> None:
        return

    async def pull() -> None:
        async with Calls(1.0) as call:
            remote = Remote(base_url=url, give_up_s=0.001)
            async for _ in FhirClient(remote, call, sleep).search("Encounter", 1):
                pass

    asyncio.run(pull())


def granted(url: str) -> None:
    backend = Backend(token_url=url, client_id="w", key_file="k", key_id="k", algorithm="ES384")

    async def grant() -> None:
        async with Calls(1.0) as call:
            await BackendToken(backend, KEY, call, lambda: datetime.now(UTC)).token()

    asyncio.run(grant())


def keys_fetched(url: str) -> None:
    async def fetch() -> None:
        await fetch_from(url, ssl.create_default_context())()

    asyncio.run(fetch())


def registered(url: str) -> None:
    SchemaRegistry(RegistrySection(url=url), Path()).register(Subject("designations-value", {}))


KEY: Final = ec.generate_private_key(ec.SECP384R1()).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)
ASKED_BY: Final[dict[str, Callable[[str], object]]] = {
    "pull": pulled, "token": granted, "jwks": keys_fetched, "registry": registered, "command": asked,
}  # fmt: skip
"""Everything of the service that asks somebody."""
NEVER: Final = "it leads to an address that no receiver has: it is never called"


def reason(by: str, url: str) -> str:
    """Why there was no answer."""
    with pytest.raises((NoAnswerError, RemoteError, GrantError, RegistryError)) as caught:
        ASKED_BY[by](url)
    # Whoever gives the command is told the address that stands in the configuration.
    return str(caught.value).removeprefix(f"{url}: ")


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine at which nobody listens, and nobody else will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1", "ff02::1",  # noqa: S104
        "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "::169.254.169.254", "2002:a9fe:a9fe::1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("by", ASKED_BY)
def test_a_name_that_leads_to_an_address_that_nobody_has_is_not_called(
    by: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name in the configuration is no address yet: whoever answers for it may change its mind."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    at = (address, 80, 0, 0) if ":" in address else (address, 80)
    found = [(family, socket.SOCK_STREAM, 6, "", at)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert reason(by, "https://ehr.example/x") == NEVER


@pytest.mark.parametrize("by", ASKED_BY)
def test_a_name_that_changes_its_address_is_judged_at_each_connection(
    by: str, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads_to = "127.0.0.1"

    def lookup(*_: object, **__: object) -> list[AddrInfo]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (leads_to, closed_port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert reason(by, "https://ehr.example/x") == "nobody listens there"
    leads_to = "169.254.169.254"
    assert reason(by, "https://ehr.example/x") == NEVER


@pytest.mark.parametrize("by", ASKED_BY)
def test_no_redirect_is_followed(by: str) -> None:
    with HttpReceiver(lambda _: answering(204)) as other:
        elsewhere = answering(307, Location=other.url)
        told = (RemoteError, GrantError, RegistryError, ValueError, NoAnswerError)
        with HttpReceiver(lambda _: elsewhere) as receiver, suppress(*told):
            ASKED_BY[by](receiver.url)
    assert receiver.calls
    assert other.calls == []


@pytest.mark.parametrize("by", ASKED_BY)
def test_a_proxy_of_the_environment_is_not_asked(
    by: str, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HttpReceiver(lambda _: answering(204)) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert reason(by, f"http://127.0.0.1:{closed_port}/x") == "nobody listens there"
    assert proxy.calls == []


def test_what_must_not_be_called_is_told_alike_whoever_listens_there(closed_port: int) -> None:
    """The text is no scan of ports: an address is judged before anything is sent there."""
    with HttpReceiver(lambda _: answering(204)) as receiver:
        said = {
            said_of_outside(host, port)
            for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]")
            for port in (receiver.port, closed_port)
        }
    assert said == {"it leads to an address of this network: see allow_private"}
    assert receiver.calls == []


def said_of_outside(host: str, port: int) -> str:
    """What is said of an address that may lie outside of this network only."""

    async def ask_outside() -> str:
        async with session(tls=True, policy=Policy(allow_private=False)) as client:
            try:
                async with client.post(f"http://{host}:{port}/x"):
                    return "it answered"
            except aiohttp.ClientError as error:
                return reason_of(error)

    return asyncio.run(ask_outside())


def test_why_there_is_no_answer_tells_no_address() -> None:
    with HttpReceiver(lambda _: resetting) as receiver:
        said = [no_answer(receiver.url), no_answer(receiver.url.replace("http:", "https:"))]
    said += [
        no_answer(receiver.url),
        no_answer("https://nowhere.invalid/"),
        no_answer("http://[::1/"),
    ]
    for text in said:
        assert text
        assert not any(part in text for part in ("127.0", str(receiver.port), "Errno", "invalid"))


def test_an_address_is_asked_for_as_it_was_given() -> None:
    """A server may sign its links: another spelling would be another link."""
    with HttpReceiver(lambda _: answering(200)) as receiver:
        base = receiver.url.removesuffix("/notices")
        for path in ("/r4?a=%2c%7E~&b=x%20y+z", "/r4/%41?x=%C3%A4"):
            asked(f"{base}{path}")
        assert [call.path for call in receiver.calls] == [
            "/r4?a=%2c%7E~&b=x%20y+z",
            "/r4/%41?x=%C3%A4",
        ]


async def test_lines_come_as_they_are_whatever_pieces_they_come_in() -> None:
    text = "data: ä\r\n\r\ndata: 2\n\n: 3\n".encode()

    async def pieces(size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(text), size):
            yield text[start : start + size]

    for size in range(1, len(text) + 1):
        found = [line async for line in lines(HttpResponse(200, {}, pieces(size)))]
        assert found == ["data: ä", "", "data: 2", "", ": 3"]


async def test_connections_are_kept_and_closed() -> None:
    with HttpReceiver(lambda _: answering(200)) as receiver:
        async with Calls(5.0) as call:
            for _ in range(3):
                assert (
                    await answer_to(call, HttpRequest(receiver.url, "POST", body=b"{}"))
                ).status == 200
        assert len({call.peer for call in receiver.calls}) == 1


@pytest.mark.parametrize(
    ("listens", "asked"),
    [
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - as in a container
        ("::", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("10.1.2.3", "10.1.2.3"),
        ("localhost", "localhost"),
        ("bridge.example", "bridge.example"),
    ],
)
def test_a_command_asks_where_this_machine_reaches_the_service(listens: str, asked: str) -> None:
    assert reached_at(listens) == asked
