"""``wardbridge check`` tells of what two parts want, whatever else is wrong with either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.common.configured import HOLDS_BY, SettingsKind
from adapters.common.feed import FeedIdentity
from tests.wardbridge.test_check import errors
from wardbridge.config.kinds import KINDS

CLASH = """
[realms.lab]
[sources.ehr]
[feeds.hl7]
kind = "hl7v2-mllp"
source = "ehr"
port = {port}
[feeds.hl7.profile]
[feeds.other]
kind = "hl7v2-mllp"
source = "ehr"
port = 2575
[wards]
open = true
[authority.lab]
default = "ehr"
"""
UNKNOWN_KEYS = {
    "feeds.hl7.visit_asigner": (
        'kind = "hl7v2-mllp"\n',
        'kind = "hl7v2-mllp"\nvisit_asigner = "N"\n',
    ),
    "feeds.hl7.profile.visit_asigner": (
        "[feeds.hl7.profile]",
        '[feeds.hl7.profile]\nvisit_asigner = "N"',
    ),
    "feeds.hl7.profile.zone": ("[feeds.hl7.profile]", '[feeds.hl7.profile]\nzone = "nowhere"'),
    "feeds.hl7.source": ('source = "ehr"', 'source = "her"'),
    "http.prot": ("[http]", "[http]\nprot = 1"),
    "http.access": ("[http]", "[http]\naccess = 1"),
}


@pytest.mark.parametrize("wrong", UNKNOWN_KEYS)
@pytest.mark.parametrize("taken", [2575, 8080])
def test_what_is_wrong_with_a_part_hides_no_port_that_it_wants(
    wrong: str, taken: int, tmp_path: Path
) -> None:
    old, new = UNKNOWN_KEYS[wrong]
    text = "[http]\nport = 8080\n" + CLASH.format(port=taken)
    assert old in text
    found = errors(tmp_path, text.replace(old, new, 1))
    assert [each for each in found if each.key == wrong]
    clash = [each for each in found if f"port {taken}" in each.reason]
    assert len(clash) == 1, found


@pytest.mark.parametrize("wrong", ["port = 'x'", "host = 1"])
def test_a_port_that_cannot_be_told_clashes_with_none(wrong: str, tmp_path: Path) -> None:
    text = "[http]\nport = 8080\n" + CLASH.format(port=9000).replace("port = 9000", wrong, 1)
    assert not [each for each in errors(tmp_path, text) if "has that already" in each.reason]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_what_a_feed_holds_is_told_by_a_few_settings(kind: SettingsKind[Any]) -> None:
    asked: set[str] = set()

    class Settings:
        def __getattr__(self, name: str) -> object:
            asked.add(name)
            return 1

    list(kind.holds(FeedIdentity("f", "s", "r"), Settings()))
    assert asked <= HOLDS_BY
