"""What takes too long is reported once; what ends in time never is."""

import subprocess
import sys
import threading

from bus.kafka.watchdog import EXIT_STUCK, Watchdog

AT_ONCE_S, NEVER_S = 0.001, 3600


def test_what_is_stuck_is_reported_by_what_it_does() -> None:
    reported, told = list[str](), threading.Event()

    def report(doing: str) -> None:
        reported.append(doing)
        told.set()

    watchdog = Watchdog(AT_ONCE_S, report)
    with watchdog.watching("a commit of router"):
        assert told.wait(30)
    watchdog.close()
    assert reported == ["a commit of router"]


def test_what_ends_in_time_is_not_reported() -> None:
    reported = list[str]()
    watchdog = Watchdog(NEVER_S, reported.append)
    for _ in range(3):
        with watchdog.watching("quick"):
            pass
    watchdog.close()
    assert reported == []


def test_each_of_several_has_its_own_time() -> None:
    reported, told, now = list[str](), threading.Event(), [0.0]

    def report(doing: str) -> None:
        reported.append(doing)
        told.set()

    watchdog = Watchdog(0.01, report, lambda: now[0])
    with watchdog.watching("early"):
        now[0] = 0.005
        with watchdog.watching("late"):
            now[0] = 0.012
            assert told.wait(30)
    watchdog.close()
    assert reported == ["early"]


def test_what_is_known_to_be_stuck_is_reported_before_its_time_and_before_others() -> None:
    reported, told = list[str](), threading.Event()

    def report(doing: str) -> None:
        reported.append(doing)
        told.set()

    watchdog = Watchdog(NEVER_S, report)
    with watchdog.watching("a commit"):
        watchdog.report("appending")
        assert told.wait(30)
    watchdog.close()
    assert reported == ["appending"]


def test_the_process_ends_with_a_code_of_its_own() -> None:
    program = (
        "import threading\n"
        "from bus.kafka.watchdog import Watchdog\n"
        "with Watchdog(0.01).watching('a commit'):\n"
        "    threading.Event().wait()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == EXIT_STUCK
    assert "commit_stuck" in ended.stdout + ended.stderr
