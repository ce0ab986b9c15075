"""An MLLP load generator: many persistent connections, one message under way on each.

It runs as a process of its own (``python -m wardbridge.bench.load``) so that it does not share an
interpreter with what it measures, and prints one JSON object: messages, seconds, p50_ms, p99_ms.
Patients carry local identifiers of an assigner of their own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Final, cast

import uvloop

START: Final = b"\x0b"
END: Final = b"\x1c\r"
ACCEPTED: Final = (b"|AA|", b"|CA|")


def admission(number: int, at: str) -> bytes:
    """An ADT^A01 of twelve segments for a visit that no other number shares."""
    return "\r".join(
        (
            f"MSH|^~\\&|EHR|NORR|WB|REG|{at}||ADT^A01^ADT_A01|B{number}|P|2.5.1|||||SWE|UNICODE UTF-8",
            f"EVN||{at}|||D1^Doctor|{at}",
            f"PID|1||B{number}^^^BENCH^MR||Bench^Patient||19700101|X|||Gatan 1^^Orten^^41100^SE",
            "PD1||||",
            "NK1|1|Bench^Relative|SPO",
            "|".join(
                (
                    "PV1",
                    "1",
                    "I",
                    f"W{number % 40}^{number % 9}^A",
                    "U",
                    *[""] * 4,
                    "D2^Second",
                    "MED",
                )
                + ("",) * 6
                + ("D1^Doctor", "I", f"V{number}", *[""] * 24, at)
            ),
            "PV2|||Observation|||||202601200800",
            "OBX|1|NM|8867-4^Pulse^LN||72|/min",
            "OBX|2|NM|8310-5^Temp^LN||37.1|Cel",
            "AL1|1|DA|None",
            "DG1|1||R07.4^Chest pain^I10",
            "ZVG|1|free text",
            "",
        )
    ).encode()


@dataclass
class Tally:
    """Shared by all connections: what is still to send, and how long each answer took."""

    wanted: int
    sent: int = 0
    refused: int = 0
    took_s: list[float] = field(default_factory=list)


class LoadSender(asyncio.Protocol):
    """Sends the next message when the last one was answered."""

    def __init__(self, tally: Tally, first: int, at: str, done: asyncio.Future[None]) -> None:
        self._tally = tally
        self._number = first
        self._at = at
        self._done = done
        self._buffer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop has transports of its own that do not inherit from asyncio's
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of one."""
        self._buffer += data
        if not self._buffer.endswith(END):
            return
        self._tally.took_s.append(time.perf_counter() - self._sent_at)
        if not any(code in self._buffer for code in ACCEPTED):
            self._tally.refused += 1
        self._buffer = b""
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """The end, wanted or not."""
        if not self._done.done():
            self._done.set_result(None)

    def _send(self) -> None:
        if self._tally.sent >= self._tally.wanted:
            self._transport.close()
            return
        self._tally.sent += 1
        self._number += 1
        payload = START + admission(self._number, self._at) + END
        self._sent_at = time.perf_counter()
        self._transport.write(payload)


async def run(port: int, connections: int, messages: int, first: int) -> dict[str, float]:
    """Send ``messages`` over ``connections``; what it took."""
    loop = asyncio.get_running_loop()
    tally, at = Tally(messages), time.strftime("%Y%m%d%H%M%S+0000", time.gmtime())
    ends: list[asyncio.Future[None]] = []
    began = time.perf_counter()
    for number in range(connections):
        ends.append(loop.create_future())
        start = first + number * messages
        sender = LoadSender(tally, start, at, ends[-1])
        await loop.create_connection(lambda sender=sender: sender, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*ends)
    return figures(tally, time.perf_counter() - began)


def figures(tally: Tally, seconds: float) -> dict[str, float]:
    """Rates and percentiles, in messages a second and milliseconds."""
    took = sorted(tally.took_s)
    return {
        "messages": len(took),
        "refused": tally.refused,
        "seconds": seconds,
        "per_s": len(took) / seconds,
        "p50_ms": 1000 * took[len(took) // 2],
        "p99_ms": 1000 * took[int(len(took) * 0.99)],
    }


def main() -> None:
    """PORT CONNECTIONS MESSAGES FIRST-NUMBER."""
    port, connections, messages, first = map(int, sys.argv[1:5])
    print(json.dumps(uvloop.run(run(port, connections, messages, first))))  # noqa: T201


if __name__ == "__main__":
    main()
