"""A feed's identity, and the records that one of its inputs becomes.

Invariant: every input becomes one raw record, and besides it one envelope (accepted), review
items (:mod:`adapters.common.review`; review, or warnings beside an accepted rest), or nothing more
(ignored: the raw record's headers say so). They are handed to the log in one call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from adapters.common.outcome import InputOutcome
from bus.port import Header, Record
from schemas import topics
from schemas.observation import Envelope, RawPointer


@dataclass(frozen=True, slots=True)
class FeedIdentity:
    """Where an input comes from (configured names), and how it is read.

    ``revision`` counts the readings of a running feed, ``fingerprint`` tells this one from others
    (:mod:`adapters.common.revision`). Outside the service there is neither.
    """

    name: str
    source: str
    realm: str
    revision: int = 0
    fingerprint: str = ""

    @property
    def reading(self) -> Mapping[str, Any]:
        """What each of its observations says of how it was read; nothing outside the service."""
        return {"revision": self.revision} if self.revision else {}


class ReplayRequest(NamedTuple):
    """An input is read again by a person's hand: who, when, and the router's review items of it."""

    by: str
    at: datetime
    settles: tuple[str, ...] = ()


class Input(NamedTuple):
    """One input as it came: where its bytes are, when it came; and whether it is read again."""

    raw: RawPointer
    received_at: datetime
    replay: ReplayRequest | None = None


def records_of(
    feed: FeedIdentity,
    taken: Input,
    raw_value: bytes,
    outcome: InputOutcome,
    found: Sequence[Record] = (),
) -> list[Record]:
    """Everything to make durable before the sender is answered.

    ``raw_value`` is what topic ``raw`` keeps: the bytes of a message, a file's pointer as JSON.
    ``found``: what there is to say of it in review.
    """
    records = [raw_record(feed, taken.raw, raw_value, outcome)]
    if outcome.observations:
        records.append(envelope_record(feed, taken, outcome))
    records += patient_records(outcome)
    records += found
    return records


def raw_record(feed: FeedIdentity, raw: RawPointer, value: bytes, outcome: InputOutcome) -> Record:
    """The input as received; headers say which feed it came by and what became of it."""
    headers: tuple[Header, ...] = (
        ("feed", feed.name.encode()),
        ("outcome", outcome.verdict.value.encode()),
        ("reason", outcome.reason.encode()),
    )
    if outcome.degraded is not None:
        headers += (("degraded", outcome.degraded.encode()),)
    return Record(topics.RAW, feed.realm, raw.id, value, headers)


def envelope_record(feed: FeedIdentity, taken: Input, outcome: InputOutcome) -> Record:
    """All observations of the input as one record: whole or absent."""
    again = taken.replay
    replayed: Mapping[str, Any] = (
        {"replayed_at": again.at, "settles": again.settles} if again else {}
    )
    envelope = Envelope(
        realm=feed.realm,
        source=feed.source,
        feed=feed.name,
        received_at=taken.received_at,
        raw=taken.raw,
        fingerprint=feed.fingerprint,
        observations=outcome.observations,
        type="envelope",
        version=1,
        **replayed,
    )
    return Record(topics.OBSERVATIONS, feed.realm, taken.raw.id, envelope.to_json())


def patient_records(outcome: InputOutcome) -> list[Record]:
    """Who the input is about; none unless the installation keeps that."""
    return [Record(topics.PATIENTS, row.realm, row.key, row.to_json()) for row in outcome.patients]
