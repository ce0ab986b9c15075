"""Claims while they are gathered: what is said, what is a trouble, what another feed owns."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

import pytest

from adapters.common.claims_builder import ClaimsBuilder
from adapters.common.origin import Origins, ValueOrigin
from adapters.common.outcome import Trouble

BLURRED = Trouble("ward-unknown", "no such code", "PV1-3")


@pytest.mark.parametrize(
    ("owned", "value", "claims", "troubles"),
    [
        (None, "W1", {"mark": "W1"}, []),
        (None, None, {"mark": None}, []),
        (None, BLURRED, {}, [replace(BLURRED, mark_unread=True)]),
        (["mark"], "W1", {"mark": "W1"}, []),
        (["place"], "W1", {}, []),
        (["place"], BLURRED, {}, []),
    ],
)
def test_a_value_is_claimed_or_a_trouble_and_nothing_where_another_feed_owns_it(
    owned: Container[str] | None, value: object, claims: dict[str, object], troubles: list[Trouble]
) -> None:
    origins = Origins(asked=True)
    said = ClaimsBuilder(origins, [], owned)
    said.say("mark", value, "PV1-42", "profile.marks")
    origins.finish()
    assert (said, said.troubles) == (claims, troubles)
    assert origins.finished == [
        {f"claims.{name}": ValueOrigin("PV1-42", "profile.marks") for name in claims}
    ]


def test_nothing_is_noted_where_nobody_asks() -> None:
    origins = Origins(asked=False)
    ClaimsBuilder(origins, []).say("mark", "W1", "PV1-42", "profile.marks")
    origins.note("visit", "PV1-19", "profile.visit")
    origins.finish()
    assert origins.finished == []


def test_an_observation_that_comes_to_nothing_leaves_no_origin_to_the_next() -> None:
    origins = Origins(asked=True)
    origins.note("visit", "first", "profile.visit")
    origins.drop()
    origins.note("what", "second", "the table of statuses")
    origins.finish()
    assert origins.finished == [{"what": ValueOrigin("second", "the table of statuses")}]
