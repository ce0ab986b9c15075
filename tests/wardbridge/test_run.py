"""What ``wardbridge run`` does before the service is there."""

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wardbridge.support import LAB, cli
from wardbridge.cli.run import stop_signals
from wardbridge.config.load import load
from wardbridge.runtime.files import FILES, allow_more_files, too_few_files


@pytest.fixture
def highest() -> Iterator[int]:
    """The most files that this process may have open; its own limit is a quarter of it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] // 4, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_it_takes_as_many_files_as_it_may_have(highest: int) -> None:
    allowed = allow_more_files()
    most = FILES if highest == resource.RLIM_INFINITY else min(FILES, highest)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, highest)
    assert allowed == most


def test_streams_that_could_not_all_be_open_are_warned_of(tmp_path: Path) -> None:
    lab = load(LAB, tmp_path)
    assert [warning.partition(":")[0] for warning in too_few_files(4_096, lab)] == [
        "http.max_connections"
    ]
    assert list(too_few_files(FILES, lab)) == []


def test_on_sqlite_roles_do_not_part(tmp_path: Path) -> None:
    done = cli("run", "--config", LAB, "--data", tmp_path, "--role", "router")
    assert done.returncode == 2
    assert "one process writes a log in SQLite" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("answer", "ends"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
def test_a_hang_up_ends_it_unless_it_was_started_to_outlive_its_terminal(
    answer: signal.Handlers,
    ends: bool,  # noqa: FBT001 - a table's column
) -> None:
    before = signal.signal(signal.SIGHUP, answer)
    try:
        assert (signal.SIGHUP in stop_signals()) is ends
    finally:
        signal.signal(signal.SIGHUP, before)
