"""Senders and visitors who do what nobody should: one kind a process, until they are ended.

``python -m tests.support.abusers KIND OFFSET DATA`` abuses the service at that port offset, whose data
folder is DATA. An abuser minds no refusal; it says how often it did its worst when it is ended.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from tests.fuzz import seeds
from tests.fuzz.mutate import mutated
from tests.support.exports import COLUMNS
from tests.support.mllp import MllpClient
from tests.support.service import FHIR_PORT, HTTP_PORT, MLLP_PORT

HELD: Final = 2_500
"""Connections that one abuser holds; four of them make a crowd of 10,000."""
BODY_BYTES: Final = 100_000_000
NAMES: Final = (
    "SÄS Borås.csv".encode("latin-1"), b"-rf.csv", b"a\nb.csv", b"\xff\xfe.csv", b"x" * 250 + b".csv",
    b"'\";$(reboot).csv", b"\x1b[2J.csv", b".hidden.csv", b"CON.csv", b"a.csv.tmp",
)  # fmt: skip
CELLS: Final = (
    "0001-01-01 00:00", "9999-12-31 23:59:59-1400", "9" * 5_000, "2.00001E+11", "=1+1", "31/02/2026", "\x00",
    "åäö", "1900-01-00", "NaN",
)  # fmt: skip


class Place:
    """Where the abused service is."""

    def __init__(self, offset: int, data: Path) -> None:
        self.http, self.fhir, self.mllp = (
            port + offset for port in (HTTP_PORT, FHIR_PORT, MLLP_PORT)
        )
        self.inbox = data / "inbox"
        self.address = f"127.0.0.{random.SystemRandom().randint(2, 250)}"  # not that of the good


Abuser = Callable[[Place], Iterator[None]]
"""Does its worst once for each step."""


def crowd(place: Place) -> Iterator[None]:
    """Idle and half-sent connections on every port, thousands of them, renewed when they are closed."""
    held: list[socket.socket] = []
    begun = (
        b"",
        b"GET /livez HT",
        b"POST /v1/session HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
        b"\x0bMSH|",
    )
    for number in count():
        if len(held) >= HELD:
            held.pop(0).close()
            time.sleep(0.002)  # the crowd stands; it does not run
        with suppress(OSError):
            port = (place.http, place.fhir, place.mllp)[number % 3]
            held.append(socket.create_connection(("127.0.0.1", port), 5, (place.address, 0)))
            held[-1].sendall(begun[number % len(begun)])
        yield


def bodies(place: Place) -> Iterator[None]:
    """A hundred megabytes of JSON to every route that takes a body, without a token."""
    routes = ("POST /v1/session", "POST /v1/subscribers/x/pause", "POST /v1/subscribers/x/skip",
              "PUT /v1/subscribers/x", "POST /fhir/Subscription")  # fmt: skip
    for number in count():
        head = f"{routes[number % len(routes)]} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n"
        for port in (place.http, place.fhir):
            with (
                suppress(OSError),
                socket.create_connection(("127.0.0.1", port), timeout=5) as client,
            ):
                client.sendall(f"{head}Content-Length: {BODY_BYTES}\r\n\r\n".encode())
                for _ in range(BODY_BYTES // 900_000):
                    client.sendall(b"[]," * 300_000)
        yield


def names(place: Place) -> Iterator[None]:
    """Exports under names that no program likes."""
    for number in count():
        name = NAMES[number % len(NAMES)]
        with suppress(OSError):
            Path(os.fsdecode(os.fsencode(place.inbox) + b"/" + name)).write_bytes(_export(number))
        time.sleep(0.1)
        yield


def cells(place: Place) -> Iterator[None]:
    """Exports with cells from the edges of every type."""
    for number in count():
        with suppress(OSError):
            (place.inbox / f"cells-{number}.csv").write_bytes(_export(number, CELLS))
        time.sleep(0.1)
        yield


def _export(number: int, values: tuple[str, ...] = ("1",)) -> bytes:
    at = datetime.now(UTC) - timedelta(days=1) + timedelta(minutes=number)
    pick = random.Random(number)
    rows = [
        ";".join(["X1", *(pick.choice((*values, "")) for _ in range(COLUMNS.count(";")))])
        for _ in range(20)
    ]
    lines = (f"Exporttid;{at:%Y-%m-%d %H:%M}", "Sjukhus;X", "Avdelningar;X1", COLUMNS, *rows,
             f"Antal rader;{pick.choice((20, 19, 10**30))}")  # fmt: skip
    return "\n".join(lines).encode("windows-1252", "replace")


def one_patient(place: Place) -> Iterator[None]:
    """One patient with thousands of open visits, and a chain of merges that never ends."""
    yield from _told(place, lambda number: [
        _message(f"A-{number}", "A14", patient="ONE"),
        _message(f"B-{number}", "A40", patient=f"CHAIN-{number + 1}", ceases=f"CHAIN-{number}"),
    ])  # fmt: skip


def one_visit(place: Place) -> Iterator[None]:
    """One visit that is moved and moved back without end."""
    yield from _told(place, lambda number: [
        _message("BUSY", event, at_s=number, patient="BUSY") for event in ("A02", "A12")
    ])  # fmt: skip


def rubbish(place: Place) -> Iterator[None]:
    """Messages that were good once."""
    pick = random.Random(1)
    yield from _told(place, lambda _: [mutated(pick, seeds.hl7()) for _ in range(5)])


def _told(place: Place, messages: Callable[[int], list[bytes]]) -> Iterator[None]:
    for number in count():
        with suppress(OSError, EOFError), MllpClient(place.mllp) as client:
            for further in count(number * 1_000):
                client.send(*messages(further))
                client.receive()
                time.sleep(0.02)
                yield
        time.sleep(0.1)
        yield


def _message(
    visit: str, event: str, *, patient: str, ceases: str | None = None, at_s: int = 0
) -> bytes:
    at = datetime.now(UTC) - timedelta(hours=5) + timedelta(seconds=at_s)
    stamp = at.strftime("%Y%m%d%H%M%S+0000")
    pv1 = [""] * 43
    pv1[2], pv1[3], pv1[19], pv1[42] = "I", "X2", visit, "X3"
    lines = (
        f"MSH|^~\\&|EHR|ABUSE|WB|REG|{stamp}||ADT^{event}|{visit}|P|2.5.1",
        f"EVN||{stamp}",
        f"PID|||{patient}^^^ABUSE^MR",
        f"MRG|{ceases}^^^ABUSE^MR" if ceases else "PV1|" + "|".join(pv1[1:]),
    )
    return "\r".join(lines).encode()


ABUSERS: Final[Mapping[str, Abuser]] = {
    "crowd-1": crowd, "crowd-2": crowd, "crowd-3": crowd, "crowd-4": crowd,
    "bodies": bodies, "names": names, "cells": cells, "one-patient": one_patient,
    "one-visit": one_visit, "rubbish": rubbish,
}  # fmt: skip


def main(kind: str, offset: str, data: str) -> NoReturn:
    """Abuse until a signal comes."""
    done = 0

    def end(_signal: int, _frame: FrameType | None) -> NoReturn:
        print(f"{kind}: {done} times", flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    for _ in ABUSERS[kind](Place(int(offset), Path(data))):
        done += 1
    raise AssertionError("an abuser never ends")


if __name__ == "__main__":
    main(*sys.argv[1:])
