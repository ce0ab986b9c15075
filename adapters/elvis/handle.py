"""Handles one file: from its bytes to outcome, records and state change.

Pure. A file whose hash is known as accepted changes nothing again, unless it is the newest of its scope
and is read otherwise now; one known as refused is judged anew (the configuration may have been
corrected, a person may have approved it) and changes nothing if it is refused for the same reason.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from adapters.common.describing import Describer
from adapters.common.feed import (
    FeedIdentity,
    Input,
    envelope_record,
    patient_records,
    raw_record,
)
from adapters.common.filename import shown
from adapters.common.keys import PatientKeyer, raw_pointer
from adapters.common.outcome import InputOutcome, Trouble, Verdict, accepted, ignored, to_review
from adapters.common.review import NOTHING, FeedReview, Findings, statement_of
from adapters.elvis import guards
from adapters.elvis import state as snapshot_state
from adapters.elvis.archive import original_name
from adapters.elvis.bounds import bounded
from adapters.elvis.compare import Arrival, Comparison, Context, compare
from adapters.elvis.format import HEADER
from adapters.elvis.outside import Outside, given_by
from adapters.elvis.parse import Export, may_be_growing, parse
from adapters.elvis.row import RowReader, make_sheet
from adapters.elvis.settings import ElvisSettings
from adapters.elvis.state import FileState, SnapshotChange, SnapshotState
from bus.port import Record
from schemas.observation import RawPointer
from schemas.ward import WardRegister

OBSERVATIONS_IN_ENVELOPE: Final = 400
"""An observation of a row has at most some 2,000 bytes (cells are bounded): below 900 kB."""


class IncomingFile(NamedTuple):
    """A file: name, hash and size, what it says, when it was read.

    ``may_grow``: it is no export, perhaps because it is still being written, or nothing in it says that it
    ends. ``identity``: equal for the same export; its hash, and its time where that is not in it, for
    without changes the next export has the same bytes.
    """

    raw: RawPointer
    parsed: Export | Trouble
    received_at: datetime
    approved: bool
    may_grow: bool
    identity: str


class Handled(NamedTuple):
    """What becomes of a file. ``change`` is empty where it was known already."""

    outcome: InputOutcome
    change: SnapshotChange
    is_known: bool = False


class Prepared(NamedTuple):
    """What becomes of a file, and everything to commit together for it; ``found``: in review."""

    handled: Handled
    records: Sequence[Record]
    found: Findings


def make_context(  # noqa: PLR0913 - all that a feed's files have in common
    feed: FeedIdentity,
    settings: ElvisSettings,
    register: WardRegister,
    keyer: PatientKeyer,
    *,
    describe: bool = False,
    review: FeedReview | None = None,
) -> Context:
    """Everything that stays the same from file to file."""
    sheet = make_sheet(settings.format, register, feed.source, keyer)
    describer = Describer(feed, keyer) if describe else None
    return Context(feed, settings, sheet, review or FeedReview(feed), describer)


def incoming(  # noqa: PLR0913 - all that is known of a file
    payload: bytes,
    name: str,
    received_at: datetime,
    context: Context,
    *,
    approved: bool = False,
    mtime_ns: int | None = None,
) -> IncomingFile:
    """The file's bytes, read as far as that needs no earlier snapshot. Total: nothing raises.

    ``name`` as the file system gives it. Of a file that is too large, ``guards.file_bytes`` and one
    more suffice.
    """
    raw = raw_pointer(payload, received_at, context.feed.name, name=shown(name))
    outside = Outside(original_name(name, raw.sha256), mtime_ns)
    parsed, may_grow = _parsed(payload, outside, context)
    identity = raw.sha256
    if context.settings.format.exported_at != HEADER and isinstance(parsed, Export):
        identity = f"{raw.sha256}@{parsed.exported_at.isoformat()}"
    return IncomingFile(raw, parsed, received_at, approved, may_grow, identity)


def _parsed(payload: bytes, outside: Outside, context: Context) -> tuple[Export | Trouble, bool]:
    settings = context.settings
    too_large = guards.not_too_large(len(payload), settings.guards)
    if too_large:
        return too_large, False
    try:
        given = given_by(outside, settings)
        parsed = given if isinstance(given, Trouble) else parse(payload, settings.format, given)
        is_cut = isinstance(parsed, Trouble) or not settings.format.trailer
        return parsed, is_cut and may_be_growing(payload, settings.format)
    except Exception as error:  # noqa: BLE001 - as in handle
        return _fault(error), False


def prepare(state: SnapshotState, file: IncomingFile, context: Context) -> Prepared:
    """Judge one file and say what to commit. Total: a file that no record can be made of is refused."""
    handled = handle(state, file, context)
    try:
        return _prepared(handled, file, context)
    except Exception as error:  # noqa: BLE001 - as in handle
        return prepare_refusal(state, file, _fault(error), context)


def prepare_refusal(
    state: SnapshotState, file: IncomingFile, trouble: Trouble, context: Context
) -> Prepared:
    """Nothing of the file is used."""
    return _prepared(_refused(state, file, trouble, context), file, context)


def _prepared(handled: Handled, file: IncomingFile, context: Context) -> Prepared:
    found = NOTHING
    if not handled.is_known or handled.outcome.parts:
        taken = Input(file.raw, file.received_at)
        found = context.review.findings(
            taken, handled.outcome, lambda: _statement_of(file.raw.sha256)
        )
    return Prepared(handled, records_of(handled, file, context.feed, found.records), found)


def handle(state: SnapshotState, file: IncomingFile, context: Context) -> Handled:
    """Judge one file against the state; the state is left as it is. Total: nothing raises."""
    try:
        return _handled(state, file, context)
    except Exception as error:  # noqa: BLE001 - one file must not end the service at every start
        return _refused(state, file, _fault(error), context)


def _handled(state: SnapshotState, file: IncomingFile, context: Context) -> Handled:
    known = state.files.get(file.identity)
    is_taken = known is not None and known.verdict == Verdict.ACCEPTED
    if is_taken and not _is_read_otherwise(state, file, context):
        outcome = replace(
            ignored("file-known", "accepted before"), parts=_over(state, file, context)
        )
        return Handled(outcome, SnapshotChange(), is_known=True)
    judged = judge(state, file, context)
    if isinstance(judged, Trouble):
        return _refused(state, file, judged, context)
    told, cut = bounded([trouble for _, trouble in judged.troubles])
    observed = [observation for _, observation in judged.observed]
    is_first = known is None or known.verdict != Verdict.ACCEPTED
    replaced = _replaced(state, judged.change, file) if is_first else ()
    parts = (*(part for part in judged.parts if part not in cut), *replaced)
    outcome = replace(accepted(observed, told), parts=parts)
    if (
        known
        and known.verdict == Verdict.ACCEPTED
        and not (judged.observed or judged.parts or judged.troubles)
    ):
        return Handled(ignored("file-known", "accepted before"), SnapshotChange(), is_known=True)
    if context.describer is not None:
        outcome = replace(outcome, patients=context.describer.rows(outcome.observations, {}))
    return Handled(outcome, replace(judged.change, files=_files(state, file, outcome, context)))


def _is_read_otherwise(state: SnapshotState, file: IncomingFile, context: Context) -> bool:
    """Whether an accepted file is the newest of its scope, and was read by another configuration."""
    is_newest = any(scope.file == file.identity for scope in state.scopes.values())
    return is_newest and state.files[file.identity].revision != context.feed.revision


def _over(state: SnapshotState, file: IncomingFile, context: Context) -> tuple[str, ...]:
    """What an older export said and the newest of its scope says no more; looked for where it matters."""
    if isinstance(file.parsed, Trouble) or not context.review.has_open:
        return ()
    scope = guards.scope_of(file.parsed, context.settings.scopes, state.scopes)
    if isinstance(scope, Trouble) or scope not in state.scopes:
        return ()
    reader = RowReader(context.sheet, file.parsed)
    listed = {listing.row for listing in state.listed.get(scope, {}).values()}
    still = listed | state.scopes[scope].told
    return tuple(said for said in map(reader.statement, file.parsed.rows) if said not in still)


def _replaced(state: SnapshotState, change: SnapshotChange, file: IncomingFile) -> Iterator[str]:
    """The refused exports whose place this one takes: of its scope, or of none known where there is one only.

    It is a whole picture, and newer: what it lists and cannot be read is in review for itself.
    """
    is_only_scope = {*state.scopes, *change.scopes} == {*change.scopes}
    for identity, refused in state.files.items():
        if refused.verdict != Verdict.REVIEW or identity == file.identity:
            continue
        taken = change.scopes.get(refused.scope)
        if taken is None and not refused.scope and is_only_scope:
            taken = next(iter(change.scopes.values()))
        if taken is not None and refused.exported <= taken.sequence:
            yield _statement_of(identity.partition("@")[0])


def _statement_of(sha256: str) -> str:
    """Of an export as a whole."""
    return statement_of(b"export", sha256.encode())


def _refused(
    state: SnapshotState, file: IncomingFile, trouble: Trouble, context: Context
) -> Handled:
    is_over = trouble.reason == guards.OLDER_THAN_LAST  # a newer one has told who is to come
    trouble = replace(trouble, mark_unread=not is_over)  # of anybody that it lists
    outcome, known = to_review(trouble), state.files.get(file.identity)
    if known and known.reason == trouble.reason:
        return Handled(outcome, SnapshotChange(), is_known=True)
    return Handled(outcome, SnapshotChange(files=_files(state, file, outcome, context)))


def _fault(error: Exception) -> Trouble:
    name, at = type(error).__name__, _raised_at(error)
    detail = f"{name} at {at}: a fault of this program, please report it with the version"
    return Trouble("internal-error", detail)


def _raised_at(error: Exception) -> str:
    """File and line; the error's text may quote an input."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else "unknown"


def judge(state: SnapshotState, file: IncomingFile, context: Context) -> Comparison | Trouble:
    """What the file changes, or why it is refused."""
    if isinstance(file.parsed, Trouble):
        return file.parsed
    arrival = Arrival(file.identity, file.received_at, file.approved)
    return compare(state, file.parsed, arrival, context)


def _files(
    state: SnapshotState, file: IncomingFile, outcome: InputOutcome, context: Context
) -> dict[str, FileState | None]:
    at = round(file.received_at.timestamp() * 1_000_000)
    kept = context.settings.remember_files - 1
    oldest = [digest for digest in state.files if digest != file.identity]
    forgotten: dict[str, FileState | None] = dict.fromkeys(oldest[: max(0, len(oldest) - kept)])
    revision = context.feed.revision
    became = FileState(at, outcome.verdict.value, outcome.reason, revision)
    if outcome.verdict is Verdict.REVIEW and isinstance(file.parsed, Export):
        scope = guards.scope_of(file.parsed, context.settings.scopes, state.scopes)
        if isinstance(scope, str):
            became = became._replace(scope=scope, exported=_exported(outcome, file.parsed, scope))
    return {**forgotten, file.identity: became}


def _exported(outcome: InputOutcome, export: Export, scope: str) -> int:
    """The sequence of a refused export; a time that is to come says nothing."""
    is_believed = outcome.reason != guards.IN_FUTURE
    return snapshot_state.sequence_of(export.exported_at, scope) if is_believed else 0


def records_of(
    handled: Handled, file: IncomingFile, feed: FeedIdentity, found: Sequence[Record] = ()
) -> list[Record]:
    """Everything to commit together: raw pointer, envelopes, what review has, snapshot rows."""
    if handled.is_known:
        return [*found]
    outcome, raw, received_at = handled.outcome, file.raw, file.received_at
    pointer = raw.model_dump_json(exclude_unset=True).encode()
    return [
        raw_record(feed, raw, pointer, outcome),
        *_envelopes(outcome, raw, received_at, feed),
        *patient_records(outcome),
        *found,
        *snapshot_state.records_of(feed.name, handled.change),
    ]


def _envelopes(
    outcome: InputOutcome, raw: RawPointer, received_at: datetime, feed: FeedIdentity
) -> list[Record]:
    # A region's snapshot can exceed the size of a record: one envelope for each group of rows,
    # all in one commit. Each patient has at most one row, so no group needs another.
    told = outcome.observations
    groups = range(0, len(told), OBSERVATIONS_IN_ENVELOPE)
    return [
        envelope_record(
            feed,
            Input(raw.model_copy(update={"index": start}), received_at),
            replace(outcome, observations=told[start : start + OBSERVATIONS_IN_ENVELOPE]),
        )
        for start in groups
    ]
