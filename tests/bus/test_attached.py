"""A process attached to the log of another: what becomes of it when the writing one is gone."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.port import LogError, Record
from bus.sqlite import SqliteLog
from bus.sqlite.attached import AttachedLog
from schemas.topics import RAW

RECORD = Record(RAW, "r", "k", b"v")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    SqliteLog.open(path).close()
    return path


@pytest.fixture
def deaf(file: Path) -> Iterator[tuple[AttachedLog, socket.socket, threading.Event]]:
    """Attached to a writer that never answers; the other end, and whether it was said gone."""
    ours, theirs = socket.socketpair()
    gone = threading.Event()
    log = AttachedLog(file, ours, on_gone=gone.set)
    yield log, theirs, gone
    theirs.close()
    log.close()


Deaf = tuple[AttachedLog, socket.socket, threading.Event]


def test_what_was_not_answered_fails_once_it_was_said_that_the_writer_is_gone(deaf: Deaf) -> None:
    log, theirs, gone = deaf
    answers: list[tuple[LogError | None, bool]] = []
    told = threading.Event()

    def answer(error: LogError | None) -> None:
        answers.append((error, gone.is_set()))
        told.set()

    log.submit([RECORD], answer)
    theirs.close()
    assert told.wait(20)
    ((error, was_said),) = answers
    assert "the process that writes the log is gone" in str(error)
    assert was_said


def test_whatever_comes_after_is_refused(deaf: Deaf) -> None:
    log, theirs, gone = deaf
    theirs.close()
    with pytest.raises(LogError, match="is gone"):
        log.append([RECORD])
    assert gone.is_set()
    with pytest.raises(LogError, match="is gone"):
        log.wait([RAW], {}, 20)


def test_its_own_end_is_not_the_writers(file: Path) -> None:
    ours, theirs = socket.socketpair()
    gone = threading.Event()
    with theirs:
        AttachedLog(file, ours, on_gone=gone.set).close()
    assert not gone.is_set()
