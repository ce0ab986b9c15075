"""What only the SQLite file promises: one writer, copies, upkeep, a full disk, older files."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bus.port import LogBusyError, LogError, LogFullError, PositionLostError, Record, TopicPartition
from bus.sqlite import SqliteLog, upkeep
from bus.sqlite.schema import SCHEMA_VERSION
from bus.sqlite.upkeep import Plan
from schemas.topics import RAW, STATE
from tests.bus.test_contract import raw, read_all, row, texts


def test_a_second_writer_is_told_who_holds_the_log(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    script = (
        "import sys; from pathlib import Path; from bus.sqlite import SqliteLog\n"
        "SqliteLog.open(Path(sys.argv[1]))"
    )
    second = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "log.db")],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONSAFEPATH": "1"},
    )  # fmt: skip
    assert f"is being written by process {os.getpid()}" in second.stderr
    with pytest.raises(LogBusyError):
        SqliteLog.open(tmp_path / "log.db")
    log.close()
    SqliteLog.open(tmp_path / "log.db").close()


def test_readers_beside_the_writer_see_what_is_committed(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    reader = SqliteLog.open_readonly(tmp_path / "log.db")
    log.append([raw("r", "a")])
    assert reader.wait([RAW], {}, 10)
    assert texts(read_all(reader, "g", [RAW])) == ["a"]
    with pytest.raises(LogError, match="reading only"):
        reader.append([raw("r", "b")])
    reader.close()
    log.close()


def test_a_copy_taken_while_running_opens(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    log.append([raw("r", "a"), row("k", "v")])
    for suffix in ("", "-wal"):
        shutil.copy(f"{tmp_path / 'log.db'}{suffix}", f"{tmp_path / 'copy.db'}{suffix}")
    copy = SqliteLog.open(tmp_path / "copy.db")
    assert texts(read_all(copy, "g", [RAW])) == ["a"]
    copy.close()
    log.close()


def test_offsets_go_on_after_a_restart_and_after_retention(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = SqliteLog.open(path)
    log.append([raw("r", str(n)) for n in range(10)])
    log.close()
    _age(path, "UPDATE record SET at_ms = 0")
    log = SqliteLog.open(path)
    _tidy(log)
    log.close()
    log = SqliteLog.open(path)
    assert (log.starts(RAW), log.ends(RAW)) == ({0: 10}, {0: 10})
    log.append([raw("r", "new")])
    assert [s.offset for s in log.scan(TopicPartition(RAW, 0), 10, 5)] == [10]
    with pytest.raises(PositionLostError, match="oldest kept is 10"):
        log.scan(TopicPartition(RAW, 0), 3, 5)
    log.close()


def test_old_tombstones_go_and_newer_ones_stay(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = SqliteLog.open(path)
    log.append([row("old", "1"), row("new", "1"), row("old", None), row("new", None)])
    log.close()
    _age(path, "UPDATE record SET at_ms = 0 WHERE key = 'old'")
    log = SqliteLog.open(path)
    _tidy(log)
    assert [s.key for s in log.scan(TopicPartition(STATE, 0), 0, 10)] == ["new"]
    assert log.ends(STATE) == {0: 4}
    log.close()


def test_compaction_keeps_one_record_a_key(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    log.append([row("k", str(n)) for n in range(20)])
    log.append([row("k", str(n)) for n in range(20, 40)])
    assert texts(log.scan(TopicPartition(STATE, 0), 0, 100)) == ["39"]
    log.close()


def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    assert log._writer is not None
    connection = log._writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages + 50}")
    with pytest.raises(LogFullError, match="free space"):
        fill(log)
    kept = log.ends(RAW)[0]
    connection.execute("PRAGMA max_page_count=1000000")
    log.append([raw("r", "after")])
    assert texts(log.scan(TopicPartition(RAW, 0), kept, 10)) == ["after"]
    log.close()


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    SqliteLog.open(path).close()
    _age(path, f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    with pytest.raises(LogError, match="newer wardbridge"):
        SqliteLog.open(path)


def test_a_file_that_is_no_database_is_refused_and_let_go(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"MSH|^~\\&|" * 1000)
    for _ in range(2):  # the second time shows that the lock was released
        with pytest.raises(LogError, match="not a database"):
            SqliteLog.open(path)


def test_partitions_cannot_be_changed_in_place(tmp_path: Path) -> None:
    SqliteLog.open(tmp_path / "log.db", partitions=2).close()
    with pytest.raises(LogError, match="has 2 partitions and 4 are configured"):
        SqliteLog.open(tmp_path / "log.db", partitions=4)


def fill(log: SqliteLog) -> None:
    for _ in range(100):
        log.append([Record(RAW, "r", None, b"x" * 50_000)])


def _age(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(sql)
    connection.commit()
    connection.close()


def _tidy(log: SqliteLog) -> None:
    assert log._writer is not None
    plan: Plan = log._writer._upkeep
    deadline = time.monotonic() + 10
    while upkeep.tidy(log._writer._connection, plan, log._writer._ends):
        assert time.monotonic() < deadline
