"""``wardbridge check-message``: what a feed makes of a message, and what the standard says, in plain words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wardbridge.support import LAB, command, configured, lab_text
from tests.wardbridge.test_hl7_door import PROFILE, message


def checked(path: Path, config: Path = LAB, feed: str = "hl7") -> tuple[int, list[str], str]:
    done = command("check-message", "--config", config, "--feed", feed, path)
    return done.returncode, done.stdout.splitlines(), done.stderr


def written(folder: Path, content: bytes) -> Path:
    path = folder / "in.hl7"
    path.write_bytes(content)
    return path


def test_a_message_that_is_right_is_said_to_be(tmp_path: Path) -> None:
    path = written(tmp_path, message(name="Provsson^Bo").encode())
    assert checked(path) == (
        0, [f"{path}, message 1: accepted", "  structure: as the standard has it"], "",
    )  # fmt: skip


def test_each_message_of_a_file_is_told_of(tmp_path: Path) -> None:
    wrong = message(name="", visit="").replace("PV1|1|I", "PV1|1|Q")
    path = written(tmp_path, (message(name="Bo") + wrong + "BTS|9\r").encode())
    code, lines, _ = checked(path)
    assert code == 3
    assert [line.partition(", ")[2] for line in lines if not line.startswith(" ")] == [
        "message 1: accepted",
        (
            "message 2: review: visit-missing at PV1-19: the feed's visit field is empty: nothing tells which "
            "stay it is about"
        ),
        (
            "message 3: review: batch-count-differs at BTS-1: the trailer counts 9, the file has 2: look for "
            "what was lost"
        ),
    ]
    assert (
        "  structure: PV1-2 holds a code that table 0004 does not list (HL7 v2.5.1, section 3.4.3.2)"
        in lines
    )


def test_what_is_read_otherwise_than_declared_is_a_warning(tmp_path: Path) -> None:
    path = written(tmp_path, message(charset="OWN-7", name="Bo").encode())
    code, lines, _ = checked(path)
    assert (code, lines[0]) == (3, f"{path}, message 1: accepted")
    assert lines[1].startswith("  warning: charset-unknown at MSH-18: ")
    config = configured(
        tmp_path, lab_text().replace(PROFILE, PROFILE + 'charsets = {"OWN-7" = "cp850"}\n')
    )
    assert checked(path, config)[0] == 0


def test_nothing_of_a_patient_is_printed(tmp_path: Path) -> None:
    content = message(name="Provsson^Bo", visit="SECRET-1", mark="NOWHERE^^^^^^^^^^^^^x")
    code, lines, _ = checked(written(tmp_path, content.encode()))
    assert code == 0
    assert not [
        line for line in lines for word in ("Prov", "4711", "SECRET", "NOWHERE") if word in line
    ]


@pytest.mark.parametrize(
    ("feed", "name", "told"),
    [
        ("fhir", "in.hl7", "use normalise"),
        ("hl8", "in.hl7", "hl7"),
        ("hl7", "no.hl7", "cannot be read"),
    ],
)
def test_it_says_why_it_cannot_run(tmp_path: Path, feed: str, name: str, told: str) -> None:
    written(tmp_path, message().encode())
    code, lines, error = checked(tmp_path / name, feed=feed)
    assert (code, lines) == (2, [])
    assert told in error
