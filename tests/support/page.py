"""A page of the documentation, done as it is written: its commands in one shell, its messages over a real socket."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

ANYTHING: Final = "…"


class Step(NamedTuple):
    """Something to do, and what it answers."""

    kind: str
    asked: str
    answer: str


def steps_of(page: str) -> Iterator[Step]:
    """What a page has its reader do, in its order."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for number, (kind, text) in enumerate(blocks):
        if kind == "hl7":
            after, answer = blocks[number + 1]
            yield Step("hl7", text, answer if after == "ack" else "…MSA|AA|…")
        elif kind == "toml":
            yield Step("toml", text, "")
        elif kind == "":
            for command, answer in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
                yield Step("sh", command, answer)


def fits(expected: str, found: str) -> bool:
    """Whether it is that, with anything for three dots; what is not said to be said is nothing."""
    parts = map(re.escape, expected.split(ANYTHING))
    return re.fullmatch(".*".join(parts), found, re.DOTALL) is not None


class Shell:
    """One bash that stays open, with our ``wardbridge``, and a ``sudo`` that runs what it is given."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        ours = folder / "commands"
        ours.mkdir()
        for name, command in (("wardbridge", f"{sys.executable} -m wardbridge"), ("sudo", "")):
            (ours / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
            (ours / name).chmod(0o755)
        path = f"{ours}:{environment.get('PATH', os.defpath)}"
        self._bash = subprocess.Popen(
            ["bash", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, cwd=folder, env={**environment, "COLUMNS": "200", "PATH": path},
            start_new_session=True,
        )  # fmt: skip

    def close(self) -> None:
        """End it, and whatever it started."""
        with self._bash:
            os.killpg(self._bash.pid, signal.SIGKILL)

    def run(self, command: str) -> str:
        """What it says, on whichever channel."""
        stdin, stdout = self._bash.stdin, self._bash.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{command}\necho; echo '--end--'\n")
        stdin.flush()
        said = "".join(iter(stdout.readline, "--end--\n")).removesuffix("\n")
        return said if not said or said.endswith("\n") else f"{said}\n"

    def does(self, command: str, answer: str) -> None:
        """Do something once, and see that it answers so."""
        found = self.run(command)
        assert fits(answer, found), f"{command}\n{found}"

    @retry(
        retry=retry_if_exception_type(AssertionError),
        wait=wait_fixed(0.1),
        stop=stop_after_delay(60),
        reraise=True,
    )
    def shows(self, command: str, answer: str) -> None:
        """See what the page says that one sees, as soon as it is there."""
        self.does(command, answer)
