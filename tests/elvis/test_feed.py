"""The feed on a real directory and the log in memory: what is committed, what is moved where."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Self, cast

import pytest

from adapters.elvis import reading
from adapters.elvis.feed import FILES_AT_ONCE, ElvisDirectoryFeed
from adapters.elvis.inbox import Signature, StableFiles
from adapters.elvis.settings import ElvisSettings, Guards, Watching
from bus.memory import MemoryLog
from bus.port import LogError, LogFencedError, TopicPartition
from schemas.observation import RawPointer
from schemas.review import ReviewItem
from schemas.ward import WardRegister
from tests.elvis.exports import FEED, KEYER, File, Row, export
from tests.elvis.ward import Clocks, FailingLog, Ward

ANNA = Row("B1", "2", "1", "TEST-001", responsible="B1")
BO = Row("B2", "2", "1", "TEST-002", responsible="B2")


Opens = Callable[[Path], BinaryIO]


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path / "inbox")


def test_a_complete_file_is_committed_and_moved_to_done(ward: Ward) -> None:
    ward.put("a.csv", export(0, ANNA))
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described"]
    assert (ward.names(), ward.names("done"), ward.names("rejected")) == ([], ["a.csv"], [])
    pointer = RawPointer.model_validate_json(ward.values("raw")[0])
    assert (pointer.name, pointer.size) == ("a.csv", len(export(0, ANNA).payload()))
    assert (ward.directory / "done" / f"{pointer.sha256[:12]}-a.csv").exists()
    figures = {name: count for name, count in ward.feed.figures.counts().items() if count}
    assert figures == {"files_accepted": 1, "observations": 1}
    taken = ward.feed.figures
    assert taken.last_seen is not None
    assert (taken.last_accepted_at, taken.outcomes) == (
        taken.last_seen,
        {("accepted", "accepted"): 1},
    )


def test_a_feed_whose_every_export_is_refused_shows_it(ward: Ward) -> None:
    for minute in range(3):
        ward.put(f"{minute}.csv", export(minute, ANNA)._replace(counted=7))
    ward.look_until_stable()
    taken = ward.feed.figures
    assert taken.last_seen is not None
    assert (taken.last_accepted_at, taken.outcomes) == (None, {("review", "count-differs"): 3})


def test_a_file_is_left_alone_while_it_changes(ward: Ward) -> None:
    payload = export(0, ANNA).payload()
    path = ward.directory / "a.csv"
    for size in (40, 200, len(payload)):
        path.write_bytes(payload[:size])
        ward.dated(path)
        ward.feed.look()
        ward.clocks.passed_s += 1.5
        assert ward.observed() == []
    ward.feed.look()
    assert ward.observed() == ["TEST-001 described"]


def test_a_cut_file_is_given_time_then_rejected_with_its_reason(ward: Ward) -> None:
    ward.cut("a.csv", export(0, ANNA))
    ward.look_until_stable()
    assert ward.names() == ["a.csv"]
    assert ward.values("review") == []
    ward.clocks.passed_s += 60
    ward.look_until_stable()
    assert ward.names("rejected") == ["a.csv", "a.csv.reason.json"]
    item = ReviewItem.model_validate_json(ward.values("review")[0])
    assert (item.reason, item.withheld) == ("trailer-missing", True)
    assert item.raw is not None
    assert item.raw.name == "a.csv"


def test_a_cut_file_that_is_completed_in_time_is_accepted(ward: Ward) -> None:
    payload = export(0, ANNA).payload()
    path = ward.directory / "a.csv"
    path.write_bytes(payload[:200])
    ward.dated(path)
    ward.look_until_stable()
    path.write_bytes(payload)
    ward.dated(path)
    ward.look_until_stable()
    assert ward.names("done") == ["a.csv"]
    assert ward.values("review") == []


def test_the_reason_file_names_what_to_do(ward: Ward) -> None:
    ward.put("a.csv", export(0, ANNA)._replace(counted=7))
    ward.look_until_stable()
    reason = next((ward.directory / "rejected").glob("*.reason.json"))
    told = json.loads(reason.read_text(encoding="utf-8"))
    assert told["reason"] == "count-differs"
    assert told["where"] == "line 8"
    assert "export it again" in told["detail"]
    assert told["file"] == "a.csv"


def test_with_a_marker_only_marked_files_are_complete(tmp_path: Path) -> None:
    ward = Ward(tmp_path, Watching(done_marker=".klar"))
    ward.put("a.csv", export(0, ANNA))
    ward.look_until_stable()
    assert ward.observed() == []
    (tmp_path / "a.csv.klar").touch()
    ward.feed.look()
    assert ward.observed() == ["TEST-001 described"]
    assert ward.names() == []


def test_files_are_taken_in_order_of_export_time_whatever_their_names(ward: Ward) -> None:
    ward.put("c.csv", export(0, ANNA))
    ward.put("b.csv", export(15))
    ward.put("a.csv", export(30, ANNA))
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described", "TEST-001 discharged", "TEST-001 described"]
    assert ward.names("rejected") == []


def test_names_of_other_kinds_and_hidden_files_are_left(ward: Ward) -> None:
    for name in ("notes.txt", ".a.csv", "a.csv.tmp"):
        ward.put(name, export(0, ANNA))
    ward.look_until_stable()
    assert ward.names() == [".a.csv", "a.csv.tmp", "notes.txt"]
    assert ward.observed() == []


def test_a_crash_between_commit_and_move_only_moves(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward.put("a.csv", export(0, ANNA))
    ward.put("b.csv", export(15, ANNA)._replace(counted=7))
    with monkeypatch.context() as crash:
        crash.setattr(Path, "replace", _no_move)
        ward.look_until_stable()
    assert ward.names() == ["a.csv", "b.csv"]
    written = {topic: len(ward.values(topic)) for topic in ("raw", "observations", "review")}
    assert written == {"raw": 2, "observations": 1, "review": 1}
    ward.feed = ward.new_feed()
    ward.look_until_stable()
    assert (ward.names("done"), ward.names()) == (["a.csv"], [])
    assert ward.names("rejected") == ["b.csv", "b.csv.reason.json"]
    assert {topic: len(ward.values(topic)) for topic in written} == written


def _no_move(_: Path, __: Path) -> Path:
    raise OSError("the process ends here")


def test_a_restarted_feed_goes_on_where_it_was(ward: Ward) -> None:
    ward.put("a.csv", export(0, ANNA))
    ward.look_until_stable()
    ward.feed = ward.new_feed()
    ward.put("b.csv", export(15, ANNA, BO))
    ward.put("a-again.csv", export(0, ANNA))
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described", "TEST-002 described"]
    assert ward.names("done") == ["a-again.csv", "a.csv", "b.csv"]


@pytest.mark.parametrize("takes_effect", [False, True])
def test_when_the_log_fails_files_stay_and_nothing_is_lost_or_doubled(
    ward: Ward, *, takes_effect: bool
) -> None:
    ward.put("a.csv", export(0, ANNA))
    ward.log.error, ward.log.takes_effect = LogError("the disk is away"), takes_effect
    ward.look_until_stable()
    assert ward.feed.figures.commits_failed == 1 + (not takes_effect)
    assert ward.names() == ([] if takes_effect else ["a.csv"])
    blocked = None if takes_effect else "exports cannot be committed: the disk is away"
    assert ward.blocking() == blocked
    ward.log.error = None
    ward.clocks.passed_s += 60
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described"]
    assert ward.names("done") == ["a.csv"]


def test_tries_after_failures_are_spaced_out(ward: Ward) -> None:
    ward.put("a.csv", export(0, ANNA))
    ward.log.error = LogError("the disk is away")
    for _ in range(100):
        ward.feed.look()
        ward.clocks.passed_s += 1.0
    assert ward.feed.figures.commits_failed == 7


def test_a_fenced_feed_ends(ward: Ward) -> None:
    ward.put("a.csv", export(0, ANNA))
    ward.log.error = LogFencedError("a newer owner")
    with pytest.raises(LogFencedError):
        ward.look_until_stable()


def test_a_quarantined_file_is_accepted_once_a_person_approves_it(ward: Ward) -> None:
    crowd = [Row("B1", str(bed), "1", f"TEST-{bed:03d}") for bed in range(10)]
    ward.put("a.csv", export(0, *crowd))
    ward.look_until_stable()
    ward.put("b.csv", export(15))
    ward.look_until_stable()
    assert ward.names("rejected") == ["b.csv", "b.csv.reason.json"]
    kept = next((ward.directory / "rejected").glob("*.csv"))
    kept.replace(ward.directory / "approved" / kept.name)
    ward.look_until_stable()
    assert ward.observed().count("TEST-003 discharged") == 1
    assert (ward.names("done"), ward.names("rejected")) == (["a.csv", "b.csv"], [])


def test_a_file_that_cannot_be_opened_stops_no_other(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward.put("a.csv", export(0, BO))
    ward.put("b.csv", export(15, ANNA))
    with monkeypatch.context() as locked:
        locked.setattr(reading, "open_file", _all_but_a(reading.open_file))
        ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described"]
    assert ward.names() == ["a.csv"]
    assert ward.feed.figures.files_unreadable >= 1


def _all_but_a(opened: Opens) -> Opens:
    def opens(path: Path) -> BinaryIO:
        if path.name.startswith("a"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path)

    return opens


def test_files_that_cannot_be_opened_starve_no_other(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(FILES_AT_ONCE + 1):
        ward.put(f"a{number:02}.csv", export(0, BO))
    ward.clocks.passed_s += 1.0
    ward.put("b.csv", export(15, ANNA))
    with monkeypatch.context() as locked:
        locked.setattr(reading, "open_file", _all_but_a(reading.open_file))
        ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described"]


def test_cut_files_that_wait_for_their_end_starve_no_other(ward: Ward) -> None:
    for number in range(FILES_AT_ONCE + 1):
        ward.cut(f"a{number:02}.csv", export(number, BO))
    ward.clocks.passed_s += 1.0
    ward.put("b.csv", export(30, ANNA))
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described"]
    assert ward.values("review") == []


def test_files_that_cannot_be_moved_starve_no_other_and_are_moved_later(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as read_only:
        read_only.setattr(Path, "replace", _no_move)
        for number in range(FILES_AT_ONCE + 1):
            ward.put(f"a{number:02}.csv", export(number, BO))
        ward.look_until_stable()
        ward.put("b.csv", export(30, ANNA, BO))
        ward.look_until_stable()
    assert ward.observed() == ["TEST-002 described", "TEST-001 described"]
    assert ward.feed.figures.files_waiting == FILES_AT_ONCE + 2
    ward.feed.look()
    assert (ward.names(), len(ward.names("done"))) == ([], FILES_AT_ONCE + 2)
    assert ward.feed.figures.files_waiting == 0


def test_a_file_put_in_the_place_of_one_that_was_read_is_not_moved_unread(ward: Ward) -> None:
    path = ward.put("a.csv", export(0, ANNA))
    ward.log.after_commit = lambda: _replaced(path, export(15, ANNA, BO))
    ward.look_until_stable()
    assert (ward.names(), ward.names("done")) == (["a.csv"], [])
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described", "TEST-002 described"]
    assert (ward.names(), ward.names("done")) == ([], ["a.csv"])
    assert ward.feed.figures.files_replaced == 1


def _replaced(path: Path, file: File) -> None:
    beside = path.with_suffix(".part")
    beside.write_bytes(file.payload())
    beside.replace(path)


def test_a_file_that_changes_while_it_is_read_is_left_until_it_rests(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ward.put("a.csv", export(0, ANNA))
    with monkeypatch.context() as writer:
        writer.setattr(reading, "open_file", _and_written_to(reading.open_file))
        ward.look_until_stable()
        assert ward.values("raw") == []
    path.write_bytes(export(0, ANNA, BO).payload())
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described", "TEST-002 described"]


def _and_written_to(opened: Opens) -> Opens:
    return lambda path: cast("BinaryIO", _Written(opened(path), path))


class _Written:
    """A file that another program writes to between its first byte and its last."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path

    def read(self, size: int) -> bytes:
        payload = self._file.read(size)
        os.utime(self._path, ns=(0, os.fstat(self._file.fileno()).st_mtime_ns + 1))
        return payload

    def fileno(self) -> int:
        return self._file.fileno()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def test_a_share_that_stumbles_ends_nothing(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.put("a.csv", export(0, ANNA))
    asked = Path.stat
    with monkeypatch.context() as stale:
        stale.setattr(Path, "stat", lambda path, **how: _stat_unless_csv(path, how, asked))
        ward.look_until_stable()
    assert ward.observed() == []
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described"]


def _stat_unless_csv(
    path: Path, how: dict[str, bool], asked: Callable[..., os.stat_result]
) -> os.stat_result:
    if path.suffix == ".csv":
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    return asked(path, **how)


def test_a_directory_that_is_not_there_blocks_and_is_no_empty_one(ward: Ward) -> None:
    ward.feed.look()
    ward.put("a.csv", export(0, ANNA))
    away = ward.directory.rename(ward.directory.with_name("away"))
    ward.look_until_stable()
    assert ward.blocking() == "the directory cannot be read: No such file or directory"
    away.rename(ward.directory)
    ward.look_until_stable()
    assert (ward.blocking(), ward.observed()) == (None, ["TEST-001 described"])


def test_what_is_no_file_is_left(ward: Ward) -> None:
    (ward.directory / "folder.csv").mkdir()
    os.mkfifo(ward.directory / "pipe.csv")
    (ward.directory / "nowhere.csv").symlink_to("nowhere")
    (ward.directory / "circle.csv").symlink_to("circle.csv")
    (ward.directory / "link.csv").symlink_to(ward.put("real.txt", export(0, ANNA)))
    ward.look_until_stable()
    assert ward.observed() == ["TEST-001 described"]
    assert ward.names("done") == ["link.csv"]
    assert ward.feed.figures.files_waiting == 0


def test_figures_ask_the_file_system_nothing(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are asked in the event loop, where a share that hangs would stop every feed."""
    path = ward.put("a.csv", export(0, ANNA))
    ward.feed.look()
    with monkeypatch.context() as hangs:
        for asks in ("stat", "glob", "iterdir"):
            hangs.setattr(Path, asks, None)
        hangs.setattr(os, "scandir", None)
        figures = ward.feed.figures.counts()
    assert (path.exists(), figures["files_waiting"]) == (True, 1)


def test_a_file_that_is_too_large_is_refused_without_being_read_whole(ward: Ward) -> None:
    guards = Guards(file_bytes=1000)
    ward.settings = ward.settings.model_copy(update={"guards": guards})
    ward.feed = ward.new_feed()
    ward.put("a.csv", export(0, *[ANNA] * 50))
    ward.look_until_stable()
    pointer = RawPointer.model_validate_json(ward.values("raw")[0])
    assert pointer.size == 1001
    assert ReviewItem.model_validate_json(ward.values("review")[0]).reason == "file-too-large"
    assert ward.names("rejected") == ["a.csv", "a.csv.reason.json"]


@pytest.mark.parametrize("step", ["parse", "compare"])
def test_a_fault_of_ours_at_one_file_refuses_it_and_ends_nothing(
    ward: Ward, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward.put("a.csv", export(0, BO))
    with monkeypatch.context() as faulty:
        faulty.setattr(f"adapters.elvis.handle.{step}", _fault)
        ward.look_until_stable()
    ward.put("b.csv", export(15, ANNA))
    ward.look_until_stable()
    item = ReviewItem.model_validate_json(ward.values("review")[0])
    assert (item.reason, item.detail.split()[0]) == ("internal-error", "ZeroDivisionError")
    assert ward.names("rejected") == ["a.csv", "a.csv.reason.json"]
    assert ward.observed() == ["TEST-001 described"]


def _fault(*_: object) -> object:
    return 1 / 0


def test_a_file_that_vanishes_between_two_steps_is_no_failure(ward: Ward) -> None:
    path = ward.put("a.csv", export(0, ANNA))
    ward.feed.look()
    path.unlink()
    ward.look_until_stable()
    assert ward.observed() == []


def test_stable_files_need_an_earlier_sighting_with_the_same_size_and_time() -> None:
    stable, path = StableFiles(2.0), Path("a.csv")
    steps = [(0.0, 10), (1.0, 10), (2.5, 11), (3.0, 11), (4.5, 11), (5.0, 11)]
    told = [bool(stable.observe({path: Signature(size, 1)}, at)) for at, size in steps]
    assert told == [False, False, False, False, True, True]
    assert stable.observe({}, 6.0) == []
    assert stable.observe({path: Signature(11, 1)}, 9.0) == []


@pytest.mark.parametrize("polling", [False, True])
def test_the_thread_sees_files_appear(tmp_path: Path, *, polling: bool) -> None:
    watching = Watching(stable_s=0.0, look_s=0.05, polling=polling)
    settings = ElvisSettings(directory=tmp_path / "inbox", watching=watching)
    log, register = MemoryLog(), WardRegister(open_register=True)
    feed = ElvisDirectoryFeed(FEED, settings, register, KEYER, log, Clocks().now)
    feed.start()
    try:
        for number in range(3):
            part = tmp_path / "inbox" / f"{number}.part"
            part.write_bytes(export(number, ANNA._replace(bed=str(number))).payload())
            part.replace(part.with_suffix(".csv"))
            seen = {TopicPartition("observations", 0): number}
            assert log.wait(["observations"], seen, 20.0)
    finally:
        feed.stop()
    assert feed.failure is None
    assert not feed.is_alive()


def test_a_feed_that_fails_says_why(tmp_path: Path) -> None:
    settings = ElvisSettings(directory=tmp_path, watching=Watching(stable_s=0.0, look_s=0.05))
    register, log = WardRegister(open_register=True), FailingLog()
    log.error = LogFencedError("a newer owner")
    feed = ElvisDirectoryFeed(FEED, settings, register, KEYER, log, Clocks().now)
    (tmp_path / "a.csv").write_bytes(export(0, ANNA).payload())
    feed.start()
    for thread in threading.enumerate():
        if thread.name == "feed-elvis":
            thread.join(20.0)
    assert isinstance(feed.failure, LogFencedError)
    feed.stop()
