"""Reads an export without the service: one outcome for each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from adapters.common.outcome import InputOutcome, Trouble, accepted, ignored, to_review
from adapters.elvis.compare import Context
from adapters.elvis.handle import IncomingFile, handle, incoming, judge
from adapters.elvis.row import RowReader
from adapters.elvis.state import SnapshotState
from schemas.observation import Observation, Patient


def outcomes(
    payload: bytes,
    name: str,
    received_at: datetime,
    context: Context,
    mtime_ns: int | None = None,
) -> list[tuple[int, InputOutcome]]:
    """One outcome for each data row, compared with an empty predecessor.

    A file that is refused as a whole gives one outcome, index 0. Nothing is stored.
    """
    file = incoming(payload, name, received_at, context, mtime_ns=mtime_ns)
    judged = judge(SnapshotState(), file, context)
    if isinstance(judged, Trouble) or isinstance(file.parsed, Trouble):
        return [(0, handle(SnapshotState(), file, context).outcome)]
    observed = {number: [observation] for number, observation in judged.observed}
    troubles: dict[int, list[Trouble]] = {}
    for number, trouble in judged.troubles:
        troubles.setdefault(number, []).append(trouble)
    return [
        (number, _row_outcome(observed.get(number, []), troubles.get(number, [])))
        for number in range(len(file.parsed.rows))
    ]


def patients(file: IncomingFile, line: int, context: Context) -> Iterator[Patient]:
    """Whose number the row in a line of an export has, also where the row or the export is not used."""
    if isinstance(file.parsed, Trouble):
        return
    reader = RowReader(context.sheet, file.parsed)
    for row in file.parsed.rows:
        found = reader.patient(row) if row.line == line and reader.is_whole(row) else None
        if isinstance(found, Patient):
            yield found


def _row_outcome(observations: Sequence[Observation], troubles: Sequence[Trouble]) -> InputOutcome:
    if observations:
        return accepted(observations, troubles)
    if troubles:
        return to_review(troubles[0])
    return ignored("place-vacant", "a place without a patient")
