"""What the door of an HL7 feed does with real traits, configured as users write it.

Each message has the trait of a public report (cases 1, 4, 10 and 52); `normalise` reads it with a TOML file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from tests.wardbridge.support import command, configured, lab_text

PROFILE: Final = "[feeds.hl7.profile]\n"
NAME: Final = {
    "windows-1252": "Šåström^Ženja",
    "utf-8": "Ščåström^Żenja",
    "iso8859-1": "Såström^Zenja",
}


PLAIN: Final = {
    "msh_7": "20260302091500", "msh_9": "ADT^A14^ADT_A05", "charset": "", "name": "", "visit": "Z1",
    "mark": "W1^", "evn_3": "",
}  # fmt: skip


def message(**said: str) -> str:
    """An A14; what differs from ``PLAIN`` by name."""
    has = PLAIN | said
    declared = f"|||||SE|{has['charset']}" if has["charset"] else ""
    return (
        f"MSH|^~\\&|TREND|NORR|WB|WB|{has['msh_7']}||{has['msh_9']}|ZN1|P|2.5.1{declared}\r"
        f"EVN|A14|20260302091500|{has['evn_3']}\r"
        f"PID|1||4711^^^LAB^MR||{has['name']}^^^^^L\r"
        f"PV1|1|I|||||||||||||||||{has['visit']}|||||||||||||||||||||||{has['mark']}\r"
    )


def normalised(folder: Path, content: bytes, profile: str = "") -> tuple[int, Sequence[Any]]:
    config = configured(folder, lab_text().replace(PROFILE, PROFILE + profile))
    path = folder / "in.hl7"
    path.write_bytes(content)
    done = command("normalise", "--config", config, "--feed", "hl7", path)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def only(folder: Path, content: bytes, profile: str = "") -> tuple[str, str, Any]:
    _, (line,) = normalised(folder, content, profile)
    (observation,) = line["observations"] or [None]
    return line["outcome"], line["reason"], observation


def test_the_offset_of_msh_7_is_the_messages_default(tmp_path: Path) -> None:
    content = message(msh_7="20260302091500+0000", evn_3="20260302130000").encode()
    _, _, seen = only(tmp_path, content)
    assert (seen["recorded_at"], seen["claims"]["expected_at"]) == (
        "2026-03-02T09:15:00Z", "2026-03-02T13:00:00Z",
    )  # fmt: skip
    assert seen["recorded_rule"] == "EVN-2 with the offset of MSH-7"
    _, _, seen = only(tmp_path, content, "offset_of_msh_7 = false\n")
    assert seen["recorded_at"] == "2026-03-02T08:15:00Z"


@pytest.mark.parametrize(
    ("declared", "codec", "reason"),
    [
        ("Windows-1252", "windows-1252", "accepted"),
        ("UNICODE", "utf-8", "accepted"),
        ("ISO IR192", "utf-8", "accepted"),
        ("ISO 8859-1", "iso8859-1", "accepted"),
        ("8859/1~UNICODE UTF-8", "iso8859-1", "accepted"),
        ("UNICODE UTF-8", "iso8859-1", "charset-differs"),
    ],
)
def test_a_plan_is_not_lost_for_a_letter(
    tmp_path: Path, declared: str, codec: str, reason: str
) -> None:
    content = message(charset=declared, name=NAME[codec]).encode(codec)
    outcome, said, seen = only(tmp_path, content)
    assert (outcome, said, seen["claims"]["mark"]) == ("accepted", reason, {"ward": "W1"})


def test_a_table_of_the_feed_says_what_a_name_means(tmp_path: Path) -> None:
    content = message(charset="OWN-7", name="Såström").encode("cp850")
    assert only(tmp_path, content) == ("review", "charset-unknown", None)
    outcome, said, _ = only(tmp_path, content, 'charsets = {"OWN-7" = "cp850"}\n')
    assert (outcome, said) == ("accepted", "accepted")
    done = command("check", "--config", configured(
        tmp_path, lab_text().replace(PROFILE, PROFILE + 'charsets = {"OWN-7" = "utf-16"}\n')
    ))  # fmt: skip
    assert done.returncode != 0
    assert "no character set" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("fields", "outcome", "reason", "mark"),
    [
        ({"mark": "W1^12^\x00^2"}, "accepted", "text-cleaned", {"ward": "W1", "room": "12"}),
        (
            {"mark": "W1^1\x002^2"},
            "accepted",
            "text-cleaned",
            {"ward": "W1", "room": "12", "bed": "2"},
        ),
        ({"mark": "W1\x00^12"}, "accepted", "text-unreadable", None),
        ({"visit": "CC3\x00"}, "review", "text-unreadable", None),
        ({"visit": "CC3\\X00\\"}, "review", "text-unreadable", None),
    ],
)
def test_no_control_character_is_let_out(
    tmp_path: Path, fields: dict[str, str], outcome: str, reason: str, mark: object
) -> None:
    found, said, seen = only(tmp_path, message(**fields).encode())
    assert (found, said) == (outcome, reason)
    assert (seen and seen["claims"].get("mark")) == mark
    assert "\\u0000" not in json.dumps(seen)


@pytest.mark.parametrize(
    ("msh_9", "told"),
    [
        ("ADT_A14", ("accepted", "accepted")),
        ("adt^a14", ("accepted", "accepted")),
        ("ADT_A05", ("accepted", "accepted")),  # EVN-1 says A14
        ("ADT$A14", ("review", "message-kind-unclear")),
        ("ORU^R01^ORU_R01", ("ignored", "not-adt")),
    ],
)
def test_only_another_kind_of_message_is_ignored(
    tmp_path: Path, msh_9: str, told: tuple[str, str]
) -> None:
    assert only(tmp_path, message(msh_9=msh_9).encode())[:2] == told


def test_messages_of_a_file_keep_their_order_and_none_is_lost(tmp_path: Path) -> None:
    first, second = message(visit="Z1"), message(visit="Z2")
    lines = [
        first,
        second,
        "\ufeff",
        first,
        " \x00",
        second,
        first[:-1],
        second,
        "BTS|9\r",
        "PID|9\r",
    ]
    _, found = normalised(tmp_path, "".join(lines).encode())
    assert [(each["input"]["index"], each["reason"]) for each in found] == [
        (0, "accepted"), (1, "accepted"), (2, "accepted"), (3, "accepted"),
        (4, "several-messages"), (5, "not-hl7"), (6, "batch-count-differs"),
    ]  # fmt: skip
    receipts = [o["stamp"]["received_at"] for each in found for o in each["observations"]]
    assert all(before < after for before, after in pairwise(receipts))
