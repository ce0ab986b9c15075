"""The topics table: every topic of wardbridge, in one place.

Topics are created and checked from this table on every engine. Names carry the configured
prefix on the wire. ``route`` says what picks the partition; the topics routed by realm have the
same number of partitions, so one realm has the same partition number in each of them.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

MAX_RECORD_BYTES: Final = 900_000
"""Largest record (key, value and headers), the same on every engine, below Kafka's own 1 MB."""

LOG_VERSION: Final = 2
"""The format of the log: raised when rows of a topic are no longer read as they were written.

A log of another version is refused, with what to do (``bus.version``)."""

DAY_S: Final = 86_400

Route = Literal["realm", "ward", "feed", "subscriber"]


class Topic(NamedTuple):
    """One row of the table. ``retention_s`` is None where compaction decides what is kept."""

    name: str
    route: Route
    key: str
    retention_s: int | None
    writer: str
    readers: str
    about: str

    @property
    def compacted(self) -> bool:
        """Whether only the newest record of each key is kept."""
        return self.retention_s is None


RAW: Final = "raw"
OBSERVATIONS: Final = "observations"
STATE: Final = "state"
ENCOUNTERS: Final = "encounters"
DESIGNATIONS: Final = "designations"
INBOUND: Final = "inbound"
AUTHORITY: Final = "authority"
ACKNOWLEDGEMENTS: Final = "acknowledgements"
TICKS: Final = "ticks"
REVIEW: Final = "review"
REVIEWED: Final = "reviewed"
HELD: Final = "held"
SNAPSHOTS: Final = "snapshots"
REVISIONS: Final = "revisions"
OUTGOING: Final = "outgoing"
SUBSCRIBERS: Final = "subscribers"
REGISTRATIONS: Final = "registrations"
DELIVERIES: Final = "deliveries"
AUDIT: Final = "audit"
PATIENTS: Final = "patients"
FORMAT: Final = "format"
ALIASES: Final = "aliases"
TOLD: Final = "told"
TOLD_DAYS: Final = 7

TOPICS: Final[tuple[Topic, ...]] = (
    Topic(RAW, "realm", "raw record id", 14 * DAY_S, "adapters", "operators",
          "inputs as received: bytes of messages, hash and name of files"),
    Topic(OBSERVATIONS, "realm", "raw record id", 90 * DAY_S, "adapters", "router",
          "one envelope of observations for each accepted input"),
    Topic(STATE, "realm", "row kind and id", None, "router", "router",
          "the router's state: one row for each observation kept, alias, announced designation"),
    Topic(ENCOUNTERS, "realm", "source and visit", None, "router", "operators",
          "the census: each visit as its source describes it now"),
    Topic(DESIGNATIONS, "ward", "ward", 90 * DAY_S, "router", "subscribers",
          "the notifications, minimal fields, CloudEvents"),
    Topic(INBOUND, "ward", "ward, source and visit", None, "router", "http",
          "each ward's current list: who is coming now"),
    Topic(AUTHORITY, "realm", "realm", None, "operators", "router",
          "which source is believed for which ward from when: one timeline as one value"),
    Topic(TICKS, "realm", "realm", DAY_S, "ticker, router", "router",
          "what time it is, as records; by one of the same moment the router goes on with what is left to do"),
    Topic(REVIEW, "realm", "review item id", None, "adapters, router", "operators",
          "what could not be understood: reason, place of the error, pointer to the raw record"),
    Topic(REVIEWED, "realm", "review item id, deed, and reading or person", None,
          "adapters, router, operators", "operators",
          "what was done about what could not be understood: replayed, resolved, discarded"),
    Topic(HELD, "realm", "raw record id", None, "router", "operators",
          "the bytes of inputs that wait in review, for longer than `raw` keeps them"),
    Topic(SNAPSHOTS, "feed", "feed, row kind and id", None, "adapters", "adapters",
          "what a feed keeps: the newest snapshot of each scope, where each search of a FHIR server stands"),
    Topic(REVISIONS, "feed", "feed, fingerprint and claim", None, "adapters", "adapters, operators",
          "how each feed reads: a number for each profile and ward register that it has read by"),
    Topic(OUTGOING, "subscriber", "subscriber", 90 * DAY_S, "delivery", "delivery",
          "the notifications that each configured subscriber is to be sent, in order"),
    Topic(SUBSCRIBERS, "subscriber", "subscriber", None, "delivery", "delivery, operators",
          "how far each subscriber is: the number last used, and whether it is paused"),
    Topic(REGISTRATIONS, "subscriber", "subscriber", None, "http", "delivery, http",
          "who asked over HTTP to be told, of what and how; secrets are sealed"),
    Topic(DELIVERIES, "subscriber", "subscriber and sequence", 365 * DAY_S, "delivery",
          "operators", "what became of each notification at each subscriber"),
    Topic(ACKNOWLEDGEMENTS, "realm", "ward, source and visit", 90 * DAY_S, "http", "http",
          "which wards have taken note of who is coming"),
    Topic(AUDIT, "ward", "ward", 1_830 * DAY_S, "http", "operators",
          "who has seen what of whom, and when"),
    Topic(ALIASES, "realm", "realm, source and patient key", None, "router", "http",
          "which patient each number stands for, where it is another: as the router decided"),
    Topic(PATIENTS, "realm", "patient key, source and hash", None, "adapters, router", "http",
          "who each patient is, as each source says it, while a visit is open; empty unless configured"),
    Topic(FORMAT, "realm", "log", None, "log", "log",
          "the format of this log, on Kafka; SQLite keeps it in the file's user_version"),
)  # fmt: skip


def own_topic(subscriber: str, keep_days: int = TOLD_DAYS) -> Topic:
    """One subscriber's own; in no table, for it is there only where such a subscriber is configured."""
    return Topic(f"{TOLD}.{subscriber}", "ward", "ward", keep_days * DAY_S, "delivery", "subscriber",
                 "what one subscriber is told, with as many fields as it may see; CloudEvents")  # fmt: skip
