"""How fast one core turns an ADT^A01 of twelve segments into an observation, stage by stage.

Run from the repository: ``python benchmarks/hl7v2.py [MESSAGES]``. Each message differs from all
others, as real ones do. Floor 15,000 messages/s, aim 25,000, for ``bytes -> observation``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from adapters.common.feed import FeedIdentity, records_of
from adapters.common.keys import PatientKeyer, raw_pointer
from adapters.common.outcome import Verdict
from adapters.hl7v2 import reader
from adapters.hl7v2.framing import Frame, Framer
from adapters.hl7v2.mapping import Normaliser
from adapters.hl7v2.profile import Hl7Profile
from schemas.ward import WardRegister
from wardbridge.bench.load import admission

FEED = FeedIdentity("hl7", "ehr", "bench")
RECEIVED_AT = datetime.now(UTC)


def recorded(number: int) -> str:
    """Another second for each message: no memory of times may help across messages."""
    return (RECEIVED_AT - timedelta(seconds=number)).strftime("%Y%m%d%H%M%S+0000")


def rate(name: str, work: Callable[[bytes], object], messages: list[bytes]) -> None:
    """The best of three passes: the machine is shared."""
    best = min(_pass(work, messages) for _ in range(3))
    print(f"{name:24} {len(messages) / best:9,.0f} messages/s {1e6 * best / len(messages):7.1f} us")


def _pass(work: Callable[[bytes], object], messages: list[bytes]) -> float:
    began = time.perf_counter()
    for message in messages:
        work(message)
    return time.perf_counter() - began


def main() -> None:
    """Print the rate of each stage."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    messages = [admission(number, recorded(number)) for number in range(count)]
    normaliser = Normaliser(
        FEED, Hl7Profile(), WardRegister(open_register=True), PatientKeyer(b"benchmark")
    )
    framer = Framer()
    assert normaliser.normalise(messages[0], RECEIVED_AT).verdict is Verdict.ACCEPTED

    def frame(message: bytes) -> bytes:
        (event,) = framer.feed(b"\x0b" + message + b"\x1c\r")
        assert isinstance(event, Frame)
        return event.payload

    def to_records(message: bytes) -> object:
        outcome = normaliser.normalise(message, RECEIVED_AT)
        pointer = raw_pointer(message, RECEIVED_AT, FEED.name)
        return records_of(FEED, pointer, RECEIVED_AT, message, outcome)

    rate("framing", frame, messages)
    rate("segments", reader.read, messages)
    rate("bytes -> observation", lambda m: normaliser.normalise(frame(m), RECEIVED_AT), messages)
    rate("bytes -> log records", lambda m: to_records(frame(m)), messages)


if __name__ == "__main__":
    main()
