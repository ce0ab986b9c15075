"""What a person reads by a command is in the audit before they see it, or they do not see it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from bus.memory import MemoryLog
from bus.port import Log, LogError, Record
from bus.records import records_of
from bus.sqlite.log import SqliteLog
from schemas import topics
from schemas.audit import Action, AuditEntry, Seen
from schemas.base import VisitRef
from schemas.delivery import Delivery, Outcome
from schemas.review import ReviewItem
from tests.support.service import free_offset
from tests.wardbridge.test_census import kept as kept_view
from tests.wardbridge.test_census import view
from tests.wardbridge.test_http import AT
from wardbridge.cli import _noted, make_app
from wardbridge.cli._noted import READS, READS_NOTHING, Line, Looking, who
from wardbridge.logstore.log import log_path
from wardbridge.security.audit_spool import FOLDER, SpoolCollector, left, note

VISIT = Seen(visit=VisitRef(source="ehr", visit="4711"))
ARGUMENTS = {
    "audit list": ("--visit", "4711"),
    "deliveries list": ("--visit", "4711"),
    "deliveries show": ("portal", "1"),
    "review list": (),  # of nobody: an item names no visit
    "review show": ("item-1",),
}
OF_NOBODY = ("review list", "review show")  # an item names no visit


def entry(minutes: int = 0, by: str = "wall", how: str = "token") -> AuditEntry:
    return AuditEntry(
        at=AT + timedelta(minutes=minutes), action=Action.LISTED, reader=by, how=how, unit="",
        ward="MED", fields="minimal", seen=(VISIT,),
    )  # fmt: skip


def delivery(sequence: int = 1) -> Delivery:
    return Delivery(
        subscriber="portal", sequence=sequence, event="e1", kind="designated", ward="MED",
        visit=VISIT.visit, outcome=Outcome.DELIVERED, attempts=1, at=AT, announced_at=AT,
    )  # fmt: skip


ITEM = ReviewItem(
    id="item-1", realm="lab", source="ehr", feed="hl7", at=AT, reason="no-visit", detail="PV1-19",
    withheld=True,
)  # fmt: skip
KEPT = [
    Record(topics.AUDIT, "MED", "MED", entry().model_dump_json().encode()),
    Record(topics.SUBSCRIBERS, "portal", "portal", b"{}"),
    Record(topics.DELIVERIES, "portal", "portal|1", delivery().model_dump_json().encode()),
    Record(topics.REVIEW, "lab", "item-1", ITEM.model_dump_json().encode()),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with_log(tmp_path, lambda log: log.append(KEPT))
    return tmp_path


def with_log(data: Path, act: Callable[[Log], Any]) -> None:
    log = SqliteLog.open(log_path(data), partitions=1)
    try:
        act(log)
    finally:
        log.close()


CONFIG = """
[realms.lab]
[sources.ehr]
[feeds.hl7]
kind = "hl7v2-mllp"
source = "ehr"
port = 2575
[wards]
open = true
[http]
port = 8080
[authority.lab]
default = "ehr"
"""


def run(command: str, data: Path) -> Result:
    arguments = [*command.split(), *ARGUMENTS[command], "--data", str(data)]
    if command.startswith("review"):  # which asks the service, that is not there
        config = data / "wardbridge.toml"
        config.write_text(CONFIG, encoding="utf-8")
        arguments += ["--config", str(config), "--port-offset", str(free_offset())]
    return CliRunner().invoke(make_app(), arguments)


def commands(app: typer.Typer) -> Iterator[str]:
    for command in app.registered_commands:
        yield command.name or (command.callback.__name__ if command.callback else "")
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from (f"{group.name} {name}" for name in commands(group.typer_instance))


def test_every_command_says_whether_it_reads_of_patients() -> None:
    assert sorted(commands(make_app())) == sorted([*READS, *READS_NOTHING])
    assert set(ARGUMENTS) == set(READS)


@pytest.mark.parametrize("command", READS)
def test_what_a_command_shows_is_noted_with_who_when_and_whom(command: str, data: Path) -> None:
    done = run(command, data)
    assert done.exit_code == 0, done.output
    assert done.stdout
    (noted,) = left(data)
    assert noted.action is Action.LOOKED_UP
    assert noted.reader == who()
    assert noted.seen == (() if command in OF_NOBODY else (VISIT,))
    expected = [part for part in ARGUMENTS[command] if not part.startswith("--")]
    assert noted.about == " ".join([command, *expected])


@pytest.mark.parametrize("command", READS)
def test_what_cannot_be_noted_is_not_shown(command: str, data: Path) -> None:
    (data / FOLDER).write_text("no folder", encoding="utf-8")
    done = run(command, data)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "who reads this cannot be noted, so it is not shown" in done.stderr


@pytest.mark.parametrize(("patient", "found"), [("key-1", [1, 2]), ("key-2", [3]), ("key-3", [])])
def test_who_got_what_about_a_patient_is_told_under_all_visits(
    patient: str, found: list[int], tmp_path: Path
) -> None:
    visits = {1: ("4711", "key-1"), 2: ("4712", "key-1"), 3: ("4713", "key-2")}
    told = [
        delivery(number).model_copy(update={"visit": VisitRef(source="ehr", visit=visit)})
        for number, (visit, _) in visits.items()
    ]
    kept = [
        Record(
            topics.DELIVERIES, "portal", f"portal|{each.sequence}", each.model_dump_json().encode()
        )
        for each in told
    ]
    census = [kept_view(view(visit, patient=of)) for visit, of in visits.values()]
    with_log(tmp_path, lambda log: log.append([*kept, *census]))
    arguments = ["deliveries", "list", "--patient", patient, "--data", str(tmp_path)]
    done = CliRunner().invoke(make_app(), arguments)
    assert [json.loads(line)["sequence"] for line in done.stdout.splitlines()] == found
    (noted,) = left(tmp_path)
    assert noted.about == f"deliveries list {patient}"


def test_that_nothing_was_found_is_noted_too(data: Path) -> None:
    done = CliRunner().invoke(
        make_app(), ["deliveries", "list", "--visit", "4711", "--parked", "--data", str(data)]
    )
    assert (done.exit_code, done.stdout) == (0, "")
    (noted,) = left(data)
    assert (noted.about, noted.seen) == ("deliveries list 4711 parked", ())


def test_each_part_is_noted_before_it_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_noted, "MAX_LINES", 2)
    log = MemoryLog(1)
    noted: list[tuple[int, int]] = []  # entries and lines, as each line is asked for

    def lines() -> Iterator[Line]:
        shown = 0
        for number in range(5):
            shown += len(capsys.readouterr().out.splitlines())
            noted.append((len(list(records_of(log, topics.AUDIT))), shown))
            yield Line(str(number), (VISIT,))

    Looking(log, tmp_path, "deliveries list").show(lines())
    assert noted == [(0, 0), (0, 0), (0, 0), (1, 2), (1, 2)]
    assert len(list(records_of(log, topics.AUDIT))) == 3


def test_many_patients_of_one_part_are_in_several_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_noted, "MAX_SEEN", 2)
    log = MemoryLog(1)
    three = [Seen(visit=VisitRef(source="ehr", visit=number)) for number in "123"]
    Looking(log, tmp_path, "audit list").show([Line("", [*three, three[0]])])
    found = [AuditEntry.model_validate_json(r.value or b"") for r in records_of(log, topics.AUDIT)]
    assert [each.seen for each in found] == [tuple(three[:2]), (three[2],)]


def test_the_audit_lists_what_waits_once_and_not_the_note_of_its_own_reading(data: Path) -> None:
    assert len(run("audit list", data).stdout.splitlines()) == 1
    shown = run("audit list", data).stdout.splitlines()
    assert [AuditEntry.model_validate_json(line).how for line in shown] == ["token", "command"]
    (first, second) = left(data)
    with_log(data, lambda log: SpoolCollector(log, data)._collect())
    assert left(data) == []
    note_again(data, first)  # as after a service that ended between the log and the file
    listed = run("audit list", data).stdout.splitlines()
    found = [AuditEntry.model_validate_json(line) for line in listed]
    assert found == [entry(), first, second]


def note_again(data: Path, of: AuditEntry) -> None:
    with_log(data, lambda log: note(log, data, of))


def test_the_service_takes_notes_in_and_puts_aside_what_is_none(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note_again(data, entry(1))
    note_again(data, entry(2))
    (data / FOLDER / "0.json").write_text("{}", encoding="utf-8")
    log = MemoryLog(1)
    collector = SpoolCollector(log, data)
    collector._collect()
    found = [AuditEntry.model_validate_json(r.value or b"") for r in records_of(log, topics.AUDIT)]
    assert found == [entry(1), entry(2)]
    assert [path.name for path in (data / FOLDER).iterdir()] == ["0.unreadable"]
    assert (collector.blocking(), "audit_note_unreadable" in capsys.readouterr().out) == (None, True)  # fmt: skip


def test_a_note_that_the_log_refuses_waits_and_health_says_so(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise LogError("full")

    note_again(data, entry(1))
    log = MemoryLog(1)
    collector = SpoolCollector(log, data)
    with monkeypatch.context() as broken:
        broken.setattr(log, "append", refuse)
        collector._collect()
    assert (collector.blocking(), left(data)) == ("LogError: full", [entry(1)])
    collector._collect()
    assert (collector.blocking(), left(data)) == (None, [])


def test_who_it_is_is_the_user_of_the_process_and_who_has_logged_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = socket.gethostname()
    monkeypatch.setattr(_noted, "_logged_in", lambda: None)
    monkeypatch.setenv("USER", "somebody-else")
    assert who() == f"{_noted._name(os.getuid())}@{host}"
    monkeypatch.setattr(_noted, "_logged_in", lambda: "anna")
    assert who() == f"anna as {_noted._name(os.getuid())}@{host}"
    monkeypatch.setattr(_noted, "_name", lambda _: "anna")
    assert who() == f"anna@{host}"


def test_a_note_is_its_owner_s_only(data: Path) -> None:
    note_again(data, entry())
    for path in ((data / FOLDER), *(data / FOLDER).iterdir()):
        assert path.stat().st_mode & 0o077 == 0
        assert path.stat().st_uid == data.stat().st_uid
