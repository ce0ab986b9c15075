"""``wardbridge log mend`` on a file whose positions somebody moved, and on one whose state is gone; ``log clock``."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bus.port import LogError, Record
from bus.sqlite import SqliteLog
from router.delivery.ledger import Ledger
from schemas.topics import TICKS
from tests.delivery.dispatching import Endpoint, at_work, receipts, sender_to, until_so
from tests.delivery.notices import queued
from tests.wardbridge.support import command, configured, lab_text
from wardbridge.config.load import load
from wardbridge.logstore.log import log_path
from wardbridge.routing.step import make_runner


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a log in which the router has decided three ticks."""
    configured(tmp_path, lab_text())
    step(tmp_path, "one", "two", "three")
    return tmp_path


def step(data: Path, *ticks: str) -> int:
    """How many records the router decides."""
    with closing(SqliteLog.open(log_path(data))) as log:
        log.append([Record(TICKS, "lab", "lab", tick.encode()) for tick in ticks])
        runner = make_runner(log, load(data / "test.toml", data))
        return runner.run_once()


def change(data: Path, statement: str) -> None:
    with closing(sqlite3.connect(log_path(data))) as connection, connection:
        connection.execute(statement)


def mend(data: Path, *options: str) -> tuple[int, str]:
    done = command("log", "mend", "--config", data / "test.toml", "--data", data, *options)
    return done.returncode, done.stdout + done.stderr


def test_what_belongs_together_is_left_alone(data: Path) -> None:
    assert mend(data, "--yes") == (0, "positions, state and topics belong together\n")
    assert step(data, "four") == 1


def test_moved_positions_are_told_then_mended(data: Path) -> None:
    change(data, "UPDATE position SET next = next - 2 WHERE next = 3")
    said = "router, partition 0: ticks: position 1 becomes 3\n"
    assert mend(data) == (1, said + "nothing was changed; --yes does it\n")
    assert mend(data, "--yes") == (0, said + "mended: start the service\n")
    assert mend(data)[0] == 0
    assert step(data, "four") == 1


def test_positions_of_delivery_are_mended_too(data: Path) -> None:
    with closing(SqliteLog.open(log_path(data))) as log:
        log.append([queued("s", "A", number) for number in (1, 2)])
        with at_work(log, sender_to(Endpoint())):
            until_so(lambda: len(receipts(log)) == 2)
    change(data, "UPDATE position SET next = next - 1 WHERE reader = 'delivery'")
    with closing(SqliteLog.open(log_path(data))) as log, pytest.raises(LogError, match="runbook"):
        Ledger(log).take_over(0)
    assert mend(data, "--yes")[1].startswith(
        "delivery, partition 0: outgoing: position 1 becomes 2"
    )
    assert mend(data)[0] == 0


def test_a_state_that_is_gone_needs_its_copy(data: Path) -> None:
    change(data, "DELETE FROM newest")
    change(data, "DELETE FROM record WHERE key LIKE '\\%%' ESCAPE '\\'")
    code, said = mend(data, "--yes")
    assert code == 2
    assert "router, partition 0: there is no state" in said
    assert "Restore the log from its backup" in said


def test_a_service_that_runs_is_named(data: Path) -> None:
    with closing(SqliteLog.open(log_path(data))):
        code, said = mend(data)
    assert code == 2
    assert "stop that first" in said


@pytest.mark.parametrize(("days", "way"), [(365, "behind"), (-100, "ahead of")])
def test_retention_goes_by_the_clock_once_a_person_says_that_it_is_right(
    data: Path, days: int, way: str
) -> None:
    change(data, f"UPDATE seen SET at_ms = at_ms - {days} * 86400000")  # noqa: S608 - our number
    said = f"the time that retention goes by is {abs(days)}.0 days {way} this machine's clock\n"
    ask = ("log", "clock", "--config", data / "test.toml", "--data", data)
    done = command(*ask)
    assert (done.returncode, done.stdout) == (1, said + "nothing was changed; --yes does it\n")
    done = command(*ask, "--yes")
    assert (done.returncode, done.stdout) == (0, said + "done: start the service\n")
    assert command(*ask).stdout == "retention goes by this machine's clock\n"
