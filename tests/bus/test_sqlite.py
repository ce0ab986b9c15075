"""What only the SQLite file promises: one writer, readers beside it, upkeep, damage, versions."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from bus.port import LogBusyError, LogError, LogFullError, Record, TopicPartition
from bus.sqlite import SqliteLog, upkeep, writer
from bus.sqlite.seen import SeenTime
from bus.sqlite.timing import Timing
from schemas.topics import DESIGNATIONS, INBOUND, LOG_VERSION, RAW, STATE, TOPICS
from tests.bus.engines import YEARS_MS, Clock, SqliteEngine
from tests.bus.test_contract import raw, read_all, row, texts

FOLLOWER = """
import sys
from pathlib import Path
from bus.sqlite import SqliteLog

log = SqliteLog.open_readonly(Path(sys.argv[1]))
while True:
    for stored in log.read("g", ["raw"], 10, 30.0).records:
        print(stored.key, flush=True)
"""


# -- one writer, many readers -------------------------------------------------------------------


def test_a_second_writer_is_told_who_holds_the_log(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    script = (
        "import sys; from pathlib import Path; from bus.sqlite import SqliteLog\n"
        "SqliteLog.open(Path(sys.argv[1]))"
    )
    second = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "log.db")],
        capture_output=True, text=True, check=False, env=child_env(),
    )  # fmt: skip
    assert f"log.db: it is being written by process {os.getpid()}" in second.stderr
    (tmp_path / "alias.db").symlink_to(tmp_path / "log.db")
    for name in ("log.db", "alias.db"):
        with pytest.raises(LogBusyError):
            SqliteLog.open(tmp_path / name)
    log.close()
    SqliteLog.open(tmp_path / "log.db").close()


def test_another_process_follows_the_writer(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db", partitions=3)
    follower = subprocess.Popen(
        [sys.executable, "-c", FOLLOWER, str(tmp_path / "log.db")],
        stdout=subprocess.PIPE, text=True, env=child_env(),
    )  # fmt: skip
    assert follower.stdout is not None
    for number in range(5):
        log.append([raw("r", f"n{number}")])
        assert follower.stdout.readline() == f"n{number}\n"
    follower.kill()
    follower.communicate()
    log.close()


def test_a_reader_beside_the_writer_cannot_write(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db", partitions=2)
    reader = SqliteLog.open_readonly(tmp_path / "log.db")
    assert not reader.wait([RAW], {}, 0.0)
    log.append([raw("r", "a"), row("k", "v")])
    assert reader.wait([RAW], {}, 10)
    assert texts(read_all(reader, "g", [RAW])) == ["a"]
    assert (reader.partitions(RAW), reader.ends(RAW)) == (2, log.ends(RAW))
    with pytest.raises(LogError, match="reading only"):
        reader.append([raw("r", "b")])
    reader.close()
    log.close()


def test_a_query_sees_the_log_as_it_was_when_it_began(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    log.append([row(f"k{n}", "before") for n in range(500)])
    loading = log.load(TopicPartition(STATE, 0))
    first = next(loading)
    log.append([row(f"k{n}", "after" if n % 2 else None) for n in range(500)])
    assert set(texts([first, *loading])) == {"before"}
    assert texts(list(log.load(TopicPartition(STATE, 0)))) == ["after"] * 250
    log.close()


def test_a_load_given_up_half_way_leaves_its_connection_usable(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    log.append([row(f"k{n}", "v") for n in range(10)])
    for _ in range(50):
        next(log.load(TopicPartition(STATE, 0)))
    assert len(list(log.load(TopicPartition(STATE, 0)))) == 10
    log.close()


def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    log.append([raw("r", "a")])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(["log.db", "log.db-wal", "log.db-shm", "log.db.lock"], 0o600)
    log.close()


# -- one flush for all who wait -------------------------------------------------------------------


def test_all_who_wait_share_one_transaction(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    commits, answers = counted_commits(log), list[LogError | None]()

    def submit_all() -> None:
        for number in range(100):
            log.submit([raw("r", str(number))], answers.append)

    with_writer_held(log, submit_all)
    log.close()
    assert answers == [None] * 100
    assert len(commits) == 2  # the one that was held, and one for the hundred


def test_one_transaction_has_only_so_many_bytes(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    commits, large = counted_commits(log), Record(RAW, "r", None, b"x" * 800_000)

    def submit_all() -> None:
        for _ in range(50):
            log.submit([large], ignore)

    with_writer_held(log, submit_all)
    log.close()
    assert len(commits) == 1 + -(-50 * 800_000 // writer.MAX_BYTES)


def test_one_transaction_has_only_so_many_records(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    commits, count = counted_commits(log), 3 * writer.MAX_RECORDS

    def submit_all() -> None:
        for _ in range(count):
            log.submit([raw("r", "x")], ignore)

    with_writer_held(log, submit_all)
    log.close()
    assert len(commits) == 1 + count // writer.MAX_RECORDS


def test_what_fails_for_its_own_values_fails_alone(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    answers = dict[str, LogError | None]()
    too_large = {TopicPartition(RAW, 0): 2**70}

    def commit_beyond_all_offsets() -> None:
        with pytest.raises(LogError, match="could not do this"):
            log.commit("g", too_large, [raw("r", "bad")])
        answers["bad"] = None

    committing = threading.Thread(target=commit_beyond_all_offsets)

    def submit_among_others() -> None:
        log.submit([raw("r", "a"), row("k", "1")], lambda e: answers.update(a=e))
        committing.start()
        while log._writer._queue.qsize() < 2:
            committing.join(0.001)
        log.submit([raw("r", "b"), row("k", "2")], lambda e: answers.update(b=e))

    with_writer_held(log, submit_among_others)
    committing.join(30)
    log.append([])  # after all of them
    assert texts(read_all(log, "h", [RAW])) == ["held", "a", "b"]
    assert texts(list(log.load(TopicPartition(STATE, 0)))) == ["2"]
    assert (answers, log.committed("g")) == ({"a": None, "b": None, "bad": None}, {})
    log.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_hangs_if_the_writer_ever_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault_of_ours(*_given: object) -> bool:
        raise RuntimeError("never seen before")

    monkeypatch.setattr(upkeep, "tidy", fault_of_ours)
    log = SqliteLog.open(tmp_path / "log.db", timing=Timing(first_tidy_s=0.0))
    log._writer._thread.join(30)
    with pytest.raises(LogError, match="closed"):
        log.append([raw("r", "a")])
    log.close()


# -- copies ---------------------------------------------------------------------------------------


def test_a_copy_of_the_files_taken_while_open_is_whole(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    log.append([raw("r", "a"), row("k", "v")])
    (tmp_path / "copy").mkdir()
    files = [str(tmp_path / name) for name in ("log.db", "log.db-wal")]
    subprocess.run(["cp", *files, str(tmp_path / "copy")], check=True)
    assert_whole_copy(tmp_path / "copy" / "log.db")
    log.close()


def test_a_copy_by_the_log_or_by_sqlite_is_whole(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    log.append([raw("r", "a"), row("k", "v")])
    SqliteLog.open_readonly(tmp_path / "log.db").copy_to(tmp_path / "copy1.db")
    with (
        closing(sqlite3.connect(tmp_path / "log.db")) as source,
        closing(sqlite3.connect(tmp_path / "copy2.db")) as target,
    ):
        source.backup(target)
    assert stat.S_IMODE((tmp_path / "copy1.db").stat().st_mode) == 0o600
    assert_whole_copy(tmp_path / "copy1.db")
    assert_whole_copy(tmp_path / "copy2.db")
    with pytest.raises(LogError, match="is there already"):
        log.copy_to(tmp_path / "copy1.db")
    log.close()


# -- upkeep ---------------------------------------------------------------------------------------


def test_retention_works_in_slices(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    log.append([raw("r", str(n)) for n in range(upkeep.SLICE_RECORDS + 10)])
    log.append([Record(DESIGNATIONS, "r", None, b"x" * 800_000) for _ in range(20)])
    slots, now_ms = log._slots, log.scan(TopicPartition(RAW, 0), 0, 1)[0].timestamp_ms + YEARS_MS
    log.close()
    small, large = (slots[TopicPartition(topic, 0)] for topic in (RAW, DESIGNATIONS))
    with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as connection:
        left = list[tuple[int, int]]()
        clock = Clock()
        seen = SeenTime(connection, Timing(clock, monotonic_ms=clock))
        clock.now_ms = now_ms
        more = True
        while more:
            before = connection.total_changes
            more = upkeep.tidy(connection, {small: 1, large: 1}, seen)
            assert connection.total_changes - before <= upkeep.SLICE_RECORDS + 3
            left += connection.execute(
                "SELECT count(*), coalesce(sum(length(value)), 0) FROM record"
            )
    assert left[0][0] == 10 + 20
    assert left[-1] == (0, 0)
    assert all(was - now <= 6 * 800_000 for (_, was), (_, now) in pairwise(left))


def test_the_writer_tidies_between_transactions(sqlite_engine: SqliteEngine) -> None:
    log = sqlite_engine(1)
    log.append([raw("r", str(n)) for n in range(3 * upkeep.SLICE_RECORDS)])
    sqlite_engine.expire(log, RAW)
    assert log.scan(TopicPartition(RAW, 0), log.starts(RAW)[0], 10) == []


def test_nothing_goes_until_readers_had_time_to_catch_up(sqlite_engine: SqliteEngine) -> None:
    log = sqlite_engine(1)
    log.append([raw("r", "a")])
    log.close()
    sqlite_engine.clock.now_ms += YEARS_MS
    timing = Timing(sqlite_engine.clock)
    assert isinstance(log, SqliteLog)
    again = SqliteLog.open(log.path, timing=timing)
    again.append([raw("r", "b")])
    assert texts(read_all(again, "late", [RAW])) == ["a", "b"]
    again.close()


def test_old_tombstones_go_and_newer_ones_stay(sqlite_engine: SqliteEngine) -> None:
    log = sqlite_engine(1)
    log.append([row("old", "1"), row("new", "1"), row("old", None)])
    sqlite_engine.clock.now_ms += 1000 * upkeep.TOMBSTONE_KEPT_S + 1
    log.append([row("new", None)])
    state = TopicPartition(STATE, 0)
    while len(log.scan(state, 0, 10)) > 1:
        log.append([])
    assert [(s.key, s.offset) for s in log.scan(state, 0, 10)] == [("new", 3)]
    log = sqlite_engine.reopen(log)
    log.append([row("old", "2")])
    assert {s.key: s.offset for s in log.scan(state, 0, 10)} == {"new": 3, "old": 4}


def test_compaction_keeps_one_record_a_key_and_readers_step_over_holes(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    log.append([row("k", str(n)) for n in range(20)])
    assert texts(read_all(log, "g", [STATE])) == ["19"]
    log.append([row("k", "20"), row("other", "1"), row("k", "21")])
    found = log.read("g", [STATE], 10, 0.0)
    assert texts(found.records) == ["1", "21"]
    assert found.positions == {TopicPartition(STATE, 0): 23}
    log.close()


# -- a disk that is full, a file that is damaged, foreign or of another version -------------------


def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / "log.db")
    connection = log._writer._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages + 50}")
    with pytest.raises(LogFullError, match="free space"):
        fill(log)
    kept = log.ends(RAW)[0]
    with pytest.raises(LogFullError):
        log.commit("g", {TopicPartition(RAW, 0): kept}, [Record(RAW, "r", None, b"x" * 800_000)])
    assert log.committed("g") == {}
    connection.execute("PRAGMA max_page_count=1000000")
    log.append([raw("r", "after")])
    assert texts(log.scan(TopicPartition(RAW, 0), kept, 10)) == ["after"]
    log.close()


def test_damage_is_said_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = SqliteLog.open(path)
    fill(log)
    log.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * (path.stat().st_size // 2))
    with (
        pytest.raises(LogError, match=r"damaged .* start from the last copy"),
        closing(SqliteLog.open(path)) as log,
    ):
        read_all(log, "g", [RAW])


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    SqliteLog.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={LOG_VERSION + 1}")
    for opener in (SqliteLog.open, SqliteLog.open_readonly):
        with pytest.raises(LogError, match="newer wardbridge"):
            opener(path)


def test_a_file_of_an_older_version_is_refused_with_what_to_do_and_not_touched(
    tmp_path: Path,
) -> None:
    path = tmp_path / "log.db"
    with closing(SqliteLog.open(path)) as log:
        log.append([raw("r", "kept")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={LOG_VERSION - 1}")
    before = path.read_bytes()
    for opener in (SqliteLog.open, SqliteLog.open_readonly):
        with pytest.raises(LogError, match=r"older wardbridge .*another data folder"):
            opener(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_let_go(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"MSH|^~\\&|" * 1000)
    for _ in range(2):  # the second time shows that the lock was released
        with pytest.raises(LogError, match="not a database"):
            SqliteLog.open(path)


@pytest.mark.parametrize("opener", [SqliteLog.open, SqliteLog.open_readonly])
def test_a_path_that_cannot_be_opened_is_named(
    tmp_path: Path, opener: Callable[[Path], object]
) -> None:
    with pytest.raises(LogError, match=r"nowhere/log\.db"):
        opener(tmp_path / "nowhere" / "log.db")


def test_partitions_cannot_be_changed_in_place(tmp_path: Path) -> None:
    SqliteLog.open(tmp_path / "log.db", partitions=2).close()
    for partitions in (1, 4):
        with pytest.raises(LogError, match=f"has 2 partitions and {partitions} are configured"):
            SqliteLog.open(tmp_path / "log.db", partitions=partitions)
    SqliteLog.open(tmp_path / "log.db", partitions=2).close()


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE slot (id)")
    before = path.read_bytes()
    for opener in (SqliteLog.open, SqliteLog.open_readonly):
        with pytest.raises(LogError, match="database of another program"):
            opener(path)
    assert path.read_bytes() == before


def test_what_a_topic_left_behind_stops_no_upkeep(sqlite_engine: SqliteEngine) -> None:
    log = sqlite_engine(1)
    assert isinstance(log, SqliteLog)
    log.append([Record(INBOUND, "w", "k", b"v"), Record(INBOUND, "w", "k", None)])
    log.close()
    fewer = [topic for topic in TOPICS if topic.name != INBOUND]
    timing = Timing(sqlite_engine.clock, 0.0, 0.0, sqlite_engine.clock)
    log = SqliteLog.open(log.path, table=fewer, timing=timing)
    sqlite_engine.clock.now_ms += YEARS_MS
    for _ in range(3):  # tidied after each
        log.append([raw("r", "a")])
    log.close()
    log = SqliteLog.open(log.path)
    assert log.scan(TopicPartition(INBOUND, 0), 0, 10) == []
    assert log.ends(INBOUND) == {0: 2}
    log.close()


def test_topics_of_another_version_are_added_or_left_alone(tmp_path: Path) -> None:
    fewer = [topic for topic in TOPICS if topic.name != INBOUND]
    old = SqliteLog.open(tmp_path / "log.db", partitions=2, table=fewer)
    old.append([raw("r", "a")])
    old.close()
    with pytest.raises(LogError, match="'inbound': start the service of this version"):
        SqliteLog.open_readonly(tmp_path / "log.db")
    new = SqliteLog.open(tmp_path / "log.db", partitions=2)
    new.append([Record(INBOUND, "w", "k", b"v")])
    new.close()
    old = SqliteLog.open(tmp_path / "log.db", partitions=2, table=fewer)
    assert texts(read_all(old, "g", [RAW])) == ["a"]
    old.close()


def test_compaction_cannot_be_changed_in_place(tmp_path: Path) -> None:
    SqliteLog.open(tmp_path / "log.db").close()
    changed = [t._replace(retention_s=1) if t.name == STATE else t for t in TOPICS]
    with pytest.raises(LogError, match="'state' was compacted"):
        SqliteLog.open(tmp_path / "log.db", table=changed)


# -- helpers --------------------------------------------------------------------------------------


def child_env() -> dict[str, str]:
    return {**os.environ, "PYTHONSAFEPATH": "1"}


def ignore(error: LogError | None) -> None:
    assert error is None


def fill(log: SqliteLog) -> None:
    for _ in range(100):
        log.append([Record(RAW, "r", None, b"x" * 50_000)])


def counted_commits(log: SqliteLog) -> list[str]:
    commits = list[str]()
    connection = log._writer._connection
    connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    return commits


def with_writer_held(log: SqliteLog, act: Callable[[], None]) -> None:
    """Act while the writer's thread is busy answering, so that what is submitted must wait."""
    busy, go_on = threading.Event(), threading.Event()

    def hold(error: LogError | None) -> None:
        assert error is None
        busy.set()
        assert go_on.wait(30)

    log.submit([raw("r", "held")], hold)
    assert busy.wait(30)
    act()
    go_on.set()


def assert_whole_copy(path: Path) -> None:
    copy = SqliteLog.open(path)
    assert texts(read_all(copy, "g", [RAW])) == ["a"]
    assert texts(list(copy.load(TopicPartition(STATE, 0)))) == ["v"]
    assert copy.ends(RAW) == {0: 1}
    copy.close()
