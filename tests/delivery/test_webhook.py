"""One attempt at a real HTTP server, which may do anything."""

import asyncio
import json
import socket
import ssl
import time
from email.utils import formatdate
from ipaddress import ip_address
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from standardwebhooks.webhooks import Webhook as Verifier

from adapters.common.settings import Tls
from bus.port import Stored
from router.core.output_records import OutputRecords
from router.delivery.addresses import NotAllowedError, Policy
from router.delivery.channel import INCOMPLETE, AttemptResult, Outgoing
from router.delivery.channels.webhook import body_of
from router.delivery.posting import LONGEST_RETRY_AFTER_S, Poster, retry_after_s
from router.delivery.refusal import SPEAKS_NO_TLS, WANTS_TLS
from schemas import topics
from schemas.addresses import check_host, is_forbidden, is_public, url_of
from schemas.delivery import TOLD_SCHEMA_ID
from schemas.documents import json_schema
from schemas.fields import Details, Identity
from schemas.notification import DATA_SCHEMA_ID
from tests.delivery.channels import SECRET, To, webhook
from tests.delivery.notices import AT, BESIDE, FROM, WHO, notice
from tests.support.certificates import self_signed
from tests.support.listening import TlsListener
from tests.support.receiver import (
    Behaviour,
    HttpReceiver,
    answering,
    dripping,
    hanging,
    resetting,
)
from wardbridge.readmodels.stream_events import kept_of

OUTGOING = Outgoing(7, notice("MED", 3), 0.0)


def attempt(url: str, timeout_s: float = 10.0) -> AttemptResult:
    async def run() -> AttemptResult:
        channel = webhook(url, timeout_s=timeout_s)
        try:
            return await channel.send(OUTGOING)
        finally:
            await channel.close()

    return asyncio.run(run())


def posted(to: To, tls: ssl.SSLContext | bool = True) -> AttemptResult:  # noqa: FBT001, FBT002
    async def run() -> AttemptResult:
        poster = Poster(to, tls)
        try:
            return await poster.post(b"{}", {"Authorization": "Bearer geheim"})
        finally:
            await poster.close()

    return asyncio.run(run())


def test_the_event_is_signed_numbered_and_named() -> None:
    with HttpReceiver() as receiver:
        assert attempt(receiver.url) == AttemptResult(status=204)
    (call,) = receiver.taken
    assert Verifier(SECRET).verify(call.body, call.headers) == call.event
    assert call.headers["content-type"].startswith("application/cloudevents+json")
    assert call.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert call.headers["webhook-id"] == call.event["id"] == "MED-3"
    assert (call.event["subscription"], call.event["subscriptionsequence"]) == ("portal", 7)


@pytest.mark.parametrize("said", [{}, {"hospital": None}, {"room": "4", "expected_at": AT}])
def test_a_notice_has_one_shape_on_every_channel(said: dict[str, object]) -> None:
    """What is not said is left out: webhooks left out nulls, streams and topics had them."""
    plain = notice("MED", 3)
    of = plain.model_copy(update={"data": plain.data.model_copy(update=said)})
    outbox = OutputRecords("lab")
    outbox.notification(of)
    (record,) = outbox.records
    written = json.loads(record.value or b"")
    assert None not in written["data"].values()
    event = json.loads(body_of("portal", Outgoing(7, of, 0.0)))
    assert event.pop("subscription") == "portal"
    assert event.pop("subscriptionsequence") == 7
    assert event == written
    kept = kept_of(Stored(topics.DESIGNATIONS, 0, 0, "MED", record.value, (), 0))
    assert json.loads(kept.value) == written
    Draft202012Validator(json_schema("notification")).validate(written)


def test_whoever_is_told_no_more_is_told_nothing_of_the_patient() -> None:
    event = json.loads(body_of("portal", OUTGOING))
    assert event["dataschema"] == DATA_SCHEMA_ID
    assert (
        event["data"].keys()
        == json.loads(OUTGOING.notice.data.model_dump_json(exclude_none=True)).keys()
    )


@pytest.mark.parametrize("marked", [False, True])
def test_what_is_told_besides_stands_in_the_data_and_is_as_its_schema_says(marked: bool) -> None:  # noqa: FBT001
    beside = BESIDE.model_copy(update={"protected": marked})
    event = json.loads(body_of("portal", OUTGOING._replace(beside=beside)))
    assert event["dataschema"] == TOLD_SCHEMA_ID == json_schema("told")["$id"]
    assert Identity.model_validate(event["data"]["patient"]) == WHO
    assert Details.model_validate(event["data"]["details"]) == FROM
    assert event["data"]["protected"] is marked
    Draft202012Validator(json_schema("told")).validate(event["data"])
    Draft202012Validator(json_schema("subscriber-notice")).validate(event)
    less = BESIDE.model_copy(update={"level": "operational", "details": None, "patient": None})
    event = json.loads(body_of("portal", OUTGOING._replace(beside=less)))
    assert not event["data"].keys() & {"patient", "details"}


def test_what_could_not_be_told_in_time_is_the_minimum_and_says_so() -> None:
    event = json.loads(body_of("portal", OUTGOING._replace(beside=INCOMPLETE)))
    assert event["dataschema"] == TOLD_SCHEMA_ID
    assert event["data"].pop("incomplete") is True
    assert event["data"] == json.loads(body_of("portal", OUTGOING))["data"]
    Draft202012Validator(json_schema("subscriber-notice")).validate(event)


def test_a_test_event_is_signed_and_about_nobody() -> None:
    async def run(url: str) -> AttemptResult:
        channel = webhook(url)
        try:
            return await channel.test("test-1", AT)
        finally:
            await channel.close()

    with HttpReceiver() as receiver:
        assert asyncio.run(run(receiver.url)) == AttemptResult(status=204)
    (call,) = receiver.tests
    assert Verifier(SECRET).verify(call.body, call.headers) == {
        "specversion": "1.0", "id": "test-1", "source": "/wardbridge",
        "type": "wardbridge.test.v1", "time": "2026-01-15T08:00:00Z", "subscription": "portal",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("behaviour", "status", "gone", "text"),
    [
        (answering(500), 500, False, "answered 500"),
        (answering(404), 404, False, "answered 404"),
        (answering(307, Location="http://127.0.0.1/elsewhere"), 307, False, "answered 307"),
        (answering(410), 410, True, "410 Gone"),
        (resetting, None, False, "it closed the connection before the answer"),
        (hanging, None, False, "no answer within the time limit"),
        (dripping, None, False, "no answer within the time limit"),
    ],
)
def test_what_is_not_a_yes_is_a_refusal(
    behaviour: Behaviour, status: int | None, *, gone: bool, text: str
) -> None:
    with HttpReceiver(lambda _: behaviour) as receiver:
        is_silent = text == "no answer within the time limit"
        answer = attempt(receiver.url, timeout_s=0.5 if is_silent else 20.0)
    assert text in (answer.refusal or "")
    assert (answer.status, answer.gone) == (status, gone)
    assert len(receiver.calls) == 1


def test_nobody_there_is_a_refusal() -> None:
    with HttpReceiver() as receiver:
        url = receiver.url
    assert attempt(url).refusal == "nobody listens there"


HERE = [
    "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127.0.0.1.", "LOCALHOST.",
    "①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1", "ⓛⓞcalhost", "0x7f.1", "0x7f000001", "0177.0.0.1",
    "2130706433", "127.1",
]  # fmt: skip
"""Hosts that lead to this machine, as somebody may write them who knows a check for literals."""


@pytest.mark.parametrize("host", HERE)
def test_an_address_of_this_network_is_not_called_unless_allowed(host: str) -> None:
    """Judged as it is used: in the client's own normal form, and again when it is connected to."""
    with HttpReceiver() as receiver:
        answer = posted(To(receiver.url.replace("127.0.0.1", host), 2, allow_private=False))
    assert answer.refusal
    assert receiver.calls == []
    with pytest.raises(ValueError, match=r"url (is of this network|is no address|has a host)"):
        check_host("url", url_of("url", f"https://{host}/").host or "", allow_private=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "①②⑦.⓪.⓪.①", "127。0。0。1"])
def test_where_it_is_allowed_it_is_called_in_whatever_form(host: str) -> None:
    with HttpReceiver() as receiver:
        assert posted(To(receiver.url.replace("127.0.0.1", host))).refusal is None


def test_what_a_name_leads_to_is_judged_when_it_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name whose answer changes between the look and the call leads nowhere else."""
    calls: list[str] = []

    def changing(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        calls.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    with HttpReceiver() as receiver:
        url = receiver.url.replace("127.0.0.1", "portal.example")
        answer = posted(To(url, allow_private=False))
        assert answer.refusal == "it leads to an address of this network: see allow_private"
        assert posted(To(url)).refusal is None
    assert len(receiver.calls) == 1
    assert calls == ["portal.example"] * 2


def test_why_there_is_no_answer_tells_nothing_of_the_network() -> None:
    """The texts are no scan of ports: no address, no port, no number of the system's."""
    with HttpReceiver(lambda _: resetting) as receiver:
        refusals = [posted(To(receiver.url, 2)).refusal or ""]
        port = str(receiver.port)
    refusals += [
        posted(To(receiver.url, 2)).refusal or "",
        posted(To("https://nowhere.invalid/", 2)).refusal or "",
        posted(To("https://169.254.169.254/", 2)).refusal or "",
        posted(To("http://10.0.0.1/", 2, allow_private=False)).refusal or "",
    ]
    for refusal in refusals:
        assert refusal
        assert not any(
            said in refusal for said in ("127.0", "169.254", "10.0", port, "Errno", "invalid")
        )


def test_a_receiver_of_the_other_kind_is_named_as_that(tmp_path: Path) -> None:
    with HttpReceiver() as receiver:
        assert posted(To(receiver.url.replace("http:", "https:"))).refusal == SPEAKS_NO_TLS
    own = self_signed(tmp_path, "server")
    tls = Tls(certificate_file=own.file, key_file=own.key).context()
    with TlsListener(tls) as port:
        assert posted(To(f"http://127.0.0.1:{port}/")).refusal == WANTS_TLS
        assert "is not trusted" in (posted(To(f"https://127.0.0.1:{port}/")).refusal or "")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False),
        ("10.1.2.3", False), ("192.168.1.1", False), ("169.254.169.254", False), ("::1", False),
        ("fe80::1", False), ("fd00::1", False), ("::ffff:10.0.0.1", False),
        ("224.0.0.1", False), ("100.64.0.1", False), ("fec0::1", False),
        ("64:ff9b::a9fe:a9fe", False), ("64:ff9b:1::a9fe:a9fe", False),
        ("64:ff9b::5db8:d822", True), ("2002:a9fe:a9fe::1", False), ("2002:5db8:d822::1", True),
        ("::169.254.169.254", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, *, public: bool) -> None:
    assert is_public(ip_address(address)) is public


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1", "0.0.0.0", "::",  # noqa: S104
     "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"],
)  # fmt: skip
def test_an_address_that_no_receiver_has_is_never_called(address: str) -> None:
    assert is_forbidden(ip_address(address))
    for allow_private in (True, False):
        with pytest.raises(NotAllowedError, match="never called"):
            Policy(allow_private).check(ip_address(address))
        with pytest.raises(ValueError, match="never called"):
            check_host("host", address, allow_private=allow_private)


@pytest.mark.parametrize("address", ["10.1.2.3", "127.0.0.1", "::1", "fd00::1", "93.184.216.34"])
def test_an_address_that_a_receiver_may_have_is_called_where_it_is_allowed(address: str) -> None:
    Policy(allow_private=True).check(ip_address(address))
    check_host("host", address, allow_private=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("", 0), ("soon", 0), ("-5", 0), ("30", 30), ("999999999", LONGEST_RETRY_AFTER_S)],
)
def test_how_long_an_endpoint_asks_to_be_left_alone(value: str, seconds: float) -> None:
    assert retry_after_s(value, time.time()) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
    ],
)
def test_a_time_that_no_clock_can_show_asks_for_nothing(value: str) -> None:
    """The receiver writes it: it must not end the service."""
    with HttpReceiver(lambda _: answering(503, Retry_After=value)) as receiver:
        assert attempt(receiver.url) == AttemptResult("answered 503", 503)


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example", "h%00", "%31.0.0.1"])
def test_a_name_that_cannot_be_looked_up_is_a_refusal(host: str) -> None:
    assert posted(To(f"https://{host}/notices", 5)).refusal


def test_it_may_also_name_the_time() -> None:
    now_s = time.time()
    assert 58 <= retry_after_s(formatdate(now_s + 60, usegmt=True), now_s) <= 60
    assert retry_after_s(formatdate(now_s - 60, usegmt=True), now_s) == 0


def test_429_carries_how_long_to_wait() -> None:
    with HttpReceiver(lambda _: answering(429, Retry_After="17")) as receiver:
        assert attempt(receiver.url) == AttemptResult("answered 429", 429, 17.0)


def test_the_state_that_is_kept_does_not_tell_the_address() -> None:
    one, other = (webhook(f"https://portal.example/{n}").endpoint for n in ("secret-1", "secret-2"))
    assert one != other
    assert "portal.example" not in one


def test_a_request_that_the_client_will_not_make_is_a_failed_attempt_and_quotes_nothing() -> None:
    answer = posted(To("http://user:geheim@127.0.0.1:1/"))
    assert answer == AttemptResult("ValueError: no such request can be made")
