"""The state between snapshots: the newest of each scope, and the patients listed.

Rows of the compacted topic ``snapshots``, keyed ``feed|kind|id``, compact JSON values:

* ``scope``: the newest accepted snapshot of a scope: when, which bytes, which wards;
* ``patient``: a visit with its episode and where it is listed; after its end only the counter;
* ``file``: the verdict on a file, by content hash, to know a repetition.

Moments are *sequences*: microseconds since 1970 of the export time plus a scope's own number
below 1,000, so that two scopes exported in one second have one order, whichever comes first.
An unchanged row writes nothing: while a patient stands in a scope's newest snapshot, that is the
last sighting.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from zlib import crc32

import structlog

from bus.port import Record, Stored
from schemas import topics
from schemas.observation import Patient, PatientIdentifier

SCOPE_NUMBERS: Final = 1000
"""Sequences closer than this (a millisecond) are the same time in two scopes."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def sequence_of(moment: datetime, scope: str) -> int:
    """The sequence of a scope's snapshot exported at that moment."""
    whole_us = round(moment.timestamp() * 1_000_000)
    return whole_us - whole_us % SCOPE_NUMBERS + crc32(scope.encode()) % SCOPE_NUMBERS


def moment_of(sequence: int) -> datetime:
    """The export time of a sequence, to the millisecond."""
    return _EPOCH + timedelta(milliseconds=sequence // SCOPE_NUMBERS)


def is_later(sequence: int, than: int, by_s: int = 0) -> bool:
    """Whether a snapshot was exported later, whatever the scopes, by more than ``by_s``."""
    return sequence // SCOPE_NUMBERS > than // SCOPE_NUMBERS + by_s * (1_000_000 // SCOPE_NUMBERS)


class SnapshotRow(NamedTuple):
    """A patient's row in a scope's newest snapshot: the statement that it is, the ward code of its place.

    ``anew``: the next row is compared though it may say the same, for this one was not observed (two rows spoke
    of the patient), or another scope has said something since.
    """

    row: str
    ward: str
    anew: bool = False


@dataclass(frozen=True, slots=True)
class ScopeState:
    """The newest accepted snapshot of one scope.

    ``whole`` is the newest in which every row's patient could be read: only such a one can lack
    somebody. ``resumed`` is the newest whole one before which there was none for too long. ``told`` holds the statements of rows
    that say nothing, so that each is told once, and ``left`` of those that said nothing in an export since the
    newest whole one and stand there no more. ``reading`` tells how all rows were read.
    """

    sequence: int
    whole: int
    resumed: int
    file: str
    wards: tuple[str, ...]
    told: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()
    reading: str = ""


@dataclass(frozen=True, slots=True)
class PatientState:
    """One patient's newest visit.

    ``content`` is the digest of the claims last observed; ``left`` the newest sighting by a scope
    that no longer lists the patient; ``ended`` the sequence that ended the visit, 0 while open.

    While no scope lists the patient: ``missed`` is the newest export by which a scope stopped to;
    ``rounds`` counts how often every scope has spoken since, last by ``round_at``
    (:mod:`adapters.elvis.absence`).
    """

    patient: Patient
    episode: int
    visit: str
    content: str
    listed: Mapping[str, SnapshotRow]
    left: int = 0
    missed: int = 0
    rounds: int = 0
    round_at: int = 0
    ended: int = 0


class FileState(NamedTuple):
    """What became of a file: its verdict and reason, when it was handled (sequence), by which reading.

    Of a refused one ``scope`` is which it covers and ``exported`` the sequence of its export; empty and 0 where that
    cannot be told.
    """

    at: int
    verdict: str
    reason: str
    revision: int = 0
    scope: str = ""
    exported: int = 0


@dataclass(slots=True)
class SnapshotState:
    """The state of one feed, in memory.

    The last three are indexes over ``patients``: who stands in each scope's newest snapshot, who
    has an open visit and stands in none, whose visit ended (oldest first).
    """

    scopes: dict[str, ScopeState] = field(default_factory=dict)
    patients: dict[str, PatientState] = field(default_factory=dict)
    files: dict[str, FileState] = field(default_factory=dict)
    listed: dict[str, dict[str, SnapshotRow]] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)
    ended: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SnapshotChange:
    """What one handled file changes in the state. ``None`` forgets."""

    scopes: Mapping[str, ScopeState] = field(default_factory=dict)
    patients: Mapping[str, PatientState | None] = field(default_factory=dict)
    files: Mapping[str, FileState | None] = field(default_factory=dict)


def apply(state: SnapshotState, change: SnapshotChange) -> None:
    """Make the change in memory, once it is durable."""
    state.scopes.update(change.scopes)
    for key, patient in change.patients.items():
        _set_patient(state, key, patient)
    for digest, file in change.files.items():
        state.files.pop(digest, None)
        if file is not None:
            state.files[digest] = file


def _set_patient(state: SnapshotState, key: str, new: PatientState | None) -> None:
    old = state.patients.pop(key, None)
    for scope in old.listed if old else ():
        del state.listed[scope][key]
        if not state.listed[scope]:
            del state.listed[scope]
    state.unlisted.discard(key)
    state.ended.pop(key, None)
    if new is None:
        return
    state.patients[key] = new
    for scope, listing in new.listed.items():
        state.listed.setdefault(scope, {})[key] = listing
    if new.ended:
        state.ended[key] = new.ended
    elif not new.listed:
        state.unlisted.add(key)


# -- rows in the log --------------------------------------------------------------------------


_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def records_of(feed: str, change: SnapshotChange) -> list[Record]:
    """The change as records of topic ``snapshots``."""
    return [
        *(_record(feed, "scope", name, _scope_json(row)) for name, row in change.scopes.items()),
        *(
            _record(feed, "patient", key, _patient_json(row) if row else None)
            for key, row in change.patients.items()
        ),
        *(
            _record(feed, "file", digest, row._asdict() if row else None)
            for digest, row in change.files.items()
        ),
    ]


def _record(feed: str, kind: str, key: str, row: dict[str, Any] | None) -> Record:
    text = row and _COMPACT.encode(row)
    return Record(topics.SNAPSHOTS, feed, f"{feed}|{kind}|{key}", text.encode() if text else None)


def _scope_json(scope: ScopeState) -> dict[str, Any]:
    return {
        "sequence": scope.sequence,
        "whole": scope.whole,
        "resumed": scope.resumed,
        "file": scope.file,
        "wards": scope.wards,
        "told": sorted(scope.told),
        "left": sorted(scope.left),
        "reading": scope.reading,
    }


def _patient_json(row: PatientState) -> dict[str, Any]:
    return {
        "key": row.patient.key,
        "numbers": [[one.kind, one.value, one.assigner] for one in row.patient.identifiers],
        "episode": row.episode,
        "visit": row.visit,
        "content": row.content,
        "listed": row.listed,
        "left": row.left,
        "missed": row.missed,
        "rounds": row.rounds,
        "round_at": row.round_at,
        "ended": row.ended,
    }


def load(feed: str, stored: Iterable[Stored]) -> SnapshotState:
    """The state from the newest record of each key; other feeds' rows are passed over.

    So is a row that cannot be read: the next export says anew what it was about.
    """
    state = SnapshotState()
    for record in stored:
        name, _, rest = (record.key or "").partition("|")
        kind, _, key = rest.partition("|")
        if name == feed and record.value is not None:
            try:
                _load_row(state, kind, key, json.loads(record.value))
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                structlog.get_logger().error(
                    "snapshot_row_unreadable", feed=feed, partition=record.partition, offset=record.offset,
                    reason=type(error).__name__,
                )  # fmt: skip
    state.ended = dict(sorted(state.ended.items(), key=lambda item: item[1]))
    state.files = dict(sorted(state.files.items(), key=lambda item: item[1].at))
    return state


def _load_row(state: SnapshotState, kind: str, key: str, row: dict[str, Any]) -> None:
    match kind:
        case "scope":
            wards, told = tuple(row.pop("wards")), frozenset(row.pop("told"))
            left = frozenset(row.pop("left", ()))
            state.scopes[key] = ScopeState(wards=wards, told=told, left=left, **row)
        case "patient":
            _set_patient(state, key, _patient_from(row))
        case "file":
            state.files[key] = FileState(**row)
        case _:
            raise ValueError(f"no such row kind in the snapshots topic: {kind!r}")


def _patient_from(row: dict[str, Any]) -> PatientState:
    identifiers = tuple(
        PatientIdentifier(kind=kind, value=value, assigner=assigner)
        for kind, value, assigner in row["numbers"]
    )
    return PatientState(
        patient=Patient(key=row["key"], identifiers=identifiers),
        episode=row["episode"],
        visit=row["visit"],
        content=row["content"],
        listed={scope: SnapshotRow(*listing) for scope, listing in row["listed"].items()},
        left=row["left"],
        missed=row["missed"],
        rounds=row["rounds"],
        round_at=row["round_at"],
        ended=row["ended"],
    )


def without_scopes(state: SnapshotState, kept: Iterable[str]) -> SnapshotState:
    """The state once only ``kept`` scopes are configured: the others list nobody any more."""
    gone = set(state.scopes) - set(kept)
    for key in {key for scope in gone for key in state.listed.get(scope, {})}:
        _set_patient(state, key, _unlisted(state, state.patients[key], gone))
    for scope in gone:
        del state.scopes[scope]
    return state


def _unlisted(state: SnapshotState, patient: PatientState, gone: set[str]) -> PatientState:
    listed = {scope: row for scope, row in patient.listed.items() if scope not in gone}
    last = [state.scopes[scope].sequence for scope in patient.listed if scope in gone]
    left, missed = max([patient.left, *last]), max([patient.missed, *last])
    return replace(patient, listed=listed, left=left, missed=missed, rounds=0, round_at=missed)
