"""Audits what commands show of patients, before it is shown (HSLF-FS 2016:40, 4:9).

Every command stands in one of the two tables; the tests refuse one that stands in none, and one of the
first table that shows something without a note of it.
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import typer

from bus.port import Log, LogError
from schemas.audit import Action, AuditEntry, Seen
from wardbridge.cli._shared import refuse
from wardbridge.security.audit_spool import note

READS: Final[Mapping[str, str]] = {
    "audit list": "visits and patients' keys",
    "deliveries list": "visits and wards",
    "deliveries show": "a visit and its ward",
    "review list": "where in a patient's record something could not be read",
    "review show": "likewise",
}
"""Command to what it shows of patients."""

READS_NOTHING: Final[Mapping[str, str]] = {
    "bench": "what it makes itself",
    "check": "the configuration",
    "check-message": "files that whoever asks has",
    "deliveries pause": "the service is asked, and notes it",
    "deliveries resend": "likewise",
    "deliveries resume": "likewise",
    "deliveries skip": "likewise",
    "deliveries test": "likewise",
    "demo": "what it makes itself",
    "log clock": "times",
    "log copy": "how many records there are",
    "log mend": "positions",
    "normalise": "files that whoever asks has",
    "review discard": "the service is asked, and notes it; or it is noted here",
    "review replay": "likewise",
    "review resolve": "likewise",
    "run": "nothing",
    "schema": "the published language",
    "simulate receiver": "numbers, kinds and wards of what it is sent",
    "test": "files that whoever asks has",
    "topics": "the table",
}
"""Command to what it shows instead."""

BY_COMMAND: Final = "command"
MAX_LINES: Final = 1_000
MAX_SEEN: Final = 2_000
"""In one note: below the size of a record."""

_NO_LOGIN: Final = 0xFFFF_FFFF


class Line(NamedTuple):
    """What is to be shown, and of whom it is."""

    text: str
    of: Sequence[Seen] = ()


class Looking(NamedTuple):
    """Somebody looks into a log by a command, asking for something."""

    log: Log
    data: Path
    command: str
    asked: Sequence[object] = ()
    action: Action = Action.LOOKED_UP

    def show(self, lines: Iterable[Line]) -> None:
        """Show them, in parts, each once it is noted; that nothing was found is noted too."""
        for part in _parts(lines):
            self.note(dict.fromkeys(each for line in part for each in line.of))
            for line in part:
                typer.echo(line.text)

    def note(self, of: Iterable[Seen]) -> None:
        """Note it, or end the command."""
        seen = list(of)
        about = " ".join([self.command, *(str(each) for each in self.asked if each)])
        try:
            for start in range(0, max(len(seen), 1), MAX_SEEN):
                some = tuple(seen[start : start + MAX_SEEN])
                note(self.log, self.data, _entry(about, some, self.action))
        except (LogError, OSError) as error:
            reason = error if isinstance(error, LogError) else error.strerror
            refuse(
                f"who reads this cannot be noted, so it is not shown: {reason}; the folder that "
                "--data names must be writable for you"
            )


def _entry(about: str, seen: tuple[Seen, ...], action: Action) -> AuditEntry:
    return AuditEntry(
        at=datetime.now(UTC), action=action, reader=who(), how=BY_COMMAND, unit="", ward="",
        fields="minimal", seen=seen, about=about,
    )  # fmt: skip


def who() -> str:
    """The user and the machine; where somebody else has logged in (``sudo``), them as well."""
    user, login = _name(os.getuid()), _logged_in()
    as_whom = f"{login} as {user}" if login not in {None, user} else user
    return f"{as_whom}@{socket.gethostname()}"


def _logged_in() -> str | None:
    """By the kernel's account (proc(5), ``loginuid``), which no environment variable changes."""
    try:
        number = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if number == _NO_LOGIN else _name(number)


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _parts(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """At least one, though it be empty."""
    part, seen = list[Line](), 0
    for line in lines:
        if len(part) >= MAX_LINES or seen >= MAX_SEEN:
            yield part
            part, seen = [], 0
        part.append(line)
        seen += len(line.of)
    yield part
