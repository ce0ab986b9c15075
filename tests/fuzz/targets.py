"""Every function that reads what comes from outside, called as the service calls it.

A target takes any bytes, raises nothing, and what it lets out is fit for the log, for JSON and for
every channel: no control character in any text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from adapters.common.feed import Input, records_of
from adapters.common.keys import raw_pointer
from adapters.common.outcome import InputOutcome
from adapters.common.review import FeedReview, statement_of
from adapters.hl7v2 import ack
from adapters.hl7v2.errors import NotHl7Error
from adapters.hl7v2.framing import Frame, Framer
from adapters.hl7v2.header import header_of
from bus.checks import check
from bus.kafka import cloudevents
from bus.port import Record, RecordTooLargeError, Stored
from router.core.step import RouterStep
from schemas import topics
from schemas.ward import WardRegister
from tests.fuzz import seeds
from tests.wardbridge.support import LAB
from wardbridge.cli.normalise import chosen, reading_of
from wardbridge.config.load import load
from wardbridge.ingest.kinds import KINDS

NOW: Final = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
A_FEW_INPUTS: Final = 50
"""Of a file of messages: a thousand like them are as many inputs."""

TABLE: Final = {topic.name: topic for topic in topics.TOPICS}
Target = Callable[[bytes], None]


class Fuzzed(NamedTuple):
    """A target, and the seeds from which its inputs are made."""

    call: Target
    seeds: Callable[[], Sequence[bytes]]


def feed(name: str, data: bytes) -> None:
    """A whole input through a feed of the lab, then its envelope through the router."""
    reading, which = _reading(name)
    path = Path("input.csv" if name == "elvis" else "input")
    outcomes = KINDS[which.kind].outcomes(reading, which.settings, path, data)
    for index, outcome in islice(outcomes, A_FEW_INPUTS):
        _check_outcome(which.identity, outcome, data, index)


@cache
def _reading(name: str) -> Any:
    found = load(LAB, LAB.parent)
    which = chosen(found, name)
    return reading_of(found, which, lambda: NOW), which


def _check_outcome(identity: Any, outcome: InputOutcome, data: bytes, index: int) -> None:
    taken = Input(raw_pointer(data, NOW, identity.name, index=index), NOW)
    found = FeedReview(identity).findings(taken, outcome, lambda: statement_of(data))
    records = records_of(identity, taken, data[:1000], outcome, found.records)
    with suppress(RecordTooLargeError):  # told to the sender, or split, by whoever appends
        check(TABLE, records)
    for record in records:
        if record.topic != topics.RAW:
            _check_texts(json.loads(record.value or b""))
        if record.topic == topics.OBSERVATIONS:
            decide(record)


def decide(record: Record) -> None:
    """The router takes it, whatever state it has."""
    step, state = _router()
    decided = step.decide(state, _stored(record.topic, record.key, record.value))
    check(TABLE, decided)
    if len(state.realms.get("lab", _NONE).visits) > 200:
        _router.cache_clear()


class _None:
    visits: Mapping[str, str] = {}


_NONE: Any = _None()


@cache
def _router() -> tuple[RouterStep, Any]:
    step = RouterStep(WardRegister(open_register=True))
    return step, step.empty(0)


def router_record(topic: str, data: bytes) -> None:
    """Bytes that anybody may have written into a topic of the router."""
    step, state = _router()
    check(TABLE, step.decide(state, _stored(topic, "lab", data)))


def _stored(topic: str, key: str | None, value: bytes | None) -> Stored:
    return Stored(topic, 0, 0, key, value, (), int(NOW.timestamp() * 1000))


def framed(data: bytes) -> None:
    """Bytes of a connection, in pieces: the same frames however they are cut, and an answer to each."""
    whole = _frames([data])
    third = len(data) // 3
    assert _frames([data[:third], data[third : 2 * third], data[2 * third :]]) == whole
    for payload in whole[:20]:
        verdict = ack.of_error(NotHl7Error("of the fuzzer", "MSH"))
        ack.acknowledgement(header_of(payload), verdict, NOW, "1")


def _frames(pieces: Sequence[bytes]) -> list[bytes]:
    framer = Framer(100_000)
    events = [event for piece in pieces for event in framer.feed(piece)] + framer.finish()
    return [event.payload for event in events if isinstance(event, Frame)]


def cloudevent(data: bytes) -> None:
    """A record of ``designations`` as another client may have written it."""
    for kind in (b"application/json", b"application/cloudevents+json", b"text/plain", data[:20]):
        cloudevents.received(data, [("content-type", kind), ("ce_id", data[:20])])


def _check_texts(value: object) -> None:
    for text in _texts(value):
        assert text.isprintable() or not any(
            ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in text
        ), "a control character was let out"
        text.encode()


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


TARGETS: Final[Mapping[str, Fuzzed]] = {
    "hl7v2": Fuzzed(partial(feed, "hl7"), seeds.hl7),
    "fhir": Fuzzed(partial(feed, "fhir"), seeds.fhir),
    "elvis": Fuzzed(partial(feed, "elvis"), seeds.exports),
    "mllp": Fuzzed(framed, seeds.hl7),
    "observations": Fuzzed(partial(router_record, topics.OBSERVATIONS), seeds.notices),
    "authority": Fuzzed(partial(router_record, topics.AUTHORITY), seeds.notices),
    "cloudevents": Fuzzed(cloudevent, seeds.notices),
}
