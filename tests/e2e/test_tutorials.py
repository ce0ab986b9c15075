"""The tutorials, done as they are written: real processes, real sockets, real commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.packaging.project import ROOT
from tests.support.page import Shell, steps_of
from tests.support.service import free_offset

TUTORIALS: Final = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
WHERE: Final = "--config wardbridge.toml --data data"
PORTS: Final = (2575, 8080, 9080)
CHANGES: Final = ("send", "wardbridge run", "simulate", "printf", "kill", "mkdir")
"""Words of the commands that are done once; the others only look."""


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell({**os.environ, "HOME": str(tmp_path)}, tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("page", TUTORIALS, ids=[page.stem for page in TUTORIALS])
def test_a_tutorial_can_be_done_as_it_is_written(page: Path, shell: Shell, tmp_path: Path) -> None:
    offset = free_offset(*PORTS)
    for step in steps_of(page.read_text(encoding="utf-8")):
        if step.kind == "toml":
            text = step.asked.replace(":9080", f":{9080 + offset}")
            (tmp_path / "wardbridge.toml").write_text(text, encoding="utf-8")
            continue
        command = step.asked.replace(WHERE, f"{WHERE} --port-offset {offset}")
        for port in PORTS:
            command = command.replace(str(port), str(port + offset))
        act = shell.does if any(word in command for word in CHANGES) else shell.shows
        act(command, step.answer)
