"""Shows an item's input: its content to those who may see it, its structure to others.

Invariant: a shape has nothing of what the input says, but names of parts that the adapter knows as such.
Nothing is written, and nothing is asked beyond the log and the feed's own folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from adapters.common.locating import ByteSpan, Located, shape_of, whole
from adapters.common.outcome import InputOutcome
from adapters.common.receipt import ReceiptClock
from bus.port import Log
from schemas.audit import Seen
from schemas.base import VisitRef
from schemas.review import ReviewItem
from wardbridge.config.models import Feed, Installation
from wardbridge.ingest.kind import (
    Clock,
    FeedEnvironment,
    FeedKind,
    KeptFiles,
    NotReadError,
    ReadingContext,
    ShownInput,
)
from wardbridge.ingest.kinds import KINDS
from wardbridge.reviewing.inputs import find
from wardbridge.reviewing.planned import NO_BYTES, NO_INPUT, NOT_READ, Cannot
from wardbridge.security.secret import SecretError, keyer_of

AROUND_BYTES: Final = 8_000
"""Shown before and behind the place that failed; of it itself, and of a line with names of columns."""

UNNAMED: Final = "shown"


class Exhibit(NamedTuple):
    """Part of an input in pieces: ``head`` has names of columns, ``failed`` the place that is marked.

    Where no place is marked, all is in ``before``. ``is_cut``: there is more.
    """

    head: str
    before: str
    failed: str
    after: str
    is_marked: bool
    is_cut: bool


class Evidence(NamedTuple):
    """The bytes of an input, and what is known of them without reading them to anybody.

    ``structure`` is what the standard says of it, ``seen`` of whom it is.
    """

    payload: bytes
    located: Located
    kept: tuple[ByteSpan, ...] = ()
    structure: tuple[str, ...] = ()
    seen: tuple[Seen, ...] = ()

    def content(self) -> Exhibit:
        """What it says."""
        return _exhibit(self.payload, self.located)

    def shape(self) -> Exhibit:
        """The same without what it says."""
        return _exhibit(shape_of(self.payload, self.kept), self.located)


class _Part(NamedTuple):
    payload: bytes
    located: Located
    where: str
    path: Path


class Showing:
    """Finds the inputs of items."""

    def __init__(self, log: Log, installation: Installation, clock: Clock) -> None:
        self._log = log
        self._installation = installation
        self._clock = clock
        self._feeds = {feed.identity.name: feed for feed in installation.feeds}

    def evidence(self, item: ReviewItem) -> Evidence | Cannot:
        """The input of an item, or why there is none. Raises LogError."""
        if item.raw is None:
            return NO_INPUT
        feed = self._feeds.get(item.feed)
        try:
            if feed is None:
                return self._of_no_feed(item)
            return self._of_feed(item, feed, KINDS[feed.kind])
        except (SecretError, OSError, NotReadError) as error:
            return Cannot(NOT_READ, str(error))

    def files_of(self, name: str) -> KeptFiles | None:
        """The handled files of a feed whose inputs are files. Raises LogError, SecretError or OSError."""
        feed = self._feeds.get(name)
        return self._files(feed, self._reading(feed)) if feed else None

    def _files(self, feed: Feed, reading: ReadingContext) -> KeptFiles | None:
        kind, place = KINDS[feed.kind], FeedEnvironment(self._log, self._installation.data)
        return kind.kept_files and kind.kept_files(reading, place, feed.settings)

    def _of_no_feed(self, item: ReviewItem) -> Evidence | Cannot:
        """How it was read, nobody knows any more."""
        payload = self._kept(item)
        if payload is None:
            return NO_BYTES
        unknown = Seen(visit=VisitRef(source=item.source, visit=""))
        return Evidence(payload, Located(whole(payload)), seen=(unknown,))

    def _of_feed(self, item: ReviewItem, feed: Feed, kind: FeedKind[Any]) -> Evidence | Cannot:
        reading = self._reading(feed)
        files = self._files(feed, reading)
        payload = self._in_files(item, files) if files else self._kept(item)
        if payload is None:
            return NO_BYTES
        where = item.where or ""
        located = kind.locate(feed.settings, payload, where)
        return Evidence(
            payload,
            located,
            tuple(kind.kept(feed.settings, payload)),
            tuple(kind.structure(feed.settings, payload)),
            _of_whom(kind, reading, feed.settings, _Part(payload, located, where, _path_of(item))),
        )

    def _reading(self, feed: Feed) -> ReadingContext:
        keyer, clock = keyer_of(self._log, self._installation), ReceiptClock(self._clock)
        return ReadingContext(feed.identity, self._installation.register, keyer, clock)

    def _kept(self, item: ReviewItem) -> bytes | None:
        if item.raw is None:
            return None
        stored = find(self._log, item.realm, {item.raw.id: item.at}).get(item.raw.id)
        return stored.value if stored else None

    @staticmethod
    def _in_files(item: ReviewItem, files: KeptFiles) -> bytes | None:
        return files.bytes_of(item.raw.sha256) if item.raw else None


def _path_of(item: ReviewItem) -> Path:
    """The name that the input came under: some feeds read its time or its scope in it."""
    return Path((item.raw and item.raw.name) or UNNAMED)


def _of_whom(
    kind: FeedKind[Any], reading: ReadingContext, settings: BaseModel, part: _Part
) -> tuple[Seen, ...]:
    """The visits and patients that a plain reading finds in what is shown; else the patients whom its bytes name.

    A resource of a Bundle can be read by itself; a line of a file only with all others. Where nobody is found,
    that is said: somebody's data may have been shown.
    """
    is_line = part.located.head is not None
    read = part.payload if is_line else part.payload[slice(*part.located.part)]
    outcomes = (each for _, each in kind.outcomes(reading, settings, part.path, read))
    shown = (each for each in outcomes if not is_line or _meets(each, part.where))
    source = reading.identity.source
    found = dict.fromkeys(
        Seen(visit=VisitRef(source=source, visit=said.visit or ""), patient=said.patient.key)
        for outcome in shown
        for said in outcome.observations
    )
    if found:
        return tuple(found)
    nobody = VisitRef(source=source, visit="")
    named = kind.patients(reading, settings, ShownInput(read, part.path, part.where))
    keys = dict.fromkeys(each.key for each in named)
    return tuple(Seen(visit=nobody, patient=key) for key in keys) or (Seen(visit=nobody),)


def _meets(outcome: InputOutcome, where: str) -> bool:
    return where in {outcome.where, *(trouble.where for trouble in outcome.warnings)}


def _exhibit(payload: bytes, located: Located) -> Exhibit:
    part, failed, head = located
    charset = _charset_of(payload)

    def text(start: int, end: int) -> str:
        return payload[start:end].decode(charset, "replace")

    mark = failed or ByteSpan(part.end, part.end)
    begin = max(part.start, mark.start - AROUND_BYTES) if failed else part.start
    stop = min(mark.start, begin + 2 * AROUND_BYTES)
    shown_to = min(mark.end, mark.start + AROUND_BYTES)
    last = min(part.end, mark.end + AROUND_BYTES)
    head_end = min(head.end, head.start + AROUND_BYTES) if head else 0
    is_whole = begin == part.start and stop == mark.start and shown_to == mark.end
    return Exhibit(
        head=text(head.start, head_end) if head else "",
        before=text(begin, stop),
        failed=text(mark.start, shown_to),
        after=text(mark.end, last),
        is_marked=failed is not None,
        is_cut=not (is_whole and last == part.end),
    )


def _charset_of(payload: bytes) -> str:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"
