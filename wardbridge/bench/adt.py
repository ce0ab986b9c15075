"""How fast one core turns an ADT^A01 of twelve segments into an observation, stage by stage.

Each message differs from all others, as real ones do. The budget is for bytes to observation;
the stages before and after it show where the time goes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from adapters.common.feed import FeedIdentity, Input, records_of
from adapters.common.keys import PatientKeyer, raw_pointer
from adapters.common.outcome import InputOutcome, Verdict
from adapters.hl7v2 import reader
from adapters.hl7v2.framing import Frame, Framer
from adapters.hl7v2.mapping import Hl7Normaliser
from adapters.hl7v2.profile import Hl7Profile
from schemas.ward import WardRegister
from wardbridge.bench.figure import Figure
from wardbridge.bench.load import admission

FEED = FeedIdentity("hl7", "ehr", "bench")
MESSAGES = 20_000
PASSES = 3
FLOOR, AIM = 15_000, 25_000
RECEIVED_AT = datetime(2026, 3, 2, 11, tzinfo=UTC)


def recorded(number: int) -> str:
    """Another second for each message: no memory of times may help across messages."""
    return (RECEIVED_AT - timedelta(seconds=number)).strftime("%Y%m%d%H%M%S+0000")


def figures() -> Iterator[Figure]:
    """Messages a second of each stage."""
    stages = Stages()
    messages = [admission(number, recorded(number)) for number in range(MESSAGES)]
    yield _figure("ADT: framing", stages.frame, messages)
    yield _figure("ADT: segments", reader.read, messages)
    observed = _figure("ADT bytes to observation, one core", stages.observe, messages)
    yield observed._replace(floor=FLOOR, aim=AIM)
    yield _figure("ADT bytes to records for the log", stages.to_records, messages)


class Stages:
    """The pipeline of one feed, cut where it can be measured."""

    def __init__(self) -> None:
        self._normaliser = Hl7Normaliser(
            FEED, Hl7Profile(), WardRegister(open_register=True), PatientKeyer(b"benchmark")
        )
        self._framer = Framer()

    def frame(self, message: bytes) -> bytes:
        """Out of its MLLP frame."""
        (event,) = self._framer.feed(b"\x0b" + message + b"\x1c\r")
        if not isinstance(event, Frame):
            raise TypeError("the message did not come out of its frame")
        return event.payload

    def observe(self, message: bytes) -> InputOutcome:
        """Framed, read, mapped."""
        outcome = self._normaliser.normalise(self.frame(message), RECEIVED_AT)
        if outcome.verdict is not Verdict.ACCEPTED:
            raise ValueError(f"the benchmark's message was not accepted: {outcome.reason}")
        return outcome

    def to_records(self, message: bytes) -> object:
        """And made into what the log is given."""
        pointer = raw_pointer(message, RECEIVED_AT, FEED.name)
        return records_of(FEED, Input(pointer, RECEIVED_AT), message, self.observe(message))


def _figure(what: str, work: Callable[[bytes], object], messages: list[bytes]) -> Figure:
    """The best of three passes: the machine is shared."""
    best_s = min(_pass(work, messages) for _ in range(PASSES))
    note = f"{1e6 * best_s / len(messages):.1f} us each"
    return Figure(what, len(messages) / best_s, "messages/s", note=note)


def _pass(work: Callable[[bytes], object], messages: list[bytes]) -> float:
    began = time.perf_counter()
    for message in messages:
        work(message)
    return time.perf_counter() - began
