"""Recorded time, order stamp and identity of a message.

Source: HL7 v2.5.1 chapter 3, EVN-2 (recorded), chapter 2, MSH-7 (sent) and MSH-13 (sequence).

Invariant: the id depends on source, visit, trigger, recorded time as sent and every segment but
MSH as sent; not on the control id, the time of receipt, the feed, or anything that we corrected.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

from adapters.common.stamp import ID_BYTES, Moment, Recorded, counted, sorts_at
from adapters.hl7v2.case import Case
from adapters.hl7v2.fields import field_path
from schemas.observation import BY_RECEIPT, OrderStamp, Rank

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
_RECORDED: Final = field_path("EVN-2")
_SENT: Final = field_path("MSH-7")
_SEQUENCE: Final = field_path("MSH-13")


def recorded(case: Case) -> Recorded:
    """EVN-2, else MSH-7, else the receipt (with a warning)."""
    if case.recorded is None:
        case.recorded = _recorded(case)
    return case.recorded


def _recorded(case: Case) -> Recorded:
    for path in (_RECORDED, _SENT):
        text = case.text(path)
        moment = case.moment_of(text, path)
        if moment is not None:
            return Recorded(moment, text)
    case.warn("recorded-time-missing", "neither EVN-2 nor MSH-7 says when", _RECORDED.text)
    return Recorded(Moment(case.received_at, BY_RECEIPT), "")


def order_stamp(case: Case, when: Recorded, rank: Rank, skew: timedelta) -> OrderStamp:
    """Where it sorts; a recorded time too far in the future sorts by its receipt."""
    at, late = sorts_at(when.moment.at, case.received_at, skew, _RECORDED.text)
    case.warnings += late
    return OrderStamp(at=at, sequence=_sequence(case), rank=rank, received_at=case.received_at)


def observation_id(source: str, visit: str, case: Case, when: Recorded, number: int = 0) -> str:
    """The identity of the ``number``-th statement of a message."""
    parts = (source, visit, case.trigger, when.as_sent, str(number), case.message.body())
    return blake2b("\0".join(parts).encode(), digest_size=ID_BYTES).hexdigest()


def _sequence(case: Case) -> int:
    """MSH-13 where the sender counts, else MSH-7 in microseconds."""
    number = counted(case.text(_SEQUENCE))
    if number is not None:
        case.origins.note("stamp.sequence", _SEQUENCE.text, "the sender counts")
        return number
    case.origins.note("stamp.sequence", _SENT.text, "microseconds: the sender does not count")
    sent = case.times.read(case.text(_SENT), _SENT.text, case.received_at)
    return (sent.at - EPOCH) // MICROSECOND if sent else 0
