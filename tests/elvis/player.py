"""Plays files through the pure part of the feed, remembering state as the feed does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from adapters.common.outcome import InputOutcome
from adapters.elvis import state as snapshot_state
from adapters.elvis.compare import Context
from adapters.elvis.handle import Handled, incoming, prepare
from adapters.elvis.state import SnapshotState
from bus.port import Record
from schemas.observation import Claims, Observation, What
from tests.elvis.exports import File, context


class Player:
    """One feed without directory and log."""

    def __init__(self, of: Context | None = None) -> None:
        self.context = of or context()
        self.state = SnapshotState()
        self.observations: list[Observation] = []

    def play(
        self, file: File, *, approved: bool = False, received_at: datetime | None = None
    ) -> InputOutcome:
        """What becomes of the file, by default received a minute after its export."""
        return self.play_bytes(
            file.payload(), received_at or file.at + timedelta(minutes=1), approved=approved
        )

    def play_bytes(
        self, payload: bytes, received_at: datetime, *, approved: bool = False
    ) -> InputOutcome:
        return self.handle(payload, received_at, approved=approved)[0].outcome

    def handle(
        self, payload: bytes, received_at: datetime, *, approved: bool = False
    ) -> tuple[Handled, list[Record]]:
        file = incoming(payload, "export.csv", received_at, self.context, approved=approved)
        handled, records, found = prepare(self.state, file, self.context)
        snapshot_state.apply(self.state, handled.change)
        self.context.review.note(found)
        self.observations += handled.outcome.observations
        return handled, [*records]

    def play_all(self, files: Iterable[File]) -> None:
        for file in files:
            self.play(file)

    def open_visits(self) -> dict[str, Claims]:
        """Number of each patient with an open visit, to what was last said of it.

        The plainest fold: by stamp, a state replaces all, a discharge ends.
        """
        said: dict[str, tuple[str, Claims | None]] = {}
        for one in sorted(self.observations, key=Observation.sort_key):
            ended = one.what is What.DISCHARGED
            said[str(one.visit)] = (
                one.patient.identifiers[0].value,
                None if ended else one.claims,
            )
        return {number: claims for number, claims in said.values() if claims is not None}
