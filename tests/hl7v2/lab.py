"""What the tests of this adapter share: a lab feed, and a builder of small messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from adapters.common.feed import FeedIdentity
from adapters.common.keys import PatientKeyer
from adapters.hl7v2.mapping import Hl7Normaliser
from adapters.hl7v2.profile import Hl7Profile
from schemas.observation import Claims, Observation
from schemas.patient import PatientRow
from schemas.ward import WardRegister

FEED: Final = FeedIdentity("hl7", "ehr", "region")
RECEIVED_AT: Final = datetime(2026, 1, 15, 12, tzinfo=UTC)
KEYER: Final = PatientKeyer(b"the tests' own secret")
OPEN: Final = WardRegister(open_register=True)


def normaliser(
    profile: Hl7Profile | None = None, wards: WardRegister = OPEN, *, explain: bool = False
) -> Hl7Normaliser:
    return Hl7Normaliser(FEED, profile or Hl7Profile(), wards, KEYER, explain=explain)


def segment(name: str, fields: Mapping[int, str]) -> str:
    last = max(fields, default=0)
    return "|".join((name, *(fields.get(number, "") for number in range(1, last + 1))))


def message(
    trigger: str,
    pv1: Mapping[int, str] | None = None,
    *more: str,
    msh: Mapping[int, str] | None = None,
    evn: Mapping[int, str] | None = None,
    pid: str = "4711^^^LAB^MR",
) -> bytes:
    """An ADT message as UTF-8; ``pv1``, ``msh`` and ``evn`` add to or replace fields by number."""
    header = {2: "^~\\&", 3: "EHR", 4: "NORR", 7: "20260115120000", 9: f"ADT^{trigger}", 10: "C1"}
    header |= {11: "P", 12: "2.5.1"} | dict(msh or {})
    lines = (
        "MSH|" + segment("MSH", header).split("|", 2)[2],
        segment("EVN", {2: "20260115115900"} | dict(evn or {})),
        segment("PID", {3: pid}),
        segment("PV1", {2: "I", 19: "V1"} | dict(pv1 or {})),
        *more,
        "",
    )
    return "\r".join(lines).encode()


def observed(payload: bytes, profile: Hl7Profile | None = None) -> Observation:
    outcome = normaliser(profile).normalise(payload, RECEIVED_AT)
    assert not outcome.warnings, outcome
    (observation,) = outcome.observations
    return observation


def described(payload: bytes) -> tuple[Observation, PatientRow]:
    """What a message says, and of whom."""
    reader = Hl7Normaliser(FEED, Hl7Profile(), OPEN, KEYER, describe=True)
    outcome = reader.normalise(payload, RECEIVED_AT)
    assert not outcome.warnings, outcome
    (observation,), (row,) = outcome.observations, outcome.patients
    return observation, row


def claimed(payload: bytes, profile: Hl7Profile | None = None) -> Claims:
    return observed(payload, profile).claims


def reason(payload: bytes, profile: Hl7Profile | None = None) -> tuple[str, str]:
    outcome = normaliser(profile).normalise(payload, RECEIVED_AT)
    return outcome.verdict.value, outcome.reason
