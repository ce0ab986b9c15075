"""A record system that writes ADT messages: its clock ticks in whole seconds, and often not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

START: Final = datetime(2026, 3, 2, 8)  # noqa: DTZ001 - on the wall, in the hospital's own zone
DTM: Final = "%Y%m%d%H%M%S"


@dataclass(frozen=True)
class Zbe:
    """What a message says of its movement."""

    movement: str = ""
    action: str = "INSERT"
    original: str = ""
    historic: bool = False
    at: datetime | None = None


@dataclass
class Sender:
    """Half of all consecutive messages share the second of EVN-2 and of MSH-7."""

    random: Random
    now: datetime = START
    sent: int = 0

    def turn(self) -> None:
        """The clock goes on, or stands in the same second. What is said then is of one moment."""
        if self.random.random() < 0.5:
            self.now += timedelta(seconds=self.random.choice((1, 1, 2, 5)))

    def message(  # noqa: PLR0913 - what a message may say, each part named
        self,
        event: str,
        visit: str,
        place: str = "",
        *,
        pending: str = "",
        temporary: str = "",
        occurred: datetime | None = None,
        zbe: Zbe | None = None,
        patient_class: str = "I",
    ) -> bytes:
        """The next message, of now."""
        self.sent += 1
        now = self.now.strftime(DTM)
        pv1 = {2: patient_class, 3: place, 11: temporary, 19: visit, 42: pending}
        lines = [
            f"MSH|^~\\&|EHR|H|WB|WB|{now}||ADT^{event}|C{self.sent}|P|2.5",
            # the operator, so that no two statements of a second are the same byte for byte
            _segment("EVN", {2: now, 5: f"OP{self.sent}", 6: _text(occurred)}),
            f"PID|||{visit}-PATIENT^^^H^MR",
            _segment("PV1", pv1),
        ]
        if zbe is not None:
            said = {1: zbe.movement, 2: _text(zbe.at), 4: zbe.action, 6: zbe.original}
            lines.append(_segment("ZBE", {**said, 5: "Y" if zbe.historic else "N"}))
        return "\r".join([*lines, ""]).encode()


def _text(at: datetime | None) -> str:
    return at.strftime(DTM) if at else ""


def _segment(name: str, fields: Mapping[int, str]) -> str:
    return "|".join((name, *(fields.get(number, "") for number in range(1, max(fields) + 1))))
