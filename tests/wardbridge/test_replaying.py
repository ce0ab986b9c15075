"""A subscriber reads what it was sent, and has it sent again: its own, at wards that it may read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from bus.port import Record
from bus.records import records_of
from router.delivery import history as module
from schemas import topics
from schemas.audit import Action, AuditEntry
from schemas.documents import json_schema
from tests.delivery.dispatching import Endpoint, dispatching, receipts, sender_to, until
from tests.delivery.notices import queued
from tests.wardbridge.test_fhir_surface import ACCESS, REGISTER, bearer, gate
from tests.wardbridge.test_http import Surface, surface
from tests.wardbridge.test_registering import put
from wardbridge.api.replaying import MAX_NOTICES

WARDS = ["MED", "KIR", "MED", "MED", "KIR", "MED"]


def sent() -> list[Record]:
    return [queued("feed", ward, number, None) for number, ward in enumerate(WARDS, 1)]


def asked(work: Callable[[Surface], Any]) -> None:
    """A subscriber of its own token has been sent six notices; it may read one of the two wards."""

    async def run() -> None:
        async with surface(register=REGISTER, gate=gate(), access=ACCESS) as running:
            made = await put(running, "feed", token="portal")  # noqa: S106 - its name
            assert made.status_code == 201, made.text
            running.log.append(sent())
            async with dispatching(running.log, sender_to(Endpoint(), "feed")):
                await until(lambda: len(receipts(running.log)) == 6)
            await work(running)

    asyncio.run(run())


async def read(running: Surface, query: str = "", by: str = "portal", name: str = "feed") -> Any:
    return await running.client.get(f"/v1/subscribers/{name}/notices{query}", headers=bearer(by))


async def again(running: Surface, said: Any, by: str = "portal") -> httpx.Response:
    path = "/v1/subscribers/feed/replay"
    return await running.client.post(path, json=said, headers=bearer(by))


def numbers(answer: httpx.Response) -> list[int]:
    return [each["subscriptionsequence"] for each in answer.json()["notices"]]


def test_it_reads_its_own_notices_from_a_number_in_pages() -> None:
    async def work(running: Surface) -> None:
        whole = await read(running)
        assert whole.status_code == 200
        assert (numbers(whole), whole.json()["newest"]) == ([1, 3, 4, 6], 6)
        assert "next" not in whole.json()
        assert numbers(await read(running, "?from=4")) == [4, 6]
        page = await read(running, "?from=2&limit=3")
        assert (numbers(page), page.json()["next"]) == ([3, 4], 5)
        assert numbers(await read(running, "?from=7")) == []

    asked(work)


def test_one_answer_has_so_many_of_them_at_most() -> None:
    async def work(running: Surface) -> None:
        assert (await read(running, f"?limit={MAX_NOTICES}")).status_code == 200
        assert (await read(running, f"?limit={MAX_NOTICES + 1}")).status_code == 422

    asked(work)


def test_it_reads_them_from_a_time() -> None:
    async def work(running: Surface) -> None:
        assert numbers(await read(running, "?since=2026-01-01T00:00:00Z")) == [1, 3, 4, 6]
        assert numbers(await read(running, "?since=2999-01-01T00:00:00%2B01:00")) == []
        assert (await read(running, "?since=2026-01-01T00:00:00")).status_code == 422

    asked(work)


def test_they_are_as_a_webhook_would_bring_them() -> None:
    async def work(running: Surface) -> None:
        for event in (await read(running)).json()["notices"]:
            Draft202012Validator(json_schema("subscriber-notice")).validate(event)
            assert None not in event["data"].values()

    asked(work)


@pytest.mark.parametrize(("by", "status"), [("screen", 404), ("region", 404), ("admin", 200)])
def test_they_are_no_other_s(by: str, status: int) -> None:
    async def work(running: Surface) -> None:
        assert (await read(running, by=by)).status_code == status
        assert (await again(running, {"from": 1}, by)).status_code == (
            202 if status == 200 else 404
        )
        assert (await read(running, by=by, name="nobody")).status_code == 404

    asked(work)


def test_what_it_was_sent_is_sent_again_under_the_same_number() -> None:
    async def work(running: Surface) -> None:
        answer = await again(running, {"from": 2, "to": 4})
        assert (answer.status_code, answer.json()["queued"]) == (202, [3, 4])
        endpoint = Endpoint()
        async with dispatching(running.log, sender_to(endpoint, "feed")):
            await until(lambda: len(endpoint.taken) == 2)
        assert [(each.sequence, each.notice.id) for each in endpoint.taken] == [
            (3, "MED-3"),
            (4, "MED-4"),
        ]
        assert numbers(await read(running)) == [1, 3, 4, 6], "nothing was counted anew"

    asked(work)


def test_what_has_not_ended_is_not_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REPLAYED_AT_ONCE", 2)

    async def work(running: Surface) -> None:
        running.log.append([queued("feed", "MED", 7)])
        assert (await again(running, {"from": 6})).json() == {
            "subscriber": "feed", "queued": [6], "next": None,
        }  # fmt: skip
        assert (await again(running, {"from": 1})).json() == {
            "subscriber": "feed", "queued": [1, 3], "next": 4,
        }  # fmt: skip

    asked(work)


def test_who_asked_is_noted() -> None:
    async def work(running: Surface) -> None:
        await read(running)
        await again(running, {"from": 3})
        await until(lambda: len(_entries(running)) >= 3)
        entries = [(e.reader, e.action, e.about, len(e.seen)) for e in _entries(running)]
        assert ("portal", Action.READ, None, 4) in entries
        assert ("portal", Action.SENT_AGAIN, "feed/3-", 0) in entries

    asked(work)


def _entries(running: Surface) -> list[AuditEntry]:
    found = records_of(running.log, topics.AUDIT)
    return [AuditEntry.model_validate_json(each.value or b"") for each in found]
