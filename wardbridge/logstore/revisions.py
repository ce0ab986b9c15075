"""The revision of a feed's reading: committed to the log before the feed takes any input.

A process that starts a feed with a fingerprint other than the newest claims the next number by
appending a row, and looks whether it was the first. All rows of a feed are in one partition, so
every process sees them in one order; none is ever replaced (:mod:`schemas.revision`). So processes
that start at once with one fingerprint agree on its number, and no two fingerprints share one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from adapters.common.feed import FeedIdentity
from bus.port import Log, Record, TopicPartition
from bus.records import parsed
from schemas import topics
from schemas.revision import FeedRevision

CLAIM_BYTES: Final = 8
ALL: Final = "*"
"""No feed has this name."""
FIRST: Final = 1


def revised(
    log: Log, feed: FeedIdentity, fingerprint: str, clock: Callable[[], datetime]
) -> FeedIdentity:
    """The feed with the number of its reading, claimed if it is new. Raises LogError."""
    while True:
        newest = newest_of(log, feed.name)
        if newest is not None and newest.fingerprint == fingerprint:
            return replace(feed, revision=newest.revision, fingerprint=fingerprint)
        number = newest.revision + 1 if newest else 1
        log.append([_claim(feed.name, fingerprint, number, clock())])
        structlog.get_logger().info("revision_claimed", feed=feed.name, revision=number)


def foreseen(log: Log, feed: FeedIdentity, fingerprint: str) -> FeedIdentity:
    """The feed with the number that its reading has, or would have; nothing is claimed. Raises LogError."""
    newest = newest_of(log, feed.name)
    is_known = newest is not None and newest.fingerprint == fingerprint
    number = newest.revision + (not is_known) if newest else FIRST
    return replace(feed, revision=number, fingerprint=fingerprint)


def check_of(log: Log) -> str | None:
    """The check of the secret that the keys in the log are made with: the first claimed. Raises LogError."""
    first = newest_of(log, ALL)
    return first.fingerprint if first else None


def claim_check(log: Log, check: str, clock: Callable[[], datetime]) -> None:
    """Have the log know the secret, unless it knows one. Raises LogError."""
    if check_of(log) is None:
        log.append([_claim(ALL, check, FIRST, clock())])


def newest_of(log: Log, feed: str) -> FeedRevision | None:
    """The feed's newest reading; None before the first. Raises LogError."""
    first: dict[int, FeedRevision] = {}
    for row in _rows(log, feed):
        first.setdefault(row.revision, row)
    return first[max(first)] if first else None


def _rows(log: Log, feed: str) -> list[FeedRevision]:
    """Every claim of the feed, in the order in which the log took them."""
    at = TopicPartition(topics.REVISIONS, log.partition_of(topics.REVISIONS, feed))
    stored = sorted(log.load(at), key=lambda each: each.offset)
    rows = (parsed(FeedRevision, each) for each in stored)
    return [row for row in rows if row is not None and row.feed == feed]


def _claim(feed: str, fingerprint: str, number: int, at: datetime) -> Record:
    row = FeedRevision(feed=feed, fingerprint=fingerprint, revision=number, at=at)
    key = f"{feed}|{fingerprint}|{secrets.token_hex(CLAIM_BYTES)}"
    return Record(topics.REVISIONS, feed, key, row.model_dump_json().encode())
