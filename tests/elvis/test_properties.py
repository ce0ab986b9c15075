"""Properties over generated weeks of exports: two hospitals, patients that come, move and go.

Each says how many cases it really asserted (``pytest -s`` shows it with ``--hypothesis-show-statistics``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hypothesis import event, given
from hypothesis import strategies as st

from adapters.elvis.settings import ElvisSettings, Guards, Scope
from schemas.observation import What
from tests.elvis.exports import File, Row, context, export
from tests.elvis.player import Player

HOSPITALS = {"SÄS Borås": "B1,B2", "SÄS Skene": "S1"}
SETTINGS = ElvisSettings(
    directory=Path("inbox"),
    scopes=tuple(
        Scope(name=hospital, hospital=hospital, wards=tuple(wards.split(",")), export_interval_s=60)
        for hospital, wards in HOSPITALS.items()
    ),
    guards=Guards(shrink_patients=100, unreadable_rows=100),
)
PATIENTS = [f"TEST-{number:03d}" for number in range(4)]


class Sighting(NamedTuple):
    """A patient's row, before it is known in which file."""

    patient: str
    ward: str
    mark: str
    leave: str


def _rows(wards: str) -> st.SearchStrategy[list[Row]]:
    sighting = st.builds(
        Sighting,
        st.sampled_from(PATIENTS),
        st.sampled_from([*wards.split(","), ""]),
        st.sampled_from(["", "B1", "B2", "S1"]),
        st.sampled_from(["Ja", "Nej", "kanske"]),
    )
    return st.lists(sighting, max_size=4, unique_by=lambda one: one.patient).map(
        lambda seen: [
            Row(one.ward, "1", "1", one.patient, mark=one.mark, leave=one.leave) for one in seen
        ]
    )


@st.composite
def _weeks(draw: st.DrawFn, *, blurred: bool = False) -> list[File]:
    """Exports of both hospitals, each at its own times, in the order of their times."""
    files = []
    for hospital, wards in HOSPITALS.items():
        minutes = draw(st.lists(st.integers(0, 12), min_size=2, max_size=8, unique=True))
        for minute in minutes:
            rows = draw(_rows(wards))
            if blurred and draw(st.integers(0, 5)) == 5:
                rows.append(Row(wards.split(",", maxsplit=1)[0], "1", "1", "?"))
            files.append(export(minute, *rows, wards=wards, hospital=hospital))
    return sorted(files, key=lambda file: (file.minute, file.hospital))


def _played(files: Sequence[File]) -> Player:
    player = Player(context(SETTINGS))
    player.play_all(files)
    return player


def _listing(file: File) -> set[str]:
    return {row.patient for row in file.rows if row.patient}


@given(_weeks(blurred=True), st.randoms(use_true_random=False))
def test_repeating_files_in_any_order_changes_nothing(files: list[File], random: object) -> None:
    player = _played(files)
    state = dict(player.state.patients), dict(player.state.scopes)
    again = list(files) * 2
    random.shuffle(again)  # type: ignore[attr-defined]
    told = [player.play(file) for file in again]
    assert {outcome.reason for outcome in told} == {"file-known"}
    assert (player.state.patients, player.state.scopes) == state


@given(_weeks(), st.data())
def test_scopes_may_arrive_in_any_order(files: list[File], data: st.DataObject) -> None:
    """Each scope's own files in order, the scopes interleaved at will: the same end, at rest.

    How many rounds of exports are over by then depends on the order, so rest is some rounds later.
    """
    waiting = {name: [one for one in files if one.hospital == name] for name in HOSPITALS}
    interleaved = []
    while any(waiting.values()):
        name = data.draw(st.sampled_from([name for name, left in waiting.items() if left]))
        interleaved.append(waiting[name].pop(0))
    at_rest = [one for minute in range(20, 80, 10) for one in _again(files, minute)]
    told = _played([*interleaved, *at_rest]).open_visits()
    assert told == _played([*files, *at_rest]).open_visits()
    event(f"reordered: {interleaved != files}")


def _again(files: Sequence[File], minute: int = 20) -> list[File]:
    """Each hospital's newest export, exported once more."""
    newest = {file.hospital: file for file in files}
    return [newest[name]._replace(minute=minute + nth) for nth, name in enumerate(HOSPITALS)]


@given(_weeks(blurred=True))
def test_absence_is_discharge_only_once_every_scope_is_later(files: list[File]) -> None:
    """Invariant 8, checked against the files themselves at each discharge."""
    player, ended = Player(context(SETTINGS)), 0
    for number, file in enumerate(files):
        for one in player.play(file).observations:
            if one.what is What.DISCHARGED:
                ended += 1
                _assert_gone(one.patient.identifiers[0].value, files[: number + 1])
    event(f"discharges: {min(ended, 3)}")


def _assert_gone(patient: str, so_far: Sequence[File]) -> None:
    last = max(file.minute for file in so_far if patient in _listing(file))
    for hospital in HOSPITALS:
        later = [one for one in so_far if one.hospital == hospital and one.minute > last]
        assert any("?" not in _listing(one) for one in later)
        assert not any(patient in _listing(one) for one in later)


@given(_weeks())
def test_at_rest_the_newest_row_of_each_listed_patient_holds(files: list[File]) -> None:
    """Net truth: once each scope has spoken again, with nothing new."""
    at_rest = _again(files)
    told = _played([*files, *at_rest]).open_visits()
    rows = {row.patient: row for file in at_rest for row in file.rows if row.patient}
    assert rows.keys() <= told.keys()
    for patient, row in rows.items():
        claims = told[patient]
        assert (claims.mark.ward if claims.mark else "") == row.mark
        assert (claims.place.ward if claims.place else "") == row.ward
    event(f"patients listed: {min(len(rows), 3)}")


@given(_weeks(blurred=True))
def test_an_observation_is_never_made_twice(files: list[File]) -> None:
    told = _played(files).observations
    assert len({one.id for one in told}) == len(told)
