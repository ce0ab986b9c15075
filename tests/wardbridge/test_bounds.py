"""Bounds that no other test meets: what is just within one is taken, and what is beyond it is not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

import aiohttp
import httpx
import pytest
from pydantic import TypeAdapter, ValidationError

from adapters.common import review
from adapters.common.calls import HttpRequest, HttpResponse, NoAnswerError
from adapters.common.feed import FeedIdentity
from adapters.common.outcome import Trouble
from adapters.elvis.format import ExportFormat
from adapters.elvis.parse import MAX_COLUMNS, MAX_NAME_CHARS, parse
from adapters.elvis.times import MAX_TIME_CHARS, _parsed
from adapters.fhir import grant, times
from adapters.fhir.grant import GrantError
from adapters.fhir.times import read_time
from adapters.hl7v2 import header
from adapters.hl7v2.occurrence import FARTHEST_AHEAD
from router.core.bonds import MAX_SPAN, _extended
from router.delivery import posting, refusal_text
from router.delivery.headers import MAX_HEADERS, HeaderError, headers_of
from tests.elvis.exports import Row
from tests.elvis.exports import export as exported
from tests.fhir.test_pull import NOW, _grant
from tests.fhir.test_pull import run as run_call
from tests.hl7v2.lab import RECEIVED_AT, message, normaliser
from wardbridge.api.review_language import MAX_NAMED, words_of
from wardbridge.api.subscribers import MAX_SEQUENCE, Sequence
from wardbridge.net import calls
from wardbridge.reviewing.selection import MAX_IDS, Selection
from wardbridge.security import session
from wardbridge.security.session import Session, opened, sealed

FEED = FeedIdentity("hl7", "ehr", "lab")


# who is asked


def test_a_cookie_without_end_is_none() -> None:
    until = datetime(2026, 1, 15, tzinfo=UTC)
    for length, is_known in ((session.MAX_CHARS - 200, True), (session.MAX_CHARS, False)):
        name = "a" * length
        cookie = sealed(Session(name, until), b"hash")
        found = opened(cookie, {name: b"hash"}, until - timedelta(days=1))
        assert (found is not None) is is_known


# requests


@pytest.mark.parametrize("number", [0, 1, MAX_SEQUENCE, MAX_SEQUENCE + 1, 10**400])
def test_a_number_of_a_notice_has_an_end(number: int) -> None:
    is_one = 1 <= number <= MAX_SEQUENCE
    try:
        assert TypeAdapter(Sequence).validate_python(number) == number
    except ValidationError:
        assert not is_one
    else:
        assert is_one


def test_so_many_headers_are_sent_along_and_no_more() -> None:
    lines = [f"X-{number}: a" for number in range(MAX_HEADERS + 1)]
    assert len(headers_of(lines[:-1])) == MAX_HEADERS
    with pytest.raises(HeaderError, match="at most"):
        headers_of(lines)


# review


def test_so_many_items_are_named_at_once_and_no_more() -> None:
    ids = [f"i{number}" for number in range(MAX_IDS + 1)]
    assert len(Selection(ids=tuple(ids[:-1])).ids) == MAX_IDS
    with pytest.raises(ValidationError):
        Selection(ids=tuple(ids))


def test_an_entry_of_the_audit_names_so_many_items() -> None:
    ids = tuple(f"i{number}" for number in range(MAX_NAMED + 5))
    assert words_of(Selection(ids=ids)) == f"ids={','.join(ids[:MAX_NAMED])} and 5 more"


def test_so_many_open_statements_are_known_and_the_oldest_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(review, "MAX_KNOWN_STATEMENTS", 10)
    known = review.FeedReview(
        FEED, [review.OpenItem(f"s{number}", str(number)) for number in range(15)]
    )
    assert [number for number in range(15) if known.is_open(str(number))] == list(range(5, 15))


# HL7


def test_of_what_is_no_message_little_is_looked_at() -> None:
    msh = b"MSH|^~\\&|A|B|C|D|20260115||ADT^A01|C1|P|2.5"
    for noise, is_found in ((header.WITHIN_BYTES - 100, True), (header.WITHIN_BYTES, False)):
        found = header.header_of(b"x" * noise + b"\r" + msh)
        assert (found is not None) is is_found


@pytest.mark.parametrize("days", [1, 365, 367, 36_500])
def test_what_lies_farther_ahead_than_anybody_plans_waits_for_no_time(days: int) -> None:
    ahead = RECEIVED_AT + timedelta(days=days)
    sent = message("A02", {3: "W1"}, evn={6: f"{ahead:%Y%m%d%H%M%S}+0000"})
    outcome = normaliser().normalise(sent, RECEIVED_AT)
    (observation,) = outcome.observations
    waits = timedelta(days=days) <= FARTHEST_AHEAD
    assert (observation.takes_effect_at is not None) is waits
    assert [each.reason for each in outcome.warnings] == ([] if waits else ["time-far-ahead"])


# FHIR


@pytest.mark.parametrize("sign", ["+", "-"])
def test_an_offset_that_no_clock_has_is_no_time(sign: str) -> None:
    hours = int(times.MAX_OFFSET / timedelta(hours=1))
    zone = ZoneInfo("Europe/Stockholm")
    assert not isinstance(read_time(f"2026-01-15T12:00:00{sign}{hours}:00", "x", zone), Trouble)
    for beyond in (f"{hours}:01", "23:59"):
        assert isinstance(read_time(f"2026-01-15T12:00:00{sign}{beyond}", "x", zone), Trouble)


def _answer_of(body: bytes) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(200, content=body)


@pytest.mark.parametrize(
    "body",
    [b'{"access_token": "' + b"T" * grant.MAX_BYTES + b'"}', b"[" * 60_000, b'{"a":' * 12_000],
    ids=["too long", "lists without end", "objects without end"],
)
def test_a_token_endpoint_that_answers_without_end_gives_none(body: bytes) -> None:
    with pytest.raises(GrantError, match="no token"):
        run_call(_grant(_answer_of(body), lambda: NOW).token())
    whole = b'{"access_token": "T"' + b" " * (grant.MAX_BYTES - 21) + b"}"
    assert run_call(_grant(_answer_of(whole), lambda: NOW).token()) == "T"


# calls


def test_an_answer_without_end_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MOST_BYTES", 10)
    taken = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 4
            yield b"four"

    @asynccontextmanager
    async def call(_: HttpRequest) -> AsyncIterator[HttpResponse]:
        yield HttpResponse(200, {}, pieces())

    with pytest.raises(NoAnswerError):
        asyncio.run(calls.answer_to(call, HttpRequest("http://x"), calls.MOST_BYTES))
    assert taken <= 12


class Flood:
    """The body of an answer that does not end."""

    def __init__(self) -> None:
        self.taken = 0
        self.content = self

    async def iter_any(self) -> AsyncIterator[bytes]:
        while True:
            self.taken += 1_000
            yield b"x" * 1_000


def test_of_a_receivers_answer_little_is_read() -> None:
    flood = Flood()
    asyncio.run(posting._read_some(cast("aiohttp.ClientResponse", flood)))
    assert flood.taken <= posting.ANSWER_BYTES + 1_000


def test_of_an_outcome_so_many_issues_are_told() -> None:
    codes = ("not-found", "conflict", "timeout", "expired", "duplicate")
    outcome = {"resourceType": "OperationOutcome", "issue": [{"code": code} for code in codes]}
    told = refusal_text.of_body("application/fhir+json", json.dumps(outcome).encode())
    assert told.split("; ") == list(codes[: refusal_text.MAX_ISSUES])


# exports


def test_a_header_has_only_so_many_columns_and_names_so_many_letters() -> None:
    """What stands behind so many columns is not looked for."""
    text = exported(0, Row("B1", "2", "1", "TEST-001")).text()
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if "Patient-id" in line)
    own = lines[at].count(";") + 1
    for count, is_read in ((MAX_COLUMNS + 1 - own, True), (MAX_COLUMNS + 2 - own, False)):
        ignored = tuple(f"c{number}" for number in range(count))
        form = ExportFormat(charset="utf-8", ignored_columns=ignored)
        wide = [
            *lines[:at],
            ";".join((*ignored, lines[at])),
            ";" * count + lines[at + 1],
            *lines[at + 2 :],
        ]
        found = parse("\n".join((*wide, "")).encode(), form)
        assert is_read is not isinstance(found, Trouble), found
    form = ExportFormat(charset="utf-8")
    for letters, is_read in ((MAX_NAME_CHARS, True), (MAX_NAME_CHARS + 1, False)):
        named = text.replace("Sjukhus;", f"Sjukhus;{'x' * letters};")
        assert is_read is not isinstance(parse(named.encode(), form), Trouble)


def test_a_time_of_an_export_has_only_so_many_characters() -> None:
    padded = "%Y-%m-%d %H:%M" + "x" * (MAX_TIME_CHARS - 16)
    written = datetime(2026, 1, 15, 12, tzinfo=UTC).strftime(padded)
    assert len(written) == MAX_TIME_CHARS
    assert _parsed(written, [padded]) is not None
    assert _parsed(f"{written}x", [f"{padded}x"]) is None


# the router


def test_of_one_pair_only_so_many_orders_are_kept() -> None:
    orders: list[tuple[tuple[int, int, int, int], str]] = []
    for number in range(3 * MAX_SPAN):
        orders = _extended(orders, ((7, number, 0, 0), f"said-{number}"))
    assert len(orders) == MAX_SPAN
    assert (orders[0][1], orders[-1][1]) == ("said-0", f"said-{3 * MAX_SPAN - 1}")
